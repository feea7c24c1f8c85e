//! FHIRPath Patch (R4 `fhirpatch.html`).
//!
//! Its paths need little of FHIRPath: names, indices, `where(name = 'literal')`, `first()`, `last()`, `ofType()`. That much is read here; the
//! engine's FHIRPath is no help, since a patch needs places, not values. A path with more is refused by name.

use std::ops::ControlFlow;

use serde_json::{Map, Value};

use crate::elements::{self, Kind, Level};
use crate::refusal::Refusal;

/// One operation, read.
#[derive(Debug)]
pub(crate) enum Operation {
    Add { path: String, name: String, value: Typed },
    Insert { path: String, index: usize, value: Typed },
    Delete { path: String },
    Replace { path: String, value: Typed },
    Move { path: String, from: usize, to: usize },
}

/// A value, and the suffix that a choice gives it.
#[derive(Debug)]
pub(crate) struct Typed {
    suffix: String,
    value: Value,
}

/// Where an element is: the keys and indices from the resource down, and what may stand below.
#[derive(Clone)]
struct Place {
    pointer: String,
    level: Option<&'static Level>,
    type_name: &'static str,
}

/// Reads the operations of a Parameters resource.
pub(crate) fn read(parameters: &Value) -> Result<Vec<Operation>, Refusal> {
    if parameters.get("resourceType").is_none_or(|name| name != "Parameters") {
        return Err(Refusal::malformed("a FHIRPath Patch is a Parameters resource"));
    }
    let all = parameters.get("parameter").and_then(Value::as_array).into_iter().flatten();
    all.filter(|parameter| parameter.get("name").is_some_and(|name| name == "operation"))
        .enumerate()
        .map(|(index, parameter)| {
            operation(parameter).map_err(|why| Refusal::malformed(format!("operation {index} of the patch: {why}")))
        })
        .collect()
}

fn operation(parameter: &Value) -> Result<Operation, String> {
    let parts = parameter.get("part").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let part = |name: &str| parts.iter().find(|part| part.get("name").is_some_and(|own| own == name));
    let text = |name: &str| {
        let found = part(name).and_then(typed).and_then(|typed| typed.value.as_str().map(str::to_owned));
        found.ok_or_else(|| format!("it has no {name}"))
    };
    let number = |name: &str| {
        let found = part(name).and_then(typed).and_then(|typed| typed.value.as_u64());
        found.and_then(|number| usize::try_from(number).ok()).ok_or_else(|| format!("it has no {name}"))
    };
    let value = || part("value").and_then(typed).ok_or_else(|| "it has no value".to_owned());
    let path = text("path");
    Ok(match text("type")?.as_str() {
        "add" => Operation::Add { path: path?, name: text("name")?, value: value()? },
        "insert" => Operation::Insert { path: path?, index: number("index")?, value: value()? },
        "delete" => Operation::Delete { path: path? },
        "replace" => Operation::Replace { path: path?, value: value()? },
        "move" => Operation::Move { path: path?, from: number("source")?, to: number("destination")? },
        _ => return Err("its type is not add, insert, delete, replace or move".to_owned()),
    })
}

/// The `value[x]` of a parameter, or the object that its parts make.
fn typed(part: &Value) -> Option<Typed> {
    let fields = part.as_object()?;
    if let Some((key, value)) = fields.iter().find(|(key, _)| key.starts_with("value")) {
        return Some(Typed { suffix: key["value".len()..].to_owned(), value: value.clone() });
    }
    let mut object = Map::new();
    for part in fields.get("part")?.as_array()? {
        let name = part.get("name")?.as_str()?;
        object.insert(name.to_owned(), typed(part)?.value);
    }
    Some(Typed { suffix: String::new(), value: Value::Object(object) })
}

/// Does all operations, in order; the text says which cannot be done and why.
pub(crate) fn apply(operations: &[Operation], resource: &mut Value) -> Result<(), String> {
    for (index, operation) in operations.iter().enumerate() {
        one(operation, resource).map_err(|why| format!("operation {index} of the patch: {why}"))?;
    }
    Ok(())
}

fn one(operation: &Operation, resource: &mut Value) -> Result<(), String> {
    match operation {
        Operation::Add { path, name, value } => add(resource, path, name, value),
        Operation::Insert { path, index, value } => {
            let items = list(resource, path)?;
            if *index > items.len() {
                return Err("its index is behind the end".to_owned());
            }
            items.insert(*index, value.value.clone());
            Ok(())
        }
        Operation::Move { path, from, to } => {
            let items = list(resource, path)?;
            if *from >= items.len() || *to >= items.len() {
                return Err("an index is behind the end".to_owned());
            }
            let moved = items.remove(*from);
            items.insert(*to, moved);
            Ok(())
        }
        Operation::Delete { path } => match &places(resource, path)?[..] {
            [] => Ok(()),
            [place] => {
                remove(resource, &place.pointer);
                Ok(())
            }
            _ => Err("its path leads to more than one element".to_owned()),
        },
        Operation::Replace { path, value } => match &places(resource, path)?[..] {
            [place] => {
                let (parent, key) = split(&place.pointer);
                match (resource.pointer_mut(parent), key) {
                    (Some(Value::Object(fields)), key) => {
                        let name = renamed(key, path, value);
                        if name != key {
                            fields.shift_remove(key);
                        }
                        fields.insert(name, value.value.clone());
                    }
                    (Some(Value::Array(items)), key) => {
                        let slot = key.parse().ok().and_then(|index: usize| items.get_mut(index));
                        *slot.ok_or("its place has gone")? = value.value.clone();
                    }
                    _ => return Err("the resource itself cannot be replaced".to_owned()),
                }
                Ok(())
            }
            [] => Err("its path leads to nothing".to_owned()),
            _ => Err("its path leads to more than one element".to_owned()),
        },
    }
}

/// A choice that gets a value of another type is spelled in another way.
fn renamed(key: &str, path: &str, value: &Typed) -> String {
    let last = path.rsplit('.').next().unwrap_or_default();
    let is_choice = key != last && key.starts_with(last) && !last.contains('(');
    if is_choice { format!("{last}{}", value.suffix) } else { key.to_owned() }
}

fn add(resource: &mut Value, path: &str, name: &str, value: &Typed) -> Result<(), String> {
    let places = places(resource, path)?;
    let [place] = &places[..] else { return Err("its path does not lead to one element".to_owned()) };
    let level = place.level.ok_or("R4 has no elements there")?;
    let choice = format!("{name}{}", value.suffix);
    let (key, element) = match (level.get(name), level.get(&choice)) {
        (Some(element), _) => (name.to_owned(), element),
        (None, Some(element)) if element.choice == Some(name) => (choice, element),
        _ => return Err(format!("R4 has no element {name} there")),
    };
    let Some(Value::Object(fields)) = resource.pointer_mut(&place.pointer) else {
        return Err("its path leads to a value".to_owned());
    };
    if element.is_list {
        match fields.entry(key).or_insert_with(|| Value::Array(Vec::new())) {
            Value::Array(items) => items.push(value.value.clone()),
            other => *other = Value::Array(vec![other.take(), value.value.clone()]),
        }
    } else {
        fields.insert(key, value.value.clone());
    }
    Ok(())
}

fn list<'v>(resource: &'v mut Value, path: &str) -> Result<&'v mut Vec<Value>, String> {
    let (parent, name) = path.rsplit_once('.').ok_or("its path leads to no list")?;
    let places = places(resource, parent)?;
    let [place] = &places[..] else { return Err("its path does not lead to one list".to_owned()) };
    let items = resource.pointer_mut(&place.pointer).and_then(|at| at.get_mut(name)).and_then(Value::as_array_mut);
    items.ok_or_else(|| "its path leads to no list".to_owned())
}

fn split(pointer: &str) -> (&str, &str) {
    pointer.rsplit_once('/').unwrap_or(("", pointer))
}

/// Takes out an element, and the list that is empty then.
fn remove(resource: &mut Value, pointer: &str) {
    let (parent, key) = split(pointer);
    match resource.pointer_mut(parent) {
        Some(Value::Object(fields)) => {
            fields.shift_remove(key);
            fields.shift_remove(&format!("_{key}"));
        }
        Some(Value::Array(items)) => {
            if let Ok(index) = key.parse::<usize>()
                && index < items.len()
            {
                items.remove(index);
            }
            if items.is_empty() {
                remove(resource, parent);
            }
        }
        _ => {}
    }
}

/// The elements that a path leads to.
fn places(resource: &Value, path: &str) -> Result<Vec<Place>, String> {
    let resource_type = resource.get("resourceType").and_then(Value::as_str).unwrap_or_default();
    let rest = path.trim().strip_prefix(resource_type).ok_or("its path does not begin with the resource's type")?;
    let (type_name, level) = match elements::named(resource_type) {
        Some((name, level)) => (name, Some(level)),
        None => ("", None),
    };
    let mut places = vec![Place { pointer: String::new(), level, type_name }];
    let mut rest = rest.trim_start();
    while !rest.is_empty() {
        rest = match step(resource, rest, &mut places)? {
            ControlFlow::Continue(rest) => rest,
            ControlFlow::Break(()) => return Err(format!("its path has what is not supported, from \"{rest}\"")),
        };
    }
    Ok(places)
}

/// Takes one step of a path; gives what is left of it.
fn step<'p>(resource: &Value, text: &'p str, places: &mut Vec<Place>) -> Result<ControlFlow<(), &'p str>, String> {
    if let Some(inner) = text.strip_prefix('[') {
        let Some((index, rest)) = inner.split_once(']') else { return Ok(ControlFlow::Break(())) };
        let index: usize = index.trim().parse().map_err(|_| "an index of its path is no number")?;
        *places = places.get(index).cloned().into_iter().collect();
        return Ok(ControlFlow::Continue(rest));
    }
    let Some(inner) = text.strip_prefix('.') else { return Ok(ControlFlow::Break(())) };
    let end = inner.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(inner.len());
    let (name, rest) = inner.split_at(end);
    if let Some(argument) = rest.strip_prefix('(') {
        let Some((argument, rest)) = argument.split_once(')') else { return Ok(ControlFlow::Break(())) };
        match name {
            "first" => places.truncate(1),
            "last" => *places = places.pop().into_iter().collect(),
            "where" => {
                let Some((field, literal)) = argument.split_once('=') else { return Ok(ControlFlow::Break(())) };
                let (field, literal) = (field.trim(), literal.trim());
                let wanted = literal.strip_prefix('\'').and_then(|literal| literal.strip_suffix('\'')).unwrap_or(literal);
                places.retain(|place| match resource.pointer(&place.pointer).and_then(|at| at.get(field)) {
                    Some(Value::String(text)) => text == wanted,
                    Some(other) => {
                        let text = other.to_string();
                        text == wanted
                    }
                    None => false,
                });
            }
            "ofType" => places.retain(|place| place.pointer.to_lowercase().ends_with(&argument.trim().to_lowercase())),
            _ => return Ok(ControlFlow::Break(())),
        }
        return Ok(ControlFlow::Continue(rest));
    }
    if name.is_empty() {
        return Ok(ControlFlow::Break(()));
    }
    *places = places.iter().flat_map(|place| children(resource, place, name)).collect();
    Ok(ControlFlow::Continue(rest))
}

fn children(resource: &Value, place: &Place, name: &str) -> Vec<Place> {
    let Some(fields) = resource.pointer(&place.pointer).and_then(Value::as_object) else { return Vec::new() };
    let is_choice = |key: &str| place.level.and_then(|level| level.get(key)).and_then(|element| element.choice) == Some(name);
    let Some((key, value)) = fields.iter().find(|(key, _)| *key == name || is_choice(key)) else { return Vec::new() };
    let element = place.level.and_then(|level| level.get(key));
    let (level, type_name) = match element.map(|element| &element.kind) {
        Some(Kind::Nested(level)) => (Some(level), place.type_name),
        Some(Kind::Complex(name)) => (elements::of(name), *name),
        Some(Kind::Same(path)) => (elements::at(place.type_name, path), place.type_name),
        _ => (None, place.type_name),
    };
    let at = |suffix: String| Place { pointer: format!("{}/{key}{suffix}", place.pointer), level, type_name };
    match value {
        Value::Array(items) => (0..items.len()).map(|index| at(format!("/{index}"))).collect(),
        _ => vec![at(String::new())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patched(operations: Value) -> Result<Value, String> {
        let mut resource = json!({
            "resourceType": "Patient", "gender": "male", "deceasedBoolean": false,
            "name": [{"use": "official", "family": "A", "given": ["x", "y"]}, {"use": "old", "family": "B"}],
        });
        let named = |(name, value): (&String, &Value)| match (name.as_str(), value) {
            ("value", Value::Object(value)) => {
                let mut part = value.clone();
                part.insert("name".to_owned(), json!("value"));
                Value::Object(part)
            }
            (_, Value::Number(_)) => json!({"name": name, "valueInteger": value}),
            _ => json!({"name": name, "valueString": value}),
        };
        let parts = |operation: &Value| operation.as_object().unwrap().iter().map(named).collect::<Vec<_>>();
        let all: Vec<Value> =
            operations.as_array().unwrap().iter().map(|one| json!({"name": "operation", "part": parts(one)})).collect();
        let operations = read(&json!({"resourceType": "Parameters", "parameter": all})).map_err(|e| e.text().to_owned())?;
        apply(&operations, &mut resource)?;
        Ok(resource)
    }

    #[test]
    fn all_operations_do_what_the_guide_says() {
        let done = patched(json!([
            {"type": "replace", "path": "Patient.gender", "value": {"valueCode": "other"}},
            {"type": "add", "path": "Patient", "name": "birthDate", "value": {"valueDate": "1990-01-01"}},
            {"type": "add", "path": "Patient.name.where(use='old')", "name": "given", "value": {"valueString": "z"}},
            {"type": "insert", "path": "Patient.name[0].given", "index": 1, "value": {"valueString": "m"}},
            {"type": "move", "path": "Patient.name", "source": 1, "destination": 0},
            {"type": "delete", "path": "Patient.name.last().given[0]"},
            {"type": "delete", "path": "Patient.photo"},
            {"type": "replace", "path": "Patient.deceased", "value": {"valueDateTime": "2020"}},
            {"type": "add", "path": "Patient", "name": "contact", "value": {"part": [{"name": "name", "valueHumanName": {"text": "C"}}]}},
        ]));
        assert_eq!(
            done.unwrap(),
            json!({
                "resourceType": "Patient", "gender": "other", "birthDate": "1990-01-01", "deceasedDateTime": "2020",
                "name": [{"use": "old", "family": "B", "given": ["z"]}, {"use": "official", "family": "A", "given": ["m", "y"]}],
                "contact": [{"name": {"text": "C"}}],
            })
        );
    }

    #[test]
    fn what_cannot_be_done_says_why() {
        for (operation, why) in [
            (json!({"type": "fly", "path": "Patient"}), "its type is not"),
            (json!({"type": "replace", "path": "Patient.photo", "value": {"valueString": "x"}}), "leads to nothing"),
            (json!({"type": "delete", "path": "Patient.name"}), "more than one"),
            (json!({"type": "add", "path": "Patient", "name": "colour", "value": {"valueString": "x"}}), "no element colour"),
            (json!({"type": "insert", "path": "Patient.name", "index": 9, "value": {"valueHumanName": {}}}), "behind the end"),
            (json!({"type": "delete", "path": "Patient.name.select(given)"}), "not supported"),
            (json!({"type": "delete", "path": "Task.status"}), "does not begin"),
        ] {
            let refused = patched(json!([operation])).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
    }
}
