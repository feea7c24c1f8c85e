//! Another release, tried on what was recorded: what it would have done where the one of then did what it did.
//!
//! A trial writes and sends nothing. It runs the release in the sandbox on the recorded event, at the recorded instant and by the recorded chance; what it asks as
//! it was asked then is answered by the journal, and what it asks anew by [`past`]. What differs is told by [`changes`]. `hob replay --bot` tries a release on many
//! runs ([`batch`]); a release that is observed is tried on each run of the live one after its end ([`crate::observe`]).

pub(crate) mod batch;
pub(crate) mod changes;
pub(crate) mod deidentify;
pub(crate) mod past;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hob_engine::{Document, FhirReads as _, Outside, RunInput, is_unknown};
use hob_ledger::{RunDetail, StoredAttempt};
use hob_model::{Cause, Clock, Effects, Failure, Journal, Manifest, Payload, RunId, RunState, Timestamp, Trigger};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::resolve::Watch;
use crate::sandbox::Prepared;
use crate::sources::SourceEntry;
use changes::{Change, Changes, changes};
use past::{Mark, Past};

/// A release that is tried.
pub(crate) struct Trial {
    pub(crate) manifest: Manifest,
    pub(crate) release: Arc<dyn Prepared>,
    pub(crate) settings: BTreeMap<String, Value>,
    pub(crate) watches: Vec<Watch>,
    pub(crate) entry: Arc<SourceEntry>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// How a release stands to one recorded run, the gravest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Group {
    /// It does the same.
    Same,
    /// It writes, sets, sends or answers something else.
    Changed,
    /// It fails where the run did not.
    NewFailure,
    /// It does not fail where the run did.
    FailureGone,
    /// Its triggers do not take the event.
    NotTriggered,
    /// It asked what nobody can answer for the time of the run.
    Undecidable,
}

impl Group {
    pub(crate) const ALL: [Self; 6] =
        [Self::Same, Self::Changed, Self::NewFailure, Self::FailureGone, Self::NotTriggered, Self::Undecidable];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Changed => "changed",
            Self::NewFailure => "new-failure",
            Self::FailureGone => "failure-gone",
            Self::NotTriggered => "not-triggered",
            Self::Undecidable => "undecidable",
        }
    }
}

/// How a bot ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    /// `done`, or the code of the failure.
    pub(crate) outcome: String,
    /// The failure's words; they may be the bot's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    /// How many resources are written, timers changed and requests put in the outbox.
    pub(crate) writes: usize,
    pub(crate) timers: usize,
    pub(crate) outbox: usize,
}

impl Ended {
    fn of(failure: Option<&Failure>, effects: &Effects) -> Self {
        Self {
            outcome: failure.map_or_else(|| "done".to_owned(), |failure| failure.code.clone()),
            message: failure.map(|failure| failure.message.clone()),
            writes: effects.writes.len(),
            timers: effects.timers.len(),
            outbox: effects.outbox.len(),
        }
    }
}

/// One run as a release would have done it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Compared {
    pub(crate) run: RunId,
    pub(crate) group: Group,
    pub(crate) received: Timestamp,
    pub(crate) trigger: String,
    /// The resource and version of a change.
    pub(crate) subject: Option<String>,
    /// None where no release of the bot acts on it yet.
    pub(crate) recorded: Option<Ended>,
    /// None where it does not run.
    pub(crate) now: Option<Ended>,
    pub(crate) changes: Vec<Change>,
    /// Changes beyond those that are kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) more: usize,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) marks: Vec<Mark>,
    /// Questions that were put to the source.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) asked: usize,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Why a run is not tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Skipped {
    /// It has not ended.
    Open,
    /// Nothing ran, or what ran is not kept.
    NoJournal,
    /// Its journal was kept by a Hob that did not name the questions in it.
    OldJournal,
    /// It gave way to a newer version.
    Superseded,
    /// The sandbox of this host does not try releases.
    NotHere,
}

impl Skipped {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::NoJournal => "no-journal",
            Self::OldJournal => "old-journal",
            Self::Superseded => "superseded",
            Self::NotHere => "not-here",
        }
    }
}

impl Compared {
    /// Of a run, before it is known how it compares.
    pub(crate) fn of(detail: &RunDetail, group: Group) -> Self {
        let row = &detail.row;
        Self {
            run: row.run,
            group,
            received: row.received,
            trigger: row.trigger.clone(),
            subject: row.subject.as_ref().map(|(reference, version)| format!("{reference} v{version}")),
            recorded: None,
            now: None,
            changes: Vec::new(),
            more: 0,
            marks: Vec::new(),
            asked: 0,
        }
    }
}

/// What the recorded release decided.
pub(crate) struct Decided {
    pub(crate) effects: Effects,
    pub(crate) result: Option<Payload>,
    pub(crate) failure: Option<Failure>,
}

impl Decided {
    /// What it would do where `other` is done.
    pub(crate) fn against(&self, other: &Effects) -> Changes {
        changes((other, self.result.as_ref()), (&self.effects, self.result.as_ref()))
    }

    pub(crate) fn ended(&self) -> Ended {
        Ended::of(self.failure.as_ref(), &self.effects)
    }
}

/// What a run of a release that does nothing decided, and whether it was shown a secret.
pub(crate) fn seen(detail: &RunDetail) -> Result<(Decided, bool), Skipped> {
    let (stored, journal) = last(detail)?;
    Ok((recorded(detail, stored), exposed(journal)))
}

/// The attempt that counts.
fn last(detail: &RunDetail) -> Result<(&StoredAttempt, &Journal), Skipped> {
    match detail.row.state {
        RunState::Pending | RunState::Recorded => return Err(Skipped::Open),
        RunState::Superseded | RunState::Late => return Err(Skipped::Superseded),
        RunState::Done | RunState::Rejected | RunState::Dead => {}
    }
    detail.attempts.iter().rev().find_map(|stored| Some((stored, stored.journal.as_ref()?))).ok_or(Skipped::NoJournal)
}

/// Whether the bot was shown the value of a secret, which may stand in what it wrote.
fn exposed(journal: &Journal) -> bool {
    journal.calls.iter().any(|call| call.function == "secrets.expose" && call.response.get().starts_with("{\"ok\""))
}

impl Trial {
    /// Tries the release on one run.
    pub(crate) async fn on(&self, detail: &RunDetail) -> Result<Compared, Skipped> {
        let (stored, journal) = last(detail)?;
        if !journal.names_questions() {
            return Err(Skipped::OldJournal);
        }
        let was = recorded(detail, stored);
        let at = detail.record.event.occurred.map_or(journal.started, |occurred| occurred.max(journal.started));
        let own = detail.wrote.iter().map(|wrote| (wrote.reference.clone(), wrote.version.clone())).collect::<BTreeSet<_>>();
        let past = Arc::new(Past::new(Arc::clone(&self.entry), at, own));
        let mut input = RunInput { settings: self.settings.clone(), ..input(detail, stored.attempt.number) };
        input.previous = self.previous(&input, journal, &past).await;
        let mut compared = Compared { recorded: Some(was.ended()), ..Compared::of(detail, Group::Same) };
        if !self.takes(&input, journal) {
            let none = Effects::default();
            let gone = changes((&was.effects, was.result.as_ref()), (&none, None));
            (compared.group, compared.changes, compared.more) = (Group::NotTriggered, gone.kept, gone.more);
            return Ok(self.certain(compared, &past));
        }
        let outside = Outside { fhir: past.clone(), http: past.clone(), secrets: past.clone(), clock: Arc::clone(&self.clock) };
        let output = self.release.otherwise(input, Arc::new(journal.clone()), outside).await.ok_or(Skipped::NotHere)?;
        let (failure, result) = match output.result {
            Ok(result) => (None, result),
            Err(failure) => (Some(failure), None),
        };
        if failure.as_ref().is_some_and(is_unknown) && past.marks().is_empty() {
            past.mark(Mark::Unknown { asked: "a signature, or what hangs on the clock".to_owned() });
        }
        if failure.as_ref().is_some_and(|failure| failure.code == "limit-wall") && past.answered() > 0 {
            past.mark(Mark::Slow);
        }
        if exposed(journal) {
            past.mark(Mark::Secret);
            compared.now = Some(Ended::of(failure.as_ref(), &output.effects));
            return Ok(self.certain(compared, &past));
        }
        let differs = changes((&was.effects, was.result.as_ref()), (&output.effects, result.as_ref()));
        compared.group = match (&was.failure, &failure) {
            (None, None) if differs.is_empty() => Group::Same,
            (None, None) => Group::Changed,
            (None, Some(_)) => Group::NewFailure,
            (Some(_), None) => Group::FailureGone,
            (Some(was), Some(is)) if (was.kind, &was.code) == (is.kind, &is.code) => Group::Same,
            (Some(_), Some(_)) => Group::Changed,
        };
        compared.now = Some(Ended::of(failure.as_ref(), &output.effects));
        (compared.changes, compared.more) = (differs.kept, differs.more);
        Ok(self.certain(compared, &past))
    }

    /// Says what is not certain.
    #[allow(clippy::unused_self, reason = "reads as a step of the trial")]
    fn certain(&self, mut compared: Compared, past: &Past) -> Compared {
        compared.asked = past.answered();
        compared.marks = past.marks().into_iter().collect();
        if !compared.marks.is_empty() {
            compared.group = Group::Undecidable;
        }
        compared
    }

    /// The version before, where the release's filters look at it.
    async fn previous(&self, input: &RunInput, journal: &Journal, past: &Past) -> Option<Document> {
        let Cause::Change { key, previous: Some(previous), .. } = &input.event.cause else { return None };
        if journal.given.previous.is_some() || !self.watches.iter().any(Watch::wants_previous) {
            return None;
        }
        past.vread(&key.resource.resource, previous).await.ok().map(|found| found.resource)
    }

    /// Whether a trigger of the release takes the event.
    fn takes(&self, input: &RunInput, journal: &Journal) -> bool {
        let on = &self.manifest.on;
        match &input.event.cause {
            Cause::Change { key, interaction, .. } => {
                let document = |text: &serde_json::value::RawValue| serde_json::from_str::<Value>(text.get()).ok();
                let moved = journal.given.resource.as_deref().and_then(document);
                let resource = moved.as_ref().or_else(|| input.resource.as_ref().map(Document::value));
                let before = journal.given.previous.as_deref().and_then(document);
                let previous = before.as_ref().or_else(|| input.previous.as_ref().map(Document::value));
                let kind = key.resource.resource.resource_type.as_str();
                self.watches.iter().any(|watch| watch.takes(*interaction, kind, resource, previous))
            }
            Cause::Cron { schedule, .. } => {
                on.iter().any(|trigger| matches!(trigger, Trigger::Cron { schedule: own, .. } if own == schedule))
            }
            Cause::Timer { .. } => on.contains(&Trigger::Timer),
            Cause::Invoke { .. } => on.contains(&Trigger::Invoke),
            Cause::Reply { .. } => on.contains(&Trigger::Reply),
        }
    }
}

/// What an attempt decided. One whose commit failed did decide: a trial commits nothing, so that the failure is not the bot's.
fn recorded(detail: &RunDetail, stored: &StoredAttempt) -> Decided {
    match &detail.record.recorded {
        Some(kept) if kept.attempt == stored.attempt.number => {
            Decided { effects: kept.effects.clone(), result: kept.result.clone(), failure: None }
        }
        _ => Decided { effects: Effects::default(), result: None, failure: stored.attempt.failure.clone() },
    }
}

/// What an attempt was given, as far as the ledger's event has it; the journal has the rest.
pub(crate) fn input(detail: &RunDetail, attempt: u32) -> RunInput {
    let record = &detail.record;
    let is_change = matches!(record.event.cause, Cause::Change { .. });
    RunInput {
        run: record.head.key.run,
        event: record.event.clone(),
        payload: record.payload.clone(),
        resource: if is_change { Document::parse(&record.payload.bytes).ok() } else { None },
        previous: None,
        attempt,
        seed: 0,
        now: record.event.received,
        settings: BTreeMap::new(),
    }
}
