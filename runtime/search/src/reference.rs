//! References, by <https://hl7.org/fhir/R4/search.html#reference>: what they point to, and when two mean the same.
//!
//! `Patient/1`, `Patient/1/_history/2` and `https://this.server/fhir/Patient/1` are one target where the base is the server's
//! own ([`ServerBases`]). An absolute URL elsewhere is only itself. Nothing is fetched: a target's type is what the reference
//! says, or that of the contained resource.

use serde_json::Value;

use crate::definitions;
use crate::element::{ElementType, items, string};
use crate::path::Scope;

/// The base URLs by which the server itself is known, so that absolute references to it are seen as local.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerBases(Box<[Box<str>]>);

impl ServerBases {
    /// Takes base URLs such as `https://fhir.example.org/r4`, with or without a slash at the end.
    pub fn new<T: AsRef<str>>(bases: impl IntoIterator<Item = T>) -> Self {
        let trimmed = bases.into_iter().map(|base| base.as_ref().trim_end_matches('/').to_owned());
        let mut bases: Vec<Box<str>> = trimmed.filter(|base| !base.is_empty()).map(String::into_boxed_str).collect();
        // One base may be the beginning of another: the longest is the one that is meant.
        bases.sort_by_key(|base| std::cmp::Reverse(base.len()));
        Self(bases.into())
    }

    fn strip<'a>(&self, url: &'a str) -> &'a str {
        let below = |base: &str| url.strip_prefix(base)?.strip_prefix('/');
        self.0.iter().find_map(|base| below(base)).unwrap_or(url)
    }
}

/// What the text of a reference points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    /// On this server.
    Local(Versioned<'a>),
    /// `base` is another server's.
    Remote(&'a str, Versioned<'a>),
    /// A contained resource, by its id; empty for the resource itself.
    Contained(&'a str),
    /// A URN, a conditional reference, or nothing that FHIR knows.
    Other(&'a str),
}

/// `Type/id`, perhaps with `/_history/version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Versioned<'a> {
    pub(crate) type_name: &'a str,
    pub(crate) id: &'a str,
    pub(crate) version: Option<&'a str>,
}

impl<'a> Target<'a> {
    pub(crate) fn read(text: &'a str, bases: &ServerBases) -> Self {
        let text = bases.strip(text);
        if let Some(id) = text.strip_prefix('#') {
            return Self::Contained(id);
        }
        let (path, version) = match text.split_once("/_history/") {
            Some((path, version)) => (path, Some(version)),
            None => (text, None),
        };
        let Some((front, id)) = path.rsplit_once('/') else {
            return Self::Other(text);
        };
        let (base, type_name) = front.rsplit_once('/').map_or((None, front), |(base, name)| (Some(base), name));
        if !is_id(id) || !definitions::is_resource_type(type_name) {
            return Self::Other(text);
        }
        let versioned = Versioned { type_name, id, version };
        match base {
            None => Self::Local(versioned),
            Some(base) if base.contains("://") => Self::Remote(base, versioned),
            Some(_) => Self::Other(text),
        }
    }

    fn versioned(self) -> Option<Versioned<'a>> {
        match self {
            Self::Local(versioned) | Self::Remote(_, versioned) => Some(versioned),
            Self::Contained(_) | Self::Other(_) => None,
        }
    }
}

fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}

/// The type of what a Reference points to, as far as the resource tells.
pub(crate) fn target_type<'a>(reference: &'a Value, resource: &'a Value, bases: &ServerBases) -> Option<&'a str> {
    let told = || string(reference, "type");
    let Some(text) = string(reference, "reference") else {
        return told();
    };
    match Target::read(text, bases) {
        Target::Local(to) | Target::Remote(_, to) => Some(to.type_name),
        Target::Contained("") => string(resource, "resourceType"),
        Target::Contained(id) => items(resource, "contained")
            .iter()
            .find(|contained| string(contained, "id") == Some(id))
            .and_then(|contained| string(contained, "resourceType")),
        Target::Other(_) => told(),
    }
}

/// A reference in criteria.
pub(crate) struct ReferenceValue {
    text: Box<str>,
    /// The text is only an id.
    bare: bool,
    /// The types that may be meant; empty means any.
    types: Box<[Box<str>]>,
}

impl ReferenceValue {
    /// `only` is the type from a modifier (`subject:Patient`), `targets` what the parameter allows.
    pub(crate) fn parse(text: &str, only: Option<&str>, targets: &[String]) -> Result<Self, String> {
        if text.is_empty() {
            return Err("it needs id, Type/id or a URL".into());
        }
        let bare = is_id(text);
        let types = match only {
            Some(only) => [only.into()].into(),
            None if bare => targets.iter().map(|name| name.as_str().into()).collect(),
            None => [].into(),
        };
        Ok(Self { text: text.into(), bare, types })
    }

    pub(crate) fn matches(&self, element: &Value, kind: &ElementType, scope: Scope<'_>) -> bool {
        let (have, version) = match kind {
            ElementType::Reference => (string(element, "reference"), None),
            // A canonical's version follows a bar.
            ElementType::Canonical | ElementType::Uri => match element.as_str().map(|text| text.split_once('|')) {
                Some(Some((url, version))) => (Some(url), Some(version)),
                Some(None) => (element.as_str(), None),
                None => (None, None),
            },
            _ => (None, None),
        };
        let Some(have) = have else { return false };
        let canonical = *kind != ElementType::Reference;
        let (wanted, wanted_version) = match self.text.split_once('|') {
            Some((url, version)) if canonical => (url, Some(version)),
            _ => (&*self.text, None),
        };
        if wanted_version.is_some() && wanted_version != version {
            return false;
        }
        let have = Target::read(have, scope.bases);
        let type_fits =
            self.types.is_empty() || have.versioned().is_some_and(|to| self.types.iter().any(|name| **name == *to.type_name));
        type_fits && self.means(wanted, have, scope.bases)
    }

    fn means(&self, wanted: &str, have: Target<'_>, bases: &ServerBases) -> bool {
        if self.bare {
            return matches!(have, Target::Local(to) if to.id == wanted);
        }
        // A reference to a version is also one to the resource; the other way round it is not.
        let same = |a: Versioned<'_>, b: Versioned<'_>| {
            a.type_name == b.type_name && a.id == b.id && (a.version.is_none() || a.version == b.version)
        };
        match (Target::read(wanted, bases), have) {
            (Target::Local(a), Target::Local(b)) => same(a, b),
            (Target::Remote(base, a), Target::Remote(other, b)) => base == other && same(a, b),
            (Target::Other(a), Target::Other(b)) => a == b,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn matches(search: &str, only: Option<&str>, reference: &str) -> bool {
        let bases = ServerBases::new(["https://here.org/fhir/"]);
        let targets = ["Patient".to_owned(), "Group".to_owned()];
        let scope = Scope { resource: &Value::Null, bases: &bases };
        let value = ReferenceValue::parse(search, only, &targets).unwrap();
        value.matches(&json!({"reference": reference}), &ElementType::Reference, scope)
    }

    #[test]
    fn one_target_in_its_forms() {
        for search in ["23", "Patient/23", "https://here.org/fhir/Patient/23"] {
            for reference in ["Patient/23", "https://here.org/fhir/Patient/23", "Patient/23/_history/4"] {
                assert!(matches(search, None, reference), "{search} {reference}");
            }
            for other in ["Patient/2", "https://other.org/fhir/Patient/23", "#23", "23", "Device/23", "Patient?identifier=23"] {
                assert!(!matches(search, None, other), "{search} {other}");
            }
        }
        assert!(matches("https://other.org/Patient/23", None, "https://other.org/Patient/23/_history/1"));
        assert!(matches("urn:uuid:0b1f", None, "urn:uuid:0b1f"));
    }

    #[test]
    fn the_longest_base_is_meant() {
        let bases = ServerBases::new(["https://here.org", "https://here.org/fhir"]);
        let read = |text| Target::read(text, &bases);
        assert_eq!(read("https://here.org/fhir/Patient/1"), read("Patient/1"));
        assert_eq!(read("https://here.org/Patient/1"), read("Patient/1"));
    }

    #[test]
    fn types_and_versions() {
        assert!(matches("23", Some("Patient"), "Patient/23") && !matches("23", Some("Patient"), "Group/23"));
        assert!(matches("23", None, "Group/23"));
        assert!(matches("Patient/23/_history/4", None, "Patient/23/_history/4"));
        assert!(!matches("Patient/23/_history/4", None, "Patient/23"));
    }

    #[test]
    fn canonicals() {
        let bases = ServerBases::new(["https://here.org/fhir"]);
        let scope = Scope { resource: &Value::Null, bases: &bases };
        let canonical = |search: &str, have: &str| {
            ReferenceValue::parse(search, None, &[]).unwrap().matches(&json!(have), &ElementType::Canonical, scope)
        };
        assert!(canonical("http://x.org/Questionnaire/phq-9", "http://x.org/Questionnaire/phq-9|1.0"));
        assert!(canonical("http://x.org/phq-9|1.0", "http://x.org/phq-9|1.0"));
        assert!(!canonical("http://x.org/phq-9|1.0", "http://x.org/phq-9"));
        assert!(canonical("Questionnaire/q", "https://here.org/fhir/Questionnaire/q|2"));
    }

    #[test]
    fn the_type_of_a_target() {
        let bases = ServerBases::default();
        let resource = json!({"resourceType": "Task", "contained": [{"resourceType": "Device", "id": "d"}]});
        let of = |reference: Value| target_type(&reference, &resource, &bases).map(str::to_owned);
        assert_eq!(of(json!({"reference": "#d"})).as_deref(), Some("Device"));
        assert_eq!(of(json!({"reference": "#"})).as_deref(), Some("Task"));
        assert_eq!(of(json!({"reference": "http://a/Patient/1"})).as_deref(), Some("Patient"));
        assert_eq!(of(json!({"type": "Group", "identifier": {"value": "1"}})).as_deref(), Some("Group"));
        assert_eq!(of(json!({"reference": "urn:uuid:1", "type": "Group"})).as_deref(), Some("Group"));
        assert_eq!(of(json!("Patient/1")), None);
    }

    proptest! {
        #[test]
        fn never_panics(a in "\\PC{0,20}|[Patient/#1:_history]{0,20}", b in "\\PC{0,20}|Patient/[a-z/]{0,9}") {
            if let Ok(value) = ReferenceValue::parse(&a, None, &[]) {
                let bases = ServerBases::new([b.as_str()]);
                let scope = Scope { resource: &Value::Null, bases: &bases };
                value.matches(&json!({"reference": b}), &ElementType::Reference, scope);
                value.matches(&json!(b), &ElementType::Canonical, scope);
            }
        }
    }
}
