//! Tokens, by <https://hl7.org/fhir/R4/search.html#token>: codes, identifiers, booleans.
//!
//! Codes and identifiers compare with case, as R4 says where a code system does not say otherwise; what FHIR types as a
//! string compares without.

use serde_json::Value;

use crate::element::{ElementType, items, string};
use crate::text::fold;

/// Which systems a token allows.
#[derive(Debug, PartialEq, Eq)]
enum System {
    /// `code`: any, also none.
    Any,
    /// `|code`: there must be none.
    Absent,
    /// `system|code`.
    Is(Box<str>),
}

/// A token in criteria.
pub(crate) struct TokenValue {
    system: System,
    /// None for `system|`: any code of it.
    code: Option<Box<str>>,
}

/// An identifier with its type, from `:of-type`.
pub(crate) struct TypedIdentifier {
    coding: TokenValue,
    value: Box<str>,
}

impl TokenValue {
    /// `parts` are the pieces between the bars.
    pub(crate) fn parse(parts: &[String]) -> Result<Self, String> {
        let some = |text: &String| (!text.is_empty()).then(|| text.as_str().into());
        match parts {
            [code] if !code.is_empty() => Ok(Self { system: System::Any, code: some(code) }),
            [system, code] if !(system.is_empty() && code.is_empty()) => Ok(Self {
                system: if system.is_empty() { System::Absent } else { System::Is(system.as_str().into()) },
                code: some(code),
            }),
            _ => Err("it needs code, system|code, |code or system| (a bar in a value is written \\|)".into()),
        }
    }

    /// Whether it names a system, which an element without one can never have.
    pub(crate) fn names_system(&self) -> bool {
        matches!(self.system, System::Is(_))
    }

    pub(crate) fn matches(&self, element: &Value, kind: &ElementType) -> bool {
        match kind {
            ElementType::Coding => self.pair(string(element, "system"), string(element, "code")),
            ElementType::CodeableConcept => {
                items(element, "coding").iter().any(|coding| self.matches(coding, &ElementType::Coding))
            }
            ElementType::Identifier => self.pair(string(element, "system"), string(element, "value")),
            ElementType::Code(systems) => {
                let system = match &self.system {
                    System::Is(wanted) => systems.contains(wanted),
                    System::Any | System::Absent => true,
                };
                system && self.code_is(element.as_str())
            }
            ElementType::Boolean => {
                let system = match &self.system {
                    System::Is(wanted) => &**wanted == "http://terminology.hl7.org/CodeSystem/special-values",
                    System::Any | System::Absent => true,
                };
                system && self.code_is(element.as_bool().map(|b| if b { "true" } else { "false" }))
            }
            ElementType::ContactPoint => {
                let system = match &self.system {
                    System::Is(wanted) => string(element, "system") == Some(wanted),
                    System::Any | System::Absent => true,
                };
                system && self.text_is(string(element, "value"))
            }
            ElementType::Uri | ElementType::Canonical => !self.names_system() && self.code_is(element.as_str()),
            ElementType::Text => !self.names_system() && self.text_is(element.as_str()),
            _ => false,
        }
    }

    fn pair(&self, system: Option<&str>, code: Option<&str>) -> bool {
        let system = match &self.system {
            System::Any => true,
            System::Absent => system.is_none(),
            System::Is(wanted) => system == Some(wanted),
        };
        system && self.code_is(code)
    }

    fn code_is(&self, code: Option<&str>) -> bool {
        code.is_some_and(|code| self.code.as_deref().is_none_or(|wanted| wanted == code))
    }

    fn text_is(&self, text: Option<&str>) -> bool {
        text.is_some_and(|text| self.code.as_deref().is_none_or(|wanted| fold(wanted) == fold(text)))
    }
}

impl TypedIdentifier {
    /// `parts` are the pieces between the bars.
    pub(crate) fn parse(parts: &[String]) -> Result<Self, String> {
        match parts {
            [system, code, value] if [system, code, value].iter().all(|part| !part.is_empty()) => Ok(Self {
                coding: TokenValue { system: System::Is(system.as_str().into()), code: Some(code.as_str().into()) },
                value: value.as_str().into(),
            }),
            _ => Err("it needs system|code|value: the type of the identifier, then its value".into()),
        }
    }

    pub(crate) fn matches(&self, element: &Value, kind: &ElementType) -> bool {
        *kind == ElementType::Identifier
            && string(element, "value") == Some(&self.value)
            && element.get("type").is_some_and(|t| self.coding.matches(t, &ElementType::CodeableConcept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn token(text: &str) -> TokenValue {
        TokenValue::parse(&text.split('|').map(str::to_owned).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn the_four_forms() {
        let with = json!({"coding": [{"system": "http://loinc.org", "code": "4548-4"}, {"code": "own"}]});
        let concept = |text: &str| token(text).matches(&with, &ElementType::CodeableConcept);
        assert!(concept("4548-4") && concept("http://loinc.org|4548-4") && concept("http://loinc.org|"));
        assert!(!concept("|4548-4"), "it has a system");
        assert!(concept("|own") && concept("own") && !concept("http://loinc.org|own"));
        assert!(!concept("4548") && !concept("OWN"));
        for bad in ["", "|", "a|b|c"] {
            assert!(TokenValue::parse(&bad.split('|').map(str::to_owned).collect::<Vec<_>>()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_bound_code_has_its_binding_s_system() {
        let kind = ElementType::new("code <http://hl7.org/fhir/task-status>");
        assert!(token("http://hl7.org/fhir/task-status|ready").matches(&json!("ready"), &kind));
        assert!(token("|ready").matches(&json!("ready"), &kind));
        assert!(!token("http://other|ready").matches(&json!("ready"), &kind));
        assert!(!token("READY").matches(&json!("ready"), &kind));
    }

    #[test]
    fn booleans_contacts_and_strings() {
        assert!(token("true").matches(&json!(true), &ElementType::Boolean));
        assert!(!token("true").matches(&json!("true"), &ElementType::Boolean));
        assert!(token("A@b.org").matches(&json!({"system": "email", "value": "a@B.org"}), &ElementType::ContactPoint));
        assert!(token("Lot-1").matches(&json!("LOT-1"), &ElementType::Text));
        assert!(!token("x").matches(&json!({"value": 5}), &ElementType::ContactPoint));
    }

    #[test]
    fn identifiers_by_their_type() {
        let mrn =
            json!({"type": {"coding": [{"system": "http://v2-0203", "code": "MR"}]}, "system": "http://a", "value": "446053"});
        let of_type = |text: &str| TypedIdentifier::parse(&text.split('|').map(str::to_owned).collect::<Vec<_>>());
        assert!(of_type("http://v2-0203|MR|446053").unwrap().matches(&mrn, &ElementType::Identifier));
        assert!(!of_type("http://v2-0203|MR|4460").unwrap().matches(&mrn, &ElementType::Identifier));
        assert!(of_type("MR|446053").is_err());
        assert!(token("http://a|446053").matches(&mrn, &ElementType::Identifier));
    }
}
