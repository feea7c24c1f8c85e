//! Small readers over JSON values, lenient in the ways that servers need.

use hob_model::{Interaction, ResourceType, Timestamp, VersionId};
use serde_json::{Map, Value};

use crate::{Focus, MAX_TEXT, ParseError};

pub(crate) type Object = Map<String, Value>;

/// The text at `key`, `None` where there is none or where it is empty.
///
/// # Errors
/// [`ParseError::TooLong`].
pub(crate) fn text(object: &Object, key: &str, at: &str) -> Result<Option<String>, ParseError> {
    object.get(key).and_then(Value::as_str).map_or(Ok(None), |text| bounded(text, || format!("{at}/{key}")))
}

pub(crate) fn bounded(text: &str, at: impl FnOnce() -> String) -> Result<Option<String>, ParseError> {
    if text.len() > MAX_TEXT {
        return Err(ParseError::TooLong { at: at(), limit: MAX_TEXT });
    }
    Ok((!text.trim().is_empty()).then(|| text.trim().to_owned()))
}

/// A count: an integer, a string of digits (integer64), or Aidbox's decimal.
pub(crate) fn count(value: &Value) -> Option<u64> {
    let parse = |text: &str| text.strip_suffix(".0").unwrap_or(text).parse().ok();
    match value {
        Value::Number(number) => number.as_u64().or_else(|| parse(&number.to_string())),
        Value::String(text) => parse(text.trim()),
        _ => None,
    }
}

/// An instant; a date alone is none.
pub(crate) fn instant(value: &Value) -> Option<Timestamp> {
    value.as_str().and_then(Timestamp::parse)
}

/// A version: a string, or an integer (Azure).
pub(crate) fn version(value: &Value) -> Option<VersionId> {
    match value {
        Value::String(text) => VersionId::new(text.as_str()).ok(),
        Value::Number(number) => number.as_u64().and_then(|number| VersionId::new(number.to_string()).ok()),
        _ => None,
    }
}

/// `meta.versionId` and `meta.lastUpdated`.
pub(crate) fn meta(resource: &Value) -> (Option<VersionId>, Option<Timestamp>) {
    let meta = resource.get("meta");
    let get = |key| meta.and_then(|meta| meta.get(key));
    (get("versionId").and_then(version), get("lastUpdated").and_then(instant))
}

/// The type that a JSON resource states.
pub(crate) fn resource_type(value: &Value) -> Option<&str> {
    value.get("resourceType").and_then(Value::as_str)
}

/// Type and id of a JSON resource.
pub(crate) fn identity(resource: &Value) -> Option<hob_model::Reference> {
    let id = resource.get("id").and_then(Value::as_str)?;
    Some(hob_model::Reference { resource_type: resource_type(resource)?.parse().ok()?, id: id.parse().ok()? })
}

/// A focus: a Reference (literal before identifier), or a plain URI.
///
/// # Errors
/// [`ParseError::TooLong`].
pub(crate) fn focus(value: &Value, at: &str) -> Result<Option<(Focus, Option<VersionId>)>, ParseError> {
    let literal = |text: &str, at: String| {
        if text.len() > MAX_TEXT {
            return Err(ParseError::TooLong { at, limit: MAX_TEXT });
        }
        Ok(Focus::parse(text))
    };
    let object = match value {
        Value::String(text) => return literal(text, at.to_owned()),
        Value::Object(object) => object,
        _ => return Ok(None),
    };
    if let Some(text) = object.get("reference").and_then(Value::as_str) {
        return literal(text, format!("{at}/reference"));
    }
    let Some(identifier) = object.get("identifier").and_then(Value::as_object) else {
        return Ok(None);
    };
    let under = format!("{at}/identifier");
    let Some(value) = text(identifier, "value", &under)? else {
        return Ok(None);
    };
    let resource_type = object.get("type").and_then(Value::as_str).and_then(|name| ResourceType::new(name).ok());
    Ok(Some((Focus::Identifier { system: text(identifier, "system", &under)?, value, resource_type }, None)))
}

/// What a version says about what was done, on a server whose version ids count from 1.
pub(crate) fn by_version(version: Option<&VersionId>) -> Option<Interaction> {
    match version?.number()? {
        1 => Some(Interaction::Create),
        _ => Some(Interaction::Update),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn counts_come_in_three_forms() {
        for value in [json!(7), json!("7"), json!(7.0), json!(" 7 ")] {
            assert_eq!(count(&value), Some(7));
        }
        for value in [json!(-1), json!(1.5), json!("x"), json!(null), json!("99999999999999999999999")] {
            assert_eq!(count(&value), None);
        }
    }

    #[test]
    fn a_reference_goes_before_an_identifier() {
        let both = json!({ "reference": "Patient/1", "identifier": { "value": "2" } });
        assert_eq!(focus(&both, "").unwrap().unwrap().0.to_string(), "Patient/1");
        let one = json!({ "type": "Patient", "identifier": { "system": "urn:x", "value": "2" } });
        assert_eq!(focus(&one, "").unwrap().unwrap().0.to_string(), "identifier:2");
        assert_eq!(focus(&json!({ "display": "x" }), "").unwrap(), None);
    }
}
