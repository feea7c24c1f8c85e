//! Google Pub/Sub push of the Cloud Healthcare API.
//!
//! Checked against Google's pages "FHIR Pub/Sub notifications" (attributes, `data` as base64 of the resource or of its
//! name) and "PubsubMessage". Attributes are `action` (Create-, Update-, Patch- or DeleteResource), `resourceType`,
//! `payloadType` (NameOnly or FullResource), `versionId`, `lastUpdatedTime` (RFC 1123) and `storeName`; older messages have
//! the first three only. A full delete brings the content before it. Whether `versionId` of a delete is the delete's own is
//! not said, so it is not taken.

use chrono::{DateTime, Utc};
use data_encoding::BASE64;
use hob_model::{Interaction, Timestamp, VersionId};
use serde_json::Value;

use crate::read::{Object, identity, meta, text};
use crate::{Focus, Format, Kind, Notification, NotifiedEvent, ParseError};

pub(super) fn claims(envelope: &Object) -> bool {
    let message = envelope.get("message").and_then(Value::as_object);
    message.is_some_and(|message| message.contains_key("messageId") || message.contains_key("message_id"))
}

pub(super) fn parse(envelope: &Object) -> Result<Notification, ParseError> {
    let message = envelope.get("message").and_then(Value::as_object);
    let message = message.ok_or_else(|| ParseError::shape("/message", "expected an object"))?;
    let attribute = |name: &str| message.get("attributes").and_then(|all| all.get(name)).and_then(Value::as_str);
    let interaction = match attribute("action") {
        Some("CreateResource") => Interaction::Create,
        Some("UpdateResource" | "PatchResource") => Interaction::Update,
        Some("DeleteResource") => Interaction::Delete,
        _ => {
            return Err(ParseError::shape("/message/attributes/action", "expected an action of a FHIR store on a resource"));
        }
    };
    let data = message.get("data").and_then(Value::as_str).unwrap_or_default();
    let data = BASE64.decode(data.as_bytes()).map_err(|_| ParseError::shape("/message/data", "expected base64"))?;
    let (focus, resource) = content(&data)?;
    let (stated, updated) = resource.as_ref().map(meta).unwrap_or_default();
    let version = attribute("versionId").and_then(|id| VersionId::new(id).ok()).or(stated);
    let event = NotifiedEvent {
        id: text(message, "messageId", "/message")?.or(text(message, "message_id", "/message")?),
        interaction: Some(interaction),
        focus: Some(focus),
        version: version.filter(|_| interaction != Interaction::Delete),
        timestamp: attribute("lastUpdatedTime").and_then(rfc1123).or(updated),
        resource,
        ..NotifiedEvent::default()
    };
    Ok(Notification {
        subscription: text(envelope, "subscription", "")?,
        ..Notification::new(Format::PubSub, Kind::EventNotification, vec![event])
    })
}

/// The resource, or its name: `projects/…/fhirStores/…/fhir/Type/id`, maybe with a version.
fn content(data: &[u8]) -> Result<(Focus, Option<Value>), ParseError> {
    let at = "/message/data";
    if data.trim_ascii_start().first() == Some(&b'{') {
        let resource: Value = serde_json::from_slice(data)?;
        let named = identity(&resource).ok_or_else(|| ParseError::shape(at, "a resource without a valid type and id"))?;
        return Ok((Focus::relative(named), Some(resource)));
    }
    let name = std::str::from_utf8(data).ok().and_then(|name| name.rsplit_once("/fhir/"));
    match name.and_then(|(_, reference)| Focus::parse(reference)) {
        Some((focus @ Focus::Literal { .. }, _)) => Ok((focus, None)),
        _ => Err(ParseError::shape(at, "expected a resource or the name of one")),
    }
}

/// Google's examples end in `UTC`, which RFC 1123 does not know.
fn rfc1123(text: &str) -> Option<Timestamp> {
    let text = text.strip_suffix(" UTC").map_or_else(|| text.to_owned(), |start| format!("{start} GMT"));
    let at = DateTime::parse_from_rfc2822(&text).ok()?;
    Some(Timestamp::from_utc(at.with_timezone(&Utc)))
}
