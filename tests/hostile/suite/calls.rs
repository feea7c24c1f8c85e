//! Host calls: too many, too large, with handles and pointers that are none.

use hob_engine::RunOutput;

use crate::case::{Case, nothing, script, wat};
use crate::server::Server;
use crate::stage::{SMALL, TALKATIVE};
use serde_json::{Value, json};

const OUTBOX: &str = "[limits]\nhost-calls = 4000000\noutput-kib = 8\n[[http]]\nmethods = [\"POST\"]\nhost = \"sms.example\"\npath = \"/v1\"\n";

pub(crate) fn cases() -> Vec<Case> {
    let unknown = &["handle"];
    vec![
        wat("flood-of-settings", SMALL).over("host-calls"),
        wat("flood-of-secrets", SMALL).over("host-calls"),
        wat("flood-of-gets", SMALL).over("host-calls"),
        wat("flood-of-bytes", SMALL).over("host-calls"),
        wat("flood-of-fhirpath", SMALL).over("host-calls"),
        wat("flood-of-timers", SMALL).over("host-calls"),
        wat("flood-of-outbox", OUTBOX).over("output-kib"),
        wat("flood-of-writes", SMALL).over("writes"),
        wat("batch-of-a-million", SMALL).over("host-calls"),
        wat("handles-never-dropped", SMALL).over("host-calls"),
        wat("handle-after-drop", SMALL).traps(unknown),
        wat("handle-dropped-twice", SMALL).traps(unknown),
        wat("handle-forged", SMALL).traps(unknown),
        wat("handle-of-another-kind", SMALL).traps(unknown),
        wat("random-by-the-gigabyte", SMALL).traps(&[]),
        wat("parse-wide", &SMALL.replace("cpu-ms = 60", "cpu-ms = 4000")).over("memory-mib").apart(),
        wat("parse-deep", &SMALL.replace("cpu-ms = 60", "cpu-ms = 4000")).harmless(nothing).apart(),
        wat("argument-not-utf8", SMALL).traps(&["utf-8"]),
        wat("argument-out-of-bounds", SMALL).traps(&["out of bounds"]),
        wat("argument-of-4-gib", SMALL).traps(&["out of bounds"]),
        wat("argument-misaligned", SMALL).traps(&["aligned"]),
        wat("answer-misaligned", SMALL).traps(&["aligned"]),
        wat("answer-out-of-bounds", SMALL).traps(&["out of bounds"]),
        wat("log-without-newlines", TALKATIVE_LOG).harmless(little_log),
        wat("log-of-newlines", TALKATIVE_LOG).harmless(little_log),
        wat("log-not-utf8", TALKATIVE_LOG).harmless(little_log),
        write("writes-of-megabytes", json!([["create", { "resourceType": "Basic", "note": "z".repeat(9_000) }]])).over("output-kib"),
        write("timers-of-megabytes", json!([["timer", "t", "2030-01-01T00:00:00Z", "p".repeat(9_000)]])).over("output-kib"),
        path("fhirpath-for-ever", &for_ever()).over("cpu-ms").apart(),
        path("fhirpath-of-gigabytes", &gigabytes()).over("memory-mib").apart(),
        path("fhirpath-deep", &format!("{}1{}", "(".repeat(4_000), ")".repeat(4_000))).harmless(told).apart(),
        path("fhirpath-minus", &format!("{}1", "-".repeat(8_000))).harmless(told).apart(),
        path("fhirpath-of-a-regex", "('a'.replace('a','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa') & '!').matches('^(a+)+$')").harmless(told).apart(),
        path("fhirpath-long", &"1+".repeat(40_000)).harmless(told),
    ]
}

/// A log of 4 MiB: its CPU is not what is looked at.
const TALKATIVE_LOG: &str = "[limits]\ncpu-ms = 4000\nlog-kib = 4\n";

fn write(name: &str, steps: Value) -> crate::case::Asked {
    script(name, SMALL, Server::with([]), steps)
}

fn path(name: &str, expression: &str) -> crate::case::Asked {
    let resource = json!({ "resourceType": "Basic", "extension": (0..40).map(|n| json!({ "url": n.to_string() })).collect::<Vec<_>>() });
    let limits = &TALKATIVE.replace("cpu-ms = 60", "cpu-ms = 200");
    script(name, limits, Server::with([]), json!([["fhirpath", resource, expression]]))
}

/// All of a resource, for each part of it, for each part of it, …
fn for_ever() -> String {
    let mut expression = "1".to_owned();
    for _ in 0..12 {
        expression = format!("%resource.descendants().select({expression})");
    }
    format!("{expression}.count()")
}

/// A string that quadruples a hundred times.
fn gigabytes() -> String {
    format!("'a'{}.length()", ".replace('a','aaaa')".repeat(100))
}

/// The actor was told that there is no answer, or was given one.
fn told(output: &RunOutput) -> Result<(), String> {
    let answers = crate::stage::answers(output)?;
    if answers[0].is_object() { nothing(output) } else { Err(answers.to_string()) }
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
