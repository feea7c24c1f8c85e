//! `when` filters in JSONPath (RFC 9535): what search parameters cannot say about a resource.

use std::fmt;

use jsonpath_rust::parser::model::JpQuery;
use jsonpath_rust::parser::parse_json_path;
use jsonpath_rust::query::js_path_process;
use serde_json::Value;

/// A compiled filter. `Debug` and `Display` show its text, which the bot's author wrote.
#[derive(Clone)]
pub struct When {
    text: Box<str>,
    query: JpQuery,
}

/// Why a filter cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a JSONPath (RFC 9535): {why}")]
pub struct WhenError {
    /// What the parser expected, and where.
    pub why: String,
}

impl When {
    /// Compiles a JSONPath such as `$.input[?@.type.text == 'reason']`.
    ///
    /// # Errors
    /// What is no JSONPath by RFC 9535.
    pub fn json_path(text: &str) -> Result<Self, WhenError> {
        let query = parse_json_path(text).map_err(|error| WhenError { why: error.to_string() })?;
        Ok(Self { text: text.into(), query })
    }

    /// Whether the path selects anything in the resource, be it null or false.
    pub fn matches(&self, resource: &Value) -> bool {
        js_path_process(&self.query, resource).is_ok_and(|found| !found.is_empty())
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "When({:?})", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn true_if_it_selects_anything() {
        let task =
            json!({"resourceType": "Task", "status": "ready", "input": [{"type": {"text": "reason"}, "valueBoolean": false}]});
        for (path, expected) in [
            ("$.status", true),
            ("$.owner", false),
            ("$[?@ == 'ready']", true),
            ("$.input[?@.type.text == 'reason']", true),
            ("$.input[?@.type.text == 'other']", false),
            ("$.input[*].valueBoolean", true),
            ("$..text", true),
            ("$.input[?length(@.type.text) > 3]", true),
        ] {
            assert_eq!(When::json_path(path).unwrap().matches(&task), expected, "{path}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["", "status", "$.", "$[?", "$[?@.a = 1]"] {
            let error = When::json_path(text).unwrap_err();
            assert!(!error.why.is_empty(), "{text}");
        }
        assert_eq!(When::json_path("$.a").unwrap().to_string(), "$.a");
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\$[\\PC]{0,20}|\\$[.\\[\\]?@*a-c0-9'=:<(),-]{0,24}") {
            if let Ok(when) = When::json_path(&text) {
                when.matches(&json!({"a": [{"b": 1}, "c", null], "b": {"a": -1.5}}));
            }
        }
    }
}
