//! HAPI's answer to a subscription whose payload is a search: a transaction Bundle of what the search found.
//!
//! Checked against a capture of HAPI FHIR JPA 8.8.0: `PUT` entries with relative fullUrl. The Bundle does not say which of
//! the resources changed, so each is an event at its version; the host knows the versions that it has had.
//! `batch` and `searchset` Bundles are read the same.

use serde_json::Value;

use super::topic::{Entry, Versions};
use crate::read::{Object, meta};
use crate::{Focus, Format, Kind, MAX_EVENTS, Notification, NotifiedEvent, ParseError};

pub(super) fn parse(mut bundle: Object) -> Result<Notification, ParseError> {
    let Some(Value::Array(entries)) = bundle.remove("entry") else {
        return Ok(Notification::new(Format::HapiSearch, Kind::SearchResult, Vec::new()));
    };
    if entries.len() > MAX_EVENTS {
        return Err(ParseError::TooMany { at: "/entry".into(), limit: MAX_EVENTS, found: entries.len() });
    }
    let mut events = Vec::with_capacity(entries.len());
    for (index, mut value) in entries.into_iter().enumerate() {
        // An OperationOutcome of the search itself is no result (R4 Bundle.entry.search.mode).
        if value.pointer("/search/mode").and_then(Value::as_str) == Some("outcome") {
            continue;
        }
        let entry = Entry::read(&value, &format!("/entry/{index}"))?;
        let Some(named) = entry.names.first() else {
            return Err(ParseError::shape(format!("/entry/{index}"), "an entry that names no resource"));
        };
        let resource = value.get_mut("resource").map(Value::take).filter(Value::is_object);
        events.push(NotifiedEvent {
            interaction: entry.interaction(Versions::Counted),
            focus: Some(Focus::relative(named.clone())),
            version: entry.version.clone(),
            timestamp: resource.as_ref().and_then(|resource| meta(resource).1),
            resource,
            ..NotifiedEvent::default()
        });
    }
    Ok(Notification::new(Format::HapiSearch, Kind::SearchResult, events))
}
