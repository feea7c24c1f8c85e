//! The format of a bot's cases: what is on the server, what happens, and everything that the bot then does.
//!
//! **Goal.** A case is a file that a clinician can review: given resources, an event, and the resources written, whole. Two runners read it: `hob test`
//! plays it on the real component in the real engine, `bots/case-runner` natively, in a bot's own unit tests. What a case means is said here once.
//!
//! **Trade-offs.**
//! - JSON alone, since that is what FHIR resources are; no YAML: what a resource says would then depend on how `no` and `1.10` are read.
//! - What a key of `expect` leaves out did not happen. Only `reads` may be left out without saying anything: what a bot asks is its own affair, until its
//!   author wants to hold it.
//! - Ids that are given by the host are shown as `created-1`, `created-2`: a case says what refers to what, not which digest came out.

mod case;
mod compare;
mod event;
mod file;
mod happened;
mod property;
mod vary;

pub use case::{Answer, Case};
pub use compare::{BadExpect, compare, instant, updated};
pub use event::Happening;
pub use file::{CaseError, CaseFile, list, schema};
pub use happened::{Happened, shown};
pub use property::{Property, Vary};
pub use vary::{Mutation, mutations, shuffled};
