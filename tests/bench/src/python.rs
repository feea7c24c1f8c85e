//! `python` and `python-to-rust`: what a run costs where the bot is in Python, in CPU of guest and host functions together, each in a fresh instance.
//!
//! The bot is `examples/python/pressure-watch` on a value that opens a call: settings read, a conditional create, a timer. The floor is a bot in Rust that makes the
//! same host calls with the same content. Two rows: the figure itself, held to its goal, and its ratio to that floor.

use std::sync::Arc;

use hob_engine::{Engine, EngineConfig, Release, RunInput};
use hob_model::Manifest;
use serde_json::{Value, json};

use crate::report::{Outcome, Row};
use crate::runs::{self, against_rust};
use crate::whole_run::{Server, outside};

/// Microseconds of CPU.
const GOAL: f64 = 3_000.0;
/// To the bot in Rust: the interpreter at some ten times, and starting it.
const RATIO: f64 = 20.0;

/// Measures.
pub(crate) async fn bench() -> Outcome<[Row; 2]> {
    let folder = hob_python::root().join("examples/python/pressure-watch");
    let manifest = Manifest::parse(&std::fs::read_to_string(folder.join("bot.toml"))?, "bot.toml")?;
    // Machine code is kept: it takes the compiler half a minute.
    let cache_dir = Some(hob_python::folder().join("compiled-for-bench"));
    let engine = Engine::new(EngineConfig { cache_dir, ..EngineConfig::default() })?;
    let ours = engine.prepare(&hob_python::component(&folder)?, &manifest)?;
    let rust = engine.prepare(&crate::component("actor.wasm")?, &actor()?)?;
    let ours = async || run(&ours, change(&manifest)?).await;
    let rust = async || run(&rust, invocation()?).await;
    against_rust(["python", "python-to-rust"], [GOAL, RATIO], ours, rust).await
}

/// The CPU of one run, in microseconds.
async fn run(release: &Arc<Release>, input: RunInput) -> Outcome<f64> {
    let output = release.run(input, outside(Arc::new(Server::NOTHING))).await;
    if let Err(failure) = &output.result {
        return Err(format!("the bot failed: {}: {}", failure.code, failure.message).into());
    }
    if (output.effects.writes.len(), output.effects.timers.len()) != (1, 1) {
        return Err("the bot did not open a call and set a timer".into());
    }
    Ok(output.cpu.as_secs_f64() * 1e6)
}

fn actor() -> Outcome<Manifest> {
    let text = "name = \"actor\"\nversion = \"1\"\nscopes = [\"system/*.cruds\"]\n[[on]]\ninvoke = true\n[settings.days]\ntype = \"integer\"\ndefault = 3\n";
    Ok(Manifest::parse(text, "bot.toml")?)
}

/// A blood pressure in the range of a crisis.
fn change(manifest: &Manifest) -> Outcome<RunInput> {
    let part = |code: &str, value: u32| {
        let quantity = json!({ "value": value, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]" });
        json!({ "code": { "coding": [{ "system": "http://loinc.org", "code": code }] }, "valueQuantity": quantity })
    };
    let resource = json!({
        "resourceType": "Observation",
        "id": "bp1",
        "meta": { "versionId": "1" },
        "status": "final",
        "code": { "coding": [{ "system": "http://loinc.org", "code": "85354-9" }] },
        "subject": { "reference": "Patient/ana" },
        "component": [part("8480-6", 192), part("8462-4", 104)],
    });
    let defaults = manifest.settings.iter().filter_map(|(name, spec)| Some((name.clone(), spec.default.clone()?)));
    Ok(RunInput { settings: defaults.collect(), ..runs::change(&resource)? })
}

/// The same calls, as the test component in Rust takes them.
fn invocation() -> Outcome<RunInput> {
    let call = json!({
        "resourceType": "Task",
        "identifier": [{ "system": "https://example.org/pressure-call", "value": "bp1" }],
        "status": "ready",
        "intent": "order",
        "priority": "urgent",
        "code": { "text": "Call the patient: blood pressure in the range of a crisis" },
        "focus": { "reference": "Observation/bp1" },
        "for": { "reference": "Patient/ana" },
        "authoredOn": "2026-11-23T09:12:00Z",
    });
    let script: Value = json!([
        ["setting", "days"], ["setting", "days"], ["setting", "days"],
        ["create", call, "identifier=https://example.org/pressure-call|bp1"],
        ["timer", "unclaimed-bp1", "2026-11-23T09:27:00Z", { "call": "{0}" }],
    ]);
    runs::script(&script)
}
