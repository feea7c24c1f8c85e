//! A bot does what its scopes say and nothing else, whatever it makes of the error.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hob_model::FailureKind;
use serde_json::{Value, json};

use crate::fake::Fake;
use crate::stage::{answers, failure, release, run, task};

const SOME: &str = "scopes = [\"system/Task.rs?status=ready\", \"system/Task.u?status=ready,completed\", \"system/Patient.r\"]\n";

fn server() -> Arc<Fake> {
    Arc::new(Fake::with([task("ready", "ready"), task("draft", "draft"), json!({ "resourceType": "Observation", "id": "1" })]))
}

#[tokio::test]
async fn what_is_beyond_the_scopes_ends_the_attempt_and_names_the_scope() {
    let cases: [(Value, &str, usize); 9] = [
        (json!(["create", { "resourceType": "Observation" }]), "system/Observation.c", 0),
        (json!(["read", "Observation/1"]), "system/Observation.r", 0),
        (json!(["history", "Observation/1"]), "system/Observation.r", 0),
        (json!(["search", "Observation", ""]), "system/Observation.s", 0),
        (json!(["delete", "Task/ready"]), "system/Task.d", 0),
        (json!(["read", "Task/draft"]), "system/Task.r", 1),
        (json!(["update", task("ready", "draft")]), "system/Task.u", 1),
        (json!(["update", task("draft", "ready")]), "system/Task.u", 1),
        (json!(["batch", ["Observation/1", "Task/ready"]]), "system/Observation.r", 1),
    ];
    for (step, scope, calls) in cases {
        let server = server();
        // The bot swallows the error and goes on; the attempt fails all the same.
        let output = run(&release(SOME), json!([step, ["runs"]]), &server).await;
        let failure = failure(&output);
        assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Fatal, "scope"), "{step}");
        assert!(failure.message.contains(&format!("needs {scope};")), "{step}: {}", failure.message);
        assert!(output.effects.writes.is_empty());
        assert_eq!(server.calls.load(Ordering::SeqCst), calls, "{step}");
    }
}

#[tokio::test]
async fn searches_show_only_what_the_scope_covers() {
    let output = run(&release(SOME), json!([["search", "Task", ""], ["read", "Task/ready"]]), &server()).await;
    let answers = answers(&output);
    let bundle = &answers[0]["ok"]["bundle"];
    assert_eq!((bundle["total"].as_u64(), bundle["entry"].as_array().unwrap().len()), (Some(1), 1));
    assert_eq!(bundle["entry"][0]["resource"]["id"], "ready");
    assert_eq!(answers[1]["ok"]["id"], "ready");
}

#[tokio::test]
async fn pages_are_named_by_the_host_and_cannot_be_made_up() {
    let tasks = (0..5).map(|number| task(&number.to_string(), "ready"));
    let server = Arc::new(Fake { page: 2, ..Fake::with(tasks) });
    let steps = json!([
        ["search-all", "Task", "status=ready"],
        ["more", "https://evil.example/"],
        ["more", "page:9"],
        ["search", "Task", ""]
    ]);
    let output = run(&release(SOME), steps, &server).await;
    let answers = answers(&output);
    assert_eq!(answers[0]["ok"].as_array().unwrap().len(), 5);
    assert_eq!((&answers[1]["error"], &answers[2]["error"]), (&json!("invalid"), &json!("invalid")));
    assert_eq!(answers[3]["ok"]["next"], "page:2");
}
