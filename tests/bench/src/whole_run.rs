//! `whole-run`: `pro-scorer` on a PHQ-9, from the notification's bytes to the effects, against the same clinical code called natively.
//!
//! The server's answers come from memory. Ours parses the resource, runs the bot in a fresh instance (which parses it again from the host's text), and
//! stages what it writes; the floor parses the bytes, calls the same functions of `clinic`, and prints what would be written.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use clinic::pro::{Rules, ScoreWrite, evaluate};
use hob_engine::{
    Document, Engine, EngineConfig, FhirError, FhirErrorCode, FhirReads, Found, Offline, Outside, Page, ReadCapabilities,
    RunInput,
};
use hob_host::SystemClock;
use hob_model::{Clock as _, Manifest, Payload, Reference, ResourceType, VersionId};
use serde_json::{Value, json};

use crate::report::{Goal, Outcome, Row};
use crate::runs;
use crate::stopwatch::{Rounds, Stopwatch, median};

const ROUNDS: usize = 30;
const ROUND: usize = 100;

/// A server that finds by searches what this gives, and has nothing else.
pub(crate) struct Server(pub(crate) fn(&ResourceType, &str) -> Vec<Value>);

impl Server {
    /// A server that has nothing.
    pub(crate) const NOTHING: Self = Self(|_, _| Vec::new());

    fn absent<T>() -> Result<T, FhirError> {
        Err(FhirError { code: FhirErrorCode::NotFound, status: Some(404), message: "not found".to_owned(), outcome: None })
    }
}

#[async_trait]
impl FhirReads for Server {
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
        let hit = |resource| json!({ "resource": resource, "search": { "mode": "match" } });
        let entry: Vec<Value> = self.0(kind, query).into_iter().map(hit).collect();
        let bundle = json!({ "resourceType": "Bundle", "type": "searchset", "total": entry.len(), "entry": entry });
        Ok(Page { bundle: Document::from(bundle), next: None })
    }

    async fn more(&self, _: &str) -> Result<Page, FhirError> {
        Self::absent()
    }
}

/// The world of a bot that is run for itself.
pub(crate) fn outside(fhir: Arc<Server>) -> Outside {
    Outside { fhir, http: Arc::new(Offline), secrets: Arc::new(Offline), clock: Arc::new(SystemClock) }
}

/// Measures.
pub(crate) async fn bench() -> Outcome<Row> {
    eprintln!("whole-run: {ROUNDS} rounds of {ROUND}");
    let manifest = std::fs::read_to_string(crate::root().join("bots/pro-scorer/bot.toml"))?;
    let manifest = Manifest::parse(&manifest, "bot.toml")?;
    let settings = defaults(&manifest);
    let release = Engine::new(EngineConfig::default())?.prepare(&crate::component("pro_scorer.wasm")?, &manifest)?;
    let bytes = bytes::Bytes::from(response().to_string());
    let written = native(&bytes)?;
    let nothing = Arc::new(Server::NOTHING);
    let (mut rounds, mut cpu) = (Rounds::default(), Vec::new());
    // The first round warms up.
    for round in 0..=ROUNDS {
        let mut figures = Vec::with_capacity(ROUND);
        for _ in 0..ROUND {
            let mut input = input(&bytes, &settings)?;
            let fhir = nothing.clone();
            let begun = Stopwatch::start();
            input.resource = Some(Document::parse(&bytes)?);
            let output = release.run(input, outside(fhir)).await;
            figures.push(begun.elapsed().as_secs_f64() * 1e6);
            if let Err(failure) = &output.result {
                return Err(format!("pro-scorer failed: {}: {}", failure.code, failure.message).into());
            }
            if output.effects.writes.len() != written {
                return Err(format!("pro-scorer wrote {} resources, and {written} natively", output.effects.writes.len()).into());
            }
            cpu.push(output.cpu.as_secs_f64() * 1e6);
        }
        let ours = median(figures);
        let mut figures = Vec::with_capacity(ROUND);
        for _ in 0..ROUND {
            let begun = Stopwatch::start();
            native(&bytes)?;
            figures.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        if round > 0 {
            rounds.ours.push(ours);
            rounds.floor.push(median(figures));
            rounds.n += ROUND;
        }
    }
    eprintln!("  {written} writes; CPU of sandbox and host functions {:.1} us", median(cpu));
    let (median, floor) = (median(rounds.ours), median(rounds.floor));
    Ok(Row { name: "whole-run", n: rounds.n, median, unit: "us", floor: Some(floor), goal: Goal::AtMost(GOAL) })
}

/// The guest at twice the native time, and 60 us for what the host does.
const GOAL: f64 = 5.0;

/// The bot's work without a bot: from bytes to bytes. Gives how many resources it would write.
fn native(bytes: &[u8]) -> Outcome<usize> {
    let response: Value = serde_json::from_slice(bytes)?;
    let rules = Rules::default();
    let now: DateTime<Utc> = SystemClock.now().to_utc();
    let mut written = Vec::new();
    for assessment in evaluate(&response, None, &rules)? {
        for task in assessment.red_flag_tasks(&response, &rules, now) {
            written.push(serde_json::to_vec(&task)?);
        }
        if let ScoreWrite::Create(observation) | ScoreWrite::Update(observation) = assessment.observation(&response, None) {
            written.push(serde_json::to_vec(&observation)?);
        }
    }
    Ok(std::hint::black_box(written).len())
}

/// A PHQ-9 as a form that uses LOINC's codes has it, with an answer to item 9 that opens a Task.
fn response() -> Value {
    let items = ["44250-9", "44255-8", "44259-0", "44254-1", "44251-7", "44258-2", "44252-5", "44253-3", "44260-8"];
    let item = |link_id: &&str| {
        let coding = json!({ "system": "http://loinc.org", "code": "LA6569-3", "display": "Several days" });
        json!({ "linkId": format!("/{link_id}"), "answer": [{ "valueCoding": coding }] })
    };
    json!({
        "resourceType": "QuestionnaireResponse",
        "id": "phq",
        "meta": { "versionId": "1", "lastUpdated": "2026-01-01T12:00:00Z" },
        "status": "completed",
        "subject": { "reference": "Patient/p" },
        "authored": "2026-01-01T11:59:00Z",
        "item": items.iter().map(item).collect::<Vec<_>>(),
    })
}

/// A run of the bot on that form, ready to go.
pub(crate) fn scoring(manifest: &Manifest) -> Outcome<RunInput> {
    let bytes = bytes::Bytes::from(response().to_string());
    Ok(RunInput { resource: Some(Document::parse(&bytes)?), ..input(&bytes, &defaults(manifest))? })
}

fn defaults(manifest: &Manifest) -> BTreeMap<String, Value> {
    manifest.settings.iter().filter_map(|(name, spec)| Some((name.clone(), spec.default.clone()?))).collect()
}

fn input(bytes: &bytes::Bytes, settings: &BTreeMap<String, Value>) -> Outcome<RunInput> {
    let payload = Payload { content_type: "application/fhir+json".to_owned(), bytes: bytes.clone() };
    let cause = runs::created("QuestionnaireResponse/phq")?;
    Ok(RunInput { settings: settings.clone(), ..runs::input(cause, payload)? })
}
