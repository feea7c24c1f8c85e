//! FHIRPath that does not end, or makes what no memory holds: from a bot as it runs, and from a manifest before any bot runs.
//!
//! Each in a process of its own. An evaluation that goes on after its run has ended is seen by the CPU time that the process uses while
//! nothing is asked of it.

use std::sync::Arc;
use std::time::Duration;

use hob_engine::{RunOutput, check_fhirpath};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use crate::case::{Asked, Case, Scene, nothing, scene, script};
use crate::server::Server;
use crate::stage::{self, TALKATIVE};

/// How long the process is watched, and how much CPU it may use meanwhile.
const WATCHED: Duration = Duration::from_millis(400);
const QUIET: Duration = Duration::from_millis(20);

pub(crate) fn cases() -> Vec<Case> {
    let answered = |name: &str, expression: String| path(name, &expression).harmless(answered).apart();
    let nested = |open: &str, close: &str, depth: usize| format!("{}true{}", open.repeat(depth), close.repeat(depth));
    vec![
        answered("fhirpath-of-parentheses", nested("(", ")", 4_000)),
        answered("fhirpath-of-wheres", nested("where(", ")", 1_000)),
        answered("fhirpath-of-iifs", nested("iif(true,", ")", 700)),
        answered("fhirpath-of-signs", format!("{}1", "-".repeat(8_000))),
        answered("fhirpath-of-sums", format!("1{}", "+1".repeat(4_000))),
        answered("fhirpath-of-unions", format!("1{}", "|1".repeat(4_000))),
        answered("fhirpath-of-members", format!("a{}", ".a".repeat(4_000))),
        answered("fhirpath-of-indices", format!("a{}", "[0]".repeat(2_600))),
        answered("fhirpath-of-a-regex", "('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' & '!').matches('^(a+)+$')".to_owned()),
        answered("fhirpath-of-a-large-regex", "'a'.matches('((a{1,100}){1,100}){1,100}')".to_owned()),
        answered("fhirpath-too-long", "1+".repeat(40_000)),
        scene("fhirpath-for-ever", || Box::pin(ends(for_ever())) as Scene).apart(),
        scene("fhirpath-of-gigabytes", || Box::pin(ends(gigabytes())) as Scene).apart(),
        scene("manifest-fhirpath-of-gigabytes", || Box::pin(checked(gigabytes())) as Scene).apart(),
    ]
}

fn resource() -> Value {
    json!({ "resourceType": "Basic", "extension": (0..40).map(|n| json!({ "url": n.to_string() })).collect::<Vec<_>>() })
}

fn limits() -> String {
    TALKATIVE.replace("cpu-ms = 60", "cpu-ms = 200")
}

fn path(name: &str, expression: &str) -> Asked {
    script(name, &limits(), Server::with([]), json!([["fhirpath", resource(), expression]]))
}

/// All of a resource, for each part of it, for each part of it, …
fn for_ever() -> String {
    let nested = (0..12).fold("1".to_owned(), |inner, _| format!("%resource.descendants().select({inner})"));
    format!("{nested}.count()")
}

/// A string that quadruples a hundred times.
fn gigabytes() -> String {
    format!("'a'{}.length()", ".replace('a','aaaa')".repeat(100))
}

/// The actor was given an answer, or told that there is none.
fn answered(output: &RunOutput) -> Result<(), String> {
    let answers = stage::answers(output)?;
    if answers[0].is_object() { nothing(output) } else { Err(answers.to_string()) }
}

/// The run goes over a limit, or is told so, and the evaluation ends with it.
async fn ends(expression: String) -> Result<String, String> {
    let steps = json!([["fhirpath", resource(), expression]]);
    let output = stage::run(&stage::actor(&limits()), &steps, &Arc::new(Server::with([]))).await;
    let end = match &output.result {
        Err(failure) if ["limit-cpu", "limit-memory"].contains(&failure.code.as_str()) => failure.code.clone(),
        Err(failure) => return Err(format!("{failure:?}")),
        // The bot was told that it asks too much.
        Ok(_) => stage::answers(&output)?[0]["message"].as_str().ok_or("there is an answer")?.to_owned(),
    };
    quiet().await.map_err(|why| format!("the run ended with {end}, and {why}"))?;
    Ok(end)
}

/// An expression of a manifest is refused, or tried in time.
async fn checked(expression: String) -> Result<String, String> {
    let check = tokio::task::spawn_blocking(move || {
        check_fhirpath(&expression).map_or_else(|why| why.to_string(), |()| "taken".to_owned())
    });
    let said = tokio::time::timeout(Duration::from_secs(3), check).await.map_err(|_| "the check of a manifest does not end")?;
    quiet().await?;
    said.map_err(|why| why.to_string())
}

/// The process does nothing while nothing is asked of it.
async fn quiet() -> Result<(), String> {
    let used = || {
        let at = clock_gettime(ClockId::ProcessCPUTime);
        Duration::new(u64::try_from(at.tv_sec).unwrap(), u32::try_from(at.tv_nsec).unwrap())
    };
    let before = used();
    tokio::time::sleep(WATCHED).await;
    let after = used() - before;
    if after <= QUIET { Ok(()) } else { Err(format!("the evaluation goes on: {after:?} of CPU in {WATCHED:?} after the end")) }
}

#[test]
fn expressions() {
    crate::judge::group("expressions", cases());
}
