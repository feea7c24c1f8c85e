//! One file for each wire format, and the choice between them.
//!
//! The choice goes by what a format cannot be without: the method, then a path that names a resource, then headers, then
//! the shape of the body. Never by User-Agent or content type: servers send `text/plain` and form encoding.

mod aidbox;
mod athenahealth;
mod bare;
mod event_bridge;
mod event_grid;
mod hapi_search;
mod medplum;
mod microsoft;
mod pub_sub;
mod r4_backport;
mod r4b;
mod r5;
mod topic;
mod xml;

use serde_json::Value;

use crate::read::{Object, resource_type};
use crate::{Format, Notification, ParseError, WireRequest};

/// Reads a request as a notification.
///
/// # Errors
/// [`ParseError`], with a stable code: the request is none, or its content breaks a limit.
pub fn parse(request: &WireRequest) -> Result<Notification, ParseError> {
    match request.method.as_str() {
        "DELETE" => return bare::delete(request),
        "OPTIONS" => return event_grid::origin(request),
        "POST" | "PUT" => {}
        _ => return Err(ParseError::Method),
    }
    let body = trimmed(&request.body);
    if medplum::claims(request) {
        return medplum::parse(request, body);
    }
    let target = request.target()?;
    match body.first() {
        None => return Ok(bare::without_body(request, target)),
        Some(b'<') => return xml::parse(request, body, target),
        Some(_) => {}
    }
    let body: Value = serde_json::from_slice(body)?;
    if target.is_some() {
        // What is put to a path is a resource, also if it is a Bundle.
        return bare::parse(Format::Resource, request, body, target);
    }
    match body {
        Value::Object(object) => of_object(request, object),
        Value::Array(items) if items.is_empty() => Err(ParseError::Empty),
        Value::Array(items) => event_grid::parse(items),
        _ => Err(ParseError::shape("", "expected a JSON object")),
    }
}

fn of_object(request: &WireRequest, object: Object) -> Result<Notification, ParseError> {
    if object.is_empty() {
        return Err(ParseError::Empty);
    }
    match object.get("resourceType").and_then(Value::as_str) {
        Some("Bundle") => of_bundle(request, object),
        Some("SubscriptionStatus" | "AidboxSubscriptionStatus") => topic::lone(object),
        Some("Parameters") if r4_backport::is_status(&object) => topic::lone(object),
        Some(_) => bare::parse(Format::Resource, request, Value::Object(object), None),
        None if event_grid::claims(&object) => event_grid::parse(vec![Value::Object(object)]),
        None if pub_sub::claims(&object) => pub_sub::parse(&object),
        None if event_bridge::claims(&object) => event_bridge::parse(&object),
        None => Err(ParseError::shape("/resourceType", "neither a FHIR resource nor a known cloud event")),
    }
}

fn of_bundle(request: &WireRequest, bundle: Object) -> Result<Notification, ParseError> {
    let bundle_type = bundle.get("type").and_then(Value::as_str).unwrap_or_default();
    match bundle_type {
        "message" => {
            return Err(ParseError::Unsupported {
                what: "FHIR messaging (a Bundle that begins with a MessageHeader) is not a rest-hook shape: \
                       set the subscription's channel type to rest-hook",
            });
        }
        "batch-response" | "transaction-response" => {
            return Err(ParseError::Unsupported {
                what: "the Bundle is an answer to a batch or transaction, not a notification",
            });
        }
        _ => {}
    }
    let entries = match bundle.get("entry") {
        None => &[],
        Some(Value::Array(entries)) => entries.as_slice(),
        Some(_) => return Err(ParseError::shape("/entry", "expected an array")),
    };
    if entries.len() > crate::MAX_ENTRIES {
        return Err(ParseError::TooMany { at: "/entry".into(), limit: crate::MAX_ENTRIES, found: entries.len() });
    }
    if let Some(index) = entries.iter().position(|entry| entry.get("resource").is_some_and(is_status)) {
        return topic::parse(bundle, index);
    }
    match bundle_type {
        "transaction" | "batch" | "searchset" => hapi_search::parse(bundle),
        "history" | "subscription-notification" => {
            Err(ParseError::shape("/entry/0/resource", "expected the subscription's status as the first entry"))
        }
        // A stored document or collection is a resource like any other.
        _ => bare::parse(Format::Resource, request, Value::Object(bundle), None),
    }
}

fn is_status(resource: &Value) -> bool {
    match resource_type(resource) {
        Some("SubscriptionStatus" | "AidboxSubscriptionStatus") => true,
        Some("Parameters") => resource.as_object().is_some_and(r4_backport::is_status),
        _ => false,
    }
}

/// The body without byte order mark and white space at its ends.
fn trimmed(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii()
}
