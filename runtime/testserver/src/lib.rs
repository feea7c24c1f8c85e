//! A small FHIR R4 server in memory, for tests and the simulation; never for production: it keeps everything in memory, knows no users and
//! checks resources hardly at all.
//!
//! - [`Server`] is the server without I/O, clock or randomness: a request and the time in, an answer out, and what its Subscriptions want sent
//!   in [`Server::take_posts`]. The same requests at the same times give the same bytes.
//! - [`Settings`] say which server it is like: what is optional in R4, and what HAPI does its own way.
//! - [`Running`] puts it on a socket and delivers its notifications, and the program `hob-testserver` makes that a process.
//!
//! What it does: create (conditional too), read, vread, update, JSON Patch, delete, histories of instances and types, searches judged by
//! `hob-search`, transaction, batch, and Subscriptions of type rest-hook. Operations, conditional updates, chains and `_include` it refuses.

mod answer;
mod ask;
mod bundle;
mod codes;
mod front;
mod history;
mod hook;
mod integrity;
mod metadata;
mod paged;
mod poster;
mod refusal;
mod search;
mod seed;
mod server;
mod settings;
mod store;
mod write;

pub use front::{Deliveries, Running};
pub use hook::{Post, SEND_DELETES};
pub use poster::Delivery;
pub use seed::SeedError;
pub use server::{Kept, Server};
pub use settings::{Activation, ConflictStatus, Settings, VersionIds};
