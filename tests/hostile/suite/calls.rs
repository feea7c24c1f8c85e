//! Host calls: too many, too large, with handles and pointers that are none.

use std::sync::Arc;
use std::time::Duration;

use hob_engine::RunOutput;
use serde_json::{Value, json};

use crate::case::{Case, Scene, nothing, scene, script, wat};
use crate::core;
use crate::server::Server;
use crate::stage::{self, SMALL};

const OUTBOX: &str =
    "[limits]\nhost-calls = 100000\noutput-kib = 8\n[[http]]\nmethods = [\"POST\"]\nhost = \"sms.example\"\npath = \"/v1\"\n";

pub(crate) fn cases() -> Vec<Case> {
    // What the sandbox says of pointers and handles is not passed on: the trap says that it refused the call.
    let refused = &["the sandbox refused a call"];
    vec![
        wat("flood-of-settings", SMALL).over("host-calls"),
        wat("flood-of-secrets", SMALL).over("host-calls"),
        wat("flood-of-gets", SMALL).over("host-calls"),
        wat("flood-of-bytes", SMALL).over("host-calls"),
        wat("flood-of-fhirpath", SMALL).over("host-calls"),
        wat("flood-of-timers", SMALL).over("host-calls"),
        wat("flood-of-outbox", OUTBOX).over("output-kib"),
        wat("flood-of-writes", SMALL).over("writes"),
        wat("batch-of-100000", SMALL).over("host-calls"),
        wat("batch-of-5000000", &SMALL.replace("memory-mib = 16", "memory-mib = 64")).harmless(stopped_in_time),
        wat("handles-never-dropped", SMALL).over("host-calls"),
        wat("handle-after-drop", SMALL).traps(refused),
        wat("handle-dropped-twice", SMALL).traps(refused),
        wat("handle-forged", SMALL).traps(refused),
        scene("handle-of-another-instance", || Box::pin(another_instance()) as Scene),
        wat("handle-of-another-kind", SMALL).traps(refused),
        wat("random-by-the-gigabyte", SMALL).traps(refused),
        wat("parse-wide", &SMALL.replace("cpu-ms = 60", "cpu-ms = 4000")).over("memory-mib").apart(),
        wat("parse-slow", &SMALL.replace("memory-mib = 16", "memory-mib = 1024")).harmless(in_time),
        wat("parse-deep", &SMALL.replace("cpu-ms = 60", "cpu-ms = 4000")).harmless(nothing).apart(),
        wat("argument-not-utf8", SMALL).traps(refused),
        wat("argument-out-of-bounds", SMALL).traps(refused),
        wat("argument-of-4-gib", SMALL).traps(refused),
        wat("argument-misaligned", SMALL).traps(refused),
        wat("answer-misaligned", SMALL).traps(refused),
        wat("answer-out-of-bounds", SMALL).traps(refused),
        wat("zeroes-by-the-terabyte", SMALL).traps(refused),
        wat("log-without-newlines", TALKATIVE_LOG).harmless(little_log),
        wat("log-to-stderr", TALKATIVE_LOG).harmless(little_log),
        wat("log-of-newlines", TALKATIVE_LOG).harmless(little_log),
        wat("log-not-utf8", TALKATIVE_LOG).harmless(little_log),
        write("writes-of-megabytes", json!([["create", { "resourceType": "Basic", "note": "z".repeat(9_000) }]]))
            .over("output-kib"),
        script(
            "patch-that-doubles",
            SMALL,
            Server::with([json!({ "resourceType": "Basic", "id": "b" })]),
            json!([["patch", "Basic/b", doubling()]]),
        )
        .harmless(stopped_in_time),
        script(
            "search-of-400000-values",
            SMALL,
            Server::with([]),
            json!([["search", "Task", format!("status={}", "a,".repeat(400_000))]]),
        )
        .ends(),
        write("timers-at-the-ends-of-time", ends_of_time()).harmless(told),
        write("timers-of-megabytes", json!([["timer", "t", "2030-01-01T00:00:00Z", "p".repeat(9_000)]])).over("output-kib"),
    ]
}

/// A log of 4 MiB: its CPU is not what is looked at.
const TALKATIVE_LOG: &str = "[limits]\ncpu-ms = 4000\nlog-kib = 4\n";

fn write(name: &str, steps: Value) -> crate::case::Asked {
    script(name, SMALL, Server::with([]), steps)
}

/// While one instance holds documents, another has no use of their numbers.
async fn another_instance() -> Result<String, String> {
    let limits = SMALL.replace("wall-ms = 2000", "wall-ms = 300");
    let ready = async |name: &str| stage::prepare(core::component(name).into(), &limits).await.map_err(|why| why.to_string());
    let (holder, thief) = (ready("handle-of-another-instance").await?, ready("handle-forged").await?);
    let server = Arc::new(Server::with([]));
    let holds = tokio::spawn({
        let server = Arc::clone(&server);
        async move { stage::run(&holder, &json!({}), &server).await }
    });
    let mut tries = 0;
    while !holds.is_finished() {
        let output = stage::run(&thief, &json!({}), &server).await;
        let failure = output.result.err().ok_or("a document of another instance was read")?;
        if failure.code != "trap" {
            return Err(format!("{failure:?}"));
        }
        tries += 1;
    }
    match holds.await.map_err(|why| why.to_string())?.result {
        Err(failure) if failure.code == "limit-wall" => Ok(format!("trap, {tries} times")),
        other => Err(format!("{other:?}")),
    }
}

/// Each operation puts a copy of the whole into the whole. Three times as many take all memory.
fn doubling() -> Value {
    (0..18).map(|at| json!({ "op": "copy", "from": "", "path": format!("/x{at}") })).collect()
}

fn ends_of_time() -> Value {
    let instants = [
        "9999-12-31T23:59:59Z",
        "0000-01-01T00:00:00Z",
        "-9999-01-01T00:00:00Z",
        "+275760-09-13T00:00:00Z",
        "2030-01-01T00:00:00+99:99",
        "2030-02-30T00:00:00Z",
        "2016-12-31T23:59:60Z",
        "2030-01-01T00:00:00.99999999999999999999Z",
    ];
    instants.iter().enumerate().map(|(at, instant)| json!(["timer", at.to_string(), instant, "p"])).collect()
}

/// Each step was done, or the actor was told why not.
fn told(output: &RunOutput) -> Result<(), String> {
    let answers = stage::answers(output)?;
    let steps = answers.as_array().ok_or("no answers")?;
    let good = steps.iter().filter(|answer| answer.get("ok").is_some()).count();
    if good == output.effects.timers.len() && good < steps.len() { Ok(()) } else { Err(answers.to_string()) }
}

/// CPU time that a bot with 60 ms may use in a debug build on a busy machine. What a call does without bound takes seconds.
const IN_ONE_CALL: Duration = Duration::from_millis(400);

/// It is not begun.
fn in_time(output: &RunOutput) -> Result<(), String> {
    if output.cpu < IN_ONE_CALL { Ok(()) } else { Err(format!("{:?} of CPU, of which the manifest gives 60 ms", output.cpu)) }
}

/// One host call does not go on for long after the CPU time is used up: it holds a worker all the while.
fn stopped_in_time(output: &RunOutput) -> Result<(), String> {
    let failure = output.result.as_ref().err().ok_or("it ended well")?;
    // A trap is wasmtime's own bound on what arguments are lifted to.
    let over = ["limit-cpu", "limit-host-calls", "limit-memory", "limit-output", "trap"].contains(&failure.code.as_str());
    if over && output.cpu < IN_ONE_CALL {
        Ok(())
    } else {
        Err(format!("{} after {:?} of CPU, of which the manifest gives 60 ms, in one host call", failure.code, output.cpu))
    }
}

/// What is kept of a log of 4 MiB is no more than the limit of 4 KiB and what says so, as text and as lines.
fn little_log(output: &RunOutput) -> Result<(), String> {
    output.result.as_ref().map_err(|failure| format!("{failure:?}"))?;
    let log = &output.journal.log;
    let kept: usize = log.iter().map(|line| line.text.len()).sum();
    let said = log.last().is_some_and(|line| line.text.contains("limits.log-kib"));
    let stored = serde_json::to_vec(log).map_err(|why| why.to_string())?.len();
    if said && kept <= 4_096 + 200 && stored <= 8 * 4_096 {
        Ok(())
    } else {
        Err(format!("of a log of 4 KiB, {kept} bytes in {} lines are kept, which are stored as {stored}", log.len()))
    }
}

#[test]
fn calls() {
    crate::judge::group("calls", cases());
}
