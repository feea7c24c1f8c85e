//! Referential integrity, as HAPI keeps it where it is told to: what is referred to must be there, and what is referred to may not be deleted.
//! Judged on what a whole transaction would leave, so that its entries may refer to each other and go together.

use std::collections::{BTreeMap, BTreeSet};

use hob_model::{BaseUrl, Interaction};
use http::StatusCode;
use serde_json::{Map, Value};

use crate::refusal::Refusal;
use crate::store::Store;
use crate::write::Step;

/// `Type/id` to those that refer to it, or did: whoever asks looks at what they hold now.
#[derive(Debug, Default)]
pub(crate) struct Referrers(BTreeMap<String, BTreeSet<(String, String)>>);

impl Referrers {
    /// Takes note of a version.
    pub(crate) fn note(&mut self, resource_type: &str, id: &str, resource: &Value, base: &BaseUrl) {
        each(resource, base, &mut |target| {
            self.0.entry(target.to_owned()).or_default().insert((resource_type.to_owned(), id.to_owned()));
        });
    }

    /// Refuses steps after which something would refer to what is not there.
    pub(crate) fn check(&self, store: &Store, base: &BaseUrl, steps: &[Step]) -> Result<(), Refusal> {
        let written = |resource_type: &str, id: &str| {
            let same = |step: &&Step| step.resource_type == resource_type && step.id == id;
            steps.iter().find(same).and_then(|step| step.write.as_ref())
        };
        let is_there = |resource_type: &str, id: &str| match written(resource_type, id) {
            Some((interaction, _)) => *interaction != Interaction::Delete,
            None => store.current(resource_type, id).is_some_and(|version| version.content.is_some()),
        };
        for step in steps {
            match &step.write {
                Some((_, Some(content))) => {
                    let mut missing = false;
                    each_of(content, base, &mut |target| {
                        missing |= !target.split_once('/').is_some_and(|(resource_type, id)| is_there(resource_type, id));
                    });
                    if missing {
                        return Err(Refusal::malformed("it refers to a resource that is not there"));
                    }
                }
                Some((_, None)) => {
                    let target = format!("{}/{}", step.resource_type, step.id);
                    let refers = |(resource_type, id): &(String, String)| match written(resource_type, id) {
                        Some((_, content)) => content.as_ref().is_some_and(|content| names(content, base, &target)),
                        None => {
                            let content = store.current(resource_type, id).and_then(|version| version.content.as_ref());
                            content
                                .and_then(|content| content.value.as_object())
                                .is_some_and(|content| names(content, base, &target))
                        }
                    };
                    if self.0.get(&target).is_some_and(|referrers| referrers.iter().any(refers)) {
                        return Err(Refusal::new(StatusCode::CONFLICT, "conflict", "other resources refer to it"));
                    }
                }
                None => {}
            }
        }
        Ok(())
    }
}

fn names(content: &Map<String, Value>, base: &BaseUrl, wanted: &str) -> bool {
    let mut found = false;
    each_of(content, base, &mut |target| found |= target == wanted);
    found
}

/// Each literal reference to this server's own, as `Type/id`.
fn each(value: &Value, base: &BaseUrl, tell: &mut dyn FnMut(&str)) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| each(item, base, tell)),
        Value::Object(fields) => each_of(fields, base, tell),
        _ => {}
    }
}

fn each_of(fields: &Map<String, Value>, base: &BaseUrl, tell: &mut dyn FnMut(&str)) {
    for (key, field) in fields {
        match field {
            Value::String(text) if key == "reference" => {
                let text = text.strip_prefix(base.as_str()).map_or(text.as_str(), |rest| rest.trim_start_matches('/'));
                let text = text.split_once("/_history/").map_or(text, |(before, _)| before);
                let is_local = text.split_once('/').is_some_and(|(_, id)| !id.contains('/')) && !text.contains(['?', '#', ':']);
                if is_local {
                    tell(text);
                }
            }
            _ => each(field, base, tell),
        }
    }
}
