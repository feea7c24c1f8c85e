//! Each word of the contract, from Python.

use std::sync::Arc;

use hob_engine::RunInput;
use hob_model::{Cause, ChangeKey, Interaction, LogLevel, Payload, ResourceKey, TimerOp, Write};
use serde_json::{Value, json};

use crate::fake::{Fake, SECRET};
use crate::stage::{actor, answers, input, log, run_twice, steps, task};

fn server(page: usize) -> Arc<Fake> {
    let fake = Fake::with((0..5).map(|n| task(&n.to_string(), if n % 2 == 0 { "ready" } else { "draft" })));
    fake.put(task("1", "completed"));
    Arc::new(Fake { page, ..fake })
}

async fn said(script: Value) -> Value {
    let output = run_twice(actor(), steps(&script), &server(0)).await;
    answers(&output)
}

#[tokio::test]
async fn reads() {
    let answered = said(json!([
        ["find", "Task/9"],
        ["vread", "Task/1", "1"],
        ["history", "Task/1"],
        ["search", "Task", "status=ready"],
        ["batch", "Task/2", "Task/9", "Task?status=draft"]
    ]))
    .await;
    assert_eq!(answered[0], Value::Null);
    assert_eq!(answered[1]["status"], "draft");
    assert_eq!(answered[2], 2);
    assert_eq!(answered[3], json!(["0", "2", "4"]));
    assert_eq!(answered[4], json!(["Task", "not-found", "Bundle"]));
    // What is about a patient.
    let server = server(0);
    server.put(json!({ "resourceType": "Patient", "id": "p" }));
    server.put(json!({ "resourceType": "Observation", "id": "o", "subject": { "reference": "Patient/p" } }));
    let script = json!([["everything", "Patient/p", "_type=Patient,Observation"]]);
    let mut everything = answers(&run_twice(actor(), steps(&script), &server).await);
    everything[0].as_array_mut().unwrap().sort_by_key(Value::to_string);
    assert_eq!(everything, json!([["o", "p"]]));
    // By pages.
    let output = run_twice(actor(), steps(&json!([["search", "Task", "status=ready"]])), &self::server(2)).await;
    assert_eq!(answers(&output), json!([["0", "2", "4"]]));
}

#[tokio::test]
async fn writes_are_staged_and_seen() {
    let script = json!([
        ["create", { "resourceType": "Task", "status": "ready", "intent": "order", "description": "Größe 1,80 m – ✓" }],
        ["create-if", task("", "ready"), "_id=2"],
        ["update", task("0", "completed")],
        ["patch", "Task/2", [{ "op": "replace", "path": "/status", "value": "draft" }]],
        ["read", "Task/2"],
        ["delete", "Task/3"],
        ["guard", "Task/4"]
    ]);
    let output = run_twice(actor(), steps(&script), &server(0)).await;
    let answered = answers(&output);
    assert_eq!((&answered[0], &answered[1], &answered[4]["status"]), (&json!(true), &json!(true), &json!("draft")));
    let [Write::Create { resource, .. }, Write::Update { .. }, Write::Update { .. }, Write::Delete { .. }] =
        &output.effects.writes[..]
    else {
        panic!("{:?}", output.effects.writes)
    };
    assert_eq!(resource["description"], "Größe 1,80 m – ✓");
    assert_eq!(output.effects.guards.len(), 1);
}

#[tokio::test]
async fn timers_outbox_requests_settings_and_secrets() {
    let script = json!([
        ["timer", "due"], ["cancel", "old"], ["send", "sms"], ["ask", { "to": "somebody" }], ["setting"], ["sign", "text"], ["expose", "SHOWN"],
        ["fhirpath", task("1", "ready"), "Task.status & '!'"]
    ]);
    let server = server(0);
    let output = run_twice(actor(), steps(&script), &server).await;
    let answered = answers(&output);
    assert_eq!(answered[3], json!([201, { "to": "somebody" }]));
    assert_eq!(answered[4], json!([3, "none"]));
    assert_eq!(answered[5].as_str().map(str::len), Some(64));
    assert_eq!(answered[6], true);
    assert_eq!(answered[7], json!(["ready!"]));
    let TimerOp::Set { key, at, .. } = &output.effects.timers[0] else { panic!("{:?}", output.effects.timers) };
    assert_eq!((key.as_str(), at.to_string().as_str()), ("due", "2026-01-01T13:00:00.000000Z"));
    assert!(matches!(&output.effects.timers[1], TimerOp::Cancel { key } if key == "old"));
    let [message] = &output.effects.outbox[..] else { panic!("{:?}", output.effects.outbox) };
    assert_eq!((message.key.as_str(), message.body.as_slice()), ("sms", &b"hi"[..]));
    assert!(!format!("{message:?}").contains(SECRET));
    assert_eq!(server.asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_printed_and_logged_is_the_runs_log() {
    let output = run_twice(actor(), steps(&json!([["print", "plain ✓"]])), &server(0)).await;
    let expected = [(LogLevel::Info, "plain ✓"), (LogLevel::Debug, "for the author"), (LogLevel::Warn, "of logging")];
    assert_eq!(log(&output), expected);
}

#[tokio::test]
async fn a_change_has_its_trigger_and_its_resource() {
    let resource =
        ResourceKey { tenant: "clinic".parse().unwrap(), source: "ehr".parse().unwrap(), resource: "Task/1".parse().unwrap() };
    let key = ChangeKey { resource, version: "2".parse().unwrap() };
    let cause = Cause::Change { key, interaction: Interaction::Update, previous: None };
    let mut change = task("1", "completed");
    change["meta"] = json!({ "versionId": "2" });
    let payload = Payload { content_type: "application/fhir+json".into(), bytes: change.to_string().into_bytes().into() };
    let given = RunInput { attempt: 2, payload, ..input(cause, &Value::Null, Some(change)) };
    let answered = answers(&run_twice(actor(), given, &server(0)).await);
    let trigger = answered[0][3].as_str().unwrap();
    assert!(trigger.starts_with("Change(interaction='update', resource_type='Task', id='1', version='2'"), "{trigger}");
    assert_eq!((&answered[0][1], &answered[0][4]), (&json!("clinic"), &json!(2)));
    assert_eq!(answered[1], json!(["1", "completed", ["completed"]]));
}
