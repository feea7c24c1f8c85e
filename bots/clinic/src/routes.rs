//! Where work goes that is not given to one licensed person: the crisis route, and the clinic's staff.
//!
//! A red flag goes up the crisis route until a person acknowledges it. To tell somebody is no licensed act, so nothing here looks at licences, states or duty hours; what the flag asks for next, the
//! assessment, is a Task of its own that is routed like any other.

use crate::fhir::{Coding, has_coding, list, text};
use crate::ids;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who is told of a red flag, and how soon. The clinic's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CrisisRoute {
    /// `Task.performerType` of the flag: the queue that the crisis team watches.
    pub performer_type: Coding,
    /// `Task.owner`: an on-call `CareTeam`, `Organization`, `HealthcareService`, `PractitionerRole` or `Practitioner`, as `Type/id`.
    /// None: the queue alone.
    pub owner: Option<String>,
    /// Minutes in which a person must have acknowledged; becomes the end of `Task.restriction.period`. None: no due time is written.
    pub acknowledge_within_minutes: Option<u32>,
    /// The assessment that follows. None: the crisis team opens it.
    pub assessment: Option<AssessmentRoute>,
}

impl Default for CrisisRoute {
    fn default() -> Self {
        Self {
            performer_type: Coding::new(ids::ROUTE_CODES, "crisis", "Crisis route"),
            owner: None,
            acknowledge_within_minutes: None,
            assessment: None,
        }
    }
}

/// Who may assess what a red flag told of. The clinic's configuration: no default says who is qualified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssessmentRoute {
    /// `Task.performerType` of the assessment; the router looks for one of them, licensed where the patient is.
    pub performer_types: Vec<Coding>,
    /// Minutes in which it must be done. None: no due time is written.
    #[serde(default)]
    pub within_minutes: Option<u32>,
}

/// Staff who take what no rule can settle. The clinic's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StaffRoute {
    /// `Task.performerType`: the queue that they watch.
    pub performer_type: Coding,
    /// `Task.owner`, as `Type/id` of a CareTeam, Organization, HealthcareService, PractitionerRole or Practitioner. None: the queue alone.
    pub owner: Option<String>,
}

impl Default for StaffRoute {
    fn default() -> Self {
        Self { performer_type: Coding::new(ids::ROUTE_CODES, "operations", "Clinic operations"), owner: None }
    }
}

/// Whether a Task is a red flag: by its code, or by the identifier that only red-flag Tasks bear (a person may have changed the code).
/// The assessment that follows a flag is not one.
#[must_use]
pub fn is_red_flag(task: &Value) -> bool {
    let by_code = task.get("code").is_some_and(|code| has_coding(code, ids::TASK_CODES, "red-flag"));
    by_code
        || list(task, "identifier").iter().any(|i| {
            text(i, "system") == Some(ids::RED_FLAG_IDENTIFIER) && text(i, "value").is_some_and(|v| !v.ends_with(":assessment"))
        })
}
