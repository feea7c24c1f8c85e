//! Topic notifications: a Bundle with the subscription's status and the resources that its events are about.
//!
//! All topic formats differ in the status only, which the format's own file reads; what the entries add to the events is
//! the same for all and is here (R5 "Notification Bundles", <https://hl7.org/fhir/R5/subscriptions.html>).
//!
//! An entry belongs to an event whose focus it names by its resource, its fullUrl or its request's URL; the server's
//! address is not compared, since the standard's own examples differ there in http and https. Where several events are
//! about one resource, the newest entry goes to the last of them, so that no event gets a later version than its own.

use std::collections::BTreeMap;

use hob_model::{Interaction, Reference, Timestamp, VersionId};
use serde_json::Value;

use super::{aidbox, athenahealth, microsoft, r4_backport, r4b, r5};
use crate::read::{Object, by_version, identity, meta};
use crate::wire::etag;
use crate::{Focus, Format, Kind, MAX_EVENTS, Notification, NotifiedEvent, ParseError, SubscriptionState};

/// What a status says, whatever its form.
pub(super) struct Status {
    pub(super) kind: Kind,
    pub(super) subscription: Option<String>,
    pub(super) topic: Option<String>,
    pub(super) state: Option<SubscriptionState>,
    pub(super) since: Option<u64>,
    pub(super) events: Vec<NotifiedEvent>,
}

/// Whether a server's version ids count a resource's versions from 1.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Versions {
    /// They do, where they are integers.
    Counted,
    /// They may be integers and yet count something else.
    Opaque,
}

/// Reads a Bundle whose entry `index` is its status.
pub(super) fn parse(mut bundle: Object, index: usize) -> Result<Notification, ParseError> {
    let bundle_type = bundle.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let Some(Value::Array(mut entries)) = bundle.remove("entry") else {
        return Err(ParseError::shape("/entry", "expected an array"));
    };
    let at = format!("/entry/{index}/resource");
    let status = entries.get_mut(index).and_then(|entry| entry.get_mut("resource")).map(Value::take);
    let Some(Value::Object(status)) = status else {
        return Err(ParseError::shape(at, "expected the subscription's status"));
    };
    let (format, versions, mut status) = read(&status, &at, &bundle_type)?;
    add(&mut status.events, entries, index, versions)?;
    Ok(notification(format, status))
}

/// Reads a status that came without a Bundle.
pub(super) fn lone(status: Object) -> Result<Notification, ParseError> {
    let (format, _, status) = read(&status, "", "")?;
    Ok(notification(format, status))
}

fn read(status: &Object, at: &str, bundle_type: &str) -> Result<(Format, Versions, Status), ParseError> {
    let (format, versions, read) = match status.get("resourceType").and_then(Value::as_str) {
        Some("Parameters") if microsoft::claims(bundle_type) => {
            (Format::Microsoft, Versions::Counted, r4_backport::read(status, at)?)
        }
        Some("Parameters") => (Format::R4Backport, Versions::Counted, r4_backport::read(status, at)?),
        Some("AidboxSubscriptionStatus") => (Format::Aidbox, Versions::Opaque, aidbox::read(status, at)?),
        _ => {
            let read = r4b::read(status, at)?;
            let format = if athenahealth::claims(&read) {
                Format::Athenahealth
            } else if r5::claims(bundle_type) {
                Format::R5
            } else if bundle_type.is_empty() {
                Format::SubscriptionStatus
            } else {
                Format::R4b
            };
            (format, Versions::Counted, read)
        }
    };
    if read.events.len() > MAX_EVENTS {
        return Err(ParseError::TooMany { at: at.to_owned(), limit: MAX_EVENTS, found: read.events.len() });
    }
    Ok((format, versions, read))
}

fn notification(format: Format, status: Status) -> Notification {
    Notification {
        subscription: status.subscription,
        state: status.state,
        topic: status.topic,
        events_since_start: status.since,
        ..Notification::new(format, status.kind, status.events)
    }
}

/// What an entry of a Bundle says, apart from its resource's content.
pub(super) struct Entry {
    /// The resources that it names: its own content first, then fullUrl and the request's URL.
    pub(super) names: Vec<Reference>,
    pub(super) version: Option<VersionId>,
    full_url: Option<String>,
    updated: Option<Timestamp>,
    method: Option<Method>,
    status: Option<u16>,
}

#[derive(Clone, Copy)]
enum Method {
    Post,
    Put,
    Patch,
    Delete,
}

impl Entry {
    pub(super) fn read(entry: &Value, at: &str) -> Result<Self, ParseError> {
        let Some(object) = entry.as_object() else {
            return Err(ParseError::shape(at, "expected an object"));
        };
        let text = |pointer: &str| entry.pointer(pointer).and_then(Value::as_str);
        let resource = object.get("resource").filter(|resource| resource.is_object());
        let (stated, updated) = resource.map(meta).unwrap_or_default();
        let mut names = Vec::new();
        names.extend(resource.and_then(identity));
        let mut version = stated;
        for pointer in ["/fullUrl", "/request/url"] {
            if let Some((Focus::Literal { reference, .. }, named)) = text(pointer).and_then(Focus::parse) {
                version = version.or(named);
                if !names.contains(&reference) {
                    names.push(reference);
                }
            }
        }
        Ok(Self {
            names,
            version: version.or_else(|| text("/response/etag").and_then(etag)),
            full_url: text("/fullUrl").map(str::to_owned),
            updated,
            method: match text("/request/method") {
                Some("POST") => Some(Method::Post),
                Some("PUT") => Some(Method::Put),
                Some("PATCH") => Some(Method::Patch),
                Some("DELETE") => Some(Method::Delete),
                _ => None,
            },
            status: text("/response/status").and_then(|status| status.get(..3)?.parse().ok()),
        })
    }

    /// What was done: by the method, then by the version if it is a count, then by the status.
    pub(super) fn interaction(&self, versions: Versions) -> Option<Interaction> {
        match self.method? {
            Method::Post => Some(Interaction::Create),
            Method::Patch => Some(Interaction::Update),
            Method::Delete => Some(Interaction::Delete),
            Method::Put => {
                let counted = self.version.as_ref().filter(|_| versions == Versions::Counted);
                by_version(counted).or(match self.status {
                    Some(201) => Some(Interaction::Create),
                    Some(200) => Some(Interaction::Update),
                    _ => None,
                })
            }
        }
    }
}

fn add(events: &mut [NotifiedEvent], mut entries: Vec<Value>, status: usize, versions: Versions) -> Result<(), ParseError> {
    let mut read = Vec::with_capacity(entries.len());
    let mut by_name: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, value) in entries.iter().enumerate() {
        let entry = Entry::read(value, &format!("/entry/{index}"))?;
        if index != status {
            for name in &entry.names {
                by_name.entry(name.to_string()).or_default().push(index);
            }
            // A `urn:uuid:…`; what names type and id is there already, under its relative name.
            if let Some(url) = &entry.full_url {
                by_name.entry(url.clone()).or_default().push(index);
            }
        }
        read.push(entry);
    }
    let mut of_focus: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, event) in events.iter().enumerate() {
        let name = match &event.focus {
            Some(Focus::Literal { reference, .. }) => reference.to_string(),
            Some(Focus::Other { uri }) => uri.clone(),
            Some(Focus::Identifier { .. }) | None => continue,
        };
        of_focus.entry(name).or_default().push(index);
    }
    for (name, mut about) in of_focus {
        let Some(mut candidates) = by_name.remove(&name) else {
            continue;
        };
        about.sort_by_key(|&event| events[event].number);
        candidates.sort_by_key(|&entry| read[entry].version.as_ref().and_then(VersionId::number));
        for (&event, &entry) in about.iter().rev().zip(candidates.iter().rev()) {
            let (event, entry, value) = (&mut events[event], &read[entry], &mut entries[entry]);
            if event.version.is_some() && entry.version.is_some() && event.version != entry.version {
                continue;
            }
            event.interaction = entry.interaction(versions);
            event.version = event.version.take().or_else(|| entry.version.clone());
            event.timestamp = event.timestamp.or(entry.updated);
            event.resource = value.get_mut("resource").map(Value::take).filter(Value::is_object);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parsed(events: Value, mut entries: Vec<Value>) -> Vec<NotifiedEvent> {
        let status = json!({ "resourceType": "SubscriptionStatus", "type": "event-notification", "notificationEvent": events });
        entries.insert(0, json!({ "resource": status }));
        let bundle = json!({ "resourceType": "Bundle", "type": "subscription-notification", "entry": entries });
        let Value::Object(bundle) = bundle else { unreachable!() };
        parse(bundle, 0).unwrap().events
    }

    fn event(number: u64, focus: &str) -> Value {
        json!({ "eventNumber": number, "focus": { "reference": focus } })
    }

    fn entry(version: &str, method: &str) -> Value {
        let resource = json!({ "resourceType": "Task", "id": "1", "meta": { "versionId": version } });
        json!({ "fullUrl": "http://a/Task/1", "resource": resource, "request": { "method": method, "url": "Task/1" } })
    }

    #[test]
    fn several_versions_of_one_resource_go_to_their_events() {
        // History Bundles may be newest first; the events are not.
        let events = parsed(json!([event(1, "Task/1"), event(2, "Task/1")]), vec![entry("2", "PUT"), entry("1", "POST")]);
        let told: Vec<_> = events.iter().map(|e| (e.version.as_ref().unwrap().as_str(), e.interaction.unwrap())).collect();
        assert_eq!(told, [("1", Interaction::Create), ("2", Interaction::Update)]);
    }

    #[test]
    fn one_entry_for_two_events_is_of_the_last() {
        let events = parsed(json!([event(1, "Task/1"), event(2, "Task/1")]), vec![entry("2", "PUT")]);
        assert_eq!((events[0].version.as_ref(), &events[0].resource), (None, &None));
        assert!(events[1].resource.is_some());
    }

    #[test]
    fn another_version_than_the_focus_names_is_not_taken() {
        let events = parsed(json!([event(1, "Task/1/_history/7")]), vec![entry("8", "PUT")]);
        assert_eq!(events[0].version.as_ref().unwrap().as_str(), "7");
        assert_eq!(events[0].resource, None);
    }

    #[test]
    fn a_focus_may_be_a_urn() {
        let mut value = entry("1", "POST");
        value["fullUrl"] = json!("urn:uuid:7");
        let events = parsed(json!([event(1, "urn:uuid:7")]), vec![value]);
        assert_eq!(events[0].reference().unwrap().to_string(), "Task/1");
    }

    #[test]
    fn put_says_nothing_alone() {
        for (status, version, expected) in [
            (Some("201 Created"), None, Some(Interaction::Create)),
            (Some("200"), None, Some(Interaction::Update)),
            (None, None, None),
            (None, Some("1"), Some(Interaction::Create)),
            (Some("201"), Some("3"), Some(Interaction::Update)),
            (None, Some("5f3a"), None),
        ] {
            let mut value = json!({ "request": { "method": "PUT", "url": "Task/1" }, "response": { "status": status } });
            if let Some(version) = version {
                value["response"]["etag"] = json!(format!("W/\"{version}\""));
            }
            assert_eq!(Entry::read(&value, "").unwrap().interaction(Versions::Counted), expected, "{status:?} {version:?}");
        }
    }
}
