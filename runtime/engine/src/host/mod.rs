//! Host functions: one file for each interface of the contract.

mod document;
mod fhir;
mod http;
mod outbox;
mod overlay;
mod rules;
mod settings;
mod timers;
mod writes;
