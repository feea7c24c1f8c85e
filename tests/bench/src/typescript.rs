//! `typescript` and `medplum-bot`: what a run costs where the bot is JavaScript, in CPU of guest and host functions together, each in a fresh instance.
//!
//! The floor is a bot in Rust that makes the same host calls with the same content. For each there are two rows: the figure itself, held to its goal, and its ratio
//! to that floor.

use std::sync::Arc;

use hob_engine::{Engine, EngineConfig, Release, RunInput};
use hob_model::{Manifest, ResourceType};
use serde_json::{Value, json};

use crate::report::{Outcome, Row};
use crate::runs::{against_rust, change, script};
use crate::whole_run::{Server, outside};

/// Measures.
pub(crate) async fn bench() -> Outcome<Vec<Row>> {
    let engine = Engine::new(EngineConfig::default())?;
    let mut rows = Vec::new();
    for bot in [plain(), medplum()] {
        let file = crate::root().join("target/medplum/bench").join(bot.component);
        let component = std::fs::read(&file)
            .map_err(|error| format!("{}: {error}; `cargo xtask bench` builds it, with Node 20", file.display()))?;
        let ours = engine.prepare(&component, &manifest("ours")?)?;
        let rust = engine.prepare(&crate::component("actor.wasm")?, &manifest("rust")?)?;
        let ours = async || run(&ours, &bot, change(&bot.resource)?).await;
        let rust = async || run(&rust, &bot, script(&bot.script)?).await;
        rows.extend(against_rust(bot.names, bot.goals, ours, rust).await?);
    }
    Ok(rows)
}

/// One bot, and what it is in Rust.
struct Bot {
    /// Of the figure's row, and of the ratio's.
    names: [&'static str; 2],
    component: &'static str,
    /// The most for both rows.
    goals: [f64; 2],
    resource: Value,
    /// The calls, as the test component in Rust takes them.
    script: Value,
    writes: usize,
}

/// `examples/typescript`: a conditional create and a timer.
fn plain() -> Bot {
    let flag = json!({
        "resourceType": "Flag",
        "status": "active",
        "code": { "text": "Call the patient" },
        "subject": { "reference": "Patient/p" },
        "identifier": [{ "system": "https://example.org/stat-flag", "value": "t" }],
    });
    Bot {
        names: ["typescript", "typescript-to-rust"],
        component: "typescript.wasm",
        goals: [700.0, 6.0],
        resource: json!({
            "resourceType": "Task",
            "id": "t",
            "meta": { "versionId": "1" },
            "status": "ready",
            "intent": "order",
            "priority": "stat",
            "description": "Call the patient",
            "for": { "reference": "Patient/p" },
            "restriction": { "period": { "end": "2026-03-02" } },
        }),
        script: json!([
            ["create", flag, "identifier=https://example.org/stat-flag|t"],
            ["timer", "due-t", "2026-03-02T08:00:00Z", { "flag": "{0}" }],
        ]),
        writes: 1,
    }
}

/// `tests/medplum/src/bmi.ts`: two searches and a create by Medplum's own client.
fn medplum() -> Bot {
    let observation = json!({
        "resourceType": "Observation",
        "status": "final",
        "code": { "coding": [{ "system": "http://loinc.org", "code": "39156-5", "display": "Body mass index" }] },
        "subject": { "reference": "Patient/p" },
        "valueQuantity": { "value": 25.1, "unit": "kg/m2", "system": "http://unitsofmeasure.org", "code": "kg/m2" },
    });
    let search =
        |code: &str| json!(["search", "Observation", format!("subject=Patient/p&code=http://loinc.org|{code}&_count=20")]);
    Bot {
        names: ["medplum-bot", "medplum-bot-to-rust"],
        component: "bmi.wasm",
        goals: [2_500.0, 15.0],
        resource: json!({
            "resourceType": "Patient",
            "id": "p",
            "meta": { "versionId": "1" },
            "name": [{ "family": "Field", "given": ["Ana"] }],
            "birthDate": "1980-05-05",
        }),
        script: json!([search("8302-2"), search("29463-7"), ["create", observation]]),
        writes: 1,
    }
}

/// The CPU of one run, in microseconds.
async fn run(release: &Arc<Release>, bot: &Bot, input: RunInput) -> Outcome<f64> {
    let output = release.run(input, outside(Arc::new(Server(vitals)))).await;
    if let Err(failure) = &output.result {
        return Err(format!("{} failed: {}: {}", bot.names[0], failure.code, failure.message).into());
    }
    if output.effects.writes.len() != bot.writes {
        return Err(format!("{} wrote {} resources, not {}", bot.names[0], output.effects.writes.len(), bot.writes).into());
    }
    Ok(output.cpu.as_secs_f64() * 1e6)
}

fn manifest(name: &str) -> Outcome<Manifest> {
    let text = format!("name = \"{name}\"\nversion = \"1\"\nscopes = [\"system/*.cruds\"]\n[[on]]\ninvoke = true\n");
    Ok(Manifest::parse(&text, "bot.toml")?)
}

/// A height and a weight, and no flags.
fn vitals(kind: &ResourceType, query: &str) -> Vec<Value> {
    if kind.as_str() != "Observation" {
        return Vec::new();
    }
    let (value, unit) = if query.contains("8302-2") { (170.0, "cm") } else { (72.5, "kg") };
    vec![json!({
        "resourceType": "Observation",
        "id": "o",
        "meta": { "versionId": "1" },
        "status": "final",
        "code": { "coding": [{ "system": "http://loinc.org", "code": "8302-2" }] },
        "subject": { "reference": "Patient/p" },
        "valueQuantity": { "value": value, "unit": unit },
    })]
}
