//! A small FHIR R4 server in memory, for tests and the simulation; never for production: it keeps everything in memory, knows no users and
//! checks resources hardly at all.
//!
//! - [`Server`] is the server without I/O, clock or randomness: a request and the time in, an answer out, and what its Subscriptions want sent
//!   in [`Server::take_posts`]. The same requests at the same times give the same bytes.
//! - [`Settings`] say which server it is like: what is optional in R4, and what HAPI does its own way.
//! - [`Running`] puts it on a socket and delivers its notifications, and the program `hob-testserver` makes that a process.
//!
//! What it does: all that R4's REST has (reads, writes, patches, conditions, histories, transactions), searches by R4's own parameters with chains,
//! `_has`, `_include` and sorting, `$everything`, `$validate`, and Subscriptions by rest-hook, to criteria and to topics. How near that is to a
//! real server is measured: `tests/tests/parity` plays the same requests to it and to HAPI. What it lacks is in `docs/testserver.md`.
//!
//! For a program that has no use for a socket:
//!
//! ```
//! use hob_model::{BaseUrl, Timestamp};
//! use hob_testserver::{Server, Settings};
//! use serde_json::json;
//!
//! let mut server = Server::new(Settings::standard(BaseUrl::new("http://fhir.test/r4")?));
//! server.seed(Timestamp::default(), json!({"resourceType": "Patient", "id": "ana", "gender": "female"}))?;
//! let found = server.get(Timestamp::default(), "Patient?gender=female");
//! assert_eq!(found.status(), 200);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod ask;
mod bundle;
mod elements;
mod fhirpath_patch;
mod filter;
mod front;
mod history;
mod hook;
mod include;
mod integrity;
mod matches;
mod metadata;
mod operation;
mod paged;
mod patch;
mod poster;
mod reading;
mod refusal;
mod search;
mod seed;
mod serve;
mod server;
mod settings;
mod shape;
mod sort;
mod store;
mod topic;
mod write;

pub use front::{Deliveries, Running};
pub use hook::{Post, SEND_DELETES};
pub use poster::Delivery;
pub use reading::Reading;
pub use seed::{SeedError, SeedFileError, seeds_in};
pub use server::{Kept, Server};
pub use settings::{Activation, ConflictStatus, Manners, Settings, VersionIds};
