//! Host functions: one file for each interface of the contract.

mod document;
mod fhir;
mod given;
mod http;
mod operation;
mod outbox;
mod overlay;
mod rules;
mod secrets;
mod settings;
mod timers;
mod writes;

pub use rules::permits;
