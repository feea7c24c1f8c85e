//! `trial`: 10,000 recorded runs of the task router against a changed one, by the admin API of a host: how long until all that would change is told.
//!
//! The runs are real: the router decides each in its sandbox on a clinic in memory, and journal and effects are kept in a ledger as a host keeps them. One in twenty is
//! a red flag. The changed router is the same component but for one letter of the note that red flags get, so that their writes change and no others; whether exactly
//! these are told is checked in each round.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hob_engine::{
    Document, Engine, EngineConfig, FhirError, FhirErrorCode, FhirReads, Found, Offline, Outside, Page, ReadCapabilities,
    Release, RunInput,
};
use hob_host::{Compiler, Host, SystemClock};
use hob_ledger::{Deployment, Finish, Ledger, NewRun, Opening, Recorded, Resolution, ResolvedChange, RunKey, Tried};
use hob_model::{
    Attempt, Change, ChangeKey, Clock as _, Interaction, LaneKey, Manifest, Payload, Reference, ResourceKey, ResourceType, RunId,
    VersionId,
};
use hyper::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::Connection;
use crate::ground::{self, ADMIN, Bot, Ground, SOURCE, TENANT};
use crate::report::{Goal, Outcome, Row};
use crate::stopwatch::{Stopwatch, median};

const RUNS: usize = 10_000;
const RED: usize = 20;
const ROUNDS: usize = 3;
/// What the note of a red flag ends with, and what it ends with in the changed router.
const NOTE: (&[u8], &[u8]) = (b"until a person acknowledges it.", b"until a person acknowledges it!");

/// Measures.
pub(crate) async fn bench() -> Outcome<Vec<Row>> {
    let root = crate::root().join("bots/task-router");
    let manifest = std::fs::read_to_string(root.join("bot.toml"))?;
    let component = crate::component("task_router.wasm")?;
    let changed = changed(&component)?;
    let rules: Value = serde_json::from_slice(&std::fs::read(root.join("rules.example.json"))?)?;
    let clinic: Vec<Value> = serde_json::from_slice(&std::fs::read(root.join("cases/given/clinic.json"))?)?;
    let bot = Bot { manifest: &manifest, component };
    let release = bot.digest();
    let engine = Engine::new(EngineConfig::default())?;
    let parsed = Manifest::parse(&manifest, "bot.toml")?;
    let router = engine.prepare(&bot.component, &parsed)?;
    let ground = Ground::prepare("http://127.0.0.1:9/fhir", Some(bot)).await?;
    eprintln!("trial: {RUNS} runs are recorded");
    let ledger: Arc<dyn Ledger> = Arc::new(ground::open(&ground.ledger())?);
    let epoch = ledger.claim().await?;
    let settings: BTreeMap<String, Value> = [("rules".to_owned(), rules)].into();
    let deployment = Deployment {
        tenant: TENANT.parse()?,
        bot: parsed.name.clone(),
        release,
        source: Some(SOURCE.parse()?),
        settings: settings.clone().into_iter().collect(),
        deployed: SystemClock.now(),
        active: true,
    };
    ledger.activate(epoch, deployment).await?;
    let clinic = Arc::new(Clinic(clinic.into_iter().filter_map(|it| Some((name(&it)?, it))).collect()));
    let mut recording = JoinSet::new();
    for n in 0..RUNS {
        let (router, clinic, settings, ledger) =
            (Arc::clone(&router), Arc::clone(&clinic), settings.clone(), Arc::clone(&ledger));
        recording.spawn(async move { record(n, &router, clinic, settings, &*ledger, epoch, release).await });
        while recording.len() >= 64
            && let Some(done) = recording.join_next().await
        {
            done??;
        }
    }
    while let Some(done) = recording.join_next().await {
        done??;
    }
    ledger.close().await?;
    drop(ledger);
    let host = Host::start(ground::config(ground.path()), Arc::new(SystemClock), Compiler::InProcess).await?;
    let wish = json!({"manifest": manifest, "component": data_encoding::BASE64.encode(&changed)});
    let wanted: BTreeSet<String> = (0..RUNS).step_by(RED).map(|n| format!("Task/t{n} v1")).collect();
    let mut figures = Vec::new();
    for round in 0..=ROUNDS {
        let mut connection = Connection::open(host.admin()).await?;
        let begun = Stopwatch::start();
        let path = format!("/v1/tenants/{TENANT}/bots/task-router/replay");
        let answer = connection.call(Method::POST, &path, &format!("Bearer {ADMIN}"), Bytes::from(wish.to_string())).await?;
        let took = begun.elapsed().as_secs_f64();
        check(&answer, &wanted)?;
        eprintln!("  {RUNS} runs tried in {took:.2} s, {} changed", wanted.len());
        // The first round compiles.
        if round > 0 {
            figures.push(took);
        }
    }
    host.stop().await;
    Ok(vec![Row { name: "trial", n: RUNS * ROUNDS, median: median(figures), unit: "s", floor: None, goal: Goal::AtMost(60.0) }])
}

/// The component with another letter in one of its texts.
fn changed(component: &[u8]) -> Outcome<Vec<u8>> {
    let (was, is) = NOTE;
    let found: Vec<usize> = component.windows(was.len()).enumerate().filter(|(_, at)| *at == was).map(|(at, _)| at).collect();
    let [at] = found.as_slice() else { return Err(format!("the note stands {} times in the router", found.len()).into()) };
    let mut changed = component.to_vec();
    changed.splice(*at..*at + was.len(), is.iter().copied());
    Ok(changed)
}

/// Exactly the runs that change are told, and all others do the same.
fn check(answer: &[u8], wanted: &BTreeSet<String>) -> Outcome<()> {
    let lines: Vec<Value> = answer
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(serde_json::from_slice)
        .collect::<Result<_, _>>()?;
    let told = lines.iter().filter(|line| line["group"] == "changed");
    let told: BTreeSet<String> = told.filter_map(|line| line["subject"].as_str().map(str::to_owned)).collect();
    let sum = lines.last().ok_or("no answer")?;
    if told != *wanted || sum["groups"]["same"] != RUNS - wanted.len() {
        return Err(format!("{} runs are told to change, {} do; {sum}", told.len(), wanted.len()).into());
    }
    Ok(())
}

async fn record(
    n: usize,
    router: &Release,
    clinic: Arc<Clinic>,
    settings: BTreeMap<String, Value>,
    ledger: &dyn Ledger,
    epoch: hob_ledger::Epoch,
    release: hob_model::Digest,
) -> Outcome<()> {
    let resource = task(n);
    let (tenant, now) = (TENANT.parse()?, SystemClock.now());
    let at = ResourceKey { tenant, source: SOURCE.parse()?, resource: format!("Task/t{n}").parse()? };
    let key = ChangeKey { resource: at, version: "1".parse()? };
    let tenant = key.resource.tenant.clone();
    let change = Change {
        key: key.clone(),
        interaction: Interaction::Create,
        previous: None,
        occurred: Some(now),
        resource: Some(resource.clone()),
    };
    let run = NewRun {
        bot: "task-router".parse()?,
        release,
        lane: LaneKey::new(format!("resource:Task/t{n}"))?,
        opening: Opening::Pending,
        supersedes_earlier: false,
    };
    let changes = vec![ResolvedChange { change, ordinal: Some(1), received: now, hop: 0, runs: vec![run] }];
    let resolution = Resolution { tenant: tenant.clone(), notifications: Vec::new(), changes, seen: Vec::new() };
    ledger.resolve(epoch, resolution).await?;
    let run = RunKey { tenant: tenant.clone(), run: RunId::new(&tenant, &"task-router".parse()?, key.event_id()) };
    let record = ledger.load(&run).await?;
    let input = RunInput {
        run: run.run,
        event: record.event,
        payload: Payload { content_type: record.payload.content_type, bytes: record.payload.bytes },
        resource: Some(Document::from(resource)),
        previous: None,
        attempt: 1,
        seed: u64::try_from(n)?,
        now,
        settings,
    };
    let outside = Outside { fhir: clinic, http: Arc::new(Offline), secrets: Arc::new(Offline), clock: Arc::new(SystemClock) };
    let output = router.run(input, outside).await;
    let result = output.result.map_err(|failure| format!("the router failed: {}: {}", failure.code, failure.message))?;
    let attempt = Attempt { number: 1, started: now, ended: SystemClock.now(), failure: None };
    let recorded = Recorded { attempt: 1, release, effects: output.effects, bundle: Bytes::new(), fence: None, result };
    let finish = Finish {
        tried: Tried { attempt, release, journal: Some(output.journal) },
        recorded: Some(recorded),
        wrote: Vec::new(),
        references: BTreeMap::new(),
        timers: Vec::new(),
        outbox: Vec::new(),
        fence: None,
    };
    ledger.finish(epoch, &run, finish).await?;
    Ok(())
}

/// Every twentieth a red flag, the others for a doctor, in turns where one is licensed and where none is.
fn task(n: usize) -> Value {
    let mut task = json!({
        "resourceType": "Task", "id": format!("t{n}"), "meta": {"versionId": "1"}, "status": "ready", "intent": "order",
        "code": {"text": "Review the new results"}, "authoredOn": "2026-11-23T13:00:00Z",
        "for": {"reference": if n.is_multiple_of(3) { "Patient/pat-tx" } else { "Patient/pat-ny" }},
        "performerType": [{"coding": [{"system": "http://snomed.info/sct", "code": "158965000", "display": "Doctor"}]}],
    });
    if n.is_multiple_of(RED) {
        task["identifier"] = json!([{"system": "https://hob.dev/fhir/identifier/red-flag", "value": format!("r{n}")}]);
        task["code"] = json!({"coding": [{"system": "https://hob.dev/fhir/CodeSystem/task", "code": "red-flag"}]});
    }
    task
}

fn name(resource: &Value) -> Option<Reference> {
    format!("{}/{}", resource["resourceType"].as_str()?, resource["id"].as_str()?).parse().ok()
}

/// A server that has a clinic's people and no Tasks.
struct Clinic(BTreeMap<Reference, Value>);

#[async_trait]
impl FhirReads for Clinic {
    fn capabilities(&self) -> ReadCapabilities {
        ReadCapabilities { client_ids: true }
    }

    async fn read(&self, reference: &Reference) -> Result<Found, FhirError> {
        let missing = || FhirError { code: FhirErrorCode::NotFound, status: Some(404), message: String::new(), outcome: None };
        let resource = self.0.get(reference).cloned().ok_or_else(missing)?;
        let version = VersionId::new("1").map_err(|_| missing())?;
        Ok(Found { resource: resource.into(), version })
    }

    async fn vread(&self, reference: &Reference, _: &VersionId) -> Result<Found, FhirError> {
        self.read(reference).await
    }

    async fn history(&self, _: &Reference) -> Result<Page, FhirError> {
        Ok(page(Vec::new()))
    }

    async fn search(&self, resource_type: &ResourceType, _: &str) -> Result<Page, FhirError> {
        let of_type = |(name, _): &(&Reference, &Value)| name.resource_type == *resource_type;
        Ok(page(self.0.iter().filter(of_type).map(|(_, resource)| resource.clone()).collect()))
    }

    async fn more(&self, _: &str) -> Result<Page, FhirError> {
        Ok(page(Vec::new()))
    }
}

fn page(found: Vec<Value>) -> Page {
    let entry: Vec<Value> =
        found.into_iter().map(|resource| json!({"resource": resource, "search": {"mode": "match"}})).collect();
    let bundle = json!({"resourceType": "Bundle", "type": "searchset", "total": entry.len(), "entry": entry});
    Page { bundle: bundle.into(), next: None }
}
