//! The resource itself, its end, or nothing at all.
//!
//! - R4 core: POST without body, or PUT of `endpoint/Type/id` with the resource
//!   (<https://hl7.org/fhir/R4/subscription.html>, "REST Hook"). Nothing on delete.
//! - HAPI FHIR JPA 8.8.0, by capture: PUT for create and update, `If-Match: W/"version"`; DELETE of the path where the
//!   subscription asks for it; an empty form-encoded POST where it asks for no payload.
//! - Firely Server: PUT or POST of the resource, with nothing that tells it apart.
//!
//! PUT does not say whether it was a create or an update, so that is only said where the version is a count.

use hob_model::{Interaction, Timestamp, VersionId};
use serde_json::Value;

use crate::read::{by_version, identity, meta, resource_type};
use crate::{Focus, Format, Kind, Notification, NotifiedEvent, ParseError, WireRequest};

pub(super) type Target = Option<(Focus, Option<VersionId>)>;

pub(super) fn delete(request: &WireRequest) -> Result<Notification, ParseError> {
    let (focus, version) = request.target()?.ok_or(ParseError::Path)?;
    let event = NotifiedEvent {
        interaction: Some(Interaction::Delete),
        focus: Some(focus),
        version: version.or_else(|| request.if_match()),
        ..NotifiedEvent::default()
    };
    Ok(Notification::new(Format::Delete, Kind::Resource, vec![event]))
}

/// Nothing but maybe a path: with it the host reads the resource, without it all that it watches.
pub(super) fn without_body(request: &WireRequest, target: Target) -> Notification {
    let Some((focus, version)) = target else {
        return Notification::new(Format::Ping, Kind::Ping, Vec::new());
    };
    Notification::new(Format::Resource, Kind::Resource, vec![event(request, focus, version, None)])
}

/// The event that a resource is, `None` as interaction where its version does not tell.
pub(super) fn event(
    request: &WireRequest,
    focus: Focus,
    version: Option<VersionId>,
    timestamp: Option<Timestamp>,
) -> NotifiedEvent {
    let version = version.or_else(|| request.if_match());
    NotifiedEvent {
        interaction: by_version(version.as_ref()),
        focus: Some(focus),
        version,
        timestamp,
        ..NotifiedEvent::default()
    }
}

pub(super) fn parse(format: Format, request: &WireRequest, resource: Value, target: Target) -> Result<Notification, ParseError> {
    if resource_type(&resource).is_none() {
        return Err(ParseError::shape("/resourceType", "expected a FHIR resource"));
    }
    let (stated, timestamp) = meta(&resource);
    let named = identity(&resource);
    let (focus, version) = match (target, named) {
        (Some((focus, version)), named) => {
            if named.is_some() && named.as_ref() != focus.reference() {
                return Err(ParseError::shape("/id", "the path and the body name different resources"));
            }
            (focus, version)
        }
        (None, Some(named)) => (Focus::relative(named), None),
        (None, None) => {
            return Err(ParseError::shape("/id", "a resource without a valid type and id"));
        }
    };
    let mut event = event(request, focus, stated.or(version), timestamp);
    event.resource = Some(resource);
    Ok(Notification::new(format, Kind::Resource, vec![event]))
}
