//! `hob run`: one event, on this machine, without a ledger. It prints what it would write, and writes only when told.
//!
//! The sandbox, the reads and the transaction are those of a host. What is missing is what a ledger gives: a second try finds out nothing of the first,
//! so this is for authors, not for service.

mod bench;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hob_engine::{Engine, EngineConfig, EngineError, Offline};
use hob_fhir::plan::PlanError;
use hob_fhir::{FhirError, Network};
use hob_ingress::{ParseError, WireRequest, parse};
use hob_model::{Auth, BaseUrl, Cause, Clock, Interaction, Manifest, ManifestError, Payload, SecretSpec, VersionId};
use rand::RngExt as _;
use serde_json::{Map, Value};

use crate::host::USER_AGENT;
use crate::secrets::{OfManifest, Places};

pub use bench::{Bench, BenchBot, BenchEvent, BenchGiven, LocalOutcome};

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

/// The secrets of a manifest, wherever on this machine it says that they are: they are the author's own.
#[must_use]
pub fn own_secrets(secrets: std::collections::BTreeMap<String, SecretSpec>) -> Arc<dyn hob_engine::Secrets> {
    Arc::new(OfManifest { secrets, places: Places::Anywhere })
}

/// Runs the bot on the event.
///
/// # Errors
/// [`LocalError`] where it could not be run; what the bot itself answers is in the outcome.
pub async fn run(local: LocalRun, clock: Arc<dyn Clock>) -> Result<LocalOutcome, LocalError> {
    let manifest = Manifest::parse(&local.manifest, &local.file)?;
    let engine = Engine::new(EngineConfig { concurrent_runs: 1, ..EngineConfig::default() })?;
    let bot = BenchBot::prepare(&engine, &manifest, &local.component, &local.base)?;
    let network = Network::new(Duration::from_secs(5), USER_AGENT).map_err(|error| LocalError::Source(error.to_string()))?;
    let bench = Bench::new(local.base, local.auth, None, Arc::new(network), clock)?;
    let event = event(&bench, local.event).await?;
    let unjudged = bot.wants_previous() && matches!(event.cause, Cause::Change { .. });
    if bot.wanted_by(&event).is_empty() && !unjudged {
        return Err(LocalError::NotWanted);
    }
    let given = BenchGiven {
        settings: local.settings,
        seed: rand::rng().random(),
        http: Arc::new(Offline),
        secrets: own_secrets(manifest.secrets),
    };
    let mut outcome = bench.run(&bot, event, given).await?;
    bench.transaction(&mut outcome, local.write).await?;
    Ok(outcome)
}

/// A notification or a resource is a change; anything else an invocation.
async fn event(bench: &Bench, bytes: Bytes) -> Result<BenchEvent, LocalError> {
    let invoke = |bytes: Bytes| BenchEvent {
        cause: Cause::Invoke { requester: "local".to_owned() },
        payload: Payload { content_type: "application/json".to_owned(), bytes },
        resource: None,
        previous: None,
    };
    let is_resource = serde_json::from_slice::<Value>(&bytes).is_ok_and(|value| value["resourceType"].is_string());
    if !is_resource {
        return Ok(invoke(bytes));
    }
    let wire = WireRequest { method: "POST".to_owned(), path_rest: String::new(), headers: Vec::new(), body: bytes.clone() };
    let notification = parse(&wire)?;
    let Some((event, reference)) = notification.events.into_iter().find_map(|event| {
        let reference = event.reference()?;
        Some((event, reference))
    }) else {
        return Ok(invoke(bytes));
    };
    let resource = match event.resource {
        Some(resource) => resource,
        None => bench.entry.client.read(&reference).await?.resource,
    };
    let version = event.version.or_else(|| resource["meta"]["versionId"].as_str().and_then(|v| VersionId::new(v).ok()));
    let version = match version {
        Some(version) => version,
        // Never written by this name: an update of it is refused as stale, as it would be in service.
        None => VersionId::new("0").map_err(|e| LocalError::Source(e.to_string()))?,
    };
    let cause = bench.change(reference, version, event.interaction.unwrap_or(Interaction::Update), None);
    let payload = Payload { content_type: "application/fhir+json".to_owned(), bytes: Bytes::from(resource.to_string()) };
    Ok(BenchEvent { cause, payload, resource: Some(resource), previous: None })
}
