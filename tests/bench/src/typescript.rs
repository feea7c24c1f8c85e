//! `typescript` and `medplum-bot`: what a run costs where the bot is JavaScript, in CPU of guest and host functions together, each in a fresh instance.
//!
//! The floor is a bot in Rust that makes the same host calls with the same content. For each there are two rows: the figure itself, held to its goal, and its ratio
//! to that floor.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hob_engine::{
    Document, Engine, EngineConfig, FhirError, FhirErrorCode, FhirReads, Found, Offline, Outside, Page, ReadCapabilities,
    Release, RunInput,
};
use hob_host::SystemClock;
use hob_model::{
    Cause, ChangeKey, Clock as _, Event, EventId, Interaction, Manifest, Payload, Reference, ResourceKey, ResourceType, RunId,
    VersionId,
};
use serde_json::{Value, json};

use crate::report::{Goal, Outcome, Row};
use crate::stopwatch::{Rounds, median};

const ROUNDS: usize = 20;
const ROUND: usize = 50;

/// Measures.
pub(crate) async fn bench() -> Outcome<Vec<Row>> {
    let engine = Engine::new(EngineConfig::default())?;
    let mut rows = Vec::new();
    for bot in [plain(), medplum()] {
        eprintln!("{}: {ROUNDS} rounds of {ROUND}", bot.names[0]);
        let script = crate::root().join("target/medplum/bench").join(bot.component);
        let component = std::fs::read(&script)
            .map_err(|error| format!("{}: {error}; `cargo xtask bench` builds it, with Node 20", script.display()))?;
        let ours = engine.prepare(&component, &manifest("ours")?)?;
        let rust = engine.prepare(&crate::component("actor.wasm")?, &manifest("rust")?)?;
        rows.extend(measured(&bot, &ours, &rust).await?);
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

async fn measured(bot: &Bot, ours: &Arc<Release>, rust: &Arc<Release>) -> Outcome<[Row; 2]> {
    let mut rounds = Rounds::default();
    // The first round warms up.
    for round in 0..=ROUNDS {
        let (mut cpu, mut floor) = (Vec::with_capacity(ROUND), Vec::with_capacity(ROUND));
        for _ in 0..ROUND {
            cpu.push(run(ours, bot, change(&bot.resource)?).await?);
        }
        for _ in 0..ROUND {
            floor.push(run(rust, bot, invocation(&bot.script)?).await?);
        }
        if round > 0 {
            rounds.ours.push(median(cpu));
            rounds.floor.push(median(floor));
            rounds.n += ROUND;
        }
    }
    let (figure, floor) = (median(rounds.ours), median(rounds.floor));
    let row = Row { name: bot.names[0], n: rounds.n, median: figure, unit: "us", floor: None, goal: Goal::AtMost(bot.goals[0]) };
    Ok([row, Row { name: bot.names[1], floor: Some(floor), goal: Goal::AtMost(bot.goals[1]), ..row }])
}

/// The CPU of one run, in microseconds.
async fn run(release: &Arc<Release>, bot: &Bot, input: RunInput) -> Outcome<f64> {
    let outside =
        Outside { fhir: Arc::new(Vitals), http: Arc::new(Offline), secrets: Arc::new(Offline), clock: Arc::new(SystemClock) };
    let output = release.run(input, outside).await;
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

fn change(resource: &Value) -> Outcome<RunInput> {
    let reference: Reference =
        format!("{}/{}", resource["resourceType"].as_str().unwrap_or_default(), resource["id"].as_str().unwrap_or_default())
            .parse()?;
    let key = ChangeKey {
        resource: ResourceKey { tenant: "bench".parse()?, source: "ehr".parse()?, resource: reference },
        version: "1".parse()?,
    };
    let bytes = Bytes::from(resource.to_string());
    let payload = Payload { content_type: "application/fhir+json".to_owned(), bytes: bytes.clone() };
    let cause = Cause::Change { key, interaction: Interaction::Create, previous: None };
    Ok(RunInput { resource: Some(Document::parse(&bytes)?), ..input(cause, payload)? })
}

fn invocation(script: &Value) -> Outcome<RunInput> {
    let payload = Payload { content_type: "application/json".to_owned(), bytes: Bytes::from(script.to_string()) };
    input(Cause::Invoke { requester: "bench".to_owned() }, payload)
}

fn input(cause: Cause, payload: Payload) -> Outcome<RunInput> {
    let now = SystemClock.now();
    Ok(RunInput {
        run: RunId::of_parts(&[b"bench"]),
        event: Event {
            id: EventId::of_parts(&[b"bench"]),
            tenant: "bench".parse()?,
            source: Some("ehr".parse()?),
            cause,
            occurred: None,
            received: now,
            hop: 0,
        },
        payload,
        resource: None,
        previous: None,
        attempt: 1,
        seed: 1,
        now,
        settings: BTreeMap::new(),
    })
}

/// A server that has a height and a weight, and no flags.
struct Vitals;

impl Vitals {
    fn found(kind: &str, query: &str) -> Page {
        let value = if query.contains("8302-2") { (170.0, "cm") } else { (72.5, "kg") };
        let entry: Vec<Value> = if kind == "Observation" {
            let observation = json!({
                "resourceType": "Observation",
                "id": "o",
                "meta": { "versionId": "1" },
                "status": "final",
                "code": { "coding": [{ "system": "http://loinc.org", "code": "8302-2" }] },
                "subject": { "reference": "Patient/p" },
                "valueQuantity": { "value": value.0, "unit": value.1 },
            });
            vec![json!({ "resource": observation, "search": { "mode": "match" } })]
        } else {
            Vec::new()
        };
        let bundle = json!({ "resourceType": "Bundle", "type": "searchset", "total": entry.len(), "entry": entry });
        Page { bundle: Document::from(bundle), next: None }
    }

    fn absent<T>() -> Result<T, FhirError> {
        Err(FhirError { code: FhirErrorCode::NotFound, status: Some(404), message: "not found".to_owned(), outcome: None })
    }
}

#[async_trait]
impl FhirReads for Vitals {
    fn capabilities(&self) -> ReadCapabilities {
        ReadCapabilities { client_ids: true }
    }

    async fn read(&self, _: &Reference) -> Result<Found, FhirError> {
        Self::absent()
    }

    async fn vread(&self, _: &Reference, _: &VersionId) -> Result<Found, FhirError> {
        Self::absent()
    }

    async fn history(&self, _: &Reference) -> Result<Page, FhirError> {
        Self::absent()
    }

    async fn search(&self, kind: &ResourceType, query: &str) -> Result<Page, FhirError> {
        Ok(Self::found(kind.as_str(), query))
    }

    async fn more(&self, _: &str) -> Result<Page, FhirError> {
        Self::absent()
    }
}
