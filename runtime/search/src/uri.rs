//! URIs, by <https://hl7.org/fhir/R4/search.html#uri>: compared as written, also by what lies above or below.

use serde_json::Value;

use crate::element::ElementType;

/// How a URI is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UriMatch {
    Exact,
    /// `:below`: the resource's URI starts with the value.
    Below,
    /// `:above`: the value lies below the resource's URI.
    Above,
}

/// A URI in criteria.
pub(crate) struct UriValue {
    text: Box<str>,
    how: UriMatch,
}

impl UriValue {
    pub(crate) fn parse(text: &str, how: UriMatch) -> Result<Self, String> {
        if how != UriMatch::Exact && text.starts_with("urn:") {
            return Err("above and below compare URLs; a urn has no path".into());
        }
        Ok(Self { text: text.into(), how })
    }

    pub(crate) fn matches(&self, element: &Value, kind: &ElementType) -> bool {
        let Some(uri) = element.as_str() else {
            return false;
        };
        match (self.how, kind) {
            (UriMatch::Exact, ElementType::Canonical) => canonical_matches(&self.text, uri),
            (UriMatch::Exact, ElementType::Uri) => uri == &*self.text,
            (UriMatch::Below, ElementType::Uri | ElementType::Canonical) => uri.starts_with(&*self.text),
            (UriMatch::Above, ElementType::Uri | ElementType::Canonical) => {
                let rest = self.text.strip_prefix(uri);
                !uri.is_empty() && rest.is_some_and(|rest| rest.is_empty() || uri.ends_with('/') || rest.starts_with('/'))
            }
            _ => false,
        }
    }
}

/// Whether a canonical is the one looked for: the same URL, and the same version where one is asked for.
pub(crate) fn canonical_matches(wanted: &str, canonical: &str) -> bool {
    match wanted.split_once('|') {
        Some(_) => canonical == wanted,
        None => canonical.split('|').next() == Some(wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn uri(text: &str, how: UriMatch, target: &str) -> bool {
        UriValue::parse(text, how).unwrap().matches(&json!(target), &ElementType::Uri)
    }

    #[test]
    fn the_examples_of_the_specification() {
        assert!(uri("http://acme.org/fhir/ValueSet/123", UriMatch::Exact, "http://acme.org/fhir/ValueSet/123"));
        assert!(!uri("http://acme.org/fhir/valueset/123", UriMatch::Exact, "http://acme.org/fhir/ValueSet/123"));
        assert!(uri("http://acme.org/fhir/", UriMatch::Below, "http://acme.org/fhir/ValueSet/123"));
        assert!(uri("http://acme.org/fhir/ValueSet/123/_history/5", UriMatch::Above, "http://acme.org/fhir/ValueSet/123"));
        assert!(!uri("http://acme.org/fhir/ValueSet/1234", UriMatch::Above, "http://acme.org/fhir/ValueSet/123"));
        assert!(UriValue::parse("urn:oid:1.2.3", UriMatch::Below).is_err());
    }

    #[test]
    fn versions_count_only_where_asked_for() {
        assert!(canonical_matches("http://a/b", "http://a/b|1.0") && canonical_matches("http://a/b|1.0", "http://a/b|1.0"));
        assert!(!canonical_matches("http://a/b|2.0", "http://a/b|1.0") && !canonical_matches("http://a/b|1.0", "http://a/b"));
    }
}
