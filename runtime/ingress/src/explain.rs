//! What a captured notification is: `hob explain FILE`.
//!
//! A file is one of three: a bare body, taken as POST to the endpoint; a wire file (`method`, `path`, `headers`, `body`); or a
//! capture of many requests (`captures` or `requests`, with `rawHeaders`), whose signatures are checked against its
//! `secret`. Unlike errors, an explanation names resources: it is for whoever has the file.

use bytes::Bytes;
use hob_model::{Inbound, Interaction, SecretRef};
use serde::Serialize;
use serde_json::Value;

use crate::read::Object;
use crate::{AuthError, Format, Kind, Notification, ParseError, Verifier, WireRequest, parse};

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Explanation {
    /// One request.
    One(Explained),
    /// Many, in the order of the file.
    Many(Vec<Explained>),
}

/// One request, explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// Its wire format.
    pub format: Format,
    /// What it is.
    pub kind: Kind,
    /// The subscription, as sent.
    pub subscription: Option<String>,
    /// Its events.
    pub events: Vec<ExplainedEvent>,
    /// Whether its signature is right; `None`, and not printed, where the file has no secret to check it by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
}

/// One event, explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExplainedEvent {
    /// The server's count.
    pub number: Option<u64>,
    /// What was done, where it is known.
    pub interaction: Option<Interaction>,
    /// `Type/id`, absolute where it was sent so; `identifier:value`; or a URI.
    pub focus: Option<String>,
    /// Whether the content of the focus is there.
    pub has_resource: bool,
}

/// How a request's signature stands against the file's secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Signature {
    /// Signed with the secret.
    Verified,
    /// Not signed.
    Absent,
    /// Signed with something else, or changed since.
    Wrong,
}

/// Why a file cannot be explained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExplainError {
    /// It looks like a captured request and is not complete.
    #[error("the wire file is not right: {what}, at `{at}`")]
    WireFile {
        /// A JSON pointer.
        at: String,
        /// What is wrong there.
        what: &'static str,
    },
    /// A request is no notification.
    #[error("{source}{}", at.as_ref().map(|at| format!(" (the request at `{at}`)")).unwrap_or_default())]
    Request {
        /// Where in the file, if there are many.
        at: Option<String>,
        /// The reason.
        source: ParseError,
    },
}

impl ExplainError {
    /// The stable code that the documentation lists.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::WireFile { .. } => "explain-wire-file",
            Self::Request { source, .. } => source.code(),
        }
    }
}

impl From<Notification> for Explained {
    fn from(notification: Notification) -> Self {
        let event = |event: crate::NotifiedEvent| ExplainedEvent {
            number: event.number,
            interaction: event.interaction,
            focus: event.focus.map(|focus| focus.to_string()),
            has_resource: event.resource.is_some() || notification.format == Format::ResourceXml,
        };
        Self {
            format: notification.format,
            kind: notification.kind,
            subscription: notification.subscription,
            events: notification.events.into_iter().map(event).collect(),
            signature: None,
        }
    }
}

/// Explains the contents of a file.
///
/// # Errors
/// [`ExplainError`]: it is no notification, and why.
pub fn explain(file: &[u8]) -> Result<Explanation, ExplainError> {
    if let Ok(Value::Object(object)) = serde_json::from_slice::<Value>(file) {
        if object.get("captures").is_some_and(Value::is_object) || object.get("requests").is_some_and(Value::is_array) {
            return many(&object);
        }
        if object.get("method").is_some_and(Value::is_string) && !object.contains_key("resourceType") {
            return one(&wire(&object, "")?, None).map(Explanation::One);
        }
    }
    let request = WireRequest {
        method: "POST".into(),
        path_rest: String::new(),
        headers: vec![("Content-Type".into(), "application/fhir+json".into())],
        body: Bytes::copy_from_slice(file),
    };
    one(&request, None).map(Explanation::One)
}

fn one(request: &WireRequest, at: Option<String>) -> Result<Explained, ExplainError> {
    parse(request).map(Explained::from).map_err(|source| ExplainError::Request { at, source })
}

fn many(file: &Object) -> Result<Explanation, ExplainError> {
    let inbound = Inbound::Hmac { header: "X-Signature".into(), secret: SecretRef::Env(String::new()) };
    let secret = file.get("secret").and_then(Value::as_str).unwrap_or_default();
    let verifier = Verifier::new(&inbound, secret.as_bytes()).ok();
    let mut lists: Vec<(String, &Value)> = Vec::new();
    if let Some(captures) = file.get("captures").and_then(Value::as_object) {
        lists.extend(captures.iter().map(|(name, list)| (format!("/captures/{name}"), list)));
    }
    lists.extend(file.get("requests").map(|list| ("/requests".to_owned(), list)));
    let mut all = Vec::new();
    for (at, list) in lists {
        for (index, request) in list.as_array().map(Vec::as_slice).unwrap_or_default().iter().enumerate() {
            let at = format!("{at}/{index}");
            let bad = || ExplainError::WireFile { at: at.clone(), what: "expected a captured request" };
            let request = wire(request.as_object().ok_or_else(bad)?, &at)?;
            let mut explained = one(&request, Some(at))?;
            explained.signature = verifier.as_ref().map(|verifier| match verifier.verify(&request, None) {
                Ok(()) => Signature::Verified,
                Err(AuthError::Missing) => Signature::Absent,
                Err(AuthError::Wrong | AuthError::EmptySecret) => Signature::Wrong,
            });
            all.push(explained);
        }
    }
    Ok(Explanation::Many(all))
}

/// Reads a captured request. Members that are not of its form are notes.
fn wire(object: &Object, at: &str) -> Result<WireRequest, ExplainError> {
    let bad = |key: &str, what| ExplainError::WireFile { at: format!("{at}/{key}"), what };
    let method = object.get("method").and_then(Value::as_str).ok_or_else(|| bad("method", "expected a string"))?;
    let path = match object.get("path") {
        None => "",
        Some(path) => path.as_str().ok_or_else(|| bad("path", "expected a string"))?,
    };
    let headers = match (object.get("headers"), object.get("rawHeaders")) {
        (Some(headers), _) => pairs(headers).ok_or_else(|| bad("headers", "expected an object or a list of [name, value]"))?,
        (None, Some(headers)) => flat(headers).ok_or_else(|| bad("rawHeaders", "expected a list of name, value, name, value"))?,
        (None, None) => Vec::new(),
    };
    let body = match object.get("body") {
        None | Some(Value::Null) => Bytes::new(),
        Some(Value::String(text)) => Bytes::copy_from_slice(text.as_bytes()),
        Some(json) => Bytes::from(json.to_string()),
    };
    Ok(WireRequest { method: method.to_ascii_uppercase(), path_rest: rest(path), headers, body })
}

fn pairs(headers: &Value) -> Option<Vec<(String, String)>> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match headers {
        Value::Object(headers) => headers.iter().map(|(name, value)| Some((name.clone(), text(value)?))).collect(),
        Value::Array(headers) => headers.iter().map(|pair| Some((text(pair.get(0)?)?, text(pair.get(1)?)?))).collect(),
        _ => None,
    }
}

fn flat(headers: &Value) -> Option<Vec<(String, String)>> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    headers.as_array()?.chunks(2).map(|pair| Some((text(pair.first()?)?, text(pair.get(1)?)?))).collect()
}

/// What follows the endpoint: after `{endpoint}` where the file says where that ends, else the resource at the path's end.
fn rest(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    if let Some(rest) = path.strip_prefix("{endpoint}") {
        return rest.to_owned();
    }
    let segments: Vec<&str> = path.split('/').collect();
    for length in [4, 2] {
        let tail = segments.len().checked_sub(length).and_then(|start| segments.get(start..)).unwrap_or_default();
        let rest = tail.join("/");
        let request = WireRequest { method: String::new(), path_rest: rest, headers: Vec::new(), body: Bytes::new() };
        if let Ok(Some(_)) = request.target() {
            return format!("/{}", request.path_rest);
        }
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_rest_of_a_path_is_the_resource_at_its_end() {
        for (path, expected) in [
            ("{endpoint}", ""),
            ("{endpoint}/Task/1", "/Task/1"),
            ("/in/default/hapi/x/Task/1", "/Task/1"),
            ("/hook/Task/1/_history/2?x=y", "/Task/1/_history/2"),
            ("/hook/cap-plain", ""),
            ("", ""),
        ] {
            assert_eq!(rest(path), expected, "{path}");
        }
    }

    #[test]
    fn headers_come_in_two_forms_and_bodies_in_three() {
        let patient = json!({ "resourceType": "Patient", "id": "1" });
        for headers in [json!({ "If-Match": "W/\"2\"" }), json!([["If-Match", "W/\"2\""]])] {
            for body in [patient.clone(), json!(patient.to_string()), json!(null)] {
                let file =
                    json!({ "note": 1, "method": "put", "path": "{endpoint}/Patient/1", "headers": headers, "body": body });
                let Explanation::One(one) = explain(file.to_string().as_bytes()).unwrap() else { panic!("one request") };
                assert_eq!(one.kind, Kind::Resource);
                assert_eq!(one.events[0].interaction, Some(Interaction::Update));
                assert_eq!(one.events[0].has_resource, !body.is_null());
            }
        }
    }

    #[test]
    fn errors_say_where() {
        let error = explain(br#"{"method":"POST","headers":7}"#).unwrap_err();
        assert_eq!((error.code(), error.to_string().contains("/headers")), ("explain-wire-file", true));
        let error = explain(br#"{"requests":[{"method":"POST","body":"{"}]}"#).unwrap_err();
        assert_eq!((error.code(), error.to_string().contains("/requests/0")), ("notification-json", true));
    }
}
