//! athenahealth: R4B's SubscriptionStatus, one event, id-only.
//!
//! Checked against athenahealth/aone-fhir-subscriptions. The focus may be an identifier alone, and beside the status comes an
//! AuditEvent about the event, which is not its focus. `notificationEvent.id` is what to dedupe on: it becomes the event's
//! id. `X-Hub-Signature: sha256=…` is for [`Verifier`](crate::Verifier).

use super::topic::Status;
use crate::Focus;

pub(super) fn claims(status: &Status) -> bool {
    let topic = status.topic.as_deref().unwrap_or_default();
    let host = topic.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let named = |focus: &Focus| match focus {
        Focus::Identifier { system: Some(system), .. } => system.starts_with("urn:athenahealth:"),
        _ => false,
    };
    host.ends_with("athena.io")
        || host.ends_with("athenahealth.com")
        || status.events.iter().any(|event| event.focus.as_ref().is_some_and(named))
}
