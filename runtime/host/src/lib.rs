//! Wiring: resolve, HTTP servers, the run loop, drain and telemetry.
//!
//! [`Host::start`] opens the ledger, claims it, puts sources and bots in service and binds the sockets; [`Host::stop`] drains. The rooms know each other
//! only through what is joined here. The clock is passed in; so is nothing else, because the rest is in [`Config`].

mod admin;
mod agenda;
mod bots;
mod clock;
mod config;
mod core;
mod deploy;
mod doctor;
mod host;
mod inflight;
mod keeper;
mod keyed;
pub mod local;
mod master_key;
mod resolve;
pub mod restore;
mod run;
mod secrets;
mod server;
mod sources;
pub mod telemetry;
mod webhooks;

pub use clock::SystemClock;
pub use config::{Config, ConfigError, Encryption, HostLimits, KeySource, Retention};
pub use doctor::offline as doctor;
pub use host::{Host, StartError};
pub use master_key::KeyError;
pub use secrets::SecretError;
