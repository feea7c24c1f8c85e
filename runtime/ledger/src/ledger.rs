//! The [`Ledger`] trait: what a durable store must do for Hob, and what survives a crash after each call.
//!
//! A method that returned `Ok` is on disk, fsync included, whole; one that returned an error left nothing behind. Where a crash
//! or a lost answer leaves open which of the two it was, the call can be made again: each says what the repeat does.

use async_trait::async_trait;
use bytes::Bytes;
use hob_model::{
    BotName, ChangeKey, Digest, ResourceKey, RunState, Source, SourceId, SubscriptionKey, TenantId, Timestamp, VersionId,
};
use std::collections::BTreeMap;
use tokio::sync::watch;

use crate::{
    AskKey, Asked, CronKey, DeadFilter, DeadKind, DeadNotification, DeadReason, DeadRequest, Deployment, DueOutbox, Epoch, Fence,
    FenceKey, Finish, LogFilter, LogRow, NewEvent, NewNotification, Next, NotificationSeq, Observations, OutboxKey, OutboxSeq,
    OwnWrite, PruneCursor, PruneRules, Pruned, Queued, Receipt, Recorded, Release, Resolution, ResourceMark, Result, RunDetail,
    RunFilter, RunHead, RunKey, RunRecord, RunRow, RunSeq, Stats, StoredNotification, Subscription, SweepMark, Tried, Upkeep,
};
use hob_model::{Journal, LaneKey, Reference};

/// The durable store of notifications, events, runs, timers, outbox and what is deployed.
///
/// Every call may answer [`crate::LedgerError::Full`], `Closed`, `Corrupt` or `Storage`; a write under an epoch also `LeaseLost`.
#[async_trait]
pub trait Ledger: Send + Sync {
    // Intake.

    /// Takes the lease. The epoch is higher than any before; writes under an earlier one answer `LeaseLost` from now on. After a
    /// crash the epoch is not given again.
    async fn claim(&self) -> Result<Epoch>;

    /// Keeps notifications as they came. After a crash all of them are there and [`Ledger::unresolved`] gives the usable ones. A
    /// repeat keeps them again: dedupe is by change, in [`Ledger::resolve`]. Never waits for room in the queue: answers `Busy`.
    /// Receipts are in the order of `batch`.
    async fn accept(&self, batch: Vec<NewNotification>) -> Result<Vec<Receipt>>;

    /// Usable notifications after `after` that are not resolved, in the order of acceptance, over all tenants: `limit` at most, and
    /// fewer where they are large. Only an empty page is the end.
    async fn unresolved(&self, after: NotificationSeq, limit: usize) -> Result<Vec<StoredNotification>>;

    /// The sources that have usable notifications that are not resolved, by tenant and name.
    async fn unresolved_sources(&self) -> Result<Vec<(TenantId, SourceId)>>;

    /// As [`Ledger::unresolved`], of one source.
    async fn unresolved_of(
        &self,
        tenant: &TenantId,
        source: &SourceId,
        after: NotificationSeq,
        limit: usize,
    ) -> Result<Vec<StoredNotification>>;

    /// Makes an ingress dead letter of a notification that cannot be resolved. After a crash it is one, and is not resolved again.
    /// A repeat changes the reason.
    async fn bury(&self, epoch: Epoch, tenant: &TenantId, seq: NotificationSeq, reason: DeadReason) -> Result<()>;

    // Resolve.

    /// The newest version of a resource that was resolved.
    async fn mark(&self, resource: &ResourceKey) -> Result<Option<ResourceMark>>;

    /// Keeps changes and the runs that they make, moves marks forward, and takes the notifications out of
    /// [`Ledger::unresolved`]: all of it or nothing. A repeat, also with other notifications or another release, makes no second run.
    async fn resolve(&self, epoch: Epoch, resolution: Resolution) -> Result<Queued>;

    /// Keeps an event that is not a change (an invocation, an answer) and its runs. A repeat makes no second run.
    async fn add_event(&self, epoch: Epoch, event: NewEvent) -> Result<Queued>;

    /// Who wrote a version, if a run did.
    async fn wrote(&self, change: &ChangeKey) -> Result<Option<OwnWrite>>;

    /// How far a source was swept, by type.
    async fn sweeps(&self, tenant: &TenantId, source: &SourceId) -> Result<Vec<SweepMark>>;

    /// Keeps how far a type of a source was swept: to be called after all that the mark covers is resolved. After a crash the next sweep goes on
    /// from it. A repeat changes nothing; a mark may also go back. Removing the source forgets its marks.
    async fn swept(&self, epoch: Epoch, mark: SweepMark) -> Result<()>;

    // Runs.

    /// Open runs of a bot, and dead ones that hold their lane, after `after`, lowest seq first, `limit` at most. After a crash this
    /// and [`Ledger::load`] are all that is needed to go on.
    async fn open_runs(&self, tenant: &TenantId, bot: &BotName, after: RunSeq, limit: usize) -> Result<Vec<RunHead>>;

    /// The same of one lane alone.
    async fn open_in_lane(
        &self,
        tenant: &TenantId,
        bot: &BotName,
        lane: &LaneKey,
        after: RunSeq,
        limit: usize,
    ) -> Result<Vec<RunHead>>;

    /// All that is needed to run a run, send its effects, or see that it has ended. `NotFound` where there is none.
    async fn load(&self, run: &RunKey) -> Result<RunRecord>;

    /// Notes that a run is about to send a request, before a byte of it leaves, unless it was sent before: the first call says [`Asked::Now`], all
    /// later ones what is known. `RunIs` where the run has ended.
    async fn ask(&self, epoch: Epoch, ask: &AskKey) -> Result<Asked>;

    /// Keeps the answer for this and all later attempts: the first stands. `NotFound` where nobody asked.
    async fn answered(&self, epoch: Epoch, ask: &AskKey, answer: Bytes) -> Result<()>;

    /// Forgets that it was asked, where it is certain that it was not done. One with an answer stays.
    async fn unasked(&self, epoch: Epoch, ask: &AskKey) -> Result<()>;

    /// Keeps what an attempt decided, before it is sent, and gives the run the fence that the transaction moves: both or neither.
    /// [`crate::LedgerError::FenceTaken`] where another run holds the slot, or the slot is another resource or version by now.
    /// After a crash the run is [`RunState::Recorded`] and holds its fence: its effects are sent as they are, or found on the server. A later
    /// attempt replaces them (after a conflict), and what else the run held is free. `RunIs` where the run has ended.
    async fn record(&self, epoch: Epoch, run: &RunKey, recorded: Recorded, journal: Journal) -> Result<()>;

    /// Ends a run as done: sets and takes back timers, stages the outbox, remembers its own writes, frees its fence, all of it or
    /// nothing. Gives the runs of timers that were taken back after they had fired (now superseded). A repeat does nothing more.
    /// `RunIs` where the run has ended otherwise.
    async fn finish(&self, epoch: Epoch, run: &RunKey, finish: Finish) -> Result<Vec<RunKey>>;

    /// Keeps a failed attempt and what is to become of the run. Counts the failure, conflicts apart. A repeat of the same attempt
    /// (number and start) counts nothing. `RunIs` where the run has ended.
    async fn fail(&self, epoch: Epoch, run: &RunKey, tried: Tried, next: Next) -> Result<()>;

    /// As [`Ledger::fail`]; where the run is a dead letter by it, it holds its lane: [`Ledger::open_runs`] gives it, also after a
    /// crash, until [`Ledger::retry`], [`Ledger::give_up`], or its bot is taken out of service.
    async fn fail_and_hold(&self, epoch: Epoch, run: &RunKey, tried: Tried, next: Next) -> Result<()>;

    /// Gives up a dead letter that holds its lane: it stays dead, its lane goes on. A repeat does nothing, as for one that holds
    /// nothing. `RunIs` where it is not dead.
    async fn give_up(&self, epoch: Epoch, run: &RunKey) -> Result<()>;

    /// Ends an open run without an attempt: its resource moved on, or its bot is gone. `RunIs` where it has ended otherwise.
    async fn supersede(&self, epoch: Epoch, run: &RunKey, at: Timestamp) -> Result<()>;

    /// Opens a run that ended dead, rejected, superseded or late again, in its old place, with no failures counted. One whose
    /// effects may be on the server opens as [`RunState::Recorded`]. Where it ended with [`crate::REQUEST_UNKNOWN`], what it asked
    /// without an answer is asked again. `RunIs` where it is
    /// open or done.
    async fn retry(&self, epoch: Epoch, run: &RunKey) -> Result<RunHead>;

    // Dead letters.

    /// How many dead letters of a kind there are, by code.
    async fn dead_counts(&self, tenant: &TenantId, kind: DeadKind, filter: &DeadFilter) -> Result<BTreeMap<String, u64>>;

    /// Dead runs older than `before` (all where `None`), newest first, `limit` at most.
    async fn dead_runs(
        &self,
        tenant: &TenantId,
        filter: &DeadFilter,
        before: Option<RunSeq>,
        limit: usize,
    ) -> Result<Vec<RunRow>>;

    /// Opens dead runs after `after` again, each as [`Ledger::retry`] does, the oldest first, `limit` at most, in one. A repeat
    /// opens those that are still dead. A caller that goes on after the last of them opens none twice, also where one dies again.
    async fn retry_dead(
        &self,
        epoch: Epoch,
        tenant: &TenantId,
        filter: &DeadFilter,
        after: RunSeq,
        limit: usize,
    ) -> Result<Vec<RunHead>>;

    /// Ingress dead letters older than `before` (all where `None`), newest first, `limit` at most, without their bodies.
    async fn dead_notifications(
        &self,
        tenant: &TenantId,
        filter: &DeadFilter,
        before: Option<NotificationSeq>,
        limit: usize,
    ) -> Result<Vec<DeadNotification>>;

    /// One ingress dead letter, with its body.
    async fn dead_notification(&self, tenant: &TenantId, seq: NotificationSeq) -> Result<Option<DeadNotification>>;

    /// Puts ingress dead letters among the [`Ledger::unresolved`] again. Those that were cut, or are no dead letters (any more), stay
    /// as they are. Gives how many were put there. A repeat does nothing.
    async fn reopen(&self, epoch: Epoch, tenant: &TenantId, seqs: Vec<NotificationSeq>) -> Result<u64>;

    /// Requests of the outbox that were given up, older than `before` (all where `None`), newest first, `limit` at most.
    async fn dead_requests(
        &self,
        tenant: &TenantId,
        filter: &DeadFilter,
        before: Option<OutboxSeq>,
        limit: usize,
    ) -> Result<Vec<DeadRequest>>;

    /// Makes requests that were given up due at `at`, in their old order and under their old keys, with no tries counted. Others stay as
    /// they are. Gives how many were. A repeat does nothing.
    async fn retry_requests(&self, epoch: Epoch, keys: Vec<OutboxKey>, at: Timestamp) -> Result<u64>;

    // Timers and cron.

    /// When the next timer of a bot in service comes due, or came.
    async fn next_timer(&self) -> Result<Option<Timestamp>>;

    /// Makes the events and runs of timers that are due at `now`, of the bots' live releases, and takes the timers away, in one:
    /// `limit` at most, shared over the bots in service, of each bot the earliest first. A repeat fires those that are left; a timer that
    /// fired is not there any more, so none fires twice.
    async fn fire_timers(&self, epoch: Epoch, now: Timestamp, limit: usize) -> Result<Vec<RunHead>>;

    /// The last instant of a cron trigger that was fired; `None` before the first.
    async fn cron_mark(&self, cron: &CronKey) -> Result<Option<Timestamp>>;

    /// Keeps the event of a cron trigger's instant and moves its mark to it, in one. An instant at or before the mark makes nothing;
    /// an event without runs only moves the mark.
    async fn fire_cron(&self, epoch: Epoch, cron: &CronKey, at: Timestamp, event: NewEvent) -> Result<Queued>;

    // Outbox.

    /// Gives requests that are due at `now` and keeps that they are being sent, before a byte of them leaves. Of one bot to one host
    /// `share` at most are being sent at once, the longest due first; `limit` at most are given. After a crash, or a lost answer, they are
    /// in [`Ledger::sending_outbox`]; a repeat gives others.
    async fn begin_outbox(&self, epoch: Epoch, now: Timestamp, share: usize, limit: usize) -> Result<Vec<DueOutbox>>;

    /// All requests that were begun and have no end. Of those that the caller is not sending nobody knows whether they were sent.
    async fn sending_outbox(&self) -> Result<Vec<DueOutbox>>;

    /// When the next request comes due, or came, of those that [`Ledger::begin_outbox`] would give for `share`.
    async fn next_outbox(&self, share: usize) -> Result<Option<Timestamp>>;

    /// Keeps that a request was tried without success and is tried again at `at`, under the same key. A repeat counts nothing.
    async fn outbox_again(&self, epoch: Epoch, item: &OutboxKey, at: Timestamp, reason: DeadReason) -> Result<()>;

    /// Makes a dead letter of a request that is given up, and keeps the event of that where the bot wants it, in one. A repeat makes
    /// no second run.
    async fn outbox_dead(
        &self,
        epoch: Epoch,
        item: &OutboxKey,
        at: Timestamp,
        reason: DeadReason,
        reply: Option<NewEvent>,
    ) -> Result<Queued>;

    /// Ends a request that was answered, and keeps the event of its answer where the bot wants it, in one. A repeat makes no second
    /// run.
    async fn outbox_done(&self, epoch: Epoch, item: &OutboxKey, reply: Option<NewEvent>) -> Result<Queued>;

    // Fences. A run holds one from its [`Ledger::record`] to its [`Ledger::finish`], or to a [`Ledger::fail`] that does not keep the effects.

    /// All fences of a source, by slot.
    async fn fences(&self, tenant: &TenantId, source: &SourceId) -> Result<Vec<Fence>>;

    /// Keeps which resource a slot is and at which version (`None`: to be made). Who holds it stays.
    async fn put_fence(&self, epoch: Epoch, fence: &FenceKey, reference: Reference, version: Option<VersionId>) -> Result<()>;

    // Registry.

    /// Adds or replaces a source, with what was proved of it.
    async fn put_source(&self, epoch: Epoch, source: Source) -> Result<()>;

    /// One source.
    async fn source(&self, tenant: &TenantId, source: &SourceId) -> Result<Option<Source>>;

    /// Sources of a tenant, or of all, by name.
    async fn sources(&self, tenant: Option<&TenantId>) -> Result<Vec<Source>>;

    /// Removes a source. `SourceInUse` while a bot in service works on it; `NotFound` where there is none.
    async fn remove_source(&self, epoch: Epoch, tenant: &TenantId, source: &SourceId) -> Result<()>;

    /// Keeps a release. A repeat changes nothing.
    async fn put_release(&self, epoch: Epoch, release: Release) -> Result<()>;

    /// One release, with its component.
    async fn release(&self, tenant: &TenantId, digest: &Digest) -> Result<Option<Release>>;

    /// Puts a bot's release in service, in the place of the one before. `NotFound` where the release, or the source, is not there.
    async fn activate(&self, epoch: Epoch, deployment: Deployment) -> Result<()>;

    /// Takes a bot out of service: its waiting runs end superseded, its timers are gone. Gives those runs; recorded ones stay open.
    /// `NotFound` where it is not in service.
    async fn deactivate(&self, epoch: Epoch, tenant: &TenantId, bot: &BotName, at: Timestamp) -> Result<Vec<RunKey>>;

    /// One bot, in service or not.
    async fn deployment(&self, tenant: &TenantId, bot: &BotName) -> Result<Option<Deployment>>;

    /// Bots in service of a tenant, or of all, by name.
    async fn deployments(&self, tenant: Option<&TenantId>) -> Result<Vec<Deployment>>;

    /// Adds or replaces a subscription; the event number seen does not go down.
    async fn put_subscription(&self, epoch: Epoch, subscription: Subscription) -> Result<()>;

    /// One subscription.
    async fn subscription(&self, tenant: &TenantId, source: &SourceId, key: &SubscriptionKey) -> Result<Option<Subscription>>;

    /// Subscriptions of a tenant, of one source or of all, by source and key.
    async fn subscriptions(&self, tenant: &TenantId, source: Option<&SourceId>) -> Result<Vec<Subscription>>;

    /// Forgets a subscription. A repeat does nothing.
    async fn remove_subscription(&self, epoch: Epoch, tenant: &TenantId, source: &SourceId, key: &SubscriptionKey) -> Result<()>;

    // Keeping.

    /// Forgets what is over and older than `rules` say, of the next `limit` notifications and the next `limit` runs after `from`. A run goes
    /// with its attempts, journals, log lines, recorded effects, ended requests, own writes, and its event where no other run has it.
    ///
    /// Nothing goes that is still needed: open runs and notifications, dead letters that hold their lane, timers, marks, cron marks; a run that holds a fence or has a
    /// request to send; a run whose own writes the loop guard may still be asked for, that is until the mark of each resource it wrote
    /// has come to its version. Afterwards a change is known by its resource's mark, a cron instant by its trigger's; a timer and a request
    /// went away in the commit that made their event. Only an invocation's id is forgotten with its run.
    ///
    /// After a crash some of it is gone and a repeat forgets the rest.
    async fn prune(&self, epoch: Epoch, rules: &PruneRules, from: PruneCursor, limit: usize) -> Result<Pruned>;

    /// The care of the store's own files, where it has some.
    fn upkeep(&self) -> Option<&dyn Upkeep> {
        None
    }

    /// What observed releases would have done, where the store keeps that.
    fn observations(&self) -> Option<&dyn Observations> {
        None
    }

    // Questions of operators.

    /// Runs of a tenant, newest first.
    async fn runs(&self, tenant: &TenantId, filter: &RunFilter) -> Result<Vec<RunRow>>;

    /// Runs of a tenant, of one bot or of all, by state; a state without runs is missing.
    async fn run_counts(&self, tenant: &TenantId, bot: Option<&BotName>) -> Result<BTreeMap<RunState, u64>>;

    /// All that is known of one run. `NotFound` where there is none.
    async fn show(&self, run: &RunKey) -> Result<RunDetail>;

    /// Log lines of a tenant, oldest first.
    async fn logs(&self, tenant: &TenantId, filter: &LogFilter) -> Result<Vec<LogRow>>;

    /// Counts and sizes.
    async fn stats(&self) -> Result<Stats>;

    /// Ticks when there may be new notifications, runs, timers, requests or log lines. The number itself means nothing.
    fn watch(&self) -> watch::Receiver<u64>;

    /// Takes nothing more, finishes what was taken, and lets go of the store. Later calls answer `Closed`. A repeat does nothing.
    async fn close(&self) -> Result<()>;
}
