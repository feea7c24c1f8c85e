//! Azure Event Grid: events of Azure Health Data Services, id-only.
//!
//! Checked against Microsoft's pages "Azure Health Data Services as an Event Grid source" (both schemas, with examples),
//! "Events message structures" (`subject` is the resource's URL without scheme; `data.resourceVersionId` is an integer,
//! also of a delete) and "Endpoint validation with Event Grid event schema" / "with CloudEvents schema".
//!
//! Before anything is delivered the endpoint must prove that it wants it: Event Grid's schema posts a code to be sent
//! back; CloudEvents sends OPTIONS with `WebHook-Request-Origin`. Events about other things than FHIR resources (DICOM) are
//! passed over; a batch with nothing else is refused, since the event subscription's filter is wrong.

use hob_model::{BaseUrl, Interaction, Reference};
use serde_json::Value;

use crate::read::{Object, instant, text, version};
use crate::{Challenge, Focus, Format, Kind, MAX_EVENTS, Notification, NotifiedEvent, ParseError, WireRequest};

const VALIDATION: &str = "Microsoft.EventGrid.SubscriptionValidationEvent";

pub(super) fn claims(event: &Object) -> bool {
    event.contains_key("data") && (event.contains_key("eventType") || event.contains_key("specversion"))
}

/// The handshake of CloudEvents (HTTP 1.1 Web Hooks for Event Delivery, 4).
pub(super) fn origin(request: &WireRequest) -> Result<Notification, ParseError> {
    let origin = request.header("webhook-request-origin").ok_or(ParseError::Method)?;
    // It is sent back in a header: let nothing pass that is no host name.
    let plain = (1..=253).contains(&origin.len()) && origin.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:".contains(&b));
    if !plain {
        return Err(ParseError::shape("WebHook-Request-Origin", "expected the header to be a host name"));
    }
    Ok(Notification {
        challenge: Some(Challenge::RequestOrigin(origin.to_owned())),
        ..Notification::new(Format::EventGrid, Kind::Handshake, Vec::new())
    })
}

pub(super) fn parse(items: Vec<Value>) -> Result<Notification, ParseError> {
    if items.len() > MAX_EVENTS {
        return Err(ParseError::TooMany { at: String::new(), limit: MAX_EVENTS, found: items.len() });
    }
    let mut notification = Notification::new(Format::EventGrid, Kind::EventNotification, Vec::with_capacity(items.len()));
    for (index, item) in items.iter().enumerate() {
        let at = format!("/{index}");
        let event = item.as_object().filter(|event| claims(event));
        let event = event.ok_or_else(|| ParseError::shape(&at, "expected an event of Event Grid or CloudEvents"))?;
        let (kind, topic, time) =
            if event.contains_key("specversion") { ("type", "source", "time") } else { ("eventType", "topic", "eventTime") };
        let interaction = match event.get(kind).and_then(Value::as_str) {
            Some("Microsoft.HealthcareApis.FhirResourceCreated") => Interaction::Create,
            Some("Microsoft.HealthcareApis.FhirResourceUpdated") => Interaction::Update,
            Some("Microsoft.HealthcareApis.FhirResourceDeleted") => Interaction::Delete,
            Some(VALIDATION) => return validation(event, &at),
            _ => continue,
        };
        notification.topic = text(event, topic, &at)?;
        notification.events.push(NotifiedEvent {
            id: text(event, "id", &at)?,
            interaction: Some(interaction),
            timestamp: event.get(time).and_then(instant),
            ..about(event, &at)?
        });
    }
    if notification.events.is_empty() {
        return Err(ParseError::Unsupported {
            what: "no event is about a FHIR resource: filter the event subscription to Microsoft.HealthcareApis.FhirResource* events",
        });
    }
    Ok(notification)
}

fn about(event: &Object, at: &str) -> Result<NotifiedEvent, ParseError> {
    let at = format!("{at}/data");
    let data = event.get("data").and_then(Value::as_object).ok_or_else(|| ParseError::shape(&at, "expected an object"))?;
    let named = |key| data.get(key).and_then(Value::as_str);
    let resource_type = named("resourceType").and_then(|name| name.parse().ok());
    let id = named("resourceFhirId").and_then(|id| id.parse().ok());
    let (Some(resource_type), Some(id)) = (resource_type, id) else {
        return Err(ParseError::shape(at, "expected resourceType and resourceFhirId"));
    };
    let base = named("resourceFhirAccount").and_then(|host| BaseUrl::new(&format!("https://{host}")).ok());
    Ok(NotifiedEvent {
        focus: Some(Focus::Literal { reference: Reference { resource_type, id }, base }),
        version: data.get("resourceVersionId").and_then(version),
        ..NotifiedEvent::default()
    })
}

fn validation(event: &Object, at: &str) -> Result<Notification, ParseError> {
    let at = format!("{at}/data");
    let data = event.get("data").and_then(Value::as_object);
    let code = match data {
        Some(data) => text(data, "validationCode", &at)?,
        None => None,
    };
    let code = code.ok_or_else(|| ParseError::shape(at, "expected validationCode"))?;
    Ok(Notification {
        topic: text(event, "topic", "")?,
        challenge: Some(Challenge::ValidationCode(code)),
        ..Notification::new(Format::EventGrid, Kind::Handshake, Vec::new())
    })
}
