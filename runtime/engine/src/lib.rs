//! The WebAssembly sandbox: compile, pool, limits, host functions, journal.
//!
//! [`Engine`] is made once; [`Engine::prepare`] checks and compiles a release once; [`Release::run`] runs one attempt in a fresh
//! instance, and answers with what the bot decided, every host call it made, and why it failed if it did. Nothing is written
//! anywhere from here: effects go back to the caller, who records them before they are committed.

mod bindings;
mod budget;
mod cache;
mod compile;
mod config;
mod criteria;
mod document;
mod engine;
mod error;
mod event;
mod fhirpath;
mod functions;
mod host;
mod loaded;
mod log;
mod outbound;
mod pool;
mod precompiled;
mod query;
mod reads;
mod recorder;
mod release;
mod replay;
mod run;
mod scopes;
mod scrub;
mod secret;
mod sign;
mod staging;
mod state;
mod stop;
mod tape;
mod trace;
mod world;

pub use compile::{CompileLimit, CompileLimits, Compiler, compile_stdin};
pub use config::{CodeFor, Denial, EngineConfig};
pub use document::Document;
pub use engine::{Components, Engine};
pub use error::EngineError;
pub use fhirpath::{FhirPathError, check_fhirpath, when_fhirpath};
pub use host::permits;
pub use outbound::{HttpError, HttpRequest, HttpResponse, Offline, Outbound, Outside};
pub use reads::{FhirError, FhirErrorCode, FhirReads, Found, Page, ReadCapabilities};
pub use release::Release;
pub use replay::{Replayed, is_unknown, unknown};
pub use run::{RunInput, RunOutput};
pub use scrub::Scrub;
pub use secret::{Secrets, basic_pair, placeholder, secrets_in};
pub use stop::LIMIT_CODES;
