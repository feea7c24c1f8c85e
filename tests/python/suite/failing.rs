//! How a Python bot fails: the operator sees type and position, and no words that may be about a patient; those are in the run's log.

use std::sync::Arc;
use std::time::Duration;

use hob_engine::RunOutput;
use hob_model::{FailureKind, LogLevel};
use serde_json::{Value, json};

use crate::fake::Fake;
use crate::stage::{actor, failure, log, run, run_twice, steps, task};

async fn failed(step: Value) -> RunOutput {
    run_twice(actor(), steps(&json!([["create", task("", "draft")], step])), &Arc::new(Fake::default())).await
}

#[tokio::test]
async fn an_exception_is_its_type_and_where_it_was() {
    for (how, kind) in [("key", "KeyError"), ("own", "parts.deep.Lost"), ("chained", "RuntimeError")] {
        let output = failed(json!(["raise", how])).await;
        let failure = failure(&output);
        assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Retry, "exception"));
        let place =
            failure.message.strip_prefix(&format!("{kind} at parts/deep.py:")).unwrap_or_else(|| panic!("{}", failure.message));
        let (line, rest) = place.split_once(' ').unwrap();
        assert!(line.parse::<u32>().is_ok_and(|line| line > 10), "{place}");
        assert!(rest.starts_with("in further < parts/deep.py:") && rest.contains("< bot.py:"), "{place}");
        assert!(!failure.message.contains("Ada"), "{}", failure.message);
        let told: Vec<&str> =
            log(&output).into_iter().filter(|(level, _)| *level == LogLevel::Error).map(|(_, text)| text).collect();
        let told = told.join("\n");
        assert!(
            told.contains("Ada Example") && told.contains("File \"parts/deep.py\", line ") && told.contains("in further"),
            "{told}"
        );
        // With its line, though there are no files; without what called the bot.
        assert!(told.contains("    return further(how)") && !told.contains("hob_sdk"), "{told}");
        assert!(output.effects.writes.is_empty());
    }
}

#[tokio::test]
async fn what_the_bot_says_itself_is_said() {
    let output = failed(json!(["reject", "in words"])).await;
    let rejected = failure(&output);
    assert_eq!((rejected.kind, rejected.code.as_str(), rejected.message.as_str()), (FailureKind::Reject, "no", "in words"));
    assert!(log(&output).contains(&(LogLevel::Error, "details: {\"more\": \"in words\"}")));
    let output = failed(json!(["retry", "not now"])).await;
    let retried = failure(&output);
    assert_eq!(
        (retried.kind, retried.code.as_str(), retried.retry_after),
        (FailureKind::Retry, "later", Some(Duration::from_secs(5)))
    );
}

#[tokio::test]
async fn what_the_host_says_becomes_a_failure_unless_it_is_caught() {
    for (step, kind, code) in [
        (json!(["read", "Task/none"]), FailureKind::Reject, "fhir-not-found"),
        (json!(["outside", "https://evil.example/"]), FailureKind::Reject, "http-not-allowed"),
        (json!(["expose", "TOKEN"]), FailureKind::Reject, "secret"),
        (json!(["fhirpath", { "resourceType": "Task" }, "status = = 1"]), FailureKind::Reject, "fhirpath"),
        (json!(["refused", "why"]), FailureKind::Reject, "timer"),
    ] {
        let output = failed(step.clone()).await;
        assert_eq!((failure(&output).kind, failure(&output).code.as_str()), (kind, code), "{step}");
    }
}

#[tokio::test]
async fn exits_loops_recursion_and_greed_end_the_run_and_not_the_host() {
    let output = failed(json!(["exit"])).await;
    assert!(failure(&output).message.starts_with("SystemExit at bot.py:"), "{:?}", output.result);
    let output = failed(json!(["recurse"])).await;
    assert!(failure(&output).message.starts_with("RecursionError at bot.py:"), "{:?}", output.result);
    let output = failed(json!(["hog"])).await;
    assert!(["exception", "limit-memory"].contains(&failure(&output).code.as_str()), "{:?}", output.result);
    let looping = run(actor(), steps(&json!([["loop"]])), &Arc::new(Fake::default())).await;
    assert_eq!(failure(&looping).code, "limit-cpu");
    // What was printed before is kept.
    assert_eq!(log(&looping), [(LogLevel::Info, "before")]);
}

#[tokio::test]
async fn what_is_no_outcome_is_named() {
    let output =
        run_twice(actor(), steps(&json!([["fhirpath", { "resourceType": "Task" }, "'no-step'"]])), &Arc::new(Fake::default()))
            .await;
    assert!(output.result.is_ok());
    let output = failed(json!(["no such step"])).await;
    assert_eq!(failure(&output).code, "no-step");
}
