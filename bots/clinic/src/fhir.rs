//! Reading and building FHIR R4 as JSON: the few moves that the rules need.
//!
//! Readers answer "not there" for what has the wrong shape: a rule decides what absence means, and nothing panics on input.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A resource that a rule cannot start from. No variant carries content of the resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// Another type, or none.
    #[error("expected a {expected} resource: check what the trigger's criteria match")]
    WrongType {
        /// The type that the rule reads.
        expected: &'static str,
    },
    /// No logical id: what is written could not be identified and would be doubled.
    #[error("the {resource} has no id: pass it as the FHIR server returned it")]
    NoId {
        /// The type of the resource.
        resource: &'static str,
    },
}

/// A code in a system, as settings and rules write it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coding {
    /// The code system's URI.
    pub system: String,
    /// The code.
    pub code: String,
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
}

impl Coding {
    /// A coding with a display text.
    #[must_use]
    pub fn new(system: &str, code: &str, display: &str) -> Self {
        Self { system: system.to_owned(), code: code.to_owned(), display: Some(display.to_owned()) }
    }

    /// Whether a CodeableConcept holds this code; a version after `|` in the system is ignored, the display too.
    pub(crate) fn is_in(&self, concept: &Value) -> bool {
        has_coding(concept, &self.system, &self.code)
    }

    pub(crate) fn to_concept(&self) -> Value {
        let mut coding = json!({ "system": self.system, "code": self.code });
        if let Some(display) = &self.display {
            coding["display"] = json!(display);
        }
        json!({ "coding": [coding] })
    }
}

pub(crate) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

/// The elements of a list, or none if it is absent or no list.
pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The id of a resource of the expected type.
pub(crate) fn id_of<'a>(resource: &'a Value, expected: &'static str) -> Result<&'a str, InputError> {
    if text(resource, "resourceType") != Some(expected) {
        return Err(InputError::WrongType { expected });
    }
    text(resource, "id").filter(|id| !id.is_empty()).ok_or(InputError::NoId { resource: expected })
}

/// A code system's URI without its version, which R4 writes after `|`, and its own examples of v2 tables as a last path segment.
fn unversioned(uri: &str) -> &str {
    let uri = uri.split('|').next().unwrap_or(uri);
    match uri.strip_prefix(crate::ids::V2_0360) {
        Some(rest) if rest.starts_with('/') => crate::ids::V2_0360,
        _ => uri,
    }
}

/// System (without version) and code of every coding of a CodeableConcept.
pub(crate) fn codings(concept: &Value) -> impl Iterator<Item = (&str, &str)> {
    list(concept, "coding").iter().filter_map(|c| Some((unversioned(text(c, "system")?), text(c, "code")?)))
}

pub(crate) fn has_coding(concept: &Value, system: &str, code: &str) -> bool {
    codings(concept).any(|(s, c)| s == unversioned(system) && c == code)
}

/// The extension with this URL.
pub(crate) fn extension<'a>(element: &'a Value, url: &str) -> Option<&'a Value> {
    list(element, "extension").iter().find(|e| text(e, "url") == Some(url))
}

/// Type and id of a relative literal reference, with or without a version. None for anything else: an absolute one may be another
/// server's, where the same id is somebody else, and contained ones and `urn:` have no id here.
#[must_use]
pub fn target(reference: &str) -> Option<(&str, &str)> {
    let mut parts = reference.split('/');
    let kind = parts.next().filter(|p| p.starts_with(char::is_uppercase) && p.bytes().all(|b| b.is_ascii_alphabetic()))?;
    let id = parts.next().filter(|p| !p.is_empty())?;
    matches!((parts.next(), parts.next(), parts.next()), (None, None, None) | (Some("_history"), Some(_), None))
        .then_some((kind, id))
}

/// Type and id that a Reference element of a resource points to, as [`target`] has it.
#[must_use]
pub fn target_of<'a>(resource: &'a Value, key: &str) -> Option<(&'a str, &'a str)> {
    target(text(resource.get(key)?, "reference")?)
}

/// A Reference element to write elsewhere: the same target without version or display, if its type is one of these (none given: any) and it is
/// not contained in the resource. A reference by identifier alone is kept as it is.
pub(crate) fn copied_reference(resource: &Value, key: &str, types: &[&str]) -> Option<Value> {
    let element = resource.get(key)?;
    let allowed = |kind: &str| types.is_empty() || types.contains(&kind);
    if let Some(reference) = text(element, "reference") {
        let literal = reference.split("/_history/").next()?;
        let kind = literal.rsplit('/').nth(1)?;
        return (!literal.starts_with('#') && allowed(kind)).then(|| json!({ "reference": literal }));
    }
    let identifier = element.get("identifier").filter(|i| i.is_object())?;
    match text(element, "type") {
        Some(kind) => allowed(kind).then(|| json!({ "type": kind, "identifier": identifier })),
        None => Some(json!({ "identifier": identifier })),
    }
}

/// Sets an element, or takes it away.
pub(crate) fn put(resource: &mut Value, key: &str, value: Option<Value>) {
    if let Some(object) = resource.as_object_mut() {
        match value {
            Some(value) => drop(object.insert(key.to_owned(), value)),
            None => drop(object.shift_remove(key)),
        }
    }
}

/// Replaces the notes that this author wrote, where the first of them stands, and leaves everybody else's.
pub(crate) fn put_notes(resource: &mut Value, author: &str, texts: &[String]) {
    let mut own: Vec<Value> = texts.iter().map(|text| json!({ "authorString": author, "text": text })).collect();
    let mut notes = Vec::new();
    for note in list(resource, "note") {
        if text(note, "authorString") == Some(author) {
            notes.append(&mut own);
        } else {
            notes.push(note.clone());
        }
    }
    notes.append(&mut own);
    put(resource, "note", (!notes.is_empty()).then_some(Value::Array(notes)));
}

pub(crate) fn object() -> Value {
    Value::Object(Map::new())
}

/// A FHIR instant in the form that servers write.
pub(crate) fn instant(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_of_every_form() {
        assert_eq!(target("Patient/1"), Some(("Patient", "1")));
        assert_eq!(target("Patient/1/_history/3"), Some(("Patient", "1")));
        assert_eq!(target("https://x.org/fhir/Patient/1"), None);
        assert_eq!(target("Patient/1/2"), None);
        assert_eq!(target("#contained"), None);
        assert_eq!(target("urn:uuid:1"), None);
    }

    #[test]
    fn copied_references_point_to_the_same_thing() {
        let copy = |reference: Value| copied_reference(&json!({ "subject": reference }), "subject", &["Patient"]);
        let absolute = json!({ "reference": "https://x.org/fhir/Patient/1" });
        assert_eq!(copy(absolute.clone()), Some(absolute));
        assert_eq!(
            copy(json!({ "reference": "Patient/1/_history/2", "display": "A" })),
            Some(json!({ "reference": "Patient/1" }))
        );
        assert_eq!(copy(json!({ "reference": "Practitioner/1" })), None);
        assert_eq!(copy(json!({ "reference": "#p" })), None);
        let logical = json!({ "type": "Patient", "identifier": { "value": "7" } });
        assert_eq!(copy(logical.clone()), Some(logical));
    }

    #[test]
    fn versions_of_a_code_system_are_ignored() {
        for system in ["v2-0360", "v2-0360|2.7", "v2-0360/2.7"] {
            let concept =
                json!({ "coding": [{ "system": format!("http://terminology.hl7.org/CodeSystem/{system}"), "code": "MD" }] });
            assert!(has_coding(&concept, crate::ids::V2_0360, "MD"));
        }
    }
}
