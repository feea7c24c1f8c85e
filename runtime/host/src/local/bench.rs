//! A bot and a FHIR server on the bench: one event after the other, without a ledger.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hob_engine::{Document, Engine, Outbound, Outside, Release, RunInput, Secrets};
use hob_fhir::commit::{CommitOutcome, commit};
use hob_fhir::fence::{self, FenceUse, Slot, SlotName};
use hob_fhir::plan::bundle;
use hob_fhir::{FhirErrorKind, Transport};
use hob_model::{
    Auth, BaseUrl, Capabilities, Cause, Clock, Effects, Event, EventId, Failure, Inbound, Interaction, Journal, Manifest,
    Payload, Reference, RunId, SecretRef, Source, SourceId, TenantId, Trigger, VersionId,
};
use hob_search::ServerBases;
use serde_json::{Map, Value};

use super::LocalError;
use crate::deploy::{DeployError, checked};
use crate::resolve::Watch;
use crate::run::reads::SourceReads;
use crate::sources::SourceEntry;

/// A FHIR server that a bot is tried on.
pub struct Bench {
    pub(super) entry: Arc<SourceEntry>,
    clock: Arc<dyn Clock>,
}

/// A bot that is ready to be tried.
pub struct BenchBot {
    release: Arc<Release>,
    watches: Vec<Watch>,
}

/// An event for a bot on the bench.
#[derive(Debug, Clone)]
pub struct BenchEvent {
    /// Why the bot is run.
    pub cause: Cause,
    /// What comes with it.
    pub payload: Payload,
    /// The resource of a change.
    pub resource: Option<Value>,
    /// The version before, where it is known.
    pub previous: Option<Value>,
}

/// What a run is given beside its event.
pub struct BenchGiven {
    /// Settings over the manifest's defaults.
    pub settings: Map<String, Value>,
    /// Seeds the sandbox's randomness.
    pub seed: u64,
    /// Answers the requests that the bot waits for.
    pub http: Arc<dyn Outbound>,
    /// Values of secrets.
    pub secrets: Arc<dyn Secrets>,
}

/// What came of a run.
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
    /// The run's id.
    pub run: RunId,
    /// What its randomness came from.
    pub seed: u64,
}

impl BenchBot {
    /// Checks and compiles a bot, for a server of this base URL.
    ///
    /// # Errors
    /// [`LocalError::Triggers`], [`LocalError::Engine`].
    pub fn prepare(engine: &Engine, manifest: &Manifest, component: &Bytes, base: &BaseUrl) -> Result<Self, LocalError> {
        let watches = Watch::of(manifest, &ServerBases::new([base.as_str()])).map_err(|e| LocalError::Triggers(e.to_string()))?;
        let release = engine.prepare_from(component, manifest, Arc::new(component.clone()))?;
        Ok(Self { release, watches })
    }

    /// Its manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        self.release.manifest()
    }

    /// The `[[on]]` tables of the manifest, from 0, that want the event.
    #[must_use]
    pub fn wanted_by(&self, event: &BenchEvent) -> Vec<usize> {
        let of = |wants: &dyn Fn(&Trigger) -> bool| {
            let on = self.manifest().on.iter().enumerate();
            on.filter(|(_, trigger)| wants(trigger)).map(|(at, _)| at).collect()
        };
        match &event.cause {
            Cause::Change { key, interaction, .. } => {
                let kind = key.resource.resource.resource_type.as_str();
                let takes = |watch: &&Watch| watch.takes(*interaction, kind, event.resource.as_ref(), event.previous.as_ref());
                let index = |watch: &Watch| usize::try_from(watch.trigger).unwrap_or(usize::MAX);
                self.watches.iter().filter(takes).map(index).collect()
            }
            Cause::Cron { schedule, .. } => {
                of(&|trigger| matches!(trigger, Trigger::Cron { schedule: named, .. } if named == schedule))
            }
            Cause::Timer { .. } => of(&|trigger| *trigger == Trigger::Timer),
            Cause::Invoke { .. } => of(&|trigger| *trigger == Trigger::Invoke),
            Cause::Reply { .. } => of(&|trigger| *trigger == Trigger::Reply),
        }
    }

    /// Whether a filter of a trigger looks at the version before.
    pub(super) fn wants_previous(&self) -> bool {
        self.watches.iter().any(Watch::wants_previous)
    }
}

impl Bench {
    /// A server that is spoken to through `transport`.
    ///
    /// # Errors
    /// [`LocalError::Source`] where it cannot be used.
    pub fn new(
        base: BaseUrl,
        auth: Auth,
        capabilities: Option<Capabilities>,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, LocalError> {
        let bad = |error: &dyn std::fmt::Display| LocalError::Source(error.to_string());
        let source = Source {
            tenant: TenantId::new("local").map_err(|e| bad(&e))?,
            id: SourceId::new("local").map_err(|e| bad(&e))?,
            base,
            auth,
            // Nothing is received here; PATH is set wherever a command runs.
            inbound: Inbound::Path { secret: SecretRef::Env("PATH".to_owned()) },
            capabilities,
        };
        let entry = SourceEntry::new(source, Duration::from_secs(30), transport, Arc::clone(&clock)).map_err(|e| bad(&e))?;
        Ok(Self { entry: Arc::new(entry), clock })
    }

    /// The cause of a change of a resource here.
    #[must_use]
    pub fn change(
        &self,
        resource: Reference,
        version: VersionId,
        interaction: Interaction,
        previous: Option<VersionId>,
    ) -> Cause {
        let source = &self.entry.source;
        let resource = hob_model::ResourceKey { tenant: source.tenant.clone(), source: source.id.clone(), resource };
        Cause::Change { key: hob_model::ChangeKey { resource, version }, interaction, previous }
    }

    /// Runs the bot on an event, whether a trigger wants it or not. Nothing is written.
    ///
    /// # Errors
    /// [`LocalError::Setting`]; what the bot itself answers is in the outcome.
    pub async fn run(&self, bot: &BenchBot, event: BenchEvent, given: BenchGiven) -> Result<LocalOutcome, LocalError> {
        let manifest = bot.manifest();
        let settings: BTreeMap<String, Value> =
            checked(manifest, given.settings).map_err(|e: DeployError| LocalError::Setting(e.to_string()))?;
        let BenchEvent { cause, payload, resource, previous } = event;
        let trigger = cause.word();
        let why = serde_json::to_vec(&cause).unwrap_or_default();
        let event = Event {
            id: EventId::of_parts(&[b"local", &why, &payload.bytes]),
            tenant: self.entry.source.tenant.clone(),
            source: Some(self.entry.source.id.clone()),
            cause,
            occurred: None,
            received: self.clock.now(),
            hop: 0,
        };
        let run = RunId::new(&event.tenant, &manifest.name, event.id);
        let input = RunInput {
            run,
            event,
            payload,
            resource: resource.map(Document::from),
            previous: previous.map(Document::from),
            attempt: 1,
            seed: given.seed,
            now: self.clock.now(),
            settings,
        };
        let fhir = Arc::new(SourceReads::new(Arc::clone(&self.entry)));
        let outside = Outside { fhir, http: given.http, secrets: given.secrets, clock: Arc::clone(&self.clock) };
        let output = bot.release.run(input, outside).await;
        Ok(LocalOutcome {
            trigger,
            result: output.result,
            effects: output.effects,
            journal: output.journal,
            bundle: None,
            written: None,
            cpu: output.cpu,
            wall: output.wall,
            run,
            seed: given.seed,
        })
    }

    /// Makes the transaction of a run's effects and, with `write`, commits it.
    ///
    /// # Errors
    /// [`LocalError::Plan`], [`LocalError::Commit`], [`LocalError::Fhir`].
    pub async fn transaction(&self, outcome: &mut LocalOutcome, write: bool) -> Result<(), LocalError> {
        if !outcome.effects.commits() {
            return Ok(());
        }
        let run = outcome.run;
        let name = SlotName::new(format!("hob-local-{:016x}", outcome.seed)).map_err(|e| LocalError::Commit(e.to_string()))?;
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
        let client = &self.entry.client;
        let slot = fence::ensure(client, &name).await?;
        let fence = FenceUse { slot: slot.clone(), run, attempt: 1 };
        let plan = bundle(&outcome.effects, &fence)?;
        outcome.bundle = serde_json::from_slice(&plan.bytes).ok();
        let done = commit(client, &plan).await;
        // The slot is of use only while an answer is missing.
        if !matches!(done, CommitOutcome::Unknown { .. })
            && let Err(error) = client.delete(&slot.reference, None).await
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
}
