//! Strings, by <https://hl7.org/fhir/R4/search.html#string>: names and addresses match by any of their parts.

use serde_json::Value;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::element::{ElementType, items};

/// A string in criteria.
pub(crate) enum TextValue {
    /// The default: starts with, without case and accents.
    Starts(String),
    /// `:contains`: anywhere, without case and accents.
    Contains(String),
    /// `:exact`: the whole, as written.
    Exact(String),
}

impl TextValue {
    pub(crate) fn matches(&self, element: &Value, kind: &ElementType) -> bool {
        let any = |keys: &[&str]| {
            keys.iter().flat_map(|key| items(element, key)).filter_map(Value::as_str).any(|text| self.accepts(text))
        };
        match kind {
            ElementType::Text => element.as_str().is_some_and(|text| self.accepts(text)),
            ElementType::HumanName => any(&["text", "family", "given", "prefix", "suffix"]),
            ElementType::Address => any(&["text", "line", "city", "district", "state", "postalCode", "country"]),
            _ => false,
        }
    }

    fn accepts(&self, text: &str) -> bool {
        match self {
            Self::Starts(wanted) => fold(text).starts_with(wanted.as_str()),
            Self::Contains(wanted) => fold(text).contains(wanted.as_str()),
            Self::Exact(wanted) => text == wanted,
        }
    }
}

/// Without case, accents and superfluous space, so that what a reader takes as the same compares as the same.
pub(crate) fn fold(text: &str) -> String {
    let plain: String = text.to_lowercase().nfd().filter(|c| !is_combining_mark(*c)).collect();
    let mut out = String::with_capacity(plain.len());
    for word in plain.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn the_examples_of_the_specification() {
        let given = |value: &TextValue, name: &str| value.matches(&json!({"given": [name]}), &ElementType::HumanName);
        let eve = TextValue::Starts(fold("eve"));
        assert!(given(&eve, "Eve") && given(&eve, "Evelyn") && !given(&eve, "Severine"));
        let contains = TextValue::Contains(fold("eve"));
        assert!(given(&contains, "Eve") && given(&contains, "Evelyn") && given(&contains, "Severine"));
        let exact = TextValue::Exact("Eve".into());
        assert!(given(&exact, "Eve") && !given(&exact, "eve") && !given(&exact, "EVE"));
    }

    #[test]
    fn accents_case_and_space_do_not_count() {
        let value = TextValue::Starts(fold("MULLER  strasse"));
        assert!(value.matches(&json!("Müller Straße".replace('ß', "ss")), &ElementType::Text));
        assert!(value.matches(&json!({"line": ["Mu\u{308}ller strasse 5"]}), &ElementType::Address));
        assert!(!value.matches(&json!(["x"]), &ElementType::Text));
    }

    proptest! {
        #[test]
        fn folding_twice_is_folding_once(text in "\\PC{0,20}") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }
    }
}
