//! Builds the actor once, and runs it on a script.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, OnceLock};

use hob_engine::{Document, Engine, EngineConfig, Outside, Release, RunInput, RunOutput};
use hob_model::{Cause, Event, EventId, Failure, Manifest, ManualClock, Payload, RunId, Timestamp};
use serde_json::{Value, json};

use crate::fake::Fake;

/// The actor's component, built at the first call of this process. A target folder of its own: the outer cargo holds the lock of the other.
pub(crate) fn actor() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
        let target = root.join("target/bots");
        let built = Command::new(env!("CARGO"))
            .args([
                "build",
                "--quiet",
                "--locked",
                "--target",
                "wasm32-wasip2",
                "--profile",
                "bot",
                "-p",
                "actor",
                "--target-dir",
            ])
            .arg(&target)
            .current_dir(&root)
            .env_remove("RUSTFLAGS")
            .status()
            .unwrap();
        assert!(built.success(), "the actor does not build: is the target installed (rustup target add wasm32-wasip2)?");
        std::fs::read(target.join("wasm32-wasip2/bot/actor.wasm")).unwrap()
    })
}

/// One engine for all tests of this process, as a host has one.
pub(crate) fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(EngineConfig { concurrent_runs: 16, tick_ms: 2, ..EngineConfig::default() }).unwrap())
}

pub(crate) const ALL: &str = "scopes = [\"system/*.cruds\"]\n";

/// A manifest with `more` put before its tables.
pub(crate) fn manifest(more: &str) -> Manifest {
    let (keys, tables) = more.split_once("\n[").map_or((more, String::new()), |(keys, tables)| (keys, format!("[{tables}")));
    let text = format!(
        "name = \"actor\"\nversion = \"1\"\ndescription = \"d\"\ncomponent = \"actor.wasm\"\n{keys}\n[[on]]\ninvoke = true\n{tables}\n"
    );
    Manifest::parse(&text, "bot.toml").unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The actor under a manifest. Compiled once: all releases share the code by way of the cache on disk.
pub(crate) fn release(more: &str) -> Arc<Release> {
    static RELEASES: OnceLock<std::sync::Mutex<BTreeMap<String, Arc<Release>>>> = OnceLock::new();
    let mut releases = RELEASES.get_or_init(Default::default).lock().unwrap();
    if let Some(found) = releases.get(more) {
        return Arc::clone(found);
    }
    let made = engine().prepare(actor(), &manifest(more)).unwrap();
    releases.insert(more.to_owned(), Arc::clone(&made));
    made
}

pub(crate) fn now() -> Timestamp {
    Timestamp::parse("2026-01-01T12:00:00Z").unwrap()
}

pub(crate) fn input(steps: Value) -> RunInput {
    RunInput {
        run: RunId::of_parts(&[b"test"]),
        event: Event {
            id: EventId::of_parts(&[b"test"]),
            tenant: "clinic".parse().unwrap(),
            source: Some("ehr".parse().unwrap()),
            cause: Cause::Invoke { requester: "test".into() },
            occurred: None,
            received: now(),
            hop: 0,
        },
        payload: Payload { content_type: "application/json".into(), bytes: steps.to_string().into_bytes().into() },
        resource: None,
        previous: None,
        attempt: 1,
        seed: 42,
        now: now(),
        settings: BTreeMap::new(),
    }
}

pub(crate) fn with_resource(steps: Value, resource: Value) -> RunInput {
    RunInput { resource: Some(Document::from(resource)), ..input(steps) }
}

/// Runs an input on a server.
pub(crate) async fn run_input(release: &Release, input: RunInput, fhir: &Arc<Fake>) -> RunOutput {
    let clock = Arc::new(ManualClock::new(now()));
    release
        .run(input, Outside { fhir: Arc::clone(fhir) as _, http: Arc::clone(fhir) as _, secrets: Arc::clone(fhir) as _, clock })
        .await
}

/// Runs a script on a server.
pub(crate) async fn run(release: &Release, steps: Value, fhir: &Arc<Fake>) -> RunOutput {
    run_input(release, input(steps), fhir).await
}

/// What each step answered.
pub(crate) fn answers(output: &RunOutput) -> Value {
    let payload = output.result.as_ref().unwrap_or_else(|failure| panic!("{failure:?}\n{:?}", output.journal.log));
    serde_json::from_slice(&payload.as_ref().unwrap().bytes).unwrap()
}

/// Why the attempt failed.
pub(crate) fn failure(output: &RunOutput) -> &Failure {
    output.result.as_ref().expect_err("the attempt should have failed")
}

pub(crate) fn task(id: &str, status: &str) -> Value {
    json!({ "resourceType": "Task", "id": id, "status": status, "intent": "order" })
}
