//! Searches that return no more than was asked for.
//!
//! A server may ignore a parameter that it does not know and return everything; `Prefer: handling=strict` asks it not to. Measured:
//! HAPI refuses an unknown name so, but still ignores one that begins with `_`, and unknown modifiers, and even repeats them in
//! the self link as if it had used them. So what R4 does not define is refused here, and the self link is compared on top.

use hob_model::ResourceType;
use serde_json::Value;
use url::{Url, form_urlencoded};

use crate::{FhirError, FhirErrorKind};

/// Parameters that R4 defines for all types and for results (`search.html`). No server may add names that begin with `_`.
const UNDERSCORED: [&str; 21] = [
    "_id",
    "_lastUpdated",
    "_tag",
    "_profile",
    "_security",
    "_source",
    "_text",
    "_content",
    "_list",
    "_has",
    "_filter",
    "_query",
    "_sort",
    "_count",
    "_include",
    "_revinclude",
    "_summary",
    "_total",
    "_elements",
    "_contained",
    "_containedType",
];
/// Modifiers that R4 defines, without those that name a type. `iterate` and `recurse` are of `_include` and `_revinclude`.
const MODIFIERS: [&str; 13] = [
    "missing",
    "exact",
    "contains",
    "text",
    "not",
    "above",
    "below",
    "in",
    "not-in",
    "of-type",
    "identifier",
    "iterate",
    "recurse",
];
/// Parameters that shape the answer without choosing what is in it: a server may leave them out of its self link.
const SHAPING: [&str; 8] = ["_sort", "_count", "_include", "_revinclude", "_summary", "_total", "_elements", "_format"];

/// Name and value pairs of a query, decoded.
fn pairs(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

/// Checks what can be known to be ignored before anything is sent. The error names parameters and modifiers, no values.
pub(crate) fn check(resource_type: &ResourceType, query: &str) -> Result<(), FhirError> {
    let what = format!("search {resource_type}");
    let ignored = |wrong: String| Err(FhirError::new(FhirErrorKind::SearchIgnored, &what, wrong));
    for (name, value) in pairs(query) {
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.:".contains(&b)) || name.is_empty() {
            return ignored("a parameter's name has characters that no FHIR parameter has".to_owned());
        }
        // Servers skip a parameter without a value (R4 says nothing else), so `identifier=` would find everybody.
        if value.is_empty() {
            return ignored(format!("`{name}` has no value"));
        }
        let mut parts = name.split(':');
        let base = parts.next().unwrap_or_default();
        if base.starts_with('_') && !UNDERSCORED.contains(&base.split('.').next().unwrap_or_default()) {
            return ignored(format!("R4 has no parameter `{base}`"));
        }
        if base == "_has" {
            continue;
        }
        for modifier in parts {
            // `:Type` and, in a chain, `:Type.name`.
            let names_type = modifier.starts_with(|c: char| c.is_ascii_uppercase());
            if !names_type && !MODIFIERS.contains(&modifier) {
                return ignored(format!("R4 has no modifier `:{modifier}`"));
            }
        }
    }
    Ok(())
}

/// Compares the self link with what was asked: each parameter that chooses must be there as often as it was asked for.
///
/// Values are compared only by their number, since servers write them anew (dates, escapes, absolute references).
pub(crate) fn compare(resource_type: &ResourceType, query: &str, bundle: &Value) -> Result<(), FhirError> {
    let what = format!("search {resource_type}");
    let asked: Vec<String> = pairs(query).into_iter().map(|(name, _)| name).filter(|name| chooses(name)).collect();
    if asked.is_empty() {
        return Ok(());
    }
    let Some(url) = crate::page::link(bundle, "self") else {
        return Err(FhirError::new(
            FhirErrorKind::SearchIgnored,
            &what,
            "the answer has no self link to tell what the server used",
        ));
    };
    let used: Vec<String> = match Url::parse(url) {
        Ok(url) => pairs(url.query().unwrap_or_default()),
        Err(_) => pairs(url.split_once('?').map_or("", |(_, query)| query)),
    }
    .into_iter()
    .map(|(name, _)| name)
    .collect();
    let count = |names: &[String], name: &str| names.iter().filter(|other| base_name(other) == base_name(name)).count();
    match asked.iter().find(|name| count(&used, name) < count(&asked, name)) {
        Some(name) => Err(FhirError::new(FhirErrorKind::SearchIgnored, &what, format_args!("the server ignored `{name}`"))),
        None => Ok(()),
    }
}

fn chooses(name: &str) -> bool {
    !SHAPING.contains(&name.split(':').next().unwrap_or_default())
}

/// `subject` of `subject:Patient`: some servers write a typed reference without the modifier.
fn base_name(name: &str) -> &str {
    let end = name.split_once(':').filter(|(base, modifier)| {
        *base != "_has" && modifier.starts_with(|c: char| c.is_ascii_uppercase()) && !modifier.contains('.')
    });
    end.map_or(name, |(base, _)| base)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn task() -> ResourceType {
        "Task".parse().unwrap()
    }

    #[test]
    fn refuses_what_a_server_would_ignore() {
        for good in [
            "status=ready&_count=2",
            "subject:Patient.name:exact=a",
            "_has:Provenance:target:agent=1",
            "_include:iterate=Task:subject",
            "code:not-in=http%3A%2F%2Fx",
            "",
        ] {
            assert_eq!(check(&task(), good), Ok(()), "{good}");
        }
        for (bad, named) in [
            ("_licence=CA", "_licence"),
            ("status:exactly=CANARY", ":exactly"),
            ("identifier=", "identifier"),
            ("a%20b=1", "characters"),
            ("=1", "characters"),
        ] {
            let error = check(&task(), bad).unwrap_err();
            assert_eq!(error.kind, FhirErrorKind::SearchIgnored);
            assert!(error.message.contains(named), "{error}");
            assert!(!error.to_string().contains("CANARY"));
        }
    }

    #[test]
    fn compares_the_self_link() {
        let answer = |url: &str| json!({"link": [{"relation": "self", "url": url}]});
        let ok = |query: &str, url: &str| compare(&task(), query, &answer(url)).is_ok();
        assert!(ok("status=ready&subject:Patient=1&_count=5", "http://h/Task?subject=Patient%2F1&status=ready"));
        assert!(ok("date=ge2020&date=lt2021", "http://h/Task?date=ge2020&date=lt2021&_format=json"));
        assert!(ok("_count=5", "http://h/Task"));
        assert!(ok("status=ready", "Task?status=ready"));
        assert!(!ok("date=ge2020&date=lt2021", "http://h/Task?date=ge2020"));
        assert!(!ok("status=ready&licence=CA", "http://h/Task?status=ready"));
        assert!(!ok("code:in=x", "http://h/Task?code=x"));
        assert!(compare(&task(), "status=ready", &json!({})).is_err());
    }
}
