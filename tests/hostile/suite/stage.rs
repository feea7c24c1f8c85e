//! The host that all cases share: one engine, and a runtime of two workers as a small machine has.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use hob_engine::{CompileLimits, Compiler, Engine, EngineConfig, EngineError, Offline, Outside, Release, RunInput, RunOutput};
use hob_model::{Cause, Event, EventId, Manifest, ManualClock, Payload, RunId, Timestamp};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::server::Server;

/// How often a guest that burns CPU is interrupted.
pub(crate) const TICK_MS: u64 = 2;

/// The limits of hostile bots: small, so that going over them is quick.
pub(crate) const SMALL: &str = "scopes = [\"system/*.cruds\"]\n[limits]\ncpu-ms = 60\nwall-ms = 2000\nmemory-mib = 16\nhost-calls = 20\n\
     writes = 5\noutput-kib = 8\nlog-kib = 4\n";

/// The same with so many host calls that they are not what ends a bot.
pub(crate) const TALKATIVE: &str =
    "scopes = [\"system/*.cruds\"]\n[limits]\ncpu-ms = 60\nwall-ms = 2000\nmemory-mib = 16\nhost-calls = 100000\n";

/// Compiles for hosts.
const PROGRAM: &str = env!("CARGO_BIN_EXE_hostile-compiler");

/// The engine.
pub(crate) fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        // In a process of its own, since so it is in a host; but not where thousands of small components are compiled.
        let limits = CompileLimits { cpu_s: 2, wall_s: 20, memory_mib: 1_024 };
        let compiler = if crate::apart::is_here() { Compiler::Process(PROGRAM.into(), limits) } else { Compiler::InProcess };
        Engine::new(EngineConfig { compiler, concurrent_runs: 16, tick_ms: TICK_MS, ..EngineConfig::default() }).unwrap()
    })
}

/// The runtime.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap())
}

/// One test at a time: what is measured must not share the machine with another case.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A manifest with `more` put before its tables.
pub(crate) fn manifest(more: &str) -> Manifest {
    let (keys, tables) = more.split_once("\n[").map_or((more, String::new()), |(keys, tables)| (keys, format!("[{tables}")));
    let text = format!("name = \"hostile\"\nversion = \"1\"\n{keys}\n[[on]]\ninvoke = true\n{tables}\n");
    Manifest::parse(&text, "bot.toml").unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Makes a release where blocking is allowed, as the host does.
pub(crate) async fn prepare(component: Arc<[u8]>, manifest: &str) -> Result<Arc<Release>, EngineError> {
    let manifest = crate::stage::manifest(manifest);
    tokio::task::spawn_blocking(move || engine().prepare(&component, &manifest)).await.expect("the engine panicked")
}

/// The actor under a manifest.
pub(crate) fn actor(more: &str) -> Arc<Release> {
    static RELEASES: Mutex<BTreeMap<String, Arc<Release>>> = Mutex::new(BTreeMap::new());
    let mut releases = RELEASES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = releases.get(more) {
        return Arc::clone(found);
    }
    let made = engine().prepare(&hob_tests::built::component("actor"), &manifest(more)).unwrap();
    releases.insert(more.to_owned(), Arc::clone(&made));
    made
}

/// The instant of every run.
pub(crate) fn now() -> Timestamp {
    Timestamp::parse("2026-01-01T12:00:00Z").unwrap()
}

/// An invocation with a payload.
pub(crate) fn input(payload: &Value) -> RunInput {
    RunInput {
        run: RunId::of_parts(&[b"hostile"]),
        event: Event {
            id: EventId::of_parts(&[b"hostile"]),
            tenant: "clinic".parse().unwrap(),
            source: Some("ehr".parse().unwrap()),
            cause: Cause::Invoke { requester: "test".into() },
            occurred: None,
            received: now(),
            hop: 0,
        },
        payload: Payload { content_type: "application/json".into(), bytes: payload.to_string().into_bytes().into() },
        resource: None,
        previous: None,
        attempt: 1,
        seed: 42,
        now: now(),
        settings: BTreeMap::new(),
    }
}

/// One attempt.
pub(crate) async fn run(release: &Release, payload: &Value, server: &Arc<Server>) -> RunOutput {
    let outside = Outside {
        fhir: Arc::clone(server) as _,
        http: Arc::new(Offline),
        secrets: Arc::new(Offline),
        clock: Arc::new(ManualClock::new(now())),
    };
    release.run(input(payload), outside).await
}

/// What each step of the actor answered.
pub(crate) fn answers(output: &RunOutput) -> Result<Value, String> {
    let payload = output.result.as_ref().map_err(|failure| format!("it failed: {failure:?}"))?;
    let payload = payload.as_ref().ok_or("it answered nothing")?;
    serde_json::from_slice(&payload.bytes).map_err(|why| why.to_string())
}
