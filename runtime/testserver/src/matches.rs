//! Conditions beside searches: references that are searches (`Patient?identifier=...`), and what a conditional update writes.

use serde_json::{Value, json};

use crate::Server;
use crate::elements::is_resource;
use crate::refusal::Refusal;
use crate::search;
use crate::settings::Manners;

/// A conditional update writes what it found, whatever id the body has.
pub(crate) fn rename(resource: &mut Value, id: &str) {
    if let Value::Object(fields) = resource {
        fields.insert("id".to_owned(), json!(id));
    }
}

/// What a conditional update creates must be found by its own condition: else the next one would create it again.
pub(crate) fn satisfies(server: &Server, resource_type: &str, query: &str, resource: &Value) -> Result<(), Refusal> {
    let query = search::condition(server, resource_type, query)?;
    if query.matches(server, resource) {
        Ok(())
    } else {
        Err(Refusal::malformed("the resource does not match the condition that it is created by"))
    }
}

/// HAPI wants the same of a conditional create; R4 does not.
pub(crate) fn may_create(server: &Server, resource_type: &str, query: &str, resource: &Value) -> Result<(), Refusal> {
    match server.settings.manners {
        Manners::Standard => Ok(()),
        Manners::Hapi => satisfies(server, resource_type, query, resource),
    }
}

/// Puts the one resource that it finds in the place of each reference that is a search.
pub(crate) fn resolve(server: &Server, value: &mut Value) -> Result<(), Refusal> {
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|item| resolve(server, item)),
        Value::Object(fields) => fields.iter_mut().try_for_each(|(key, field)| match field {
            Value::String(text) if key == "reference" => {
                let Some((resource_type, query)) = text.split_once('?') else { return Ok(()) };
                if !is_resource(resource_type) {
                    return Ok(());
                }
                let id = search::only(server, resource_type, query)?;
                let id = id.ok_or_else(|| Refusal::not_found("a reference is a search that finds nothing"))?;
                *text = format!("{resource_type}/{id}");
                Ok(())
            }
            _ => resolve(server, field),
        }),
        _ => Ok(()),
    }
}
