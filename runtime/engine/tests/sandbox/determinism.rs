//! The same input gives the same bytes: effects, journal, log and answer.

use std::sync::Arc;

use hob_engine::RunOutput;
use serde_json::{Value, json};

use crate::fake::Fake;
use crate::stage::{ALL, answers, input, release, run_input, task};

fn printed(output: &RunOutput) -> String {
    let mut journal = serde_json::to_value(&output.journal).unwrap();
    for call in journal["calls"].as_array_mut().unwrap() {
        call["micros"] = Value::Null;
    }
    format!("{}\n{journal}\n{}", serde_json::to_value(&output.effects).unwrap(), answers(output))
}

#[tokio::test]
async fn the_same_input_gives_the_same_bytes() {
    let steps = json!([
        ["machine"],
        ["log", 20],
        ["create", task("", "ready")],
        ["read", "Task/1"],
        ["update", task("1", "completed")],
        ["search", "Task", "status=ready"],
        ["batch", ["Task/1", "Task/2", "Task/3"]],
        ["timer", "t", "2026-02-01T00:00:00Z", {}],
        ["machine"],
    ]);
    let release = release(ALL);
    let once = |seed: u64| {
        let fhir = Arc::new(Fake::with([task("1", "ready"), task("2", "ready"), task("3", "draft")]));
        let mut input = input(steps.clone());
        input.seed = seed;
        let release = Arc::clone(&release);
        async move { run_input(&release, input, &fhir).await }
    };
    let first = once(7).await;
    assert_eq!(printed(&first), printed(&once(7).await));
    assert_ne!(answers(&first)[0]["random"], answers(&once(8).await)[0]["random"]);
    // The actor looks for a script in its settings first.
    let calls: Vec<_> = first.journal.calls.iter().filter(|call| call.function != "settings.get").collect();
    let functions: Vec<_> = calls.iter().map(|call| call.function.as_str()).collect();
    assert_eq!(functions, ["fhir.create", "fhir.read", "fhir.update", "fhir.search", "fhir.batch", "timers.set"]);
    let read: Value = serde_json::from_str(calls[1].response.get()).unwrap();
    assert_eq!(read["ok"]["status"], "ready");
}
