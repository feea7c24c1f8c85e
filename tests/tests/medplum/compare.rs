//! Whether two runs wrote the same: resource by resource, but for what each server gives of itself (`meta`, ids of what is new) and what is random.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::case::Case;
use crate::clinic::Done;

/// Says what differs.
pub(crate) fn judge(recorded: &Value, done: &Done, case: &Case) -> Result<(), String> {
    let log = || done.output.journal.log.iter().map(|line| line.text.clone()).collect::<Vec<_>>().join("\n");
    let payload = match &done.output.result {
        Ok(payload) => payload.as_ref(),
        Err(failure) => return Err(format!("{}: {}\n{}", failure.code, failure.message, log())),
    };
    let (theirs, their_ids) = plain(recorded["writes"].as_array().unwrap());
    let (ours, our_ids) = plain(&done.writes);
    if theirs != ours {
        let show = |all: &[Value]| all.iter().map(|it| format!("  {it}")).collect::<Vec<_>>().join("\n");
        return Err(format!("mock:\n{}\nHob:\n{}\n{}", show(&theirs), show(&ours), log()));
    }
    let answer = payload.map_or(Value::Null, |payload| {
        let text = String::from_utf8(payload.bytes.to_vec()).unwrap();
        if payload.content_type.contains("json") { serde_json::from_str(&text).unwrap() } else { json!(text) }
    });
    let (theirs, ours) = match &case.result {
        Some(result) => (text_of(result), text_of(&answer)),
        None if case.acknowledges => (acknowledged(&recorded["result"]), acknowledged(&answer)),
        None => (shown(&recorded["result"], &their_ids), shown(&answer, &our_ids)),
    };
    if theirs != ours {
        return Err(format!("the mock's answer: {theirs}\nHob's: {ours}"));
    }
    let sent: Vec<&String> = done.output.effects.outbox.iter().map(|item| &item.url).collect();
    if sent != case.outbox.iter().collect::<Vec<_>>() {
        return Err(format!("the outbox has {sent:?}"));
    }
    Ok(())
}

/// What is text by another way is text: `true` and `"true"` are one answer of `$execute`.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(_) | Value::Array(_) => sorted(value).to_string(),
        other => other.to_string(),
    }
}

/// An acknowledgement without its header.
fn acknowledged(value: &Value) -> String {
    value.as_str().unwrap_or_default().split('\r').filter(|segment| segment.starts_with("MSA")).collect()
}

fn shown(value: &Value, ids: &BTreeMap<String, String>) -> String {
    named(&text_of(&bare(value, true)), ids)
}

/// The writes in an order of their own, with names for what is new; and those names.
fn plain(writes: &[Value]) -> (Vec<Value>, BTreeMap<String, String>) {
    let created: Vec<&str> =
        writes.iter().filter(|write| write["write"] == "create").map(|write| write["reference"].as_str().unwrap()).collect();
    let blank: BTreeMap<String, String> =
        created.iter().map(|reference| ((*reference).to_owned(), format!("{}/*", kind(reference)))).collect();
    let text = |write: &Value, ids: &BTreeMap<String, String>| {
        let new = write["write"] == "create";
        let resource = if write["write"] == "delete" { Value::Null } else { bare(&write["resource"], new) };
        let shown = json!({ "write": write["write"], "reference": write["reference"], "resource": sorted(&resource) });
        named(&shown.to_string(), ids)
    };
    let mut order: Vec<&Value> = writes.iter().collect();
    order.sort_by_key(|write| text(write, &blank));
    let names: BTreeMap<String, String> = order
        .iter()
        .filter(|write| write["write"] == "create")
        .enumerate()
        .map(|(at, write)| {
            let reference = write["reference"].as_str().unwrap();
            (reference.to_owned(), format!("{}/new-{at}", kind(reference)))
        })
        .collect();
    let all = order.iter().map(|write| serde_json::from_str(&text(write, &names)).unwrap()).collect();
    // What a bot answers has the name that it was given before the commit.
    let before = writes.iter().filter_map(|write| {
        let name = names.get(write["reference"].as_str()?)?;
        Some((write["staged"].as_str()?.to_owned(), name.clone()))
    });
    let before: Vec<_> = before.collect();
    (all, names.into_iter().chain(before).collect())
}

fn kind(reference: &str) -> &str {
    reference.split('/').next().unwrap()
}

/// A resource, or several, without what the server gives.
fn bare(value: &Value, new: bool) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| bare(item, new)).collect(),
        Value::Object(members) if members.contains_key("resourceType") => {
            let given = |name: &str| name == "meta" || (new && name == "id");
            Value::Object(members.iter().filter(|(name, _)| !given(name)).map(|(name, it)| (name.clone(), it.clone())).collect())
        }
        other => other.clone(),
    }
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Object(members) => {
            let by_name: BTreeMap<&String, &Value> = members.iter().collect();
            Value::Object(by_name.into_iter().map(|(name, it)| (name.clone(), sorted(it))).collect())
        }
        other => other.clone(),
    }
}

/// References to what is new by its name, and random ids as such.
fn named(text: &str, ids: &BTreeMap<String, String>) -> String {
    let mut text = text.to_owned();
    for (reference, name) in ids {
        text = text.replace(reference.as_str(), name);
    }
    let is_uuid = |part: &str| {
        part.len() == 36
            && part.char_indices().all(|(at, c)| if [8, 13, 18, 23].contains(&at) { c == '-' } else { c.is_ascii_hexdigit() })
    };
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(next) = rest.chars().next() {
        match rest.get(..36) {
            Some(part) if is_uuid(part) => {
                shown += "(random)";
                rest = &rest[36..];
            }
            _ => {
                shown.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    shown
}
