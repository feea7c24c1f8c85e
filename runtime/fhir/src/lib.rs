//! The FHIR REST client: reads, fenced commits, subscriptions and the source check (FHIR R4, JSON).
//!
//! Goal: a run's effects happen once on a real server, whatever is lost on the way, and nothing that a server says or leaves
//! out is taken for more than it is. So every entry's status is checked, a search that dropped a parameter is an error, links
//! are followed only below the source's own base URL, and answers are bounded while they stream in.
//!
//! - [`Transport`] carries one exchange: the network, or whatever stands in its place.
//! - [`Client`] does one interaction at a time and knows nothing of runs.
//! - [`plan`] makes the transaction of a run's effects: pure, so that its bytes can be in the ledger before they are sent.
//! - [`fence`] says what makes a transaction succeed at most once, and argues it window by window.
//! - [`commit`] sends a plan and finds out what became of one that was sent.
//! - [`subscriptions`] makes the server notify; [`check`] proves on the live server what it can do.
//!
//! Errors carry no patient data in their text: see [`FhirError`].

mod answer;
mod auth;
pub mod check;
mod client;
pub mod commit;
mod error;
pub mod fence;
mod guard;
mod http;
mod page;
pub mod plan;
mod recover;
mod search;
pub mod subscriptions;
mod transport;

pub use auth::{Credentials, Secret};
pub use client::{Client, Stored, Versioned};
pub use error::{FhirError, FhirErrorKind};
pub use guard::Guard;
pub use http::ClientConfig;
pub use page::{HistoryEntry, Page, PageLink};
pub use transport::{Answer, Network, NoAnswer, Transport};
