//! What a run writes is staged, seen by the run itself, merged, and hangs on what was read.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hob_model::{FailureKind, Write};
use serde_json::{Value, json};

use crate::fake::Fake;
use crate::stage::{ALL, answers, failure, release, run, run_input, task, with_resource};

fn server() -> Arc<Fake> {
    Arc::new(Fake::with([task("1", "ready"), task("2", "ready"), task("3", "draft")]))
}

fn ids(bundle: &Value) -> Vec<&str> {
    bundle["ok"]["bundle"]["entry"].as_array().unwrap().iter().map(|entry| entry["resource"]["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn reads_and_searches_see_what_is_staged() {
    let steps = json!([
        ["create", task("", "ready")],
        ["update", task("1", "completed")],
        ["delete", "Task/2"],
        ["read", "Task/1"],
        ["read", "Task/2"],
        ["search", "Task", "status=ready"],
        ["search", "Task", "status=draft"],
        ["search", "Task", "_id=1"],
    ]);
    let output = run(&release(ALL), steps, &server()).await;
    let answers = answers(&output);
    let created = answers[0]["ok"]["reference"].as_str().unwrap();
    assert_eq!((&answers[0]["ok"]["final"], &answers[0]["ok"]["existed"]), (&json!(true), &json!(false)));
    assert_eq!(answers[3]["ok"]["status"], "completed");
    assert_eq!(answers[4]["error"], "gone");
    assert_eq!(format!("Task/{}", ids(&answers[5]).join(",")), created);
    assert_eq!(answers[5]["ok"]["bundle"]["total"], 1);
    assert_eq!(ids(&answers[6]), ["3"]);
    assert_eq!(answers[7]["ok"]["bundle"]["entry"][0]["resource"]["status"], "completed");
    let kinds = output.effects.writes.iter().map(|write| match write {
        Write::Create { reference, .. } => reference.clone(),
        Write::Update { target, read, .. } => format!("{target}@{read}"),
        Write::Delete { target, read } => format!("-{target}@{read}"),
    });
    assert_eq!(kinds.collect::<Vec<_>>(), [created.to_owned(), "Task/1@1".into(), "-Task/2@1".into()]);
}

#[tokio::test]
async fn writes_merge_and_what_changes_nothing_is_not_sent() {
    let steps = json!([
        ["create", task("", "draft")],
        ["patch", "Task/1", [{ "op": "replace", "path": "/status", "value": "completed" }]],
        ["patch", "Task/1", [{ "op": "add", "path": "/owner", "value": { "reference": "Practitioner/p" } }]],
        ["read", "Task/1"],
        ["update", task("2", "ready")],
        ["patch", "Task/3", [{ "op": "replace", "path": "/id", "value": "9" }]],
        ["patch", "Task/3", [{ "op": "test", "path": "/status", "value": "x" }]],
        ["update", { "resourceType": "Task", "status": "draft" }],
        ["update", task("9", "ready")],
    ]);
    let server = server();
    let output = run(&release(ALL), steps, &server).await;
    let answers = answers(&output);
    assert_eq!(answers[3]["ok"]["owner"]["reference"], "Practitioner/p");
    for (at, code) in [(5, "invalid"), (6, "invalid"), (7, "invalid"), (8, "not-found")] {
        assert_eq!(answers[at]["error"], code, "{at}");
    }
    assert_eq!(output.effects.writes.len(), 2);
    assert!(
        matches!(&output.effects.writes[1], Write::Update { target, resource, .. } if target.to_string() == "Task/1" && resource["status"] == "completed")
    );
    // Tasks 1, 2, 3 and 9, once each.
    assert_eq!(server.calls.load(Ordering::SeqCst), 4);
    assert_eq!(output.read.len(), 3);
}

#[tokio::test]
async fn a_server_that_gives_the_ids_gets_urns() {
    let server = Arc::new(Fake { client_ids: false, ..Fake::default() });
    let all = release(ALL);
    let run_once = || run(&all, json!([["create", task("x", "draft")]]), &server);
    let output = run_once().await;
    let reference = answers(&output)[0]["ok"]["reference"].as_str().unwrap().to_owned();
    assert!(reference.starts_with("urn:uuid:"));
    assert!(
        matches!(&output.effects.writes[0], Write::Create { reference: staged, is_final: false, resource, .. } if *staged == reference && resource.get("id").is_none())
    );
    // The same run, another attempt: the same name.
    assert_eq!(answers(&run_once().await)[0]["ok"]["reference"], reference);
    let steps = json!([
        ["create", task("x", "draft")],
        ["read", reference],
        ["patch", reference, [{ "op": "replace", "path": "/status", "value": "ready" }]],
        ["search", "Task", "status=ready"],
        ["read", "urn:uuid:00000000-0000-8000-8000-000000000000"],
    ]);
    let output = run(&release(ALL), steps, &server).await;
    let answers = answers(&output);
    assert_eq!(answers[1]["ok"]["status"], "draft");
    assert_eq!(answers[3]["ok"]["bundle"]["entry"][0]["fullUrl"], reference);
    assert_eq!(answers[4]["error"], "not-found");
    assert_eq!(output.effects.writes.len(), 1);
}

#[tokio::test]
async fn if_none_exist_is_judged_on_server_and_staged_creates() {
    let with = |value: &str| json!({ "resourceType": "Observation", "identifier": [{ "system": "s", "value": value }] });
    let mut there = with("there");
    there["id"] = json!("o");
    let server = Arc::new(Fake::with([there]));
    let steps = json!([
        ["create", with("there"), "identifier=s|there"],
        ["create", with("new"), "identifier=s|new"],
        ["create", with("new"), "identifier=s|new"],
        ["create", with("new")],
        ["create", with("new"), "identifier=s|new"],
        ["create", with("x"), ""],
    ]);
    let output = run(&release(ALL), steps, &server).await;
    let answers = answers(&output);
    assert_eq!((&answers[0]["ok"]["reference"], &answers[0]["ok"]["existed"]), (&json!("Observation/o"), &json!(true)));
    assert_eq!(answers[1]["ok"]["existed"], false);
    assert_eq!((&answers[2]["ok"]["reference"], &answers[2]["ok"]["existed"]), (&answers[1]["ok"]["reference"], &json!(true)));
    assert_eq!((&answers[4]["error"], &answers[5]["error"]), (&json!("conflict"), &json!("invalid")));
    assert_eq!(output.effects.writes.len(), 2);
    assert!(matches!(&output.effects.writes[0], Write::Create { if_none_exist: Some(query), .. } if query == "identifier=s|new"));
}

#[tokio::test]
async fn the_events_resource_counts_as_read_for_writes_but_not_for_reads() {
    let server = server();
    server.put(task("1", "in-progress"));
    let mut event = task("1", "ready");
    event["meta"] = json!({ "versionId": "1" });
    let update = json!(["update", task("1", "completed")]);
    let read_of = |output: &hob_engine::RunOutput| match &output.effects.writes[0] {
        Write::Update { read, .. } => read.to_string(),
        other => panic!("{other:?}"),
    };
    // Written on what the event said: hangs on version 1, and conflicts at the commit.
    let output = run_input(&release(ALL), with_resource(json!([update]), event.clone()), &server).await;
    assert_eq!(read_of(&output), "1");
    // Written on a fresh read: hangs on version 2.
    let output = run_input(&release(ALL), with_resource(json!([["read", "Task/1"], update]), event), &server).await;
    assert_eq!(answers(&output)[0]["ok"]["status"], "in-progress");
    assert_eq!(read_of(&output), "2");
}

#[tokio::test]
async fn a_run_sees_one_version_and_asks_once() {
    let server = server();
    let steps = json!([
        ["search", "Task", "status=ready"],
        ["read", "Task/1"],
        ["read", "Task/1"],
        ["batch", ["Task/1", "Task/3", "Task?status=draft", "Task/9"]]
    ]);
    let output = run(&release(ALL), steps, &server).await;
    let batch = &answers(&output)[3];
    assert_eq!(
        (&batch[0]["ok"]["id"], &batch[1]["ok"]["id"], &batch[3]["error"]),
        (&json!("1"), &json!("3"), &json!("not-found"))
    );
    assert_eq!(batch[2]["ok"]["entry"][0]["resource"]["id"], "3");
    // The first search, and of the batch all but Task/1.
    assert_eq!(server.calls.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn guards_go_with_the_effects_and_conflict_with_other_reads() {
    let server = server();
    server.put(task("2", "in-progress"));
    let steps = json!([
        ["guard", "Task/1", "1"],
        ["guard", "Task/1", "1"],
        ["guard", "Task/1", "2"],
        ["guard", "Task/2", "2"],
        ["update", task("2", "completed")]
    ]);
    let output = run(&release(ALL), steps, &server).await;
    assert_eq!(answers(&output)[2]["error"], "conflict");
    let guards: Vec<_> = output.effects.guards.iter().map(|guard| format!("{}@{}", guard.target, guard.version)).collect();
    assert_eq!(guards, ["Task/1@1"]);
    let output = run(&release(ALL), json!([["guard", "Task/2", "1"], ["update", task("2", "completed")]]), &server).await;
    assert_eq!((failure(&output).kind, failure(&output).code.as_str()), (FailureKind::Conflict, "guard"));
}
