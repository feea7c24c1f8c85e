//! The one thing that is checked of a resource's content: that a status is one which R4 binds its element to, for the types whose status
//! Hob's tests write. It is what lets a test have a write refused for good, on HAPI and here alike.

use serde_json::{Map, Value};

use crate::refusal::Refusal;

/// From the R4 value sets observation-status, task-status and subscription-status.
const STATUSES: [(&str, &[&str]); 3] = [
    ("Observation", &["registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error", "unknown"]),
    ("Subscription", &["requested", "active", "error", "off"]),
    (
        "Task",
        &[
            "draft",
            "requested",
            "received",
            "accepted",
            "rejected",
            "ready",
            "cancelled",
            "in-progress",
            "on-hold",
            "failed",
            "completed",
            "entered-in-error",
        ],
    ),
];

/// Refuses a status that R4 does not have.
pub(crate) fn check(resource_type: &str, resource: &Map<String, Value>) -> Result<(), Refusal> {
    let Some((_, codes)) = STATUSES.iter().find(|(name, _)| *name == resource_type) else { return Ok(()) };
    match resource.get("status") {
        Some(status) if !status.as_str().is_some_and(|status| codes.contains(&status)) => {
            Err(Refusal::unprocessable(format!("{resource_type}.status is not a code of its value set")))
        }
        _ => Ok(()),
    }
}
