//! R4B: the status is a SubscriptionStatus, first in a Bundle of type `history`.
//!
//! Checked against <https://hl7.org/fhir/R4B/subscriptionstatus.html>, its examples and fhir-candle's. R5, Aidbox and
//! athenahealth have the same members. Counts are integer64 and come as strings and as numbers.

use serde_json::Value;

use super::topic::Status;
use crate::read::{Object, count, focus, instant, text};
use crate::{Kind, NotifiedEvent, ParseError, SubscriptionState};

pub(super) fn read(status: &Object, at: &str) -> Result<Status, ParseError> {
    let code = status.get("type").and_then(Value::as_str);
    let code = code.ok_or_else(|| ParseError::shape(format!("{at}/type"), "expected the type of notification"))?;
    let kind = Kind::from_code(code).ok_or_else(|| ParseError::shape(format!("{at}/type"), "an unknown type of notification"))?;
    let events = match status.get("notificationEvent") {
        None => Vec::new(),
        Some(Value::Array(events)) => {
            let at = |index| format!("{at}/notificationEvent/{index}");
            events.iter().enumerate().map(|(index, event)| read_event(event, &at(index))).collect::<Result<_, _>>()?
        }
        Some(_) => {
            return Err(ParseError::shape(format!("{at}/notificationEvent"), "expected an array"));
        }
    };
    let subscription = match status.get("subscription").and_then(Value::as_object) {
        Some(subscription) => text(subscription, "reference", &format!("{at}/subscription"))?,
        None => None,
    };
    Ok(Status {
        kind,
        subscription,
        topic: text(status, "topic", at)?,
        state: status.get("status").and_then(Value::as_str).and_then(SubscriptionState::from_code),
        since: status.get("eventsSinceSubscriptionStart").and_then(count),
        events,
    })
}

fn read_event(event: &Value, at: &str) -> Result<NotifiedEvent, ParseError> {
    let Some(event) = event.as_object() else {
        return Err(ParseError::shape(at, "expected an object"));
    };
    let about = match event.get("focus") {
        Some(value) => focus(value, &format!("{at}/focus"))?,
        None => None,
    };
    let (focus, version) = about.map_or((None, None), |(focus, version)| (Some(focus), version));
    Ok(NotifiedEvent {
        id: text(event, "id", at)?,
        number: event.get("eventNumber").and_then(count),
        timestamp: event.get("timestamp").and_then(instant),
        focus,
        version,
        ..NotifiedEvent::default()
    })
}
