//! One attempt of one run: load it, run the bot in its sandbox, and hand what it decided to the commit.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hob_engine::{Document, Outbound, Outside, RunInput, RunOutput};
use hob_fhir::{FhirError, FhirErrorKind};
use hob_ledger::{Finish, LedgerError, Recorded, RunKey, RunRecord, Tried};
use hob_model::{
    Attempt, BotName, Cause, Effects, Failure, FailureKind, Interaction, Payload, RunId, RunState, TenantId, Timestamp,
};

use crate::bots::LiveBot;
use crate::core::Core;
use crate::gaps::Reason;
use crate::observe::Nobody;
use crate::run::asks::Asks;
use crate::run::commit;
use crate::run::driver::{Ended, Failed, persist};
use crate::run::reads::SourceReads;
use crate::secrets::OfManifest;
use crate::sources::SourceEntry;

/// Runs the next attempt of a run to its end.
pub(crate) async fn attempt(core: &Arc<Core>, tenant: &TenantId, bot: &BotName, run: RunId) -> Ended {
    let key = RunKey { tenant: tenant.clone(), run };
    let record = match core.ledger.load(&key).await {
        Ok(record) => record,
        Err(LedgerError::NotFound { .. }) => return Ended::Finished,
        Err(error) => {
            tracing::error!(%tenant, %run, %error, "a run could not be loaded");
            core.pause(Duration::from_secs(1)).await;
            return Ended::Lost;
        }
    };
    if !record.head.state.is_open() {
        core.commit_ended(&key);
        return Ended::Finished;
    }
    let Some(bot) = core.bots.get(tenant, bot) else {
        core.pause(Duration::from_secs(1)).await;
        return Ended::Lost;
    };
    let source = record.event.source.clone().unwrap_or_else(|| bot.source.clone());
    let Some(entry) = core.sources.get(tenant, &source) else {
        tracing::error!(%tenant, %run, %source, "the run's source is not usable: it waits");
        return Ended::SourceDown { source, until: core.clock.now() + Duration::from_secs(30) };
    };
    // The ledger's count, which goes on after an operator opened the run again: a number is never used twice.
    let number = record.head.attempt + 1;
    let _under_way = UnderWay::of(core);
    let ended = Trying { core, key: &key, bot: &bot, entry: &entry, started: core.clock.now(), number }.go(&record).await;
    if matches!(ended, Ended::Finished) {
        if entry.is_up() {
            core.gaps.want(&entry, Reason::Back);
        }
        core.commit_ended(&key);
    }
    ended
}

/// The end of an attempt that panicked: a failure like any other, so that its lane goes on.
pub(crate) async fn panicked(core: &Core, key: RunKey) -> Ended {
    let Ok(record) = core.ledger.load(&key).await else { return Ended::Lost };
    let failure = Failure {
        kind: FailureKind::Retry,
        code: "panic".to_owned(),
        message: "the host panicked at this run; its log says where".to_owned(),
        retry_after: None,
    };
    let now = core.clock.now();
    let attempt = Attempt { number: record.head.attempt + 1, started: now, ended: now, failure: Some(failure.clone()) };
    let unsure = record.head.state == RunState::Recorded;
    let tried = Tried { attempt, release: record.release, journal: None };
    Ended::Failed(Box::new(Failed { tried, failure, unsure }))
}

/// Counts among the attempts that are under way for as long as it lives.
struct UnderWay<'a>(&'a Core);

impl<'a> UnderWay<'a> {
    fn of(core: &'a Core) -> Self {
        core.attempts.fetch_add(1, Ordering::Relaxed);
        Self(core)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.attempts.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What one attempt works with.
pub(crate) struct Trying<'a> {
    pub(crate) core: &'a Arc<Core>,
    pub(crate) key: &'a RunKey,
    pub(crate) bot: &'a Arc<LiveBot>,
    pub(crate) entry: &'a Arc<SourceEntry>,
    pub(crate) started: Timestamp,
    pub(crate) number: u32,
}

/// What the event's resource is by now.
enum Subject {
    /// As the event has it.
    Stands(Payload, Option<Document>),
    /// Newer, and still wanted.
    Moved(Payload, Document),
    /// It no longer matches.
    Gone,
    /// It could not be read.
    Unread(FhirError),
}

impl Trying<'_> {
    async fn go(&self, record: &RunRecord) -> Ended {
        if let (RunState::Recorded, Some(recorded)) = (record.head.state, &record.recorded) {
            return commit::resume(self, recorded).await;
        }
        match self.is_own_write(record).await {
            Ok(false) => {}
            Ok(true) => return self.supersede().await,
            Err(ended) => return ended,
        }
        let mut moved = None;
        let (payload, resource) = match self.subject(record).await {
            Subject::Stands(payload, resource) => (payload, resource),
            Subject::Moved(payload, resource) => {
                moved = Some(resource.json().to_owned());
                (payload, Some(resource))
            }
            Subject::Gone => return self.supersede().await,
            Subject::Unread(error) => return self.unread(&error).await,
        };
        let previous = match self.previous(record).await {
            Ok(previous) => previous,
            Err(error) => return self.unread(&error).await,
        };
        let reads = Arc::new(SourceReads::new(Arc::clone(self.entry)));
        let input = RunInput {
            run: self.key.run,
            event: record.event.clone(),
            payload,
            resource,
            previous,
            attempt: self.number,
            seed: self.core.random(),
            now: self.started,
            settings: self.bot.settings.clone(),
        };
        let asks = Arc::new(Asks::new(self.core, self.bot, self.key));
        let places = self.core.places(&self.key.tenant);
        let secrets = Arc::new(OfManifest { secrets: self.bot.manifest.secrets.clone(), places });
        let http: Arc<dyn Outbound> = if self.bot.dry { Arc::new(Nobody) } else { asks.clone() };
        let outside = Outside { fhir: reads.clone(), http, secrets, clock: Arc::clone(&self.core.clock) };
        let mut output = self.bot.release.run(input, outside).await;
        // A replay takes the rest from the ledger's event.
        output.journal.given.resource = moved;
        if let Some(failure) = asks.settled().await {
            output.result = Err(failure);
        }
        if let Err(failure) = &output.result {
            self.bot.limited.count(&failure.code);
        }
        match &output.result {
            Err(failure) => match reads.unanswered() {
                // Whatever the bot made of it: a server that is down is not the bot's failure.
                Some(error) if self.entry.is_down(&error).await => self.down(error.retry_after),
                // Nothing ran: there is nothing to repeat.
                _ if failure.code == "component-gone" => self.failed(failure.clone(), None, false),
                // Nothing comes of it, so that nobody has to look after it: no lane waits, and it is no dead letter.
                _ if self.bot.dry => {
                    self.failed(Failure { kind: FailureKind::Reject, ..failure.clone() }, Some(output.journal), false)
                }
                _ => self.failed(failure.clone(), Some(output.journal), false),
            },
            Ok(result) => {
                let result = result.clone();
                self.decided(output, result).await
            }
        }
    }

    async fn decided(&self, output: RunOutput, result: Option<Payload>) -> Ended {
        let RunOutput { mut effects, journal, .. } = output;
        let acts_later = !effects.timers.is_empty() || !effects.outbox.is_empty();
        if !self.bot.dry && (effects.commits() || (!effects.guards.is_empty() && acts_later)) {
            return commit::first(self, effects, journal, result).await;
        }
        let recorded = Recorded {
            attempt: self.number,
            release: self.bot.digest,
            effects: effects.clone(),
            bundle: bytes::Bytes::new(),
            fence: None,
            result,
        };
        let mut tried = self.tried(None);
        tried.journal = Some(journal);
        if self.bot.dry {
            // Kept as decided, and not done.
            effects = Effects::default();
        }
        let finish = Finish {
            tried,
            recorded: Some(recorded),
            wrote: Vec::new(),
            references: std::collections::BTreeMap::new(),
            timers: effects.timers,
            outbox: effects.outbox,
            fence: None,
        };
        self.finish(finish).await
    }

    /// Writes the end of a run that did what it was to do.
    pub(crate) async fn finish(&self, finish: Finish) -> Ended {
        let core = self.core;
        let acts_later = !finish.timers.is_empty() || !finish.outbox.is_empty();
        if persist(core, "finish", || core.ledger.finish(core.epoch, self.key, finish.clone())).await.is_none() {
            return Ended::Lost;
        }
        if acts_later {
            core.agenda.notify_one();
        }
        tracing::info!(
            tenant = %self.key.tenant, run = %self.key.run, bot = %self.bot.name, attempt = self.number,
            millis = u64::try_from(core.clock.now().since(self.started).as_millis()).unwrap_or(u64::MAX), "done"
        );
        Ended::Finished
    }

    async fn supersede(&self) -> Ended {
        let core = self.core;
        persist(core, "supersede", || core.ledger.supersede(core.epoch, self.key, core.clock.now())).await;
        tracing::info!(tenant = %self.key.tenant, run = %self.key.run, bot = %self.bot.name, "superseded");
        Ended::Finished
    }

    /// The loop guard's second look: resolve may have been faster than the answer that names the version.
    async fn is_own_write(&self, record: &RunRecord) -> Result<bool, Ended> {
        let Cause::Change { key, .. } = &record.event.cause else { return Ok(false) };
        if self.bot.manifest.own_changes {
            return Ok(false);
        }
        match self.core.ledger.wrote(key).await {
            Ok(own) => Ok(own.is_some_and(|own| own.bot == self.bot.name)),
            Err(_) => Err(Ended::Lost),
        }
    }

    /// After a conflict the resource may have moved on: then the attempt is on what it is now, if the bot still wants that.
    async fn subject(&self, record: &RunRecord) -> Subject {
        let as_event = || {
            let is_change = matches!(record.event.cause, Cause::Change { .. });
            let resource = if is_change { Document::parse(&record.payload.bytes).ok() } else { None };
            Subject::Stands(record.payload.clone(), resource)
        };
        let Cause::Change { key, interaction, .. } = &record.event.cause else { return as_event() };
        if record.head.conflicts == 0 || *interaction == Interaction::Delete {
            return as_event();
        }
        let found = match self.entry.client.read(&key.resource.resource).await {
            Ok(found) => found,
            Err(error) if matches!(error.kind, FhirErrorKind::Gone | FhirErrorKind::NotFound) => return Subject::Gone,
            Err(error) => return Subject::Unread(error),
        };
        if found.version == key.version {
            return as_event();
        }
        let kind = key.resource.resource.resource_type.as_str();
        let before = Document::parse(&record.payload.bytes).ok();
        let before = before.as_ref().map(Document::value);
        let wanted = self.bot.watches.iter().any(|watch| watch.takes(*interaction, kind, Some(&found.resource), before));
        if !wanted {
            return Subject::Gone;
        }
        let document = Document::from(found.resource);
        let payload = Payload {
            content_type: record.payload.content_type.clone(),
            bytes: bytes::Bytes::copy_from_slice(document.json().get().as_bytes()),
        };
        Subject::Moved(payload, document)
    }

    /// The version before, for bots whose filters look at it.
    async fn previous(&self, record: &RunRecord) -> Result<Option<Document>, FhirError> {
        let Cause::Change { key, previous: Some(previous), .. } = &record.event.cause else { return Ok(None) };
        if !self.bot.watches.iter().any(super::super::resolve::Watch::wants_previous) {
            return Ok(None);
        }
        Ok(self.entry.version_before(&key.resource.resource, previous).await?.map(Document::from))
    }

    /// A read of the host's own failed: the source's trouble, or this run's.
    async fn unread(&self, error: &FhirError) -> Ended {
        if self.entry.is_down(error).await {
            return self.down(error.retry_after);
        }
        let failure = Failure {
            kind: FailureKind::Retry,
            code: "source".to_owned(),
            message: error.to_string(),
            retry_after: error.retry_after,
        };
        self.failed(failure, None, false)
    }

    /// The source did not answer: the run stands where it stood.
    pub(crate) fn down(&self, asked: Option<Duration>) -> Ended {
        Ended::SourceDown { source: self.entry.source.id.clone(), until: self.core.source_down(self.entry, asked) }
    }

    /// The attempt, ended now.
    pub(crate) fn tried(&self, failure: Option<Failure>) -> Tried {
        let attempt = Attempt { number: self.number, started: self.started, ended: self.core.clock.now(), failure };
        Tried { attempt, release: self.bot.digest, journal: None }
    }

    /// The attempt failed: the dispatcher decides what comes next.
    pub(crate) fn failed(&self, failure: Failure, journal: Option<hob_model::Journal>, unsure: bool) -> Ended {
        let mut tried = self.tried(Some(failure.clone()));
        tried.journal = journal;
        Ended::Failed(Box::new(Failed { tried, failure, unsure }))
    }
}

/// What the commit of `effects` may be making, for the loop guard.
pub(crate) fn targets(effects: &Effects) -> Vec<crate::inflight::Target> {
    use crate::inflight::Target;
    use hob_model::Write;
    let target = |write: &Write| match write {
        Write::Create { resource_type, reference, is_final, .. } => match reference.parse() {
            Ok(reference) if *is_final => Target::Known(reference),
            _ => Target::New(resource_type.clone()),
        },
        Write::Update { target, .. } | Write::Delete { target, .. } => Target::Known(target.clone()),
    };
    effects.writes.iter().map(target).collect()
}
