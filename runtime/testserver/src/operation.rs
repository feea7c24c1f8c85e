//! The operations that the server has: `$everything` of patients, `$validate`, `$meta`, and those of topic subscriptions.

use std::borrow::Cow;
use std::collections::BTreeSet;

use bytes::Bytes;
use hob_model::Timestamp;
use http::StatusCode;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::Server;
use crate::answer::Answer;
use crate::ask::{On, known, no_operation};
use crate::include::{self, Found};
use crate::paged::{self, Cursor, Entry, Mode, pieces};
use crate::reading::{self, Wrong};
use crate::refusal::Refusal;
use crate::server::parsed;
use crate::topic;

/// Does an operation; `body` is empty where it was asked by GET.
pub(crate) fn run(server: &Server, on: On<'_>, name: &str, query: &str, body: &[u8]) -> Result<Answer, Refusal> {
    match (on, name) {
        (On::Instance("Patient", id), "everything") => {
            there(server, "Patient", id)?;
            everything(server, &[id], &format!("Patient/{id}/$everything"), query)
        }
        (On::Type("Patient"), "everything") => {
            let all = include::current(server, server.store.sequence, "Patient");
            let all: Vec<&str> = all.map(|(_, id, _)| id).collect();
            everything(server, &all, "Patient/$everything", query)
        }
        (On::Type(resource_type), "validate") => validate(resource_type, parsed(body)?),
        (On::Instance(resource_type, id), "validate") if body.is_empty() => {
            validate(resource_type, there(server, resource_type, id)?.clone())
        }
        (On::Instance(resource_type, _), "validate") => validate(resource_type, parsed(body)?),
        (On::Instance(resource_type, id), "meta") => {
            let meta = there(server, resource_type, id)?.get("meta").cloned().unwrap_or_default();
            let parameter = json!({"name": "return", "valueMeta": meta});
            Ok(Answer::json(Bytes::from(json!({"resourceType": "Parameters", "parameter": [parameter]}).to_string())))
        }
        (On::Instance("Subscription", id), "status") => {
            there(server, "Subscription", id)?;
            topic::status(server, id).map(Answer::json)
        }
        (On::Instance("Subscription", id), "events") => {
            there(server, "Subscription", id)?;
            topic::events(server, id, query).map(Answer::json)
        }
        _ => Err(no_operation(server.settings.manners)),
    }
}

fn there<'s>(server: &'s Server, resource_type: &str, id: &str) -> Result<&'s Value, Refusal> {
    let version = server.store.current(resource_type, id).ok_or_else(|| Refusal::not_found("there is no such resource"))?;
    version.content.as_ref().map(|content| &content.value).ok_or_else(|| Refusal::gone("it was deleted"))
}

/// These patients, what is in their compartments (of the types that are asked for), and what all of that refers to, other patients aside.
fn everything(server: &Server, patients: &[&str], path: &str, query: &str) -> Result<Answer, Refusal> {
    let mut cursor = Cursor::first(&server.settings, server.store.sequence);
    let (mut types, mut since, mut used) = (None, None, Vec::new());
    for (piece, name, value) in pieces(query) {
        let value = percent_decode_str(value).decode_utf8_lossy();
        if cursor.take(&server.settings, name, &value)? {
            if name != "_cursor" {
                used.push(piece);
            }
            continue;
        }
        match name {
            "_type" => types = Some(value.split(',').map(str::to_owned).collect::<BTreeSet<_>>()),
            "_since" => {
                let instant = Timestamp::parse(&value);
                since = Some(instant.ok_or_else(|| Refusal::malformed("_since is not an instant"))?);
            }
            "_format" | "_pretty" => {}
            _ => return Err(Refusal::unsupported("$everything takes _type, _since and _count alone")),
        }
        used.push(piece);
    }
    let sequence = cursor.sequence;
    let wanted: BTreeSet<&str> = patients.iter().copied().collect();
    let mut all: Vec<Found<'_>> = patients.iter().filter_map(|id| include::look(server, sequence, "Patient", id)).collect();
    // Groups and Lists tell of others too, and of more than of these.
    for (name, _) in server.store.shelves().filter(|(name, _)| !["Group", "List"].contains(name)) {
        if types.as_ref().is_some_and(|types: &BTreeSet<String>| !types.contains(name)) {
            continue;
        }
        all.extend(include::current(server, sequence, name).filter(|(_, id, version)| {
            let content = version.content.as_ref();
            let own = content.map(|content| hob_search::patients_of_within(&content.value, &server.bases)).unwrap_or_default();
            let is_one = name == "Patient" && wanted.contains(id);
            !is_one && own.iter().any(|patient| wanted.contains(patient.as_str()))
        }));
    }
    let further = include::referred_to(server, sequence, &all);
    all.extend(further);
    all.retain(|(.., version)| since.is_none_or(|since| version.at >= since));
    let entries = cursor.cut(&all).iter().map(|(name, id, version)| {
        let resource = version.content.as_ref().map(|content| Cow::Borrowed(&content.value));
        Entry::found(&server.settings, name, id, resource, Mode::Match)
    });
    paged::page(&server.settings, "searchset", path, &used, cursor, all.len(), entries.collect()).map(Answer::json)
}

/// What is wrong with a resource by R4's elements: names, shapes, values, what is required. Invariants, profiles and code systems are not judged.
fn validate(resource_type: &str, resource: Value) -> Result<Answer, Refusal> {
    let mut resource = resource;
    if resource.get("resourceType").is_some_and(|name| name == "Parameters") && resource_type != "Parameters" {
        let parameters = resource.get_mut("parameter").and_then(Value::as_array_mut);
        let found = parameters.and_then(|all| all.iter_mut().find(|one| one.get("name").is_some_and(|name| name == "resource")));
        resource = found.and_then(|one| one.get_mut("resource")).map(Value::take).unwrap_or_default();
    }
    let Value::Object(content) = resource else {
        return Err(Refusal::malformed("there is no resource to validate"));
    };
    let own = content.get("resourceType").and_then(Value::as_str).unwrap_or_default().to_owned();
    if known(&own)? != resource_type {
        return Err(Refusal::malformed("resourceType is not the type in the URL"));
    }
    let (_, issues) = reading::all(resource_type, content);
    let issues: Vec<Value> = issues
        .iter()
        .map(|issue| {
            let code = match issue.kind {
                Wrong::Unknown | Wrong::Shape => "structure",
                Wrong::Value => "value",
                Wrong::Missing => "required",
            };
            json!({"severity": "error", "code": code, "diagnostics": issue.text(), "expression": [issue.at]})
        })
        .collect();
    if issues.is_empty() {
        return Ok(Answer::json(Refusal::done(
            "No issues: elements, shapes and values are those of R4; profiles and invariants were not judged",
        )));
    }
    let outcome = json!({"resourceType": "OperationOutcome", "issue": issues});
    Ok(Answer::json(Bytes::from(outcome.to_string())).with_status(StatusCode::OK))
}
