//! Gap repair: what a source lost, reordered, or sent while Hob was down is found and run.
//!
//! Notifications are hints that may be lost. So each source is compared with the ledger: at the start, now and again, and after every sign that something
//! was missed ([`schedule`] says when). A sweep looks after Hob's own Subscriptions, then settles what changed of each type that bots want, from a
//! durable mark on ([`sweep`]). What it finds goes the same way as what was notified, so nothing is run twice.

pub(crate) mod backfill;
pub(crate) mod lag;
pub(crate) mod recovery;
mod schedule;
mod subscriptions;
pub(crate) mod sweep;
mod walk;
pub(crate) mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use hob_model::{ResourceKey, ResourceType, SubscriptionKey, Timestamp};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use schedule::Schedule;
pub(crate) use schedule::{Key, Reason};

use crate::core::Core;
use crate::keyed::Keyed;
use crate::resolve::Unresolved;
use crate::server::stopped;
use crate::sources::SourceEntry;

/// The longest sleep between two looks: bots come and go, and clocks are turned.
const LONGEST: Duration = Duration::from_secs(30);

/// What is known of a source's last sweep, for whoever asks.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) at: Timestamp,
    pub(crate) reasons: BTreeSet<Reason>,
    /// Whether all of it was done.
    pub(crate) done: bool,
    /// What was put right on the source, and what could not be.
    pub(crate) notes: Vec<String>,
}

/// Signs from all parts of the host that something may have been missed, and what sweeps share.
#[derive(Default)]
pub(crate) struct Gaps {
    /// One task at a time for each resource, whatever brought it up.
    pub(crate) resources: Keyed<ResourceKey>,
    /// One sweep at a time for each type of a source.
    types: Keyed<(Key, ResourceType)>,
    turns: Mutex<BTreeMap<(Key, ResourceType), sweep::Turn>>,
    dead: Mutex<BTreeSet<(ResourceKey, Option<hob_model::VersionId>)>>,
    signs: Mutex<BTreeMap<Key, Signs>>,
    news: Notify,
    /// Some Subscription promises heartbeats: only then is every notification a sign of life.
    listening: AtomicBool,
    reports: Mutex<BTreeMap<Key, Report>>,
}

#[derive(Debug, Default)]
struct Signs {
    /// Since the last sweep began: under overload the same sign comes again and again.
    reasons: BTreeSet<Reason>,
    /// Those that the plan does not know of yet.
    fresh: BTreeSet<Reason>,
    heard: BTreeSet<SubscriptionKey>,
}

impl Gaps {
    /// Something of this source may have been missed.
    pub(crate) fn want(&self, entry: &SourceEntry, reason: Reason) {
        let mut signs = self.signs();
        let of = signs.entry(key_of(entry)).or_default();
        if of.reasons.insert(reason) {
            of.fresh.insert(reason);
            drop(signs);
            self.news.notify_one();
            tracing::info!(tenant = %entry.source.tenant, source = %entry.source.id, reason = reason.as_str(), "something may have been missed: a sweep follows");
        }
    }

    /// The subscription gave a sign of life.
    pub(crate) fn heard(&self, entry: &SourceEntry, subscription: Option<&SubscriptionKey>) {
        if let Some(subscription) = subscription.filter(|_| self.listening.load(Ordering::Relaxed)) {
            self.signs().entry(key_of(entry)).or_default().heard.insert(subscription.clone());
        }
    }

    /// A bot came into service: its source may be new.
    pub(crate) fn bots_changed(&self) {
        self.news.notify_one();
    }

    fn signs(&self) -> MutexGuard<'_, BTreeMap<Key, Signs>> {
        self.signs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the plan all that is new.
    fn tell(&self, schedule: &mut Schedule, core: &Core, now: Timestamp) {
        for (key, signs) in self.signs().iter_mut() {
            for subscription in std::mem::take(&mut signs.heard) {
                schedule.heard(key, &subscription, now);
            }
            for reason in std::mem::take(&mut signs.fresh) {
                schedule.want(key, reason, now, core.spread());
            }
        }
    }

    /// A sweep begins: it covers all signs up to now, and none after.
    fn begins(&self, key: &Key) {
        self.signs().remove(key);
    }

    /// How the last sweep of a source went.
    pub(crate) fn report(&self, key: &Key) -> Option<Report> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }
}

pub(crate) fn key_of(entry: &SourceEntry) -> Key {
    (entry.source.tenant.clone(), entry.source.id.clone())
}

/// What a sweep of a source came to.
struct Swept {
    promises: BTreeMap<SubscriptionKey, Duration>,
    notes: Vec<String>,
    /// The first thing that went wrong; the rest was done all the same.
    failed: Option<Unresolved>,
}

/// Sweeps sources until `stop` is true. What is under way then is dropped: each step of it is a ledger transaction, and the mark comes last.
pub(crate) async fn run(core: Arc<Core>, mut stop: watch::Receiver<bool>) {
    let limits = &core.config.limits;
    let every = (limits.sweep_ms > 0).then(|| Duration::from_millis(limits.sweep_ms));
    let mut schedule = Schedule::new(every, limits.resolves);
    let mut tasks: JoinSet<(Key, BTreeSet<Reason>, Swept)> = JoinSet::new();
    loop {
        let now = core.clock.now();
        schedule.keep(&sources(&core), now, || core.spread());
        core.gaps.tell(&mut schedule, &core, now);
        while let Some((key, reasons)) = schedule.start(now) {
            core.gaps.begins(&key);
            let core = Arc::clone(&core);
            tasks.spawn(async move {
                let swept = std::panic::AssertUnwindSafe(source(&core, &key, &reasons)).catch_unwind().await;
                let failed = Swept { promises: BTreeMap::new(), notes: Vec::new(), failed: Some(Unresolved::Again) };
                (key, reasons, swept.unwrap_or(failed))
            });
        }
        let pause = schedule.next().map_or(LONGEST, |at| at.since(now) + Duration::from_millis(1)).min(LONGEST);
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                if let Ok((key, reasons, swept)) = ended {
                    end(&core, &mut schedule, key, reasons, swept);
                }
            }
            () = core.gaps.news.notified() => {}
            () = core.pause(pause) => {}
        }
    }
}

/// The sources in service whose changes a bot wants.
fn sources(core: &Core) -> BTreeSet<Key> {
    let bots = core.bots.all();
    let wanting = bots.iter().filter(|bot| !bot.watches.is_empty());
    let keys = wanting.map(|bot| (bot.tenant.clone(), bot.source.clone()));
    keys.filter(|(tenant, source)| core.sources.get(tenant, source).is_some()).collect()
}

fn end(core: &Core, schedule: &mut Schedule, key: Key, reasons: BTreeSet<Reason>, swept: Swept) {
    let now = core.clock.now();
    let (tenant, source) = &key;
    let done = swept.failed.is_none();
    let asked = match &swept.failed {
        None => {
            tracing::debug!(%tenant, %source, ?reasons, "swept");
            None
        }
        Some(Unresolved::Unread(error)) => {
            tracing::warn!(%tenant, %source, ?reasons, %error, "a sweep could not read the source: it is repeated");
            error.retry_after
        }
        Some(_) => {
            tracing::warn!(%tenant, %source, ?reasons, "a sweep was not done: it is repeated");
            None
        }
    };
    schedule.promised(&key, &swept.promises, now);
    if !swept.promises.is_empty() {
        core.gaps.listening.store(true, Ordering::Relaxed);
    }
    schedule.ended(&key, done, asked, now, core.spread());
    let report = Report { at: now, reasons, done, notes: swept.notes };
    core.gaps.reports.lock().unwrap_or_else(PoisonError::into_inner).insert(key, report);
}

/// Sweeps one source: first what makes it post, then all that it may not have posted.
async fn source(core: &Arc<Core>, (tenant, id): &Key, reasons: &BTreeSet<Reason>) -> Swept {
    let mut swept = Swept { promises: BTreeMap::new(), notes: Vec::new(), failed: None };
    let Some(entry) = core.sources.get(tenant, id) else { return swept };
    tracing::debug!(%tenant, source = %id, ?reasons, "a sweep begins");
    if let Err(unresolved) = subscriptions::care(core, &entry, &mut swept).await {
        swept.failed = Some(unresolved);
    }
    for kind in sweep::types(core, &entry) {
        if let Err(unresolved) = sweep::settle(core, &entry, &kind).await {
            // Of a source that does not answer, the other types need not be asked.
            let hopeless = unresolved.is_of_all(&entry).await;
            swept.failed.get_or_insert(unresolved);
            if hopeless {
                break;
            }
        }
    }
    if swept.failed.is_none() {
        entry.is_up();
    }
    swept
}
