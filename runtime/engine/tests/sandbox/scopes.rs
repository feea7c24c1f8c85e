//! A bot does what its scopes say and nothing else, whatever it makes of the error.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hob_engine::{Denial, Engine, EngineConfig};
use hob_model::FailureKind;
use serde_json::{Value, json};

use crate::fake::Fake;
use crate::stage::{actor, answers, failure, manifest, release, run, run_input, task, with_resource};

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
async fn an_authors_engine_tells_the_bot_and_its_attempt_fails_all_the_same() {
    let config = EngineConfig { concurrent_runs: 2, denial: Denial::IsTold, ..EngineConfig::default() };
    let told = Engine::new(config).unwrap().prepare(actor(), &manifest(SOME)).unwrap();
    for (step, scope) in [
        (json!(["read", "Observation/1"]), "system/Observation.r"),
        (json!(["patch", "Observation/1", []]), "system/Observation.ru"),
        (json!(["delete", "Task/ready"]), "system/Task.d"),
    ] {
        let output = run(&told, json!([step, ["update", task("ready", "completed")]]), &server()).await;
        let failure = failure(&output);
        assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Fatal, "scope"), "{step}");
        assert!(failure.message.contains(&format!("needs {scope};")), "{step}: {}", failure.message);
        assert!(output.effects.writes.is_empty());
        // The bot went on, in vain.
        let said: Vec<(&str, &str)> =
            output.journal.calls.iter().map(|call| (call.function.as_str(), call.response.get())).collect();
        assert!(said.iter().any(|(_, response)| response.contains("\"code\":\"scope\"")), "{step}: {said:?}");
        assert_eq!(said.last(), Some(&("fhir.update", "{\"ok\":null}")), "{step}");
    }
}

#[tokio::test]
async fn searches_show_only_what_the_scope_covers() {
    let output = run(&release(SOME), json!([["search", "Task", ""], ["read", "Task/ready"]]), &server()).await;
    let answers = answers(&output);
    let bundle = &answers[0]["ok"]["bundle"];
    assert_eq!((bundle["total"].as_u64(), bundle["entry"].as_array().unwrap().len()), (None, 1));
    assert_eq!(bundle["entry"][0]["resource"]["id"], "ready");
    assert_eq!(answers[1]["ok"]["id"], "ready");
}

#[tokio::test]
async fn everything_of_a_patient_is_what_the_scopes_cover_of_it() {
    let server = || {
        let of = |kind: &str, id: &str, status: &str| json!({ "resourceType": kind, "id": id, "status": status, "subject": { "reference": "Patient/p" } });
        Arc::new(Fake::with([
            json!({ "resourceType": "Patient", "id": "p", "active": true }),
            of("Observation", "final", "final"),
            of("Observation", "draft", "draft"),
            of("Condition", "c", "x"),
        ]))
    };
    let ids = |bundle: &Value| {
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        entries.iter().map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let everything = json!(["operation", "everything", "Patient/p", ""]);
    // Beyond the scopes: the attempt ends and the server is not asked.
    for (scopes, step, missing) in [
        ("[\"system/Observation.r\", \"system/Patient.r\"]", everything.clone(), "needs system/*.r"),
        (
            "[\"system/Observation.s\", \"system/Patient.r\"]",
            json!(["operation", "everything", "Patient/p", "_type=Observation"]),
            "needs system/Observation.r",
        ),
        (
            "[\"system/Observation.r\"]",
            json!(["operation", "everything", "Patient/p", "_type=Observation"]),
            "needs system/Patient.r",
        ),
    ] {
        let server = server();
        let output = run(&release(&format!("scopes = {scopes}\n")), json!([step, ["runs"]]), &server).await;
        assert!(failure(&output).message.contains(missing), "{step}: {}", failure(&output).message);
        assert_eq!(server.calls.load(Ordering::SeqCst), 0, "{step}");
    }
    // All of it, with its total; staged writes are seen.
    let steps = json!([everything, ["delete", "Condition/c"], everything]);
    let output = run(&release("scopes = [\"system/*.rd\"]\n"), steps, &server()).await;
    let seen = answers(&output);
    assert_eq!((ids(&seen[0]["ok"]["bundle"]).len(), seen[0]["ok"]["bundle"]["total"].as_u64()), (4, Some(4)));
    assert_eq!(ids(&seen[2]["ok"]["bundle"]).len(), 3);
    // Some of it, without a total.
    let scopes = "scopes = [\"system/Observation.r?status=final\", \"system/Patient.r\"]\n";
    let output = run(&release(scopes), json!([["operation", "everything", "Patient/p", "_type=Observation"]]), &server()).await;
    let bundle = &answers(&output)[0]["ok"]["bundle"];
    assert_eq!((ids(bundle), bundle.get("total")), (vec!["final".to_owned()], None));
    // What is not known is refused, and the bot is told.
    for (step, code) in [
        (json!(["operation", "graph", "Patient/p", ""]), "refused"),
        (json!(["operation", "everything", "Task/1", ""]), "refused"),
        (json!(["operation", "everything", "Patient/p", "_elements=id"]), "invalid"),
        (json!(["operation", "everything", "Patient/p", "_type=Observation,no type"]), "invalid"),
    ] {
        let output = run(&release("scopes = [\"system/*.r\"]\n"), json!([step]), &server()).await;
        assert_eq!(answers(&output)[0]["error"], code, "{step}: {}", answers(&output));
    }
}

#[tokio::test]
async fn no_search_tells_of_what_the_scope_does_not_cover() {
    // What looks at other types ends the attempt, and the server is not asked.
    for (step, scope) in [
        (json!(["search", "Task", "patient:Patient.name=a"]), "system/Patient.s"),
        (json!(["search", "Task", "_has:Provenance:target:agent=1"]), "system/Provenance.s"),
        (json!(["search", "Task", "_filter=status eq ready"]), "system/*.s"),
        (json!(["batch", ["Task?owner:Practitioner.name=a"]]), "system/Practitioner.s"),
        (
            json!(["patch", "Task/ready", [{"op": "add", "path": "/for", "value": {"reference": "Patient?name=a"}}]]),
            "system/Patient.s",
        ),
        (
            json!(["create", { "resourceType": "Basic", "extension": [{ "valueReference": { "reference": "Patient?name=b" } }] }]),
            "system/Patient.s",
        ),
        (json!(["create", { "resourceType": "Basic" }, "subject:Patient.name=a"]), "system/Patient.s"),
    ] {
        let server = server();
        let scopes = "scopes = [\"system/Task.rus?status=ready\", \"system/Patient.r\", \"system/Basic.cs\"]\n";
        let output = run(&release(scopes), json!([step, ["runs"]]), &server).await;
        assert_eq!(failure(&output).code, "scope", "{step}");
        assert!(failure(&output).message.contains(&format!("needs {scope},")), "{step}: {}", failure(&output).message);
    }
    // What cannot be judged is not asked; the bot is told.
    for query in ["_elements=owner", "_summary=count", "_contained=true"] {
        let output = run(&release(SOME), json!([["search", "Task", query]]), &server()).await;
        let told = &answers(&output)[0];
        assert!(told["error"] == "invalid" && told["message"].as_str().unwrap().contains("leave it out"), "{query}: {told}");
    }
}

#[tokio::test]
async fn what_is_there_beyond_the_scope_is_not_found_by_a_condition() {
    let scopes = "scopes = [\"system/Task.cs?status=ready\"]\n";
    let steps = json!([["create", task("", "ready"), "_id=draft"], ["create", task("", "ready"), "_id=ready"]]);
    let output = run(&release(scopes), steps, &server()).await;
    let answers = answers(&output);
    assert_eq!((&answers[0]["ok"]["existed"], &answers[1]["ok"]["existed"]), (&json!(false), &json!(true)));
    let effects = serde_json::to_string(&output.effects).unwrap();
    assert!(effects.contains("_id=draft&status=ready"), "{effects}");
}

#[tokio::test]
async fn a_guard_is_a_read() {
    let output = run(&release(SOME), json!([["guard", "Task/draft", "1"]]), &server()).await;
    assert_eq!(failure(&output).code, "scope");
    assert!(run(&release(SOME), json!([["guard", "Task/ready", "1"]]), &server()).await.result.is_ok());
}

#[tokio::test]
async fn a_patients_scope_reaches_the_events_patient_alone() {
    let of = |id: &str, patient: &str| json!({ "resourceType": "Observation", "id": id, "status": "final", "subject": { "reference": format!("Patient/{patient}") } });
    let server = Arc::new(Fake::with([of("1", "a"), of("2", "b"), json!({ "resourceType": "Patient", "id": "a" })]));
    let scopes = "scopes = [\"patient/Observation.crs\", \"patient/Patient.r\"]\n";
    let event = json!({ "resourceType": "Task", "id": "t", "for": { "reference": "Patient/a" } });
    let go = async |steps: Value| run_input(&release(scopes), with_resource(steps, event.clone()), &server).await;
    let found = go(json!([["search", "Observation", ""], ["read", "Observation/1"], ["read", "Patient/a"]])).await;
    let found = answers(&found);
    assert_eq!(found[0]["ok"]["bundle"]["entry"].as_array().unwrap().len(), 1);
    assert_eq!((&found[1]["ok"]["id"], &found[2]["ok"]["id"]), (&json!("1"), &json!("a")));
    for step in [json!(["read", "Observation/2"]), json!(["create", of("", "b")])] {
        assert_eq!(failure(&go(json!([step])).await).code, "scope", "{step}");
    }
    // An event without a patient.
    let output = run(&release(scopes), json!([["read", "Observation/1"]]), &server).await;
    assert_eq!(failure(&output).code, "scope");
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
