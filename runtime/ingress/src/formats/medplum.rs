//! Medplum: POST of the bare resource, all else in headers.
//!
//! Checked against requests captured from Medplum 5.1.3. `X-Medplum-Interaction` is create, update or delete; a delete has
//! the body `{}` and `X-Medplum-Deleted-Resource: Type/id`. Version ids are UUIDs, and a delete names none.
//! `X-Signature` is for [`Verifier`](crate::Verifier).

use hob_model::Interaction;

use super::bare;
use crate::read::bounded;
use crate::{Focus, Format, Kind, Notification, NotifiedEvent, ParseError, WireRequest};

pub(super) fn claims(request: &WireRequest) -> bool {
    request.header("x-medplum-subscription").is_some() || request.header("x-medplum-interaction").is_some()
}

pub(super) fn parse(request: &WireRequest, body: &[u8]) -> Result<Notification, ParseError> {
    let interaction = match request.header("x-medplum-interaction") {
        Some("create") => Some(Interaction::Create),
        Some("update") => Some(Interaction::Update),
        Some("delete") => Some(Interaction::Delete),
        _ => None,
    };
    let mut notification = match request.header("x-medplum-deleted-resource") {
        Some(deleted) => {
            let named = Focus::parse(deleted).filter(|(focus, _)| focus.reference().is_some());
            let (focus, version) =
                named.ok_or_else(|| ParseError::shape("X-Medplum-Deleted-Resource", "expected the header to say Type/id"))?;
            let event = NotifiedEvent { focus: Some(focus), version, ..NotifiedEvent::default() };
            Notification::new(Format::Medplum, Kind::Resource, vec![event])
        }
        None if body.is_empty() => Notification::new(Format::Medplum, Kind::Ping, Vec::new()),
        None => bare::parse(Format::Medplum, request, serde_json::from_slice(body)?, request.target()?)?,
    };
    let deleted = request.header("x-medplum-deleted-resource").map(|_| Interaction::Delete);
    for event in &mut notification.events {
        event.interaction = deleted.or(interaction);
    }
    notification.subscription = match request.header("x-medplum-subscription") {
        Some(named) => bounded(named, || "X-Medplum-Subscription".to_owned())?,
        None => None,
    };
    Ok(notification)
}
