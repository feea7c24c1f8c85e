//! What a run did, in the words of a case's `expect`.

use hob_cases::{Happened, instant};
use hob_host::local::LocalOutcome;
use hob_model::{Call, TimerOp, Write};
use serde_json::{Map, Value, json};

/// What the run did, with the ids that the host gave.
pub(crate) fn happened(outcome: &LocalOutcome) -> Happened {
    let effects = &outcome.effects;
    Happened {
        reads: outcome.journal.calls.iter().flat_map(reads).collect(),
        writes: effects.writes.iter().map(|it| write(it, &outcome.journal.calls)).collect(),
        guards: effects.guards.iter().map(|it| json!({ "guard": it.target.to_string(), "if-match": it.version })).collect(),
        timers: effects.timers.iter().map(timer).collect(),
        outbox: effects
            .outbox
            .iter()
            .map(|it| {
                let headers: Map<String, Value> = it.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
                json!({ "send": it.key, "method": it.method, "url": it.url, "headers": headers, "body": body(&it.body) })
            })
            .collect(),
        result: outcome.result.as_ref().ok().and_then(Option::as_ref).map(|payload| body(&payload.bytes)),
        failure: outcome.result.as_ref().err().map(|it| json!({ "kind": it.kind, "code": it.code, "message": it.message })),
    }
}

/// `expect` of a run: what it did, with `created-1` and so on for the ids that the host gave.
pub(crate) fn document(outcome: &LocalOutcome) -> Value {
    let document = happened(outcome).document();
    let ids: Vec<&str> = outcome
        .effects
        .writes
        .iter()
        .filter_map(|write| match write {
            Write::Create { reference, .. } => reference.rsplit(['/', ':']).next(),
            _ => None,
        })
        .collect();
    if ids.is_empty() {
        return document;
    }
    let mut text = document.to_string();
    for (at, id) in ids.iter().enumerate() {
        text = text.replace(id, &format!("created-{}", at + 1));
    }
    serde_json::from_str(&text).unwrap_or(document)
}

fn reads(call: &Call) -> Vec<String> {
    let asked: Vec<Value> = serde_json::from_str(call.request.get()).unwrap_or_default();
    let text = |at: usize| asked.get(at).and_then(Value::as_str).unwrap_or_default();
    match call.function.as_str() {
        "fhir.read" => vec![text(0).to_owned()],
        "fhir.vread" => vec![format!("{}/_history/{}", text(0), text(1))],
        "fhir.history" => vec![format!("{}/_history", text(0))],
        "fhir.search" => vec![format!("{}?{}", text(0), text(1))],
        // Name, reference and query: `Patient/a/$everything?_count=10`.
        "fhir.operation" => {
            let query = if text(2).is_empty() { String::new() } else { format!("?{}", text(2)) };
            vec![format!("{}/{}{query}", text(1), text(0))]
        }
        "fhir.batch" => asked.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn write(write: &Write, calls: &[Call]) -> Value {
    match write {
        Write::Create { reference, if_none_exist, resource, .. } => {
            let mut shown = resource.clone();
            let own = shown["id"].as_str().is_some_and(|id| reference.ends_with(id));
            if let Some(members) = shown.as_object_mut().filter(|_| own) {
                members.shift_remove("id");
            }
            let mut out = json!({ "create": shown });
            if let Some(search) = if_none_exist {
                out["if-none-exist"] = json!(asked_unless(reference, calls).unwrap_or_else(|| search.clone()));
            }
            out
        }
        Write::Update { read, resource, .. } => json!({ "update": hob_cases::shown(resource.clone()), "if-match": read }),
        Write::Delete { target, .. } => json!({ "delete": target.to_string() }),
    }
}

/// The search of a conditional create as the bot gave it: what is sent says the scopes' part as well.
fn asked_unless(reference: &str, calls: &[Call]) -> Option<String> {
    calls.iter().filter(|call| call.function == "fhir.create").find_map(|call| {
        let response: Value = serde_json::from_str(call.response.get()).ok()?;
        let (_, search): (Value, Option<String>) = serde_json::from_str(call.request.get()).ok()?;
        search.filter(|_| response.pointer("/ok/reference").is_some_and(|given| given == reference))
    })
}

fn timer(timer: &TimerOp) -> Value {
    match timer {
        TimerOp::Set { key, at, payload } => json!({ "set": key, "at": instant(*at), "payload": payload }),
        TimerOp::Cancel { key } => json!({ "cancel": key }),
    }
}

fn body(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| json!(String::from_utf8_lossy(bytes)))
}
