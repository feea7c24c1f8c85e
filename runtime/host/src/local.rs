//! `hob run`: one event, on this machine, without a ledger. It prints what it would write, and writes only when told.
//!
//! The sandbox, the reads and the transaction are those of a host. What is missing is what a ledger gives: a second try finds out nothing of the first,
//! so this is for authors, not for service.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hob_engine::{Document, Engine, EngineConfig, EngineError, Offline, Outside, RunInput};
use hob_fhir::commit::{CommitOutcome, commit};
use hob_fhir::fence::{self, FenceUse, Slot, SlotName};
use hob_fhir::plan::{PlanError, bundle};
use hob_fhir::{FhirError, FhirErrorKind, Network};
use hob_ingress::{ParseError, WireRequest, parse};
use hob_model::{
    Auth, BaseUrl, Cause, ChangeKey, Clock, Effects, Event, EventId, Failure, Inbound, Interaction, Journal, Manifest,
    ManifestError, Payload, Reference, ResourceKey, RunId, SecretRef, Source, SourceId, TenantId, Trigger, VersionId,
};
use hob_search::ServerBases;
use rand::RngExt as _;
use serde_json::{Map, Value};

use crate::deploy::{DeployError, checked};
use crate::host::USER_AGENT;
use crate::resolve::Watch;
use crate::run::reads::SourceReads;
use crate::secrets::{OfManifest, Places};
use crate::sources::SourceEntry;

/// One event for one bot.
#[derive(Debug, Clone)]
pub struct LocalRun {
    /// The text of `bot.toml`.
    pub manifest: String,
    /// Its name, for errors.
    pub file: String,
    /// The component.
    pub component: Bytes,
    /// A resource, or a notification of any format. Anything else is the payload of an invocation.
    pub event: Bytes,
    /// The FHIR server to read from.
    pub base: BaseUrl,
    /// How to authenticate to it.
    pub auth: Auth,
    /// Settings over the manifest's defaults.
    pub settings: Map<String, Value>,
    /// Whether to commit what the bot decides.
    pub write: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct LocalOutcome {
    /// What the bot was run on, in a word.
    pub trigger: &'static str,
    /// The bot's answer, or why there is none.
    pub result: Result<Option<Payload>, Failure>,
    /// What it decided.
    pub effects: Effects,
    /// Host calls and log.
    pub journal: Journal,
    /// The transaction as it would be sent, without its fence where it is not written.
    pub bundle: Option<Value>,
    /// What was written, as `Type/id`; `None` where nothing was to be.
    pub written: Option<Vec<String>>,
    /// CPU time in the sandbox.
    pub cpu: Duration,
    /// From start to end.
    pub wall: Duration,
}

/// Why it could not be run.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// `bot.toml` is wrong.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A setting is wrong.
    #[error("{0}")]
    Setting(String),
    /// A trigger cannot be judged.
    #[error("{0}")]
    Triggers(String),
    /// In service this event would not start the bot.
    #[error("no trigger of the manifest wants this event: in service it would not start the bot")]
    NotWanted,
    /// The component is refused.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The event cannot be read.
    #[error("the event: {0}")]
    Event(#[from] ParseError),
    /// The source cannot be used.
    #[error("the FHIR server: {0}")]
    Source(String),
    /// The source did not give the event's resource.
    #[error("the event's resource: {0}")]
    Fhir(#[from] FhirError),
    /// The effects contradict themselves.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The commit did not happen.
    #[error("nothing is known to be written: {0}")]
    Commit(String),
}

/// Runs the bot on the event.
///
/// # Errors
/// [`LocalError`] where it could not be run; what the bot itself answers is in the outcome.
pub async fn run(local: LocalRun, clock: Arc<dyn Clock>) -> Result<LocalOutcome, LocalError> {
    let manifest = Manifest::parse(&local.manifest, &local.file)?;
    let settings = checked(&manifest, local.settings).map_err(|e: DeployError| LocalError::Setting(e.to_string()))?;
    let watches =
        Watch::of(&manifest, &ServerBases::new([local.base.as_str()])).map_err(|e| LocalError::Triggers(e.to_string()))?;
    let engine = Engine::new(EngineConfig { concurrent_runs: 1, ..EngineConfig::default() })?;
    let release = engine.prepare(&local.component, &manifest)?;
    let entry = Arc::new(source(local.base, local.auth, Arc::clone(&clock))?);
    let (cause, resource) = cause(&entry, &local.event).await?;
    let trigger = match &cause {
        Cause::Change { key, interaction, .. } => {
            let kind = key.resource.resource.resource_type.as_str();
            if !watches.iter().any(|watch| watch.wants_previous() || watch.takes(*interaction, kind, resource.as_ref(), None)) {
                return Err(LocalError::NotWanted);
            }
            "change"
        }
        _ if manifest.on.contains(&Trigger::Invoke) => "invoke",
        _ => return Err(LocalError::NotWanted),
    };
    let event = Event {
        id: EventId::of_parts(&[b"local", &local.event]),
        tenant: entry.source.tenant.clone(),
        source: Some(entry.source.id.clone()),
        cause,
        occurred: None,
        received: clock.now(),
        hop: 0,
    };
    let run = RunId::new(&event.tenant, &manifest.name, event.id);
    let content_type = if resource.is_some() { "application/fhir+json" } else { "application/json" };
    let bytes = resource.as_ref().map_or(local.event, |resource| Bytes::from(resource.to_string()));
    let seed = rand::rng().random();
    let input = RunInput {
        run,
        event,
        payload: Payload { content_type: content_type.to_owned(), bytes },
        resource: resource.map(Document::from),
        previous: None,
        attempt: 1,
        seed,
        now: clock.now(),
        settings,
    };
    let reads = Arc::new(SourceReads::new(Arc::clone(&entry)));
    // The author's own, of this machine.
    let secrets = Arc::new(OfManifest { secrets: manifest.secrets, places: Places::Anywhere });
    let output = release.run(input, Outside { fhir: reads, http: Arc::new(Offline), secrets, clock }).await;
    let mut outcome = LocalOutcome {
        trigger,
        result: output.result,
        effects: output.effects,
        journal: output.journal,
        bundle: None,
        written: None,
        cpu: output.cpu,
        wall: output.wall,
    };
    if outcome.effects.commits() {
        transaction(&entry, run, seed, local.write, &mut outcome).await?;
    }
    Ok(outcome)
}

fn source(base: BaseUrl, auth: Auth, clock: Arc<dyn Clock>) -> Result<SourceEntry, LocalError> {
    let bad = |error: &dyn std::fmt::Display| LocalError::Source(error.to_string());
    let source = Source {
        tenant: TenantId::new("local").map_err(|e| bad(&e))?,
        id: SourceId::new("local").map_err(|e| bad(&e))?,
        base,
        auth,
        // Nothing is received here; PATH is set wherever a command runs.
        inbound: Inbound::Path { secret: SecretRef::Env("PATH".to_owned()) },
        capabilities: None,
    };
    let network = Network::new(Duration::from_secs(5), USER_AGENT).map_err(|e| bad(&e))?;
    SourceEntry::new(source, Duration::from_secs(30), Arc::new(network), clock).map_err(|e| bad(&e))
}

/// A notification or a resource is a change; anything else an invocation.
async fn cause(entry: &SourceEntry, bytes: &Bytes) -> Result<(Cause, Option<Value>), LocalError> {
    let invoke = Cause::Invoke { requester: "local".to_owned() };
    let is_resource = serde_json::from_slice::<Value>(bytes).is_ok_and(|value| value["resourceType"].is_string());
    if !is_resource {
        return Ok((invoke, None));
    }
    let wire = WireRequest { method: "POST".to_owned(), path_rest: String::new(), headers: Vec::new(), body: bytes.clone() };
    let notification = parse(&wire)?;
    let Some((event, reference)) = notification.events.into_iter().find_map(|event| {
        let reference = event.reference()?;
        Some((event, reference))
    }) else {
        return Ok((invoke, None));
    };
    let resource = match event.resource {
        Some(resource) => resource,
        None => entry.client.read(&reference).await?.resource,
    };
    let version = event.version.or_else(|| resource["meta"]["versionId"].as_str().and_then(|v| VersionId::new(v).ok()));
    let version = match version {
        Some(version) => version,
        // Never written by this name: an update of it is refused as stale, as it would be in service.
        None => VersionId::new("0").map_err(|e| LocalError::Source(e.to_string()))?,
    };
    let key = ChangeKey {
        resource: ResourceKey { tenant: entry.source.tenant.clone(), source: entry.source.id.clone(), resource: reference },
        version,
    };
    let interaction = event.interaction.unwrap_or(Interaction::Update);
    Ok((Cause::Change { key, interaction, previous: None }, Some(resource)))
}

async fn transaction(
    entry: &SourceEntry,
    run: RunId,
    seed: u64,
    write: bool,
    outcome: &mut LocalOutcome,
) -> Result<(), LocalError> {
    let name = SlotName::new(format!("hob-local-{seed:016x}")).map_err(|e| LocalError::Commit(e.to_string()))?;
    if !write {
        let reference = "Basic/not-written".parse::<Reference>().map_err(|e| LocalError::Commit(e.to_string()))?;
        let version = VersionId::new("1").map_err(|e| LocalError::Commit(e.to_string()))?;
        let fence = FenceUse { slot: Slot { name, reference, version }, run, attempt: 1 };
        let plan = bundle(&outcome.effects, &fence)?;
        let mut shown: Value = serde_json::from_slice(&plan.bytes).unwrap_or_default();
        if let Some(entries) = shown["entry"].as_array_mut() {
            entries.pop();
        }
        outcome.bundle = Some(shown);
        return Ok(());
    }
    let slot = fence::ensure(&entry.client, &name).await?;
    let fence = FenceUse { slot: slot.clone(), run, attempt: 1 };
    let plan = bundle(&outcome.effects, &fence)?;
    outcome.bundle = serde_json::from_slice(&plan.bytes).ok();
    let done = commit(&entry.client, &plan).await;
    // The slot is of use only while an answer is missing.
    if !matches!(done, CommitOutcome::Unknown { .. })
        && let Err(error) = entry.client.delete(&slot.reference, None).await
        && error.kind != FhirErrorKind::Gone
    {
        tracing::warn!(%error, "the fence of this run is left on the server");
    }
    match done {
        CommitOutcome::Committed(committed) => {
            let of = |written: &hob_fhir::commit::Written| written.reference.as_ref().map(ToString::to_string);
            outcome.written = Some(committed.written.iter().filter_map(of).collect());
            Ok(())
        }
        CommitOutcome::Conflict { error, .. }
        | CommitOutcome::Refused { error, .. }
        | CommitOutcome::NotSent { error }
        | CommitOutcome::Unknown { error } => Err(LocalError::Commit(match &error.outcome {
            Some(outcome) => format!("{error}: {outcome}"),
            None => error.to_string(),
        })),
        CommitOutcome::NotAtomic { applied, failed } => Err(LocalError::Commit(format!(
            "the server ran the transaction as a batch: {} entries were kept, {} failed",
            applied.len(),
            failed.len()
        ))),
    }
}
