//! The engine with Python bots in it, and runs of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use hob_engine::{CodeFor, Document, Engine, EngineConfig, Outside, Release, Replayed, RunInput, RunOutput};
use hob_model::{Cause, Event, EventId, Failure, Journal, LogLevel, Manifest, ManualClock, Payload, RunId, Timestamp};
use serde_json::{Value, json};

use crate::fake::Fake;

/// One engine for all tests of this process. Machine code is kept on disk: it takes a minute to make.
fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let cache_dir = Some(hob_python::folder().join("compiled"));
        Engine::new(EngineConfig { cache_dir, concurrent_runs: 8, code: CodeFor::Author, ..EngineConfig::default() }).unwrap()
    })
}

/// A bot's release, on its own manifest.
pub(crate) fn release(bot: &Path) -> Arc<Release> {
    let component = hob_python::component(bot).unwrap_or_else(|error| panic!("{error}"));
    engine().prepare(&component, &manifest(bot)).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn manifest(bot: &Path) -> Manifest {
    let text = std::fs::read_to_string(bot.join("bot.toml")).unwrap();
    Manifest::parse(&text, "bot.toml").unwrap_or_else(|error| panic!("{error}"))
}

/// The bot that does what its input says, prepared once.
pub(crate) fn actor() -> &'static Release {
    static ACTOR: OnceLock<Arc<Release>> = OnceLock::new();
    ACTOR.get_or_init(|| release(&Path::new(env!("CARGO_MANIFEST_DIR")).join("bots/actor")))
}

pub(crate) fn example() -> PathBuf {
    hob_python::root().join("examples/python/pressure-watch")
}

pub(crate) fn now() -> Timestamp {
    Timestamp::parse("2026-01-01T12:00:00Z").unwrap()
}

/// An event of a cause, with a payload and perhaps a resource.
pub(crate) fn input(cause: Cause, payload: &Value, resource: Option<Value>) -> RunInput {
    RunInput {
        run: RunId::of_parts(&[b"test"]),
        event: Event {
            id: EventId::of_parts(&[b"test"]),
            tenant: "clinic".parse().unwrap(),
            source: Some("ehr".parse().unwrap()),
            cause,
            occurred: None,
            received: now(),
            hop: 0,
        },
        payload: Payload { content_type: "application/json".into(), bytes: payload.to_string().into_bytes().into() },
        resource: resource.map(Document::from),
        previous: None,
        attempt: 1,
        seed: 42,
        now: now(),
        settings: BTreeMap::new(),
    }
}

/// An invocation with steps for the actor.
pub(crate) fn steps(steps: &Value) -> RunInput {
    input(Cause::Invoke { requester: "test".into() }, steps, None)
}

pub(crate) async fn run(release: &Release, input: RunInput, fhir: &Arc<Fake>) -> RunOutput {
    let clock = Arc::new(ManualClock::new(now()));
    let outside = Outside { fhir: Arc::clone(fhir) as _, http: Arc::clone(fhir) as _, secrets: Arc::clone(fhir) as _, clock };
    release.run(input, outside).await
}

/// Runs, and repeats the run from its journal as it is kept: the same calls, log and outcome, byte for byte.
pub(crate) async fn run_twice(release: &Release, input: RunInput, fhir: &Arc<Fake>) -> RunOutput {
    let output = run(release, input.clone(), fhir).await;
    let Replayed { output: again, difference, whole, .. } = replay(release, input, &output.journal).await;
    assert!(whole, "{:?}", again.result);
    assert_eq!(difference, None, "{:?}", again.result);
    assert_eq!((&again.result, &again.effects), (&output.result, &output.effects));
    assert_eq!(again.journal.log, output.journal.log);
    output
}

/// Repeats a run by its journal alone: another seed and another hour do not count.
pub(crate) async fn replay(release: &Release, input: RunInput, journal: &Journal) -> Replayed {
    let kept: Journal = serde_json::from_str(&serde_json::to_string(journal).unwrap()).unwrap();
    let later = now() + std::time::Duration::from_secs(3_600);
    let input = RunInput { seed: 0, now: later, previous: None, ..input };
    release.replay(input, kept, Arc::new(ManualClock::new(later))).await
}

/// What the actor's steps answered.
pub(crate) fn answers(output: &RunOutput) -> Value {
    let payload = output.result.as_ref().unwrap_or_else(|failure| panic!("{failure:?}\n{:?}", output.journal.log));
    serde_json::from_slice(&payload.as_ref().expect("an answer").bytes).unwrap()
}

pub(crate) fn failure(output: &RunOutput) -> &Failure {
    output.result.as_ref().expect_err("the attempt should have failed")
}

pub(crate) fn log(output: &RunOutput) -> Vec<(LogLevel, &str)> {
    output.journal.log.iter().map(|line| (line.level, line.text.as_str())).collect()
}

pub(crate) fn task(id: &str, status: &str) -> Value {
    json!({ "resourceType": "Task", "id": id, "status": status, "intent": "order" })
}
