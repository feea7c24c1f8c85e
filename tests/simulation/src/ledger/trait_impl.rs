//! [`Ledger`] for [`ModelLedger`]: each method named to the table's function that does it, as a write under an epoch or as a read.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use bytes::Bytes;
use hob_ledger::{
    AskKey, Asked, CronKey, DeadFilter, DeadKind, DeadNotification, DeadReason, DeadRequest, Deployment, DueOutbox, Epoch, Fence,
    FenceKey, Finish, Ledger, LogFilter, LogRow, NewEvent, NewNotification, Next, NotificationSeq, OutboxKey, OutboxSeq,
    OwnWrite, PruneCursor, PruneRules, Pruned, Queued, Receipt, Recorded, Release, Resolution, ResourceMark, Result, RunDetail,
    RunFilter, RunHead, RunKey, RunRecord, RunRow, RunSeq, Stats, StoredNotification, Subscription, SweepMark, Tried,
};
use hob_model::{
    BotName, ChangeKey, Digest, Journal, LaneKey, Reference, ResourceKey, RunState, Source, SourceId, SubscriptionKey, TenantId,
    Timestamp, VersionId,
};
use tokio::sync::watch;

use super::ModelLedger;
use super::state::Stage;

#[async_trait]
impl Ledger for ModelLedger {
    async fn claim(&self) -> Result<Epoch> {
        self.write(None, false, |state| Ok(state.claim()))
    }

    async fn accept(&self, batch: Vec<NewNotification>) -> Result<Vec<Receipt>> {
        self.write(None, true, |state| Ok(state.accept(batch)))
    }

    async fn unresolved(&self, after: NotificationSeq, limit: usize) -> Result<Vec<StoredNotification>> {
        self.read(|state| state.unresolved(after, limit))
    }

    async fn unresolved_sources(&self) -> Result<Vec<(TenantId, SourceId)>> {
        self.read(|state| state.unresolved_sources())
    }

    async fn unresolved_of(
        &self,
        tenant: &TenantId,
        source: &SourceId,
        after: NotificationSeq,
        limit: usize,
    ) -> Result<Vec<StoredNotification>> {
        self.read(|state| state.unresolved_of(tenant, source, after, limit))
    }

    async fn bury(&self, epoch: Epoch, tenant: &TenantId, seq: NotificationSeq, reason: DeadReason) -> Result<()> {
        self.write(Some(epoch), false, |state| state.bury(tenant, seq, reason))
    }

    async fn mark(&self, resource: &ResourceKey) -> Result<Option<ResourceMark>> {
        self.read(|state| state.marks.get(resource).cloned())
    }

    async fn resolve(&self, epoch: Epoch, resolution: Resolution) -> Result<Queued> {
        self.write(Some(epoch), true, |state| Ok(state.resolve(resolution)))
    }

    async fn add_event(&self, epoch: Epoch, event: NewEvent) -> Result<Queued> {
        self.write(Some(epoch), true, |state| Ok(state.add_event(event, None)))
    }

    async fn wrote(&self, change: &ChangeKey) -> Result<Option<OwnWrite>> {
        self.read(|state| state.own_writes.get(change).cloned())
    }

    async fn sweeps(&self, tenant: &TenantId, source: &SourceId) -> Result<Vec<SweepMark>> {
        let of = |mark: &&SweepMark| mark.tenant == *tenant && mark.source == *source;
        self.read(|state| state.sweeps.values().filter(of).cloned().collect())
    }

    async fn swept(&self, epoch: Epoch, mark: SweepMark) -> Result<()> {
        self.write(Some(epoch), false, |state| {
            state.sweeps.insert((mark.tenant.clone(), mark.source.clone(), mark.resource_type.clone()), mark);
            Ok(())
        })
    }

    async fn open_runs(&self, tenant: &TenantId, bot: &BotName, after: RunSeq, limit: usize) -> Result<Vec<RunHead>> {
        self.read(|state| state.open_runs(tenant, bot, after, limit))
    }

    async fn open_in_lane(
        &self,
        tenant: &TenantId,
        bot: &BotName,
        lane: &LaneKey,
        after: RunSeq,
        limit: usize,
    ) -> Result<Vec<RunHead>> {
        self.read(|state| state.open_in_lane(tenant, bot, lane, after, limit))
    }

    async fn load(&self, run: &RunKey) -> Result<RunRecord> {
        self.read(|state| state.load(run))?
    }

    async fn ask(&self, epoch: Epoch, ask: &AskKey) -> Result<Asked> {
        self.write(Some(epoch), false, |state| state.ask(ask))
    }

    async fn answered(&self, epoch: Epoch, ask: &AskKey, answer: Bytes) -> Result<()> {
        self.write(Some(epoch), false, |state| state.answered(ask, answer))
    }

    async fn unasked(&self, epoch: Epoch, ask: &AskKey) -> Result<()> {
        self.write(Some(epoch), false, |state| {
            state.unasked(ask);
            Ok(())
        })
    }

    async fn record(&self, epoch: Epoch, run: &RunKey, recorded: Recorded, journal: Journal) -> Result<()> {
        self.write(Some(epoch), false, |state| state.record(run, recorded, journal))
    }

    async fn finish(&self, epoch: Epoch, run: &RunKey, finish: Finish) -> Result<Vec<RunKey>> {
        self.write(Some(epoch), true, |state| state.finish(run, finish))
    }

    async fn fail(&self, epoch: Epoch, run: &RunKey, tried: Tried, next: Next) -> Result<()> {
        self.write(Some(epoch), true, |state| state.fail(run, tried, next, false))
    }

    async fn fail_and_hold(&self, epoch: Epoch, run: &RunKey, tried: Tried, next: Next) -> Result<()> {
        self.write(Some(epoch), true, |state| state.fail(run, tried, next, true))
    }

    async fn give_up(&self, epoch: Epoch, run: &RunKey) -> Result<()> {
        self.write(Some(epoch), false, |state| state.give_up(run))
    }

    async fn supersede(&self, epoch: Epoch, run: &RunKey, at: Timestamp) -> Result<()> {
        self.write(Some(epoch), false, |state| state.supersede(run, at))
    }

    async fn retry(&self, epoch: Epoch, run: &RunKey) -> Result<RunHead> {
        self.write(Some(epoch), true, |state| state.retry(run))
    }

    async fn dead_counts(&self, tenant: &TenantId, kind: DeadKind, filter: &DeadFilter) -> Result<BTreeMap<String, u64>> {
        self.read(|state| state.dead_counts(tenant, kind, filter))
    }

    async fn dead_runs(
        &self,
        tenant: &TenantId,
        filter: &DeadFilter,
        before: Option<RunSeq>,
        limit: usize,
    ) -> Result<Vec<RunRow>> {
        self.read(|state| state.dead_runs(tenant, filter, before, limit))
    }

    async fn retry_dead(
        &self,
        epoch: Epoch,
        tenant: &TenantId,
        filter: &DeadFilter,
        after: RunSeq,
        limit: usize,
    ) -> Result<Vec<RunHead>> {
        self.write(Some(epoch), true, |state| state.retry_dead(tenant, filter, after, limit))
    }

    async fn dead_notifications(
        &self,
        tenant: &TenantId,
        filter: &DeadFilter,
        before: Option<NotificationSeq>,
        limit: usize,
    ) -> Result<Vec<DeadNotification>> {
        self.read(|state| state.dead_notifications(tenant, filter, before, limit))
    }

    async fn dead_notification(&self, tenant: &TenantId, seq: NotificationSeq) -> Result<Option<DeadNotification>> {
        self.read(|state| state.dead_notification(tenant, seq))
    }

    async fn reopen(&self, epoch: Epoch, tenant: &TenantId, seqs: Vec<NotificationSeq>) -> Result<u64> {
        self.write(Some(epoch), true, |state| Ok(state.reopen(tenant, &seqs)))
    }

    async fn dead_requests(
        &self,
        tenant: &TenantId,
        filter: &DeadFilter,
        before: Option<OutboxSeq>,
        limit: usize,
    ) -> Result<Vec<DeadRequest>> {
        self.read(|state| state.dead_requests(tenant, filter, before, limit))
    }

    async fn retry_requests(&self, epoch: Epoch, keys: Vec<OutboxKey>, at: Timestamp) -> Result<u64> {
        self.write(Some(epoch), true, |state| Ok(state.retry_requests(&keys, at)))
    }

    async fn next_timer(&self) -> Result<Option<Timestamp>> {
        self.read(|state| state.next_timer())
    }

    async fn fire_timers(&self, epoch: Epoch, now: Timestamp, limit: usize) -> Result<Vec<RunHead>> {
        self.write(Some(epoch), true, |state| Ok(state.fire_timers(now, limit)))
    }

    async fn cron_mark(&self, cron: &CronKey) -> Result<Option<Timestamp>> {
        self.read(|state| state.cron_marks.get(cron).copied())
    }

    async fn fire_cron(&self, epoch: Epoch, cron: &CronKey, at: Timestamp, event: NewEvent) -> Result<Queued> {
        self.write(Some(epoch), true, |state| Ok(state.fire_cron(cron, at, event)))
    }

    async fn begin_outbox(&self, epoch: Epoch, now: Timestamp, share: usize, limit: usize) -> Result<Vec<DueOutbox>> {
        self.write(Some(epoch), false, |state| Ok(state.begin_outbox(now, share, limit)))
    }

    async fn sending_outbox(&self) -> Result<Vec<DueOutbox>> {
        self.read(|state| state.sending_outbox())
    }

    async fn next_outbox(&self, share: usize) -> Result<Option<Timestamp>> {
        self.read(|state| state.next_outbox(share))
    }

    async fn outbox_again(&self, epoch: Epoch, item: &OutboxKey, at: Timestamp, _reason: DeadReason) -> Result<()> {
        self.write(Some(epoch), false, |state| state.outbox_again(item, at))
    }

    async fn outbox_dead(
        &self,
        epoch: Epoch,
        item: &OutboxKey,
        at: Timestamp,
        reason: DeadReason,
        reply: Option<NewEvent>,
    ) -> Result<Queued> {
        self.write(Some(epoch), true, |state| state.outbox_end(item, Stage::Dead { ended: at, reason }, reply))
    }

    async fn outbox_done(&self, epoch: Epoch, item: &OutboxKey, reply: Option<NewEvent>) -> Result<Queued> {
        self.write(Some(epoch), true, |state| state.outbox_end(item, Stage::Done, reply))
    }

    async fn fences(&self, tenant: &TenantId, source: &SourceId) -> Result<Vec<Fence>> {
        self.read(|state| state.fences(tenant, source))
    }

    async fn put_fence(&self, epoch: Epoch, fence: &FenceKey, reference: Reference, version: Option<VersionId>) -> Result<()> {
        self.write(Some(epoch), false, |state| {
            state.put_fence(fence, reference, version);
            Ok(())
        })
    }

    async fn put_source(&self, epoch: Epoch, source: Source) -> Result<()> {
        self.write(Some(epoch), false, |state| {
            state.put_source(source);
            Ok(())
        })
    }

    async fn source(&self, tenant: &TenantId, source: &SourceId) -> Result<Option<Source>> {
        self.read(|state| state.sources.get(&(tenant.clone(), source.clone())).cloned())
    }

    async fn sources(&self, tenant: Option<&TenantId>) -> Result<Vec<Source>> {
        self.read(|state| state.sources(tenant))
    }

    async fn remove_source(&self, epoch: Epoch, tenant: &TenantId, source: &SourceId) -> Result<()> {
        self.write(Some(epoch), false, |state| state.remove_source(tenant, source))
    }

    async fn put_release(&self, epoch: Epoch, release: Release) -> Result<()> {
        self.write(Some(epoch), false, |state| {
            state.put_release(release);
            Ok(())
        })
    }

    async fn release(&self, tenant: &TenantId, digest: &Digest) -> Result<Option<Release>> {
        self.read(|state| state.releases.get(&(tenant.clone(), *digest)).cloned())
    }

    async fn activate(&self, epoch: Epoch, deployment: Deployment) -> Result<()> {
        self.write(Some(epoch), true, |state| state.activate(deployment))
    }

    async fn deactivate(&self, epoch: Epoch, tenant: &TenantId, bot: &BotName, at: Timestamp) -> Result<Vec<RunKey>> {
        self.write(Some(epoch), false, |state| state.deactivate(tenant, bot, at))
    }

    async fn deployment(&self, tenant: &TenantId, bot: &BotName) -> Result<Option<Deployment>> {
        self.read(|state| state.deployments.get(&(tenant.clone(), bot.clone())).cloned())
    }

    async fn deployments(&self, tenant: Option<&TenantId>) -> Result<Vec<Deployment>> {
        self.read(|state| state.deployments(tenant))
    }

    async fn put_subscription(&self, epoch: Epoch, subscription: Subscription) -> Result<()> {
        self.write(Some(epoch), false, |state| {
            state.put_subscription(subscription);
            Ok(())
        })
    }

    async fn subscription(&self, tenant: &TenantId, source: &SourceId, key: &SubscriptionKey) -> Result<Option<Subscription>> {
        self.read(|state| state.subscriptions.get(&(tenant.clone(), source.clone(), key.clone())).cloned())
    }

    async fn subscriptions(&self, tenant: &TenantId, source: Option<&SourceId>) -> Result<Vec<Subscription>> {
        self.read(|state| state.subscriptions(tenant, source))
    }

    async fn remove_subscription(&self, epoch: Epoch, tenant: &TenantId, source: &SourceId, key: &SubscriptionKey) -> Result<()> {
        self.write(Some(epoch), false, |state| {
            state.subscriptions.remove(&(tenant.clone(), source.clone(), key.clone()));
            Ok(())
        })
    }

    async fn prune(&self, epoch: Epoch, rules: &PruneRules, from: PruneCursor, limit: usize) -> Result<Pruned> {
        self.write(Some(epoch), false, |state| Ok(state.prune(rules, from, limit)))
    }

    async fn runs(&self, tenant: &TenantId, filter: &RunFilter) -> Result<Vec<RunRow>> {
        self.read(|state| state.runs(tenant, filter))
    }

    async fn run_counts(&self, tenant: &TenantId, bot: Option<&BotName>) -> Result<BTreeMap<RunState, u64>> {
        self.read(|state| state.run_counts(Some(tenant), bot))
    }

    async fn show(&self, run: &RunKey) -> Result<RunDetail> {
        self.read(|state| state.show(run))?
    }

    async fn logs(&self, tenant: &TenantId, filter: &LogFilter) -> Result<Vec<LogRow>> {
        self.read(|state| state.logs(tenant, filter))
    }

    async fn stats(&self) -> Result<Stats> {
        self.read(|state| state.stats())
    }

    fn watch(&self) -> watch::Receiver<u64> {
        self.store.news.subscribe()
    }

    async fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::SeqCst);
        Ok(())
    }
}
