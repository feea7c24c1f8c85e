//! Components that are no bots, and what a bot may not see or send.

use std::sync::Arc;

use hob_engine::EngineError;
use hob_model::FailureKind;
use serde_json::json;

use crate::fake::Fake;
use crate::stage::{ALL, answers, engine, failure, manifest, release, run};

fn refusal(text: &str) -> EngineError {
    engine().prepare(&wat::parse_str(text).unwrap(), &manifest(ALL)).err().unwrap()
}

#[test]
fn a_component_that_wants_more_is_refused_by_name() {
    let error = refusal(r#"(component (import "wasi:http/outgoing-handler@0.2.0" (instance)))"#);
    assert!(
        matches!(&error, EngineError::Import { import, hint } if import == "wasi:http/outgoing-handler@0.2.0" && hint.contains("outbox"))
    );
    let error = refusal(r#"(component (import "acme:database/sql@1.0.0" (instance)))"#);
    assert!(error.to_string().contains("acme:database/sql@1.0.0"), "{error}");
    let error = refusal(r#"(component (import "hob:bot/fhir@0.9.0" (instance)))"#);
    assert!(error.to_string().contains("hob:bot@0.1"), "{error}");
    // What an earlier minor version had is there: of this one only the export is missing.
    let error = refusal(
        r#"(component (import "hob:bot/settings@0.1.0" (instance (export "get" (func (param "name" string) (result (option string)))))))"#,
    );
    assert!(matches!(error, EngineError::Export { .. }), "{error}");
    // The right name with another type.
    let error = refusal(r#"(component (import "hob:bot/settings@0.1.0" (instance (export "get" (func (param "name" u32))))))"#);
    assert!(matches!(&error, EngineError::Import { .. }), "{error}");
}

#[test]
fn a_component_without_the_contracts_export_is_refused() {
    assert!(matches!(refusal("(component)"), EngineError::Export { export: "handle", .. }));
    assert!(matches!(refusal("(module)"), EngineError::CoreModule));
    let junk = engine().prepare(b"not wasm", &manifest(ALL)).err().unwrap();
    assert!(matches!(junk, EngineError::Compile(_)));
    let scope = engine().prepare(&wat::parse_str("(component)").unwrap(), &manifest("scopes = [\"system/Task.r?nonsense=1\"]\n"));
    assert!(scope.err().unwrap().to_string().contains("nonsense"));
}

#[tokio::test]
async fn the_machine_is_not_to_be_seen() {
    let output = run(&release(ALL), json!([["machine"]]), &Arc::new(Fake::default())).await;
    let machine = &answers(&output)[0];
    for shut in ["root", "file", "write", "dial", "listen"] {
        assert_eq!(machine[shut], false, "{shut}");
    }
    assert_eq!((&machine["args"], &machine["env"]), (&json!(0), &json!(0)));
    assert_eq!(machine["now"], crate::stage::now().micros().to_string());
}

#[tokio::test]
async fn outbox_items_are_held_to_the_rules_at_once() {
    let rules = "scopes = []\n[[http]]\nmethods = [\"POST\"]\nhost = \"sms.example\"\npath = \"/v1\"\nsecrets = [\"TOKEN\"]\n[secrets]\nTOKEN = { env = \"T\" }\n";
    let steps = json!([
        ["send", "a", "post", "https://sms.example/v1/send", "hi"],
        ["send", "a", "POST", "https://sms.example/v1/send", "again"],
        ["send", "b", "POST", "https://evil.example/v1/send", "no"],
        ["send", "c", "GET", "https://sms.example/v1/send", "no"],
        ["secret", "TOKEN"],
        ["secret", "OTHER"],
    ]);
    let output = run(&release(rules), steps, &Arc::new(Fake::default())).await;
    let answers = answers(&output);
    assert_eq!(answers[0], json!({ "ok": null }));
    for (at, word) in [(1, "already"), (2, "[[http]]"), (3, "[[http]]"), (5, "[secrets]")] {
        assert!(answers[at]["message"].as_str().unwrap().contains(word), "{at}: {}", answers[at]);
    }
    let run = hob_model::RunId::of_parts(&[b"test"]);
    assert_eq!(answers[4]["ok"], hob_engine::placeholder(run, "TOKEN"));
    assert_eq!(output.effects.outbox.len(), 1);
    assert_eq!((output.effects.outbox[0].method.as_str(), output.effects.outbox[0].body.as_slice()), ("POST", b"hi".as_slice()));
}

#[tokio::test]
async fn what_a_bot_asks_others_is_held_to_the_rules_before_anybody_hears_of_it() {
    let rules = "scopes = []\n[[http]]\nmethods = [\"POST\"]\nhost = \"sms.example\"\npath = \"/v1\"\n";
    let ask = |method: &str, url: &str, body: &str| json!(["ask", method, url, body]);
    let others = Arc::new(Fake::default());
    let steps = json!([
        ask("post", "https://sms.example/v1/number", "hi"),
        ask("POST", "https://evil.example/v1/number", "no"),
        ask("GET", "https://sms.example/v1/number", "no"),
        ["ask", "POST", "https://sms.example/v1/number", "no", "line\r\nbreak"],
    ]);
    let output = run(&release(rules), steps, &others).await;
    let answers = answers(&output);
    assert_eq!(answers[0], json!({ "status": 201, "body": "hi" }));
    for at in 1..4 {
        assert_eq!(answers[at]["error"], "not-allowed", "{at}");
    }
    let asked = others.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 1);
    assert_eq!((asked[0].method.as_str(), asked[0].url.as_str()), ("POST", "https://sms.example/v1/number"));
    assert_eq!(output.journal.calls.iter().filter(|call| call.function == "http.send").count(), 4);

    let one = async |body: &str| run(&release(rules), json!([ask("POST", "https://sms.example/v1", body)]), &others).await;
    let later = one("later").await;
    let told = failure(&later);
    assert_eq!((told.code.as_str(), told.kind), ("http-later", FailureKind::Retry));
    assert_eq!(told.retry_after, Some(std::time::Duration::from_secs(7)));
    // The bot is not asked what it makes of it.
    let ended = one("nobody knows").await;
    assert_eq!((failure(&ended).code.as_str(), failure(&ended).kind), ("request-unknown", FailureKind::Fatal));
}

#[tokio::test]
async fn timers_and_settings() {
    let keys = "scopes = []\n[[on]]\ntimer = true\n[settings.days]\ntype = \"integer\"\ndefault = 3\n";
    let steps = json!([
        ["timer", "t", "2026-02-01T09:00:00+01:00", { "n": 1 }],
        ["timer", "t", "2026-03-01T09:00:00Z", { "n": 2 }],
        ["timer", "u", "tomorrow", {}],
        ["cancel", "old"],
        ["setting", "days"],
        ["setting", "weeks"],
    ]);
    let output = run(&release(keys), steps, &Arc::new(Fake::default())).await;
    let answers = answers(&output);
    assert!(answers[2]["message"].as_str().unwrap().contains("RFC 3339"));
    assert_eq!((&answers[4], &answers[5]), (&json!(3), &json!(null)));
    let timers = serde_json::to_value(&output.effects.timers).unwrap();
    assert_eq!(
        timers,
        json!([
            { "timer": "set", "key": "t", "at": "2026-03-01T09:00:00.000000Z", "payload": { "n": 2 } },
            { "timer": "cancel", "key": "old" },
        ])
    );
}

#[tokio::test]
async fn a_script_that_is_no_json_is_the_bots_to_refuse() {
    let output = run(&release(ALL), json!({ "not": "steps" }), &Arc::new(Fake::default())).await;
    assert_eq!(failure(&output).code, "json");
}
