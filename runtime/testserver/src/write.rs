//! One write, judged on the store as it is: what it would do, or why it may not. Nothing is changed here, so a transaction whose last write may
//! not be done has done nothing.

use hob_model::{Interaction, ResourceId};
use http::StatusCode;
use serde_json::{Map, Value};

use crate::Settings;
use crate::ask::etag;
use crate::patch::Patch;
use crate::refusal::Refusal;
use crate::settings::Manners;
use crate::store::{Store, Version};
use crate::{hook, reading};

/// What one write does.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) resource_type: String,
    pub(crate) id: String,
    /// How it is answered.
    pub(crate) status: StatusCode,
    /// The new version, without id and meta; `None` where nothing changes.
    pub(crate) write: Option<(Interaction, Option<Map<String, Value>>)>,
}

impl Step {
    fn new(resource_type: &str, id: &str, status: StatusCode) -> Self {
        Self { resource_type: resource_type.to_owned(), id: id.to_owned(), status, write: None }
    }

    fn writing(self, interaction: Interaction, content: Option<Map<String, Value>>) -> Self {
        Self { write: Some((interaction, content)), ..self }
    }

    /// A conditional create that found `id`.
    pub(crate) fn found(resource_type: &str, id: &str) -> Self {
        Self::new(resource_type, id, StatusCode::OK)
    }
}

/// What every write is judged by.
#[derive(Clone, Copy)]
pub(crate) struct Judge<'a> {
    pub(crate) store: &'a Store,
    pub(crate) settings: &'a Settings,
}

impl Judge<'_> {
    /// A create under an id that is new.
    pub(crate) fn create(self, resource_type: &str, id: &str, resource: Value) -> Result<Step, Refusal> {
        let content = self.content(resource_type, None, resource)?;
        Ok(Step::new(resource_type, id, StatusCode::CREATED).writing(Interaction::Create, Some(content)))
    }

    pub(crate) fn update(self, resource_type: &str, id: &str, resource: Value, if_match: Option<&str>) -> Result<Step, Refusal> {
        let current = self.store.current(resource_type, id);
        self.check_version(current, if_match, self.settings.if_match_creates)?;
        if current.is_none() {
            if ResourceId::new(id).is_err() {
                return Err(Refusal::malformed("the id is not one that R4 allows"));
            }
            if !self.settings.client_ids {
                let text = "it does not exist, and this server gives all ids itself";
                return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "not-supported", text));
            }
        }
        let mut content = self.content(resource_type, Some(id), resource)?;
        if self.settings.manners == Manners::Hapi
            && let Some(old) = current.and_then(|version| version.content.as_ref())
        {
            keep_labels(&old.value, &mut content);
        }
        Ok(match current.map(|version| version.content.as_ref()) {
            None => Step::new(resource_type, id, StatusCode::CREATED).writing(Interaction::Create, Some(content)),
            // Brought back: it goes on counting.
            Some(None) => Step::new(resource_type, id, StatusCode::CREATED).writing(Interaction::Update, Some(content)),
            Some(Some(old)) if is_same(&old.value, &content) => Step::new(resource_type, id, StatusCode::OK),
            Some(Some(_)) => Step::new(resource_type, id, StatusCode::OK).writing(Interaction::Update, Some(content)),
        })
    }

    /// An update of what the same transaction deletes before: it is made anew, and goes on counting.
    pub(crate) fn bring_back(
        self,
        resource_type: &str,
        id: &str,
        resource: Value,
        if_match: Option<&str>,
    ) -> Result<Step, Refusal> {
        let current = self.store.current(resource_type, id);
        if current.is_none_or(|version| version.content.is_none()) {
            return self.update(resource_type, id, resource, if_match);
        }
        self.check_version(current, if_match, self.settings.if_match_creates)?;
        let content = self.content(resource_type, Some(id), resource)?;
        Ok(Step::new(resource_type, id, StatusCode::CREATED).writing(Interaction::Update, Some(content)))
    }

    pub(crate) fn delete(self, resource_type: &str, id: &str, if_match: Option<&str>) -> Result<Step, Refusal> {
        let current = self.store.current(resource_type, id);
        if self.settings.if_match_on_delete && current.is_some() {
            self.check_version(current, if_match, true)?;
        }
        let step = Step::new(resource_type, id, StatusCode::NO_CONTENT);
        let is_there = current.is_some_and(|version| version.content.is_some());
        Ok(if is_there { step.writing(Interaction::Delete, None) } else { step })
    }

    pub(crate) fn patch(self, resource_type: &str, id: &str, patch: &Patch, if_match: Option<&str>) -> Result<Step, Refusal> {
        let current = self.store.current(resource_type, id);
        self.check_version(current, if_match, false)?;
        let version = current.ok_or_else(|| Refusal::not_found("there is no such resource"))?;
        let content = version.content.as_ref().ok_or_else(|| Refusal::gone("it was deleted"))?;
        if patch.is_empty() {
            return Ok(Step::new(resource_type, id, StatusCode::OK));
        }
        let patched = patch.apply(self.settings.manners, &content.value)?;
        self.update(resource_type, id, patched, None)
    }

    fn check_version(self, current: Option<&Version>, if_match: Option<&str>, absent_passes: bool) -> Result<(), Refusal> {
        let Some(wanted) = if_match.map(etag).transpose()? else { return Ok(()) };
        let holds = match current {
            Some(version) => version.id == wanted,
            None => absent_passes,
        };
        let conflict =
            || Refusal::new(self.settings.conflict.status(), "conflict", "it is not at the version that If-Match names");
        if holds { Ok(()) } else { Err(conflict()) }
    }

    fn content(self, resource_type: &str, id: Option<&str>, resource: Value) -> Result<Map<String, Value>, Refusal> {
        let Value::Object(content) = resource else {
            return Err(Refusal::malformed("the resource is not a JSON object"));
        };
        if content.get("resourceType").and_then(Value::as_str) != Some(resource_type) {
            return Err(Refusal::malformed("resourceType is not the type in the URL"));
        }
        if let Some(id) = id
            && content.get("id").and_then(Value::as_str) != Some(id)
        {
            return Err(Refusal::malformed("id is not the id in the URL"));
        }
        let content = reading::read(self.settings.reading, resource_type, content)?;
        if resource_type == "Subscription" {
            hook::check(&content, &self.settings.base)?;
        }
        Ok(content)
    }
}

/// On HAPI tags and security labels stay when an update leaves them out.
fn keep_labels(old: &Value, new: &mut Map<String, Value>) {
    for key in ["tag", "security"] {
        let labels = |meta: Option<&Value>| {
            let labels = meta.and_then(|meta| meta.get(key)).and_then(Value::as_array);
            labels.cloned().unwrap_or_default()
        };
        let named = |label: &Value| (label.get("system").cloned(), label.get("code").cloned());
        let mut all = labels(old.get("meta"));
        if all.is_empty() {
            continue;
        }
        let more: Vec<Value> =
            labels(new.get("meta")).into_iter().filter(|label| !all.iter().any(|own| named(own) == named(label))).collect();
        all.extend(more);
        let meta = new.entry("meta").or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(meta) = meta {
            meta.insert(key.to_owned(), Value::Array(all));
        }
    }
}

/// The elements of `meta` that the server writes.
pub(crate) const SERVERS: [&str; 2] = ["versionId", "lastUpdated"];

/// Whether an update says what is there already: HAPI makes no version of it then.
fn is_same(old: &Value, new: &Map<String, Value>) -> bool {
    static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    let Value::Object(old) = old else { return false };
    let [old_meta, new_meta] = [old, new].map(|resource| resource.get("meta").and_then(Value::as_object).unwrap_or(&EMPTY));
    same_but(old, new, &["id", "meta"]) && same_but(old_meta, new_meta, &SERVERS)
}

fn same_but(old: &Map<String, Value>, new: &Map<String, Value>, besides: &[&str]) -> bool {
    let counted = |map: &Map<String, Value>| map.keys().filter(|key| !besides.contains(&key.as_str())).count();
    counted(old) == counted(new) && new.iter().all(|(key, value)| besides.contains(&key.as_str()) || old.get(key) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sameness_is_that_of_the_content() {
        let old = json!({"resourceType": "Task", "id": "1", "meta": {"versionId": "1", "lastUpdated": "x", "tag": [1]}, "a": 1});
        let same = |new: Value| is_same(&old, new.as_object().unwrap());
        assert!(same(json!({"a": 1, "meta": {"tag": [1]}, "resourceType": "Task"})));
        assert!(!same(json!({"a": 1, "resourceType": "Task"})));
        assert!(!same(json!({"a": 2, "meta": {"tag": [1]}, "resourceType": "Task"})));
        assert!(!same(json!({"a": 1, "b": 1, "meta": {"tag": [1]}, "resourceType": "Task"})));
    }
}
