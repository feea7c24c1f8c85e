//! R4 with the Subscriptions R5 Backport guide 1.1: the status is Parameters.
//!
//! Checked against <https://hl7.org/fhir/uv/subscriptions-backport/> (profile backport-subscription-status-r4), its examples,
//! Inferno's test kit and captures of HAPI 8.8.0 and fhir-candle. Values are read whatever their type: `subscription` comes
//! as valueReference and valueString, `event-number` as valueString, `timestamp` as valueInstant, valueDate (HAPI: a day,
//! which is no instant) and valueDateTime, `focus` as valueReference and valueUri. Parameters that the guide does not
//! define are passed over.

use serde_json::Value;

use super::topic::Status;
use crate::read::{Object, bounded, count, focus, instant};
use crate::{Kind, NotifiedEvent, ParseError, SubscriptionState};

/// Whether these Parameters are a status and not of some operation.
pub(super) fn is_status(parameters: &Object) -> bool {
    let named =
        |name: &str| each(parameters, "parameter").any(|parameter| parameter.get("name").and_then(Value::as_str) == Some(name));
    named("type") && (named("subscription") || named("topic"))
}

pub(super) fn read(parameters: &Object, at: &str) -> Result<Status, ParseError> {
    let (mut kind, mut events) = (None, Vec::new());
    let (mut subscription, mut topic, mut state, mut since) = (None, None, None, None);
    for (index, parameter) in each(parameters, "parameter").enumerate() {
        let at = format!("{at}/parameter/{index}");
        let Some(name) = parameter.get("name").and_then(Value::as_str) else {
            continue;
        };
        match name {
            "subscription" => subscription = reference(value(parameter), &at)?,
            "topic" => topic = reference(value(parameter), &at)?,
            "status" => state = value(parameter).and_then(Value::as_str).and_then(SubscriptionState::from_code),
            "type" => {
                let code = value(parameter).and_then(Value::as_str);
                kind =
                    Some(code.and_then(Kind::from_code).ok_or_else(|| ParseError::shape(at, "an unknown type of notification"))?);
            }
            "events-since-subscription-start" => since = value(parameter).and_then(count),
            "notification-event" => events.push(event(parameter, &at)?),
            _ => {}
        }
    }
    let kind = kind.ok_or_else(|| ParseError::shape(at, "no parameter `type`"))?;
    Ok(Status { kind, subscription, topic, state, since, events })
}

fn event(parameter: &Object, at: &str) -> Result<NotifiedEvent, ParseError> {
    let mut event = NotifiedEvent::default();
    for (index, part) in each(parameter, "part").enumerate() {
        let Some(value) = value(part) else { continue };
        match part.get("name").and_then(Value::as_str) {
            Some("event-number") => event.number = count(value),
            Some("timestamp") => event.timestamp = instant(value),
            Some("focus") => {
                if let Some((found, version)) = focus(value, &format!("{at}/part/{index}"))? {
                    event.focus = Some(found);
                    event.version = version;
                }
            }
            _ => {}
        }
    }
    Ok(event)
}

fn each<'a>(object: &'a Object, key: &str) -> impl Iterator<Item = &'a Object> {
    object.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default().iter().filter_map(Value::as_object)
}

/// The `value[x]` of a parameter.
fn value(parameter: &Object) -> Option<&Value> {
    parameter.iter().find_map(|(key, value)| key.starts_with("value").then_some(value))
}

fn reference(value: Option<&Value>, at: &str) -> Result<Option<String>, ParseError> {
    let text = match value {
        Some(Value::Object(object)) => object.get("reference").and_then(Value::as_str),
        Some(value) => value.as_str(),
        None => None,
    };
    text.map_or(Ok(None), |text| bounded(text, || at.to_owned()))
}
