//! The tables, and the few indexes that the host's questions need.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use hob_ledger::{
    AskKey, CronKey, DeadReason, Deployment, Epoch, Fence, FenceKey, LedgerError, LogRow, LogSeq, NewNotification,
    NotificationSeq, OutboxKey, OutboxSeq, OwnWrite, Recorded, Release, ResourceMark, Result, RunHead, RunKey, RunSeq,
    Subscription, SweepMark, TimerKey, Wrote,
};
use hob_model::{
    Attempt, BotName, ChangeKey, Digest, Event, EventId, Failure, Journal, LaneKey, OutboxItem, Payload, Reference, ResourceKey,
    ResourceType, RunId, RunState, Source, SourceId, SubscriptionKey, TenantId, Timestamp,
};

use super::{Mutation, Mutations};

/// All that the store holds.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) mutations: Mutations,
    pub(super) epoch: Epoch,
    /// Calls that changed something; each is a commit.
    pub(super) writes: u64,

    pub(super) notifications: BTreeMap<NotificationSeq, NewNotification>,
    pub(super) last_notification: NotificationSeq,
    pub(super) unresolved: BTreeSet<NotificationSeq>,
    /// How many of them each source has; none with none.
    pub(super) waiting: BTreeMap<(TenantId, SourceId), u64>,
    pub(super) dead: BTreeSet<NotificationSeq>,
    /// Accepted and not on disk; empty but for [`Mutation::AckBeforeFsync`].
    pub(super) volatile: BTreeSet<NotificationSeq>,

    pub(super) marks: BTreeMap<ResourceKey, ResourceMark>,
    pub(super) own_writes: BTreeMap<ChangeKey, OwnWrite>,
    /// How far each type of each source was swept.
    pub(super) sweeps: BTreeMap<(TenantId, SourceId, ResourceType), SweepMark>,
    pub(super) events: BTreeMap<(TenantId, EventId), Arc<StoredEvent>>,

    pub(super) runs: BTreeMap<RunKey, Run>,
    pub(super) last_run: RunSeq,
    /// Every run in its place.
    pub(super) places: BTreeMap<RunSeq, RunKey>,
    /// Those that are open or hold their lane, by bot.
    pub(super) open: BTreeMap<(TenantId, BotName), BTreeMap<RunSeq, RunKey>>,
    pub(super) logs: BTreeMap<LogSeq, (TenantId, LogRow)>,
    pub(super) last_log: LogSeq,

    pub(super) timers: BTreeMap<TimerKey, Timer>,
    /// With the place of each among all that were set, which is what SQLite goes by where two are due at one time.
    pub(super) timers_due: BTreeSet<(Timestamp, u64, TimerKey)>,
    pub(super) last_timer: u64,
    pub(super) cron_marks: BTreeMap<CronKey, Timestamp>,
    pub(super) outbox: BTreeMap<OutboxKey, Request>,
    pub(super) last_request: OutboxSeq,
    /// With their answers.
    pub(super) asks: BTreeMap<AskKey, Option<Bytes>>,
    pub(super) fences: BTreeMap<FenceKey, Fence>,

    pub(super) sources: BTreeMap<(TenantId, SourceId), Source>,
    pub(super) releases: BTreeMap<(TenantId, Digest), Release>,
    pub(super) deployments: BTreeMap<(TenantId, BotName), Deployment>,
    pub(super) subscriptions: BTreeMap<(TenantId, SourceId, SubscriptionKey), Subscription>,
}

/// An event with its bytes, shared by its runs.
#[derive(Debug)]
pub(super) struct StoredEvent {
    pub(super) event: Event,
    pub(super) payload: Payload,
}

/// A run with all that is kept of it.
#[derive(Debug)]
pub(super) struct Run {
    /// As it is; [`State::told`] is what callers get.
    pub(super) head: RunHead,
    pub(super) event: Arc<StoredEvent>,
    pub(super) release: Digest,
    /// The key of the timer that made it.
    pub(super) timer: Option<String>,
    pub(super) ended: Option<Timestamp>,
    pub(super) failure: Option<Failure>,
    pub(super) attempts: BTreeMap<u32, Try>,
    pub(super) recorded: Option<Kept>,
}

/// One attempt.
#[derive(Debug)]
pub(super) struct Try {
    pub(super) attempt: Attempt,
    /// False where it was recorded and did not end.
    pub(super) ended: bool,
    pub(super) release: Digest,
    pub(super) journal: Option<Journal>,
    /// Its lines among all.
    pub(super) lines: Vec<LogSeq>,
}

/// What an attempt decided.
#[derive(Debug)]
pub(super) struct Kept {
    /// It may be on the server and is to be sent as it is, or found there.
    pub(super) live: bool,
    pub(super) recorded: Recorded,
    pub(super) wrote: Vec<Wrote>,
    pub(super) references: BTreeMap<String, Reference>,
}

/// A timer that is set.
#[derive(Debug)]
pub(super) struct Timer {
    pub(super) due: Timestamp,
    pub(super) place: u64,
    pub(super) set_by: RunId,
    pub(super) source: Option<SourceId>,
    pub(super) hop: u16,
    pub(super) payload: Payload,
    /// It has fired and should be gone: [`Mutation::TimerTwice`].
    pub(super) fired: bool,
}

/// Where a request stands.
#[derive(Debug)]
pub(super) enum Stage {
    Waiting,
    /// Its bytes may have left.
    Sending,
    Done,
    Dead {
        ended: Timestamp,
        reason: DeadReason,
    },
}

/// A request of the outbox.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) seq: OutboxSeq,
    /// Whom it goes to.
    pub(super) host: String,
    pub(super) stage: Stage,
    /// How often an operator had it tried again.
    pub(super) round: u32,
    pub(super) bot: BotName,
    pub(super) lane: LaneKey,
    pub(super) source: Option<SourceId>,
    pub(super) hop: u16,
    pub(super) item: OutboxItem,
    pub(super) attempts: u32,
    /// When it is, or was, tried next.
    pub(super) due: Timestamp,
    pub(super) staged: Timestamp,
}

impl State {
    pub(super) fn new(mutations: Mutations) -> Self {
        Self { mutations, ..Self::default() }
    }

    pub(super) const fn makes(&self, mutation: Mutation) -> bool {
        self.mutations.has(mutation)
    }

    pub(super) fn lease(&self, held: Epoch) -> Result<()> {
        if held == self.epoch || self.makes(Mutation::EpochIgnored) {
            Ok(())
        } else {
            Err(LedgerError::LeaseLost { held, current: self.epoch })
        }
    }

    pub(super) fn claim(&mut self) -> Epoch {
        self.epoch = Epoch::new(self.epoch.get() + 1);
        if self.makes(Mutation::ResumeAfresh) {
            let recorded = |run: &&mut Run| run.head.state == RunState::Recorded;
            for run in self.runs.values_mut().filter(recorded) {
                run.head.state = RunState::Pending;
                run.recorded = None;
            }
        }
        self.epoch
    }

    pub(super) fn crash(&mut self) {
        for seq in std::mem::take(&mut self.volatile) {
            self.waits_no_more(seq);
            self.notifications.remove(&seq);
            self.dead.remove(&seq);
        }
    }

    /// A head as callers get it.
    pub(super) fn told(&self, head: &RunHead) -> RunHead {
        let mut head = head.clone();
        if self.makes(Mutation::LanesOff)
            && let Ok(lane) = LaneKey::new(head.key.run.to_string())
        {
            head.lane = lane;
            head.resource = None;
        }
        head
    }

    pub(super) fn run(&self, key: &RunKey) -> Result<&Run> {
        self.runs.get(key).ok_or(LedgerError::NotFound { what: "run" })
    }

    /// Brings a run to another state, at `ended` where that is an end, and keeps the list of open runs true.
    pub(super) fn turn(&mut self, key: &RunKey, state: RunState, ended: Option<Timestamp>) {
        let Some(run) = self.runs.get_mut(key) else { return };
        run.head.state = state;
        run.head.not_before = None;
        run.ended = ended;
        let open = self.open.entry((key.tenant.clone(), run.head.bot.clone())).or_default();
        if state.is_open() || run.head.held {
            open.insert(run.head.seq, key.clone());
        } else {
            open.remove(&run.head.seq);
        }
    }

    /// Ends the pending runs of a bot that `which` says. Gives them in their order.
    pub(super) fn supersede_where(
        &mut self,
        tenant: &TenantId,
        bot: &BotName,
        at: Timestamp,
        which: impl Fn(&Run) -> bool,
    ) -> Vec<RunKey> {
        let open = self.open.get(&(tenant.clone(), bot.clone()));
        let pending = |key: &&RunKey| self.runs.get(key).is_some_and(|run| run.head.state == RunState::Pending && which(run));
        let over: Vec<RunKey> = open.into_iter().flat_map(BTreeMap::values).filter(pending).cloned().collect();
        for key in &over {
            self.turn(key, RunState::Superseded, Some(at));
        }
        over
    }
}
