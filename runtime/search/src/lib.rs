//! FHIR R4 search criteria as a pure predicate over resources.
//!
//! The host judges every bot's criteria on every change itself, however the change came, so that a sweep, a redelivery and a
//! subscription give the same answer (servers differ in how they search). [`Criteria::parse`] compiles
//! `Task?status=ready&owner:missing=true` once; [`Criteria::matches`] then walks compiled paths and never fails, whatever the
//! resource looks like. What cannot be judged from the resource alone (chains, `_has`, `:in`) is an error that says so.
//!
//! Trade-offs, on purpose:
//! - The parameters are HL7's R4 (4.0.1) definitions, embedded (`data/r4.json`); their FHIRPath is a small subset, compiled
//!   to paths with types. A parameter outside the subset is refused ([`CriteriaError::NotJudgeable`]), never guessed.
//! - No clock: `ap` on dates widens by the value's own precision, not by a share of the time until now.
//! - No time zone of its own: a date or time without an offset is taken as UTC.
//! - No terminology: codes compare as written, quantities without unit conversion.
//!
//! ```
//! # use hob_search::Criteria;
//! # use serde_json::json;
//! let criteria = Criteria::parse("Task?status=ready&owner:missing=true")?;
//! assert!(criteria.matches(&json!({"resourceType": "Task", "status": "ready"})));
//! assert!(!criteria.matches(&json!({"resourceType": "Task", "status": "ready", "owner": {"reference": "Practitioner/1"}})));
//! # Ok::<(), hob_search::CriteriaError>(())
//! ```
//!
//! The rules are those of <https://hl7.org/fhir/R4/search.html>. Nothing here does I/O, and no error or `Debug` output
//! holds a search value, because values can name patients.

mod compartment;
#[cfg(test)]
mod coverage;
mod criteria;
mod date;
mod definitions;
mod element;
mod error;
mod expression;
mod judge;
mod lens;
mod number;
mod path;
mod prefix;
mod query;
mod reach;
mod reference;
mod text;
mod token;
mod uri;
mod when;

pub use compartment::{compartment_search, patients_of, patients_of_within};
pub use criteria::{Criteria, Parameter};
pub use definitions::ParameterType;
pub use error::CriteriaError;
pub use lens::{Lens, Listed, SortKey, listed, resource_types};
pub use reach::{Reach, reaches};
pub use reference::ServerBases;
pub use when::{When, WhenError};
