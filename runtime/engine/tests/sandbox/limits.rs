//! Every limit ends its attempt with its own code, the key to raise, no effects, and no harm to a neighbour.

use std::sync::Arc;

use hob_engine::EngineError;
use hob_model::{FailureKind, LogLevel};
use serde_json::json;

use crate::fake::Fake;
use crate::stage::{ALL, actor, answers, engine, failure, input, manifest, release, run, run_input, task, with_resource};

const SMALL: &str = "scopes = [\"system/*.cruds\"]\n[limits]\ncpu-ms = 200\nwall-ms = 3000\nmemory-mib = 16\nhost-calls = 20\nwrites = 5\noutput-kib = 8\nlog-kib = 1\n";

/// Runs a bad script beside a good one, on a single worker.
async fn beside(steps: serde_json::Value, fhir: Arc<Fake>) -> hob_engine::RunOutput {
    beside_under(SMALL, steps, fhir).await
}

async fn beside_under(limits: &str, steps: serde_json::Value, fhir: Arc<Fake>) -> hob_engine::RunOutput {
    let good = release(ALL);
    let bad = release(limits);
    let server = Arc::new(Fake::with([task("1", "ready")]));
    let neighbour = run(&good, json!([["read", "Task/1"], ["create", task("", "draft")], ["runs"]]), &server);
    let (bad, good) = tokio::join!(run(&bad, steps, &fhir), neighbour);
    assert_eq!(answers(&good)[2], 1);
    assert_eq!(good.effects.writes.len(), 1);
    bad
}

#[tokio::test]
async fn each_limit_has_its_code_and_names_its_key() {
    let fhir = Arc::new(Fake::with([json!({ "resourceType": "Basic", "id": "1", "note": "z".repeat(200_000) })]));
    let hangs = Arc::new(Fake { hangs: true, ..Fake::default() });
    let write = |number: usize| json!(["create", task(&number.to_string(), "draft")]);
    let cases = [
        (json!([["create", task("", "draft")], ["loop"]]), &fhir, "limit-cpu", "limits.cpu-ms", "200 ms"),
        (json!([["read", "Task/1"]]), &hangs, "limit-wall", "limits.wall-ms", "3000 ms"),
        (json!([["hog", 64]]), &fhir, "limit-memory", "limits.memory-mib", "16 MiB"),
        (
            json!((0..30).map(|_| json!(["setting", "x"])).collect::<Vec<_>>()),
            &fhir,
            "limit-host-calls",
            "limits.host-calls",
            "20",
        ),
        (json!((0..6).map(write).collect::<Vec<_>>()), &fhir, "limit-writes", "limits.writes", "5"),
        (json!([["big", 20_000]]), &fhir, "limit-output", "limits.output-kib", "8 KiB"),
        (json!([["timer", "t", "2026-02-01T00:00:00Z", "p".repeat(9_000)]]), &fhir, "limit-output", "limits.output-kib", "8 KiB"),
        (
            json!([["create", { "resourceType": "Basic", "note": "z".repeat(9_000) }]]),
            &fhir,
            "limit-output",
            "limits.output-kib",
            "8 KiB",
        ),
    ];
    for (steps, fhir, code, key, value) in cases {
        let output = beside(steps, Arc::clone(fhir)).await;
        let failure = failure(&output);
        assert_eq!((failure.code.as_str(), failure.kind), (code, FailureKind::Retry), "{failure:?}");
        assert!(failure.message.contains(key) && failure.message.contains(value), "{}", failure.message);
        assert!(output.effects.writes.is_empty());
    }
}

#[tokio::test]
async fn what_the_host_holds_for_a_guest_is_memory_too() {
    // 20 reads answer from the run's own copy, but each is journaled and each handle is charged while it is held.
    let fhir = Arc::new(Fake::with([json!({ "resourceType": "Basic", "id": "1", "note": "z".repeat(1_000_000) })]));
    // On a busy machine a debug build takes its time for as much: it is not what is meant here.
    let patient = SMALL.replace("cpu-ms = 200", "cpu-ms = 5000").replace("wall-ms = 3000", "wall-ms = 30000");
    let output = beside_under(&patient, json!([["hold", 19, "Basic/1"]]), fhir).await;
    assert_eq!(failure(&output).code, "limit-memory");
}

#[tokio::test]
async fn a_loop_is_charged_cpu_and_no_more_than_a_tick_over() {
    let output = run(&release(SMALL), json!([["loop"]]), &Arc::new(Fake::default())).await;
    assert!(output.cpu.as_millis() >= 200, "{:?}", output.cpu);
    assert!(output.cpu.as_millis() < 1_500, "{:?}", output.cpu);
}

#[tokio::test]
async fn traps_say_where_without_saying_what() {
    let good = Arc::new(Fake::default());
    for (steps, word) in [(json!([["trap", 3]]), "unreachable"), (json!([["recurse"]]), "recurse"), (json!([["exit"]]), "exited")]
    {
        let output = beside(steps, Arc::clone(&good)).await;
        let failure = failure(&output);
        assert_eq!((failure.code.as_str(), failure.kind), ("trap", FailureKind::Retry));
        assert!(failure.message.contains(word), "{}", failure.message);
    }
    let output = run(&release(SMALL), json!([["trap", 3]]), &good).await;
    let message = &failure(&output).message;
    assert!(message.contains("; in actor::") && !message.contains("index out of bounds"), "{message}");
    // The panic's words are in the run's own log.
    assert!(output.journal.log.iter().any(|line| line.text.contains("index out of bounds")), "{:?}", output.journal.log);
}

#[tokio::test]
async fn a_log_over_its_limit_is_cut_and_the_run_goes_on() {
    let output =
        run(&release(SMALL), json!([["log", 600], ["log", 600], ["log", 600], ["runs"]]), &Arc::new(Fake::default())).await;
    assert_eq!(answers(&output)[3], 1);
    let log = &output.journal.log;
    assert!(log.iter().map(|line| line.text.len()).sum::<usize>() < 1_400, "{log:?}");
    assert!(log.last().unwrap().text.contains("limits.log-kib") && log.last().unwrap().level == LogLevel::Warn);
}

#[tokio::test]
async fn the_bots_own_failures_come_through() {
    let fhir = Arc::new(Fake::default());
    let output = run(&release(ALL), json!([["create", task("", "draft")], ["reject", "no-patient", "why"]]), &fhir).await;
    let rejected = failure(&output);
    assert_eq!((rejected.kind, rejected.code.as_str(), rejected.message.as_str()), (FailureKind::Reject, "no-patient", "why"));
    assert!(output.effects.writes.is_empty());
    assert!(output.journal.log.iter().any(|line| line.text.contains("told")));
    let output = run(&release(ALL), json!([["retry", "later", "why"]]), &fhir).await;
    assert_eq!(failure(&output).kind, FailureKind::Retry);
    assert_eq!(failure(&output).retry_after, Some(std::time::Duration::from_secs(7)));
}

#[tokio::test]
async fn an_instance_is_never_used_twice() {
    let release = release(ALL);
    let fhir = Arc::new(Fake::default());
    for _ in 0..20 {
        assert_eq!(answers(&run(&release, json!([["runs"], ["runs"]]), &fhir).await), json!([1, 2]));
    }
}

#[tokio::test]
async fn large_payloads_come_as_the_resource_only() {
    let mut event = input(json!([["event"]]));
    let large = json!({ "resourceType": "Basic", "id": "1", "note": "z".repeat(1 << 20) });
    event.payload.bytes = large.to_string().into_bytes().into();
    let output = run_input(&release(ALL), event, &Arc::new(Fake::default())).await;
    assert_eq!(failure(&output).code, "no-payload");
    let output =
        run_input(&release(ALL), with_resource(json!([["event"]]), task("1", "ready")), &Arc::new(Fake::default())).await;
    assert_eq!(answers(&output)[0]["resource"], task("1", "ready"));
    assert_eq!(answers(&output)[0]["deadline"], "2026-01-01T12:00:30.000000Z");
}

#[test]
fn limits_beyond_the_hosts_are_refused() {
    let error = engine().prepare(actor(), &manifest("[limits]\nmemory-mib = 4000\n")).err().unwrap();
    assert!(matches!(&error, EngineError::Limit { key: "memory-mib", wanted: 4_000, most: 1_024 }), "{error}");
}
