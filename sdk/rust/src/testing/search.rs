//! Searches by plain equality, and JSON Patch's add, replace and remove: as much as unit tests of a bot's logic want.

use serde_json::Value;

use super::fhir_error;
use crate::FhirError;

/// Resources that match every `name=value` of the query.
///
/// `name` is an element of the resource (`patient` also `subject` and `for`); a value matches a code, a Coding's or CodeableConcept's
/// `code` or `system|code`, an Identifier's `value` or `system|value`, or a Reference. `_count` and `_sort` are passed over.
pub(super) fn find(resources: Vec<Value>, query: &str) -> Result<Vec<Value>, FhirError> {
    let mut found = resources;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, wanted) = pair.split_once('=').ok_or_else(|| fhir_error("invalid", "a search has name=value"))?;
        if matches!(name, "_count" | "_sort") {
            continue;
        }
        if name.contains([':', '.']) || (name.starts_with('_') && name != "_id") {
            return Err(fhir_error(
                "invalid",
                format!("this world does not know the search parameter {name}: answer it with search_with"),
            ));
        }
        let wanted = wanted.replace("%7C", "|").replace("%2F", "/").replace("%3A", ":");
        let elements: &[&str] = match name {
            "_id" => &["id"],
            "patient" | "subject" => &["patient", "subject", "for", "beneficiary"],
            name => &[&camel(name)],
        };
        found.retain(|resource| {
            wanted
                .split(',')
                .any(|wanted| elements.iter().filter_map(|element| resource.get(element)).any(|value| says(value, wanted)))
        });
    }
    Ok(found)
}

/// `based-on` is the element `basedOn`.
fn camel(name: &str) -> String {
    let mut parts = name.split('-');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut letters = part.chars();
        out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        out.extend(letters);
    }
    out
}

fn says(value: &Value, wanted: &str) -> bool {
    match value {
        Value::Array(values) => values.iter().any(|value| says(value, wanted)),
        Value::String(text) => text == wanted,
        Value::Bool(truth) => truth.to_string() == wanted,
        Value::Number(number) => number.to_string() == wanted,
        Value::Object(members) => {
            let text = |key: &str| members.get(key).and_then(Value::as_str);
            let token = text("code").or_else(|| text("value")).is_some_and(|code| match wanted.split_once('|') {
                Some((system, wanted)) => wanted == code && (system.is_empty() || text("system") == Some(system)),
                None => wanted == code,
            });
            let reference =
                text("reference").is_some_and(|reference| reference == wanted || reference.ends_with(&format!("/{wanted}")));
            token || reference || members.get("coding").is_some_and(|codings| says(codings, wanted))
        }
        Value::Null => false,
    }
}

/// Applies one operation of a JSON Patch: `add`, `replace` or `remove`.
pub(super) fn apply(resource: &mut Value, op: &Value) -> Result<(), FhirError> {
    let bad = || fhir_error("invalid", "this world knows the patch operations add, replace and remove on a path that exists");
    let path = op["path"].as_str().ok_or_else(bad)?;
    let (parent, key) = path.rsplit_once('/').ok_or_else(bad)?;
    let key = key.replace("~1", "/").replace("~0", "~");
    let parent = resource.pointer_mut(parent).ok_or_else(bad)?;
    match (parent, op["op"].as_str()) {
        (Value::Object(members), Some("add" | "replace")) => {
            members.insert(key, op["value"].clone());
        }
        (Value::Object(members), Some("remove")) => {
            members.remove(&key).ok_or_else(bad)?;
        }
        (Value::Array(items), Some("add")) if key == "-" => items.push(op["value"].clone()),
        (Value::Array(items), Some(word @ ("add" | "replace" | "remove"))) => {
            let at = key.parse::<usize>().ok().filter(|at| *at < items.len() + usize::from(word == "add")).ok_or_else(bad)?;
            if word != "add" {
                items.remove(at);
            }
            if word != "remove" {
                items.insert(at, op["value"].clone());
            }
        }
        _ => return Err(bad()),
    }
    Ok(())
}
