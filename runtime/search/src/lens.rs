//! What one search parameter finds in a resource: what a server needs for sorting, chains, `_has` and `_include`.
//!
//! Trade-off: nothing here is on the way of a run. A key is made for each element at each call, since whoever sorts does so seldom.

use std::sync::Arc;

use rust_decimal::Decimal;
use serde_json::Value;

use crate::date;
use crate::definitions::{self, ParameterType};
use crate::element::{ElementType, items, string};
use crate::judge;
use crate::number;
use crate::path::{Scope, Source};
use crate::reference::{ServerBases, Target};
use crate::text::fold;

/// One search parameter of one type, compiled.
#[derive(Debug)]
pub struct Lens {
    kind: ParameterType,
    targets: &'static [String],
    source: Arc<Source>,
}

/// What a resource is sorted by. Keys of one parameter are of one kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SortKey {
    /// A number or a quantity's value.
    Number(Decimal),
    /// Where a date or period begins, in nanoseconds since 1970.
    Instant(i128),
    /// A string without case and accents, a URI, what a reference names.
    Text(String),
    /// A token: its system, then its code.
    Token(String, String),
}

/// One search parameter as a CapabilityStatement lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// The name in a query.
    pub code: &'static str,
    /// Its `type`.
    pub kind: ParameterType,
}

/// Every R4 resource type, sorted.
pub fn resource_types() -> impl Iterator<Item = &'static str> {
    definitions::resource_types()
}

/// The parameters of a type that can be judged, inherited ones last.
pub fn listed(resource_type: &str) -> Vec<Listed> {
    definitions::parameter_codes(resource_type)
        .filter_map(|code| {
            let definition = definitions::parameter(resource_type, code)?;
            judge::source(resource_type, definition).ok()?;
            Some(Listed { code, kind: definition.kind })
        })
        .collect()
}

impl Lens {
    /// The parameter `code` of a type; none where R4 has no such parameter, or a resource alone does not hold what it looks at.
    #[must_use]
    pub fn of(resource_type: &str, code: &str) -> Option<Self> {
        let definition = definitions::parameter(resource_type, code)?;
        let source = judge::source(resource_type, definition).ok()?;
        Some(Self { kind: definition.kind, targets: &definition.target, source })
    }

    /// All parameters of a type that look at references, with their codes.
    pub fn references_of(resource_type: &str) -> impl Iterator<Item = (&'static str, Self)> {
        let codes = definitions::parameter_codes(resource_type);
        codes
            .filter_map(move |code| Some((code, Self::of(resource_type, code)?)))
            .filter(|(_, lens)| lens.kind == ParameterType::Reference)
    }

    /// Its `type`.
    #[must_use]
    pub const fn kind(&self) -> ParameterType {
        self.kind
    }

    /// The types that its references may point to; none means any.
    #[must_use]
    pub const fn targets(&self) -> &'static [String] {
        self.targets
    }

    /// Type and id of each reference of the resource to the server itself, in order.
    #[must_use]
    pub fn references(&self, resource: &Value, bases: &ServerBases) -> Vec<(String, String)> {
        let mut found = Vec::new();
        self.each(resource, bases, &mut |element, kind| {
            let text = match kind {
                ElementType::Reference => string(element, "reference"),
                ElementType::Uri | ElementType::Canonical => element.as_str(),
                _ => None,
            };
            if let Some(Target::Local(to)) = text.map(|text| Target::read(text, bases)) {
                found.push((to.type_name.to_owned(), to.id.to_owned()));
            }
        });
        found
    }

    /// The canonical URLs that the resource holds there, without version.
    #[must_use]
    pub fn canonicals(&self, resource: &Value, bases: &ServerBases) -> Vec<String> {
        let mut found = Vec::new();
        self.each(resource, bases, &mut |element, kind| {
            if let (ElementType::Uri | ElementType::Canonical, Some(text)) = (kind, element.as_str()) {
                found.push(text.split('|').next().unwrap_or_default().to_owned());
            }
        });
        found
    }

    /// What the resource can be sorted by, one for each element that has something.
    #[must_use]
    pub fn sort_keys(&self, resource: &Value, bases: &ServerBases) -> Vec<SortKey> {
        let mut keys = Vec::new();
        self.each(resource, bases, &mut |element, kind| keys.extend(sort_keys(self.kind, element, kind)));
        keys
    }

    /// Visits all elements, and those texts of tokens that a `:text` looks at.
    pub fn texts(&self, resource: &Value, bases: &ServerBases, tell: &mut dyn FnMut(&str)) {
        self.each(resource, bases, &mut |element, kind| {
            let (concept, codings): (Option<&str>, &[Value]) = match kind {
                ElementType::CodeableConcept => (string(element, "text"), items(element, "coding")),
                ElementType::Coding => (None, std::slice::from_ref(element)),
                ElementType::Identifier => (element.get("type").and_then(|kind| string(kind, "text")), &[]),
                ElementType::Reference => (string(element, "display"), &[]),
                _ => (None, &[]),
            };
            concept.into_iter().chain(codings.iter().filter_map(|coding| string(coding, "display"))).for_each(&mut *tell);
        });
    }

    fn each(&self, resource: &Value, bases: &ServerBases, tell: &mut dyn FnMut(&Value, &ElementType)) {
        self.source.any(resource, Scope { resource, bases }, &mut |element, kind| {
            tell(element, kind);
            false
        });
    }
}

fn sort_keys(parameter: ParameterType, element: &Value, kind: &ElementType) -> Vec<SortKey> {
    let text = |keys: &[&str]| {
        let all = keys.iter().flat_map(|key| items(element, key)).filter_map(Value::as_str);
        all.map(|text| SortKey::Text(fold(text))).collect()
    };
    let token = |system: Option<&str>, code: Option<&str>| {
        code.map(|code| SortKey::Token(system.unwrap_or_default().to_owned(), code.to_owned()))
    };
    let one = |key: Option<SortKey>| key.into_iter().collect();
    match (parameter, kind) {
        (ParameterType::Date, _) => one(date::begins(element, kind).map(SortKey::Instant)),
        (ParameterType::Number, ElementType::Number) => one(number::decimal(element).map(SortKey::Number)),
        (ParameterType::Quantity, _) => one(element.get("value").and_then(number::decimal).map(SortKey::Number)),
        (ParameterType::Token, ElementType::Coding) => one(token(string(element, "system"), string(element, "code"))),
        (ParameterType::Token, ElementType::CodeableConcept) => {
            let codings = items(element, "coding").iter();
            codings.filter_map(|coding| token(string(coding, "system"), string(coding, "code"))).collect()
        }
        (ParameterType::Token, ElementType::Identifier | ElementType::ContactPoint) => {
            one(token(string(element, "system"), string(element, "value")))
        }
        (ParameterType::Token, ElementType::Code(systems)) => {
            one(token(systems.first().map(|system| &**system), element.as_str()))
        }
        (ParameterType::Token, ElementType::Boolean) => {
            one(token(None, element.as_bool().map(|truth| if truth { "true" } else { "false" })))
        }
        (ParameterType::Token, _) => one(token(None, element.as_str())),
        (_, ElementType::HumanName) => text(&["text", "family", "given", "prefix", "suffix"]),
        (_, ElementType::Address) => text(&["text", "line", "city", "district", "state", "postalCode", "country"]),
        (_, ElementType::Text) => one(element.as_str().map(|text| SortKey::Text(fold(text)))),
        (_, ElementType::Reference) => one(string(element, "reference").map(|text| SortKey::Text(text.to_owned()))),
        (_, ElementType::Uri | ElementType::Canonical) => one(element.as_str().map(|text| SortKey::Text(text.to_owned()))),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn keys(resource: &Value, code: &str) -> Vec<SortKey> {
        let lens = Lens::of(resource["resourceType"].as_str().unwrap(), code).unwrap();
        lens.sort_keys(resource, &ServerBases::default())
    }

    #[test]
    fn keys_are_of_the_parameters_kind() {
        let text = |text: &str| SortKey::Text(text.to_owned());
        let patient = json!({"resourceType": "Patient", "birthDate": "1970-01-02", "gender": "male", "active": true,
            "name": [{"family": "Ødegård", "given": ["Zoë"]}]});
        assert_eq!(keys(&patient, "birthdate"), [SortKey::Instant(86_400_000_000_000)]);
        assert_eq!(keys(&patient, "family"), [text("ødegard")]);
        assert_eq!(keys(&patient, "name"), [text("ødegard"), text("zoe")]);
        assert_eq!(keys(&patient, "active"), [SortKey::Token(String::new(), "true".to_owned())]);
        assert!(keys(&patient, "death-date").is_empty());
        let observation =
            json!({"resourceType": "Observation", "valueQuantity": {"value": 1.5}, "subject": {"reference": "Patient/1"}});
        assert_eq!(keys(&observation, "value-quantity"), [SortKey::Number("1.5".parse().unwrap())]);
        assert_eq!(keys(&observation, "subject"), [text("Patient/1")]);
        assert!(Lens::of("Patient", "nonsense").is_none());
    }

    #[test]
    fn references_are_those_to_the_server() {
        let bases = ServerBases::new(["http://here.test/fhir"]);
        let task = json!({"resourceType": "Task", "owner": {"reference": "http://here.test/fhir/Practitioner/p"},
            "for": {"reference": "http://elsewhere.test/Patient/x"}, "focus": {"reference": "#c"}});
        let of = |code: &str| Lens::of("Task", code).unwrap().references(&task, &bases);
        assert_eq!(of("owner"), [("Practitioner".to_owned(), "p".to_owned())]);
        assert!(of("patient").is_empty() && of("focus").is_empty());
        assert!(Lens::references_of("Task").any(|(code, _)| code == "owner"));
        assert!(listed("Task").iter().any(|listed| listed.code == "status" && listed.kind == ParameterType::Token));
    }
}
