//! The clinical rules of the shipped bots: what is scored, who may do the work, when somebody may be called.
//!
//! **Goal.** A bot reads resources and writes what this crate decides; the decision itself has no host, no I/O, no clock and no
//! randomness, so that it is tested natively and means the same on every replay. Resources come in and go out as
//! [`serde_json::Value`] (FHIR R4); instants are arguments.
//!
//! **What it trades away.** Resources are not typed: a bot must not lose elements that it does not know, so what is updated starts
//! from the resource that was read. Where the data does not decide, the answer is a variant that says so
//! ([`pro::Score::Unscorable`], [`routing::Decision::Nobody`], [`reminding::Plan::Call`]), never a guess.
//!
//! - [`pro`]: QuestionnaireResponse to score Observation and red-flag Task.
//! - [`routing`]: ready Task to an owner whose role covers it and whose licence is valid where the patient is.
//! - [`reminding`]: survey Task to a CommunicationRequest at an hour that is allowed where the patient is.
//!
//! No text made here names a patient or repeats an answer in the patient's words.

mod fhir;
pub mod ids;
mod place;
pub mod pro;
pub mod reminding;
mod routes;
pub mod routing;
pub mod search;
mod stable;
mod when;

pub use fhir::{Coding, InputError, target, target_of};
pub use place::{STATES, State, Whereabouts, state_named, whereabouts};
pub use routes::{AssessmentRoute, CrisisRoute, StaffRoute, is_red_flag};
