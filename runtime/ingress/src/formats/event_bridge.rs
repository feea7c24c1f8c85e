//! AWS EventBridge of HealthLake, posted by an API destination.
//!
//! Checked against the EventBridge reference ("AWS HealthLake events") and HealthLake's developer guide. HealthLake itself
//! sends events about data stores, imports and exports only. A change of a resource comes as `AWS API Call via CloudTrail`
//! (best effort) with `detail.eventName` Create-, Update- or DeleteResource; AWS does not document where the
//! resource is named, so the event has no focus, and the host looks itself. So it does after an import. An API call that
//! failed (`detail.errorCode`) changed nothing and is refused, as is any other event: the rule's pattern is too wide.

use hob_model::Interaction;
use serde_json::Value;

use crate::read::{Object, instant, text};
use crate::{Format, Kind, Notification, NotifiedEvent, ParseError};

pub(super) fn claims(event: &Object) -> bool {
    event.contains_key("detail-type") && event.contains_key("detail")
}

pub(super) fn parse(event: &Object) -> Result<Notification, ParseError> {
    if event.get("source").and_then(Value::as_str) != Some("aws.healthlake") {
        return Err(ParseError::shape("/source", "expected an event of aws.healthlake"));
    }
    let detail = |name: &str| event.get("detail").and_then(|detail| detail.get(name)).and_then(Value::as_str);
    let interaction = match event.get("detail-type").and_then(Value::as_str) {
        Some("Import Job Completed" | "Import Job Completed With Errors") => None,
        Some("AWS API Call via CloudTrail") if detail("errorCode").is_none() => match detail("eventName") {
            Some("CreateResource") => Some(Interaction::Create),
            Some("UpdateResource") => Some(Interaction::Update),
            Some("DeleteResource") => Some(Interaction::Delete),
            _ => return Err(NO_CHANGE),
        },
        _ => return Err(NO_CHANGE),
    };
    let notified = NotifiedEvent {
        id: text(event, "id", "")?,
        interaction,
        timestamp: event.get("time").and_then(instant),
        ..NotifiedEvent::default()
    };
    Ok(Notification::new(Format::EventBridge, Kind::EventNotification, vec![notified]))
}

const NO_CHANGE: ParseError = ParseError::Unsupported {
    what: "the event changes no resource: narrow the rule to successful CreateResource, UpdateResource and DeleteResource calls \
           and to completed imports",
};
