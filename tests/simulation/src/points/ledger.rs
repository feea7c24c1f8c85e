//! The ledger with its commit points.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use hob_ledger::{
    AskKey, Asked, CronKey, DeadFilter, DeadKind, DeadNotification, DeadReason, DeadRequest, Deployment, DueOutbox, Epoch, Fence,
    FenceKey, Finish, Ledger, LogFilter, LogRow, NewEvent, NewNotification, Next, NotificationSeq, Observations, OutboxKey,
    OutboxSeq, OwnWrite, PruneCursor, PruneRules, Pruned, Queued, Receipt, Recorded, Release, Resolution, ResourceMark, Result,
    RunDetail, RunFilter, RunHead, RunKey, RunRecord, RunRow, RunSeq, Stats, StoredNotification, Subscription, SweepMark, Tried,
    Upkeep,
};
use hob_model::{
    BotName, ChangeKey, Digest, Journal, LaneKey, Reference, ResourceKey, RunState, Source, SourceId, SubscriptionKey, TenantId,
    Timestamp, VersionId,
};
use tokio::sync::watch;

use super::{Point, Pointed, Side};

#[async_trait]
impl Ledger for Pointed<dyn Ledger> {
    async fn claim(&self) -> Result<Epoch> {
        self.inner.claim().await
    }

    async fn accept(&self, batch: Vec<NewNotification>) -> Result<Vec<Receipt>> {
        self.hook.at(Point::Append, Side::Before).await;
        let answer = self.inner.accept(batch).await;
        self.hook.at(Point::Append, Side::After).await;
        answer
    }

    async fn unresolved(&self, after: NotificationSeq, limit: usize) -> Result<Vec<StoredNotification>> {
        self.inner.unresolved(after, limit).await
    }

    async fn unresolved_sources(&self) -> Result<Vec<(TenantId, SourceId)>> {
        self.inner.unresolved_sources().await
    }

    async fn unresolved_of(
        &self,
        tenant: &TenantId,
        source: &SourceId,
        after: NotificationSeq,
        limit: usize,
    ) -> Result<Vec<StoredNotification>> {
        self.inner.unresolved_of(tenant, source, after, limit).await
    }

    async fn bury(&self, epoch: Epoch, tenant: &TenantId, seq: NotificationSeq, reason: DeadReason) -> Result<()> {
        self.inner.bury(epoch, tenant, seq, reason).await
    }

    async fn mark(&self, resource: &ResourceKey) -> Result<Option<ResourceMark>> {
        self.inner.mark(resource).await
    }

    async fn resolve(&self, epoch: Epoch, resolution: Resolution) -> Result<Queued> {
        self.hook.at(Point::Resolve, Side::Before).await;
        let answer = self.inner.resolve(epoch, resolution).await;
        self.hook.at(Point::Resolve, Side::After).await;
        answer
    }

    async fn add_event(&self, epoch: Epoch, event: NewEvent) -> Result<Queued> {
        self.inner.add_event(epoch, event).await
    }

    async fn wrote(&self, change: &ChangeKey) -> Result<Option<OwnWrite>> {
        self.inner.wrote(change).await
    }

    async fn sweeps(&self, tenant: &TenantId, source: &SourceId) -> Result<Vec<SweepMark>> {
        self.inner.sweeps(tenant, source).await
    }

    async fn swept(&self, epoch: Epoch, mark: SweepMark) -> Result<()> {
        self.hook.at(Point::Swept, Side::Before).await;
        let answer = self.inner.swept(epoch, mark).await;
        self.hook.at(Point::Swept, Side::After).await;
        answer
    }

    async fn open_runs(&self, tenant: &TenantId, bot: &BotName, after: RunSeq, limit: usize) -> Result<Vec<RunHead>> {
        self.inner.open_runs(tenant, bot, after, limit).await
    }

    async fn open_in_lane(
        &self,
        tenant: &TenantId,
        bot: &BotName,
        lane: &LaneKey,
        after: RunSeq,
        limit: usize,
    ) -> Result<Vec<RunHead>> {
        self.inner.open_in_lane(tenant, bot, lane, after, limit).await
    }

    async fn load(&self, run: &RunKey) -> Result<RunRecord> {
        self.hook.at(Point::Dispatch, Side::Before).await;
        let answer = self.inner.load(run).await;
        self.hook.at(Point::Dispatch, Side::After).await;
        answer
    }

    async fn ask(&self, epoch: Epoch, ask: &AskKey) -> Result<Asked> {
        self.hook.at(Point::Ask, Side::Before).await;
        let answer = self.inner.ask(epoch, ask).await;
        self.hook.at(Point::Ask, Side::After).await;
        answer
    }

    async fn answered(&self, epoch: Epoch, ask: &AskKey, answer: Bytes) -> Result<()> {
        self.hook.at(Point::Answered, Side::Before).await;
        let done = self.inner.answered(epoch, ask, answer).await;
        self.hook.at(Point::Answered, Side::After).await;
        done
    }

    async fn unasked(&self, epoch: Epoch, ask: &AskKey) -> Result<()> {
        self.inner.unasked(epoch, ask).await
    }

    async fn record(&self, epoch: Epoch, run: &RunKey, recorded: Recorded, journal: Journal) -> Result<()> {
        self.hook.at(Point::Record, Side::Before).await;
        let answer = self.inner.record(epoch, run, recorded, journal).await;
        self.hook.at(Point::Record, Side::After).await;
        answer
    }

    async fn finish(&self, epoch: Epoch, run: &RunKey, finish: Finish) -> Result<Vec<RunKey>> {
        self.hook.at(Point::Done, Side::Before).await;
        let answer = self.inner.finish(epoch, run, finish).await;
        self.hook.at(Point::Done, Side::After).await;
        answer
    }

    async fn fail(&self, epoch: Epoch, run: &RunKey, tried: Tried, next: Next) -> Result<()> {
        self.hook.at(Point::Fail, Side::Before).await;
        let answer = self.inner.fail(epoch, run, tried, next).await;
        self.hook.at(Point::Fail, Side::After).await;
        answer
    }

    async fn fail_and_hold(&self, epoch: Epoch, run: &RunKey, tried: Tried, next: Next) -> Result<()> {
        self.hook.at(Point::Fail, Side::Before).await;
        let answer = self.inner.fail_and_hold(epoch, run, tried, next).await;
        self.hook.at(Point::Fail, Side::After).await;
        answer
    }

    async fn give_up(&self, epoch: Epoch, run: &RunKey) -> Result<()> {
        self.inner.give_up(epoch, run).await
    }

    async fn supersede(&self, epoch: Epoch, run: &RunKey, at: Timestamp) -> Result<()> {
        self.inner.supersede(epoch, run, at).await
    }

    async fn retry(&self, epoch: Epoch, run: &RunKey) -> Result<RunHead> {
        self.inner.retry(epoch, run).await
    }

    async fn dead_counts(&self, tenant: &TenantId, kind: DeadKind, filter: &DeadFilter) -> Result<BTreeMap<String, u64>> {
        self.inner.dead_counts(tenant, kind, filter).await
    }

    async fn dead_runs(
        &self,
        tenant: &TenantId,
        filter: &DeadFilter,
        before: Option<RunSeq>,
        limit: usize,
    ) -> Result<Vec<RunRow>> {
        self.inner.dead_runs(tenant, filter, before, limit).await
    }

    async fn retry_dead(
        &self,
        epoch: Epoch,
        tenant: &TenantId,
        filter: &DeadFilter,
        after: RunSeq,
        limit: usize,
    ) -> Result<Vec<RunHead>> {
        self.inner.retry_dead(epoch, tenant, filter, after, limit).await
    }

    async fn dead_notifications(
        &self,
        tenant: &TenantId,
        filter: &DeadFilter,
        before: Option<NotificationSeq>,
        limit: usize,
    ) -> Result<Vec<DeadNotification>> {
        self.inner.dead_notifications(tenant, filter, before, limit).await
    }

    async fn dead_notification(&self, tenant: &TenantId, seq: NotificationSeq) -> Result<Option<DeadNotification>> {
        self.inner.dead_notification(tenant, seq).await
    }

    async fn reopen(&self, epoch: Epoch, tenant: &TenantId, seqs: Vec<NotificationSeq>) -> Result<u64> {
        self.inner.reopen(epoch, tenant, seqs).await
    }

    async fn dead_requests(
        &self,
        tenant: &TenantId,
        filter: &DeadFilter,
        before: Option<OutboxSeq>,
        limit: usize,
    ) -> Result<Vec<DeadRequest>> {
        self.inner.dead_requests(tenant, filter, before, limit).await
    }

    async fn retry_requests(&self, epoch: Epoch, keys: Vec<OutboxKey>, at: Timestamp) -> Result<u64> {
        self.inner.retry_requests(epoch, keys, at).await
    }

    async fn next_timer(&self) -> Result<Option<Timestamp>> {
        self.inner.next_timer().await
    }

    async fn fire_timers(&self, epoch: Epoch, now: Timestamp, limit: usize) -> Result<Vec<RunHead>> {
        self.hook.at(Point::FireTimer, Side::Before).await;
        let answer = self.inner.fire_timers(epoch, now, limit).await;
        self.hook.at(Point::FireTimer, Side::After).await;
        answer
    }

    async fn cron_mark(&self, cron: &CronKey) -> Result<Option<Timestamp>> {
        self.inner.cron_mark(cron).await
    }

    async fn fire_cron(&self, epoch: Epoch, cron: &CronKey, at: Timestamp, event: NewEvent) -> Result<Queued> {
        self.hook.at(Point::FireCron, Side::Before).await;
        let answer = self.inner.fire_cron(epoch, cron, at, event).await;
        self.hook.at(Point::FireCron, Side::After).await;
        answer
    }

    async fn begin_outbox(&self, epoch: Epoch, now: Timestamp, share: usize, limit: usize) -> Result<Vec<DueOutbox>> {
        self.hook.at(Point::OutboxBegin, Side::Before).await;
        let answer = self.inner.begin_outbox(epoch, now, share, limit).await;
        self.hook.at(Point::OutboxBegin, Side::After).await;
        answer
    }

    async fn sending_outbox(&self) -> Result<Vec<DueOutbox>> {
        self.inner.sending_outbox().await
    }

    async fn next_outbox(&self, share: usize) -> Result<Option<Timestamp>> {
        self.inner.next_outbox(share).await
    }

    async fn outbox_again(&self, epoch: Epoch, item: &OutboxKey, at: Timestamp, reason: DeadReason) -> Result<()> {
        self.hook.at(Point::OutboxDone, Side::Before).await;
        let answer = self.inner.outbox_again(epoch, item, at, reason).await;
        self.hook.at(Point::OutboxDone, Side::After).await;
        answer
    }

    async fn outbox_dead(
        &self,
        epoch: Epoch,
        item: &OutboxKey,
        at: Timestamp,
        reason: DeadReason,
        reply: Option<NewEvent>,
    ) -> Result<Queued> {
        self.hook.at(Point::OutboxDone, Side::Before).await;
        let answer = self.inner.outbox_dead(epoch, item, at, reason, reply).await;
        self.hook.at(Point::OutboxDone, Side::After).await;
        answer
    }

    async fn outbox_done(&self, epoch: Epoch, item: &OutboxKey, reply: Option<NewEvent>) -> Result<Queued> {
        self.hook.at(Point::OutboxDone, Side::Before).await;
        let answer = self.inner.outbox_done(epoch, item, reply).await;
        self.hook.at(Point::OutboxDone, Side::After).await;
        answer
    }

    async fn fences(&self, tenant: &TenantId, source: &SourceId) -> Result<Vec<Fence>> {
        self.inner.fences(tenant, source).await
    }

    async fn put_fence(&self, epoch: Epoch, fence: &FenceKey, reference: Reference, version: Option<VersionId>) -> Result<()> {
        self.inner.put_fence(epoch, fence, reference, version).await
    }

    async fn put_source(&self, epoch: Epoch, source: Source) -> Result<()> {
        self.inner.put_source(epoch, source).await
    }

    async fn source(&self, tenant: &TenantId, source: &SourceId) -> Result<Option<Source>> {
        self.inner.source(tenant, source).await
    }

    async fn sources(&self, tenant: Option<&TenantId>) -> Result<Vec<Source>> {
        self.inner.sources(tenant).await
    }

    async fn remove_source(&self, epoch: Epoch, tenant: &TenantId, source: &SourceId) -> Result<()> {
        self.inner.remove_source(epoch, tenant, source).await
    }

    async fn put_release(&self, epoch: Epoch, release: Release) -> Result<()> {
        self.inner.put_release(epoch, release).await
    }

    async fn release(&self, tenant: &TenantId, digest: &Digest) -> Result<Option<Release>> {
        self.inner.release(tenant, digest).await
    }

    async fn activate(&self, epoch: Epoch, deployment: Deployment) -> Result<()> {
        self.inner.activate(epoch, deployment).await
    }

    async fn deactivate(&self, epoch: Epoch, tenant: &TenantId, bot: &BotName, at: Timestamp) -> Result<Vec<RunKey>> {
        self.inner.deactivate(epoch, tenant, bot, at).await
    }

    async fn deployment(&self, tenant: &TenantId, bot: &BotName) -> Result<Option<Deployment>> {
        self.inner.deployment(tenant, bot).await
    }

    async fn deployments(&self, tenant: Option<&TenantId>) -> Result<Vec<Deployment>> {
        self.inner.deployments(tenant).await
    }

    async fn put_subscription(&self, epoch: Epoch, subscription: Subscription) -> Result<()> {
        self.inner.put_subscription(epoch, subscription).await
    }

    async fn subscription(&self, tenant: &TenantId, source: &SourceId, key: &SubscriptionKey) -> Result<Option<Subscription>> {
        self.inner.subscription(tenant, source, key).await
    }

    async fn subscriptions(&self, tenant: &TenantId, source: Option<&SourceId>) -> Result<Vec<Subscription>> {
        self.inner.subscriptions(tenant, source).await
    }

    async fn remove_subscription(&self, epoch: Epoch, tenant: &TenantId, source: &SourceId, key: &SubscriptionKey) -> Result<()> {
        self.inner.remove_subscription(epoch, tenant, source, key).await
    }

    async fn prune(&self, epoch: Epoch, rules: &PruneRules, from: PruneCursor, limit: usize) -> Result<Pruned> {
        self.inner.prune(epoch, rules, from, limit).await
    }

    fn upkeep(&self) -> Option<&dyn Upkeep> {
        self.inner.upkeep()
    }

    fn observations(&self) -> Option<&dyn Observations> {
        self.inner.observations()
    }

    async fn runs(&self, tenant: &TenantId, filter: &RunFilter) -> Result<Vec<RunRow>> {
        self.inner.runs(tenant, filter).await
    }

    async fn run_counts(&self, tenant: &TenantId, bot: Option<&BotName>) -> Result<BTreeMap<RunState, u64>> {
        self.inner.run_counts(tenant, bot).await
    }

    async fn show(&self, run: &RunKey) -> Result<RunDetail> {
        self.inner.show(run).await
    }

    async fn logs(&self, tenant: &TenantId, filter: &LogFilter) -> Result<Vec<LogRow>> {
        self.inner.logs(tenant, filter).await
    }

    async fn stats(&self) -> Result<Stats> {
        self.inner.stats().await
    }

    fn watch(&self) -> watch::Receiver<u64> {
        self.inner.watch()
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}
