//! Wiring: resolve, HTTP servers, the run loop, drain and telemetry.
//!
//! [`Host::start`] opens the ledger, claims it, puts sources and bots in service and binds the sockets; [`Host::stop`] drains. The rooms know each other
//! only through what is joined here. The clock is passed in; what else a host stands on is in [`Means`], so that a simulation can put the store, the sandbox and the
//! network in their place: [`Running`] is the same host without sockets.

mod admin;
mod agenda;
mod bots;
mod clock;
mod config;
mod core;
mod deploy;
mod doctor;
mod gaps;
mod host;
mod inflight;
mod keeper;
mod keyed;
pub mod local;
mod master_key;
mod means;
pub mod moving;
mod observe;
mod outbound;
mod reopen;
mod resolve;
pub mod restore;
mod run;
mod running;
mod sandbox;
mod secrets;
mod server;
mod sources;
pub mod telemetry;
mod trial;
mod webhooks;

pub use clock::SystemClock;
pub use config::{Config, ConfigError, Encryption, HostLimits, KeySource, Outbound, Retention};
pub use doctor::offline as doctor;
pub use hob_engine::{CompileLimits, Compiler, compile_stdin};
pub use host::{Host, StartError};
pub use master_key::KeyError;
pub use means::Means;
pub use outbound::Allowed;
pub use running::Running;
pub use sandbox::{Prepared, Sandbox};
pub use secrets::SecretError;
