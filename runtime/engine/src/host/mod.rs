//! Host functions: one file for each interface of the contract.

mod document;
mod fhir;
mod outbox;
mod overlay;
mod settings;
mod timers;
mod writes;
