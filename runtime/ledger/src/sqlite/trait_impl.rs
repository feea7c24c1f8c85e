//! [`Ledger`] for [`SqliteLedger`]: each method named to the module that does it, as a write under an epoch or as a read.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use bytes::Bytes;
use hob_model::{
    BotName, ChangeKey, Digest, Journal, LaneKey, Reference, ResourceKey, RunState, Source, SourceId, SubscriptionKey, TenantId,
    Timestamp, VersionId,
};
use tokio::sync::watch;

use super::cell::Db;
use super::{SqliteLedger, ask, cron, dead, fence, finish, intake, outbox, prune, query, registry, resolve, run, sweep, timers};
use crate::{
    AskKey, Asked, CronKey, DeadFilter, DeadKind, DeadNotification, DeadReason, DeadRequest, Deployment, DueOutbox, Epoch, Fence,
    FenceKey, Finish, Ledger, LedgerError, LogFilter, LogRow, NewEvent, NewNotification, Next, NotificationSeq, Observations,
    OutboxKey, OutboxSeq, OwnWrite, PruneCursor, PruneRules, Pruned, Queued, Receipt, Recorded, Release, Resolution,
    ResourceMark, Result, RunDetail, RunFilter, RunHead, RunKey, RunRecord, RunRow, RunSeq, Stats, StoredNotification,
    Subscription, SweepMark, Tried, Upkeep,
};

#[async_trait]
impl Ledger for SqliteLedger {
    async fn claim(&self) -> Result<Epoch> {
        self.write("claim", None, false, intake::claim).await
    }

    async fn accept(&self, batch: Vec<NewNotification>) -> Result<Vec<Receipt>> {
        let bytes = batch.iter().map(|new| new.body.len() + new.path.len()).sum();
        let seqs = self.offer("accept", bytes, move |db| intake::accept(db, &batch)).await?;
        Ok(seqs.into_iter().map(Receipt::new).collect())
    }

    async fn unresolved(&self, after: NotificationSeq, limit: usize) -> Result<Vec<StoredNotification>> {
        self.readers.read("unresolved", move |db| intake::unresolved(db, after, limit)).await
    }

    async fn unresolved_sources(&self) -> Result<Vec<(TenantId, SourceId)>> {
        self.readers.read("unresolved_sources", intake::unresolved_sources).await
    }

    async fn unresolved_of(
        &self,
        tenant: &TenantId,
        source: &SourceId,
        after: NotificationSeq,
        limit: usize,
    ) -> Result<Vec<StoredNotification>> {
        let (tenant, source) = (tenant.clone(), source.clone());
        self.readers.read("unresolved_of", move |db| intake::unresolved_of(db, &tenant, &source, after, limit)).await
    }

    async fn bury(&self, epoch: Epoch, tenant: &TenantId, seq: NotificationSeq, reason: DeadReason) -> Result<()> {
        let tenant = tenant.clone();
        self.write("bury", Some(epoch), false, move |db| intake::bury(db, &tenant, seq, &reason)).await
    }

    async fn mark(&self, resource: &ResourceKey) -> Result<Option<ResourceMark>> {
        self.readers.look("mark", |db| resolve::mark(db, resource)).await
    }

    async fn resolve(&self, epoch: Epoch, resolution: Resolution) -> Result<Queued> {
        self.write("resolve", Some(epoch), true, move |db| resolve::resolve(db, resolution)).await
    }

    async fn add_event(&self, epoch: Epoch, event: NewEvent) -> Result<Queued> {
        self.write("add_event", Some(epoch), true, move |db| resolve::add_event(db, &event, None)).await
    }

    async fn wrote(&self, change: &ChangeKey) -> Result<Option<OwnWrite>> {
        self.readers.look("wrote", |db| resolve::wrote(db, change)).await
    }

    async fn sweeps(&self, tenant: &TenantId, source: &SourceId) -> Result<Vec<SweepMark>> {
        let (tenant, source) = (tenant.clone(), source.clone());
        self.readers.read("sweeps", move |db| sweep::all(db, &tenant, &source)).await
    }

    async fn swept(&self, epoch: Epoch, mark: SweepMark) -> Result<()> {
        self.write("swept", Some(epoch), false, move |db| sweep::put(db, &mark)).await
    }

    async fn open_runs(&self, tenant: &TenantId, bot: &BotName, after: RunSeq, limit: usize) -> Result<Vec<RunHead>> {
        let (tenant, bot) = (tenant.clone(), bot.clone());
        self.readers.read("open_runs", move |db| run::open_runs(db, &tenant, &bot, after, limit)).await
    }

    async fn open_in_lane(
        &self,
        tenant: &TenantId,
        bot: &BotName,
        lane: &LaneKey,
        after: RunSeq,
        limit: usize,
    ) -> Result<Vec<RunHead>> {
        let (tenant, bot, lane) = (tenant.clone(), bot.clone(), lane.clone());
        self.readers.read("open_in_lane", move |db| run::open_in_lane(db, &tenant, &bot, &lane, after, limit)).await
    }

    async fn load(&self, run: &RunKey) -> Result<RunRecord> {
        self.readers.look("load", |db| run::load(&Db::new(&*db.unchecked_transaction()?, db.vault()), run)).await
    }

    async fn ask(&self, epoch: Epoch, ask: &AskKey) -> Result<Asked> {
        let key = ask.clone();
        self.write("ask", Some(epoch), false, move |db| ask::ask(db, &key)).await
    }

    async fn answered(&self, epoch: Epoch, ask: &AskKey, answer: Bytes) -> Result<()> {
        let key = ask.clone();
        self.write("answered", Some(epoch), false, move |db| ask::answered(db, &key, &answer)).await
    }

    async fn unasked(&self, epoch: Epoch, ask: &AskKey) -> Result<()> {
        let key = ask.clone();
        self.write("unasked", Some(epoch), false, move |db| ask::unasked(db, &key)).await
    }

    async fn record(&self, epoch: Epoch, run: &RunKey, recorded: Recorded, journal: Journal) -> Result<()> {
        let run = run.clone();
        self.write("record", Some(epoch), false, move |db| run::record(db, &run, &recorded, journal)).await
    }

    async fn finish(&self, epoch: Epoch, run: &RunKey, finish: Finish) -> Result<Vec<RunKey>> {
        let run = run.clone();
        self.write("finish", Some(epoch), true, move |db| finish::finish(db, &run, finish)).await
    }

    async fn fail(&self, epoch: Epoch, run: &RunKey, tried: Tried, next: Next) -> Result<()> {
        let run = run.clone();
        self.write("fail", Some(epoch), true, move |db| run::fail(db, &run, tried, next, false)).await
    }

    async fn fail_and_hold(&self, epoch: Epoch, run: &RunKey, tried: Tried, next: Next) -> Result<()> {
        let run = run.clone();
        self.write("fail_and_hold", Some(epoch), true, move |db| run::fail(db, &run, tried, next, true)).await
    }

    async fn give_up(&self, epoch: Epoch, run: &RunKey) -> Result<()> {
        let run = run.clone();
        self.write("give_up", Some(epoch), false, move |db| run::give_up(db, &run)).await
    }

    async fn supersede(&self, epoch: Epoch, run: &RunKey, at: Timestamp) -> Result<()> {
        let run = run.clone();
        self.write("supersede", Some(epoch), false, move |db| run::supersede(db, &run, at)).await
    }

    async fn retry(&self, epoch: Epoch, run: &RunKey) -> Result<RunHead> {
        let run = run.clone();
        self.write("retry", Some(epoch), true, move |db| run::retry(db, &run)).await
    }

    async fn dead_counts(&self, tenant: &TenantId, kind: DeadKind, filter: &DeadFilter) -> Result<BTreeMap<String, u64>> {
        let (tenant, filter) = (tenant.clone(), filter.clone());
        self.readers.read("dead_counts", move |db| dead::counts(db, &tenant, kind, &filter)).await
    }

    async fn dead_runs(
        &self,
        tenant: &TenantId,
        filter: &DeadFilter,
        before: Option<RunSeq>,
        limit: usize,
    ) -> Result<Vec<RunRow>> {
        let (tenant, filter) = (tenant.clone(), filter.clone());
        self.readers.read("dead_runs", move |db| dead::runs(db, &tenant, &filter, before, limit)).await
    }

    async fn retry_dead(
        &self,
        epoch: Epoch,
        tenant: &TenantId,
        filter: &DeadFilter,
        after: RunSeq,
        limit: usize,
    ) -> Result<Vec<RunHead>> {
        let (tenant, filter) = (tenant.clone(), filter.clone());
        self.write("retry_dead", Some(epoch), true, move |db| dead::retry(db, &tenant, &filter, after, limit)).await
    }

    async fn dead_notifications(
        &self,
        tenant: &TenantId,
        filter: &DeadFilter,
        before: Option<NotificationSeq>,
        limit: usize,
    ) -> Result<Vec<DeadNotification>> {
        let (tenant, filter) = (tenant.clone(), filter.clone());
        self.readers.read("dead_notifications", move |db| dead::notifications(db, &tenant, &filter, before, limit)).await
    }

    async fn dead_notification(&self, tenant: &TenantId, seq: NotificationSeq) -> Result<Option<DeadNotification>> {
        let tenant = tenant.clone();
        self.readers.read("dead_notification", move |db| dead::notification_whole(db, &tenant, seq)).await
    }

    async fn reopen(&self, epoch: Epoch, tenant: &TenantId, seqs: Vec<NotificationSeq>) -> Result<u64> {
        let tenant = tenant.clone();
        self.write("reopen", Some(epoch), true, move |db| dead::reopen(db, &tenant, &seqs)).await
    }

    async fn dead_requests(
        &self,
        tenant: &TenantId,
        filter: &DeadFilter,
        before: Option<OutboxSeq>,
        limit: usize,
    ) -> Result<Vec<DeadRequest>> {
        let (tenant, filter) = (tenant.clone(), filter.clone());
        self.readers.read("dead_requests", move |db| outbox::list(db, &tenant, &filter, before, limit)).await
    }

    async fn retry_requests(&self, epoch: Epoch, keys: Vec<OutboxKey>, at: Timestamp) -> Result<u64> {
        self.write("retry_requests", Some(epoch), true, move |db| outbox::retry(db, &keys, at)).await
    }

    async fn next_timer(&self) -> Result<Option<Timestamp>> {
        self.readers.read("next_timer", timers::next).await
    }

    async fn fire_timers(&self, epoch: Epoch, now: Timestamp, limit: usize) -> Result<Vec<RunHead>> {
        self.write("fire_timers", Some(epoch), true, move |db| timers::fire(db, now, limit)).await
    }

    async fn cron_mark(&self, cron: &CronKey) -> Result<Option<Timestamp>> {
        let cron = cron.clone();
        self.readers.read("cron_mark", move |db| cron::mark(db, &cron)).await
    }

    async fn fire_cron(&self, epoch: Epoch, cron: &CronKey, at: Timestamp, event: NewEvent) -> Result<Queued> {
        let cron = cron.clone();
        self.write("fire_cron", Some(epoch), true, move |db| cron::fire(db, &cron, at, &event)).await
    }

    async fn begin_outbox(&self, epoch: Epoch, now: Timestamp, share: usize, limit: usize) -> Result<Vec<DueOutbox>> {
        self.write("begin_outbox", Some(epoch), false, move |db| outbox::begin(db, now, share, limit)).await
    }

    async fn sending_outbox(&self) -> Result<Vec<DueOutbox>> {
        self.readers.read("sending_outbox", outbox::sending).await
    }

    async fn next_outbox(&self, share: usize) -> Result<Option<Timestamp>> {
        self.readers.read("next_outbox", move |db| outbox::next(db, share)).await
    }

    async fn outbox_again(&self, epoch: Epoch, item: &OutboxKey, at: Timestamp, reason: DeadReason) -> Result<()> {
        let item = item.clone();
        self.write("outbox_again", Some(epoch), false, move |db| outbox::again(db, &item, at, &reason)).await
    }

    async fn outbox_dead(
        &self,
        epoch: Epoch,
        item: &OutboxKey,
        at: Timestamp,
        reason: DeadReason,
        reply: Option<NewEvent>,
    ) -> Result<Queued> {
        let item = item.clone();
        self.write("outbox_dead", Some(epoch), true, move |db| outbox::dead(db, &item, at, &reason, reply.as_ref())).await
    }

    async fn outbox_done(&self, epoch: Epoch, item: &OutboxKey, reply: Option<NewEvent>) -> Result<Queued> {
        let item = item.clone();
        self.write("outbox_done", Some(epoch), true, move |db| outbox::done(db, &item, reply.as_ref())).await
    }

    async fn fences(&self, tenant: &TenantId, source: &SourceId) -> Result<Vec<Fence>> {
        let (tenant, source) = (tenant.clone(), source.clone());
        self.readers.read("fences", move |db| fence::all(db, &tenant, &source)).await
    }

    async fn put_fence(&self, epoch: Epoch, fence: &FenceKey, reference: Reference, version: Option<VersionId>) -> Result<()> {
        let fence = fence.clone();
        self.write("put_fence", Some(epoch), false, move |db| fence::put(db, &fence, &reference, version.as_ref())).await
    }

    async fn put_source(&self, epoch: Epoch, source: Source) -> Result<()> {
        self.write("put_source", Some(epoch), false, move |db| registry::put_source(db, &source)).await
    }

    async fn source(&self, tenant: &TenantId, source: &SourceId) -> Result<Option<Source>> {
        let (tenant, source) = (tenant.clone(), source.clone());
        self.readers.read("source", move |db| registry::source(db, &tenant, &source)).await
    }

    async fn sources(&self, tenant: Option<&TenantId>) -> Result<Vec<Source>> {
        let tenant = tenant.cloned();
        self.readers.read("sources", move |db| registry::sources(db, tenant.as_ref())).await
    }

    async fn remove_source(&self, epoch: Epoch, tenant: &TenantId, source: &SourceId) -> Result<()> {
        let (tenant, source) = (tenant.clone(), source.clone());
        self.write("remove_source", Some(epoch), false, move |db| registry::remove_source(db, &tenant, &source)).await
    }

    async fn put_release(&self, epoch: Epoch, release: Release) -> Result<()> {
        self.write("put_release", Some(epoch), false, move |db| registry::put_release(db, &release)).await
    }

    async fn release(&self, tenant: &TenantId, digest: &Digest) -> Result<Option<Release>> {
        let (tenant, digest) = (tenant.clone(), *digest);
        self.readers.read("release", move |db| registry::release(db, &tenant, &digest)).await
    }

    async fn activate(&self, epoch: Epoch, deployment: Deployment) -> Result<()> {
        self.write("activate", Some(epoch), true, move |db| registry::activate(db, &deployment)).await
    }

    async fn deactivate(&self, epoch: Epoch, tenant: &TenantId, bot: &BotName, at: Timestamp) -> Result<Vec<RunKey>> {
        let (tenant, bot) = (tenant.clone(), bot.clone());
        self.write("deactivate", Some(epoch), false, move |db| registry::deactivate(db, &tenant, &bot, at)).await
    }

    async fn deployment(&self, tenant: &TenantId, bot: &BotName) -> Result<Option<Deployment>> {
        let (tenant, bot) = (tenant.clone(), bot.clone());
        self.readers.read("deployment", move |db| registry::deployment(db, &tenant, &bot)).await
    }

    async fn deployments(&self, tenant: Option<&TenantId>) -> Result<Vec<Deployment>> {
        let tenant = tenant.cloned();
        self.readers.read("deployments", move |db| registry::deployments(db, tenant.as_ref())).await
    }

    async fn put_subscription(&self, epoch: Epoch, subscription: Subscription) -> Result<()> {
        self.write("put_subscription", Some(epoch), false, move |db| registry::put_subscription(db, &subscription)).await
    }

    async fn subscription(&self, tenant: &TenantId, source: &SourceId, key: &SubscriptionKey) -> Result<Option<Subscription>> {
        let (tenant, source, key) = (tenant.clone(), source.clone(), key.clone());
        self.readers.read("subscription", move |db| registry::subscription(db, &tenant, &source, &key)).await
    }

    async fn subscriptions(&self, tenant: &TenantId, source: Option<&SourceId>) -> Result<Vec<Subscription>> {
        let (tenant, source) = (tenant.clone(), source.cloned());
        self.readers.read("subscriptions", move |db| registry::subscriptions(db, &tenant, source.as_ref())).await
    }

    async fn remove_subscription(&self, epoch: Epoch, tenant: &TenantId, source: &SourceId, key: &SubscriptionKey) -> Result<()> {
        let (tenant, source, key) = (tenant.clone(), source.clone(), key.clone());
        self.write("remove_subscription", Some(epoch), false, move |db| registry::remove_subscription(db, &tenant, &source, &key))
            .await
    }

    async fn prune(&self, epoch: Epoch, rules: &PruneRules, from: PruneCursor, limit: usize) -> Result<Pruned> {
        let rules = *rules;
        self.write("prune", Some(epoch), false, move |db| prune::prune(db, &rules, from, limit)).await
    }

    fn upkeep(&self) -> Option<&dyn Upkeep> {
        Some(self)
    }

    fn observations(&self) -> Option<&dyn Observations> {
        Some(self)
    }

    async fn runs(&self, tenant: &TenantId, filter: &RunFilter) -> Result<Vec<RunRow>> {
        let (tenant, filter) = (tenant.clone(), filter.clone());
        self.readers.read("runs", move |db| query::runs(db, &tenant, &filter)).await
    }

    async fn run_counts(&self, tenant: &TenantId, bot: Option<&BotName>) -> Result<BTreeMap<RunState, u64>> {
        let (tenant, bot) = (tenant.clone(), bot.cloned());
        self.readers.read("run_counts", move |db| query::run_counts(db, &tenant, bot.as_ref())).await
    }

    async fn show(&self, run: &RunKey) -> Result<RunDetail> {
        let run = run.clone();
        self.readers.read("show", move |db| query::show(db, &run)).await
    }

    async fn logs(&self, tenant: &TenantId, filter: &LogFilter) -> Result<Vec<LogRow>> {
        let (tenant, filter) = (tenant.clone(), filter.clone());
        self.readers.read("logs", move |db| query::logs(db, &tenant, &filter)).await
    }

    async fn stats(&self) -> Result<Stats> {
        let path = self.path.clone();
        let stats = self.readers.read("stats", move |db| query::stats(db, &path)).await?;
        let (commits, writes) = (self.tally.commits.load(Ordering::Relaxed), self.tally.writes.load(Ordering::Relaxed));
        Ok(Stats { commits, writes, ..stats })
    }

    fn watch(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    async fn close(&self) -> Result<()> {
        let writer = self.stop();
        self.readers.close().await;
        let Some(writer) = writer else { return Ok(()) };
        let ended = tokio::task::spawn_blocking(move || writer.join()).await;
        ended.map_err(|_| LedgerError::Closed)?.map_err(|_| LedgerError::Closed)
    }
}
