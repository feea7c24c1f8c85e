//! Resolve: from a kept notification to changes in order and the runs that they make.
//!
//! A notification is a hint that something happened. What happened is read from the source: which version, what lies between it and the last one
//! that was resolved, what was deleted. Serial for each resource, parallel over resources, and durable: a notification counts as resolved
//! only in the ledger transaction that holds its changes and runs, and a repeat of any part finds the marks and makes nothing twice.

mod judge;
mod order;
mod reopened;
mod settle;
mod sweep;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use hob_fhir::FhirError;
use hob_ingress::{Focus, Kind, NotifiedEvent, ParseError, WireRequest, parse};
use hob_ledger::{DeadReason, NotificationSeq, Resolution, SeenEvent, StoredNotification};
use hob_model::{Reference, ResourceType, SourceId, TenantId, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub(crate) use judge::{JudgeError, Watch, lane_of, lane_of_bot};
pub(crate) use reopened::Reopened;

use crate::core::Core;
use crate::keyed::Keyed;
use crate::run::driver::persist;
use crate::server::stopped;
use crate::sources::SourceEntry;

/// What is known of a change before the source was asked.
#[derive(Debug, Clone)]
pub(crate) struct Hint {
    pub(crate) reference: Reference,
    pub(crate) event: NotifiedEvent,
    pub(crate) received: Timestamp,
}

/// Why a notification is not resolved.
#[derive(Debug)]
pub(crate) enum Unresolved {
    /// A read failed: later, for the whole source where it does not answer, else for this notification alone.
    Unread(Box<FhirError>),
    /// The source did not answer: later.
    Down(Option<Duration>),
    /// This notification could not be resolved, and others can: later.
    Again,
    /// The host panicked at it: later, a few times.
    Panicked,
    /// It never can be.
    Dead(DeadReason),
    /// The ledger did not take it: later.
    Ledger,
}

impl Unresolved {
    fn dead(code: &str, message: impl Into<String>) -> Self {
        Self::Dead(DeadReason { code: code.to_owned(), message: message.into() })
    }

    /// From a read that failed. `what` names the step for the operator.
    pub(crate) fn from_read(error: FhirError, what: &str) -> Self {
        use hob_fhir::FhirErrorKind as K;
        match error.kind {
            // Credentials, permissions and protocol are the operator's to mend; until then nothing is lost.
            K::Unauthorized | K::Forbidden | K::Protocol => Self::Unread(Box::new(error)),
            _ if error.is_transient() => Self::Unread(Box::new(error)),
            _ => Self::dead("resolve", format!("{what}: {error}")),
        }
    }
}

/// Goes on behind what is dead: one event that cannot be resolved must not take the others of its notification with it.
#[derive(Default)]
pub(crate) struct Dead(Option<DeadReason>);

impl Dead {
    pub(crate) fn note(&mut self, done: Result<(), Unresolved>) -> Result<(), Unresolved> {
        match done {
            Err(Unresolved::Dead(reason)) => {
                self.0.get_or_insert(reason);
                Ok(())
            }
            other => other,
        }
    }

    pub(crate) fn end(self) -> Result<(), Unresolved> {
        self.0.map_or(Ok(()), |reason| Err(Unresolved::Dead(reason)))
    }
}

/// The longest pause between two looks at a notification that could not be resolved though its source answers.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// How often the host may panic at a notification before it is a dead letter: whatever it is, it is not the moment.
const PANICS: u32 = 5;

/// Which notifications of a source wait for it to answer again.
struct Waiting {
    from: NotificationSeq,
    until: Timestamp,
}

/// A notification that waits for itself alone.
#[derive(Debug, Clone, Copy)]
struct Later {
    until: Timestamp,
    tries: u32,
    panics: u32,
}

/// Resolves what is accepted, until it is told to stop.
pub(crate) struct Resolver {
    core: Arc<Core>,
    locks: Arc<Keyed<hob_model::ResourceKey>>,
    sweeps: Arc<sweep::Sweeps>,
    cursor: NotificationSeq,
    busy: BTreeSet<NotificationSeq>,
    waiting: BTreeMap<(TenantId, SourceId), Waiting>,
    later: BTreeMap<NotificationSeq, Later>,
    /// The last time that the alarm was looked at: what was due by then has been begun.
    asleep: Timestamp,
    tasks: JoinSet<(NotificationSeq, TenantId, SourceId, Result<(), Unresolved>)>,
}

impl Resolver {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self {
            core,
            locks: Arc::default(),
            sweeps: Arc::default(),
            cursor: NotificationSeq::ZERO,
            busy: BTreeSet::new(),
            waiting: BTreeMap::new(),
            later: BTreeMap::new(),
            asleep: Timestamp::default(),
            tasks: JoinSet::new(),
        }
    }

    /// Runs until `stop` is true; what is in work then is dropped, and found again at the next start.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut news = self.core.ledger.watch();
        loop {
            news.borrow_and_update();
            let more = self.begin().await;
            let wake = self.next_wake();
            let core = Arc::clone(&self.core);
            let alarm = async {
                match wake {
                    Some(at) => core.pause(at.since(core.clock.now()) + Duration::from_millis(1)).await,
                    None => std::future::pending().await,
                }
            };
            let full = self.tasks.len() >= self.core.config.limits.resolves;
            tokio::select! {
                biased;
                () = stopped(&mut stop) => return,
                Some(done) = self.tasks.join_next(), if !self.tasks.is_empty() => self.ended(done),
                () = std::future::ready(()), if more && !full => {}
                () = core.reopened.told() => {}
                changed = news.changed(), if !full => if changed.is_err() { return },
                () = alarm => self.wake(),
            }
        }
    }

    /// Starts as many as there is room for. True where there may be more.
    async fn begin(&mut self) -> bool {
        if let Some(first) = self.core.reopened.take() {
            self.cursor = self.cursor.min(NotificationSeq::new(first.get().saturating_sub(1)));
        }
        let room = self.core.config.limits.resolves.saturating_sub(self.tasks.len());
        if room == 0 {
            return false;
        }
        let page = match self.core.ledger.unresolved(self.cursor, room).await {
            Ok(page) => page,
            Err(error) => {
                tracing::error!(%error, "the ledger does not say what is to be resolved");
                self.core.pause(Duration::from_secs(1)).await;
                return true;
            }
        };
        // Pages are cut by bytes too: only an empty one is the end.
        let more = !page.is_empty();
        let now = self.core.clock.now();
        for stored in page {
            let seq = stored.seq;
            self.cursor = self.cursor.max(seq);
            let key = (stored.notification.tenant.clone(), stored.notification.source.clone());
            if self.busy.contains(&seq) || self.later.get(&seq).is_some_and(|later| later.until > now) {
                continue;
            }
            if let Some(waiting) = self.waiting.get_mut(&key) {
                waiting.from = waiting.from.min(seq);
                continue;
            }
            self.busy.insert(seq);
            let (core, locks, sweeps) = (Arc::clone(&self.core), Arc::clone(&self.locks), Arc::clone(&self.sweeps));
            let panics = self.later.get(&seq).map_or(0, |later| later.panics);
            self.tasks.spawn(async move {
                let work = std::panic::AssertUnwindSafe(one(&core, &locks, &sweeps, stored)).catch_unwind();
                let done = match work.await {
                    Ok(done) => done,
                    Err(_) => Err(panicked(&core, &key.0, seq, panics + 1).await),
                };
                (seq, key.0, key.1, done)
            });
        }
        more
    }

    fn ended(&mut self, done: Result<(NotificationSeq, TenantId, SourceId, Result<(), Unresolved>), tokio::task::JoinError>) {
        let Ok((seq, tenant, source, result)) = done else {
            // A task that was lost leaves its notification unresolved in the ledger: begin again from the start.
            tracing::error!("a resolve was cut off: looking again");
            self.busy.clear();
            self.cursor = NotificationSeq::ZERO;
            return;
        };
        self.busy.remove(&seq);
        let again = |from: NotificationSeq| NotificationSeq::new(from.get().saturating_sub(1));
        match result {
            Ok(()) | Err(Unresolved::Dead(_)) => {
                self.later.remove(&seq);
            }
            Err(failed @ (Unresolved::Again | Unresolved::Unread(_) | Unresolved::Panicked)) => {
                let (tries, panics) = self.later.get(&seq).map_or((0, 0), |later| (later.tries, later.panics));
                let tries = tries.saturating_add(1);
                let panics = panics.saturating_add(u32::from(matches!(failed, Unresolved::Panicked)));
                let pause =
                    Duration::from_secs(1).saturating_mul(1_u32.checked_shl(tries).unwrap_or(u32::MAX)).min(LONGEST_PAUSE);
                tracing::warn!(%tenant, %source, notification = seq.get(), tries, "a notification is not resolved: it is looked at again later");
                self.later.insert(seq, Later { until: self.core.clock.now() + pause, tries, panics });
            }
            Err(Unresolved::Ledger) => self.cursor = self.cursor.min(again(seq)),
            Err(Unresolved::Down(asked)) => {
                let until = match self.core.sources.get(&tenant, &source) {
                    Some(entry) => self.core.source_down(&entry, asked),
                    None => self.core.clock.now() + Duration::from_secs(30),
                };
                let waiting = self.waiting.entry((tenant, source)).or_insert(Waiting { from: seq, until });
                waiting.from = waiting.from.min(seq);
                waiting.until = until;
            }
        }
    }

    fn next_wake(&self) -> Option<Timestamp> {
        let sources = self.waiting.values().map(|waiting| waiting.until);
        sources.chain(self.later.values().map(|later| later.until)).filter(|until| *until > self.asleep).min()
    }

    fn wake(&mut self) {
        let now = self.core.clock.now();
        self.asleep = now;
        if let Some((first, _)) = self.later.iter().find(|(_, later)| later.until <= now) {
            self.cursor = self.cursor.min(NotificationSeq::new(first.get().saturating_sub(1)));
        }
        let cursor = &mut self.cursor;
        self.waiting.retain(|_, waiting| {
            let still = waiting.until > now;
            if !still {
                *cursor = (*cursor).min(NotificationSeq::new(waiting.from.get().saturating_sub(1)));
            }
            still
        });
    }
}

/// Resolves one notification: each of its events for itself, then the notification.
async fn one(
    core: &Core,
    locks: &Keyed<hob_model::ResourceKey>,
    sweeps: &sweep::Sweeps,
    stored: StoredNotification,
) -> Result<(), Unresolved> {
    let seq = stored.seq;
    let (tenant, source) = (stored.notification.tenant.clone(), stored.notification.source.clone());
    let outcome = events(core, locks, sweeps, stored).await;
    match outcome {
        Ok(seen) => {
            let resolution = Resolution { tenant, notifications: vec![seq], changes: Vec::new(), seen };
            match persist(core, "resolve", || core.ledger.resolve(core.epoch, resolution.clone())).await {
                Some(_) => Ok(()),
                None => Err(Unresolved::Ledger),
            }
        }
        Err(Unresolved::Dead(reason)) => {
            tracing::warn!(%tenant, %source, notification = seq.get(), code = reason.code, "a notification is a dead letter");
            persist(core, "bury", || core.ledger.bury(core.epoch, &tenant, seq, reason.clone())).await;
            Err(Unresolved::Dead(reason))
        }
        Err(Unresolved::Unread(error)) => match core.sources.get(&tenant, &source) {
            Some(entry) if !entry.is_down(&error).await => {
                tracing::warn!(%tenant, %source, notification = seq.get(), %error, "a read for a notification failed");
                Err(Unresolved::Again)
            }
            _ => Err(Unresolved::Down(error.retry_after)),
        },
        Err(Unresolved::Ledger) => {
            // It is looked at again at once: not in a busy loop.
            core.pause(Duration::from_millis(500)).await;
            Err(Unresolved::Ledger)
        }
        Err(other) => Err(other),
    }
}

/// The end of a look at a notification at which the host panicked for the `panics`th time.
async fn panicked(core: &Core, tenant: &TenantId, seq: NotificationSeq, panics: u32) -> Unresolved {
    if panics < PANICS {
        return Unresolved::Panicked;
    }
    tracing::error!(%tenant, notification = seq.get(), code = "poison", "a notification is a dead letter");
    let message = format!("the host panicked at it {panics} times; its log says where");
    let reason = DeadReason { code: "poison".to_owned(), message };
    persist(core, "bury", || core.ledger.bury(core.epoch, tenant, seq, reason.clone())).await;
    Unresolved::Dead(reason)
}

async fn events(
    core: &Core,
    locks: &Keyed<hob_model::ResourceKey>,
    sweeps: &sweep::Sweeps,
    stored: StoredNotification,
) -> Result<Vec<SeenEvent>, Unresolved> {
    let kept = stored.notification;
    let Some(entry) = core.sources.get(&kept.tenant, &kept.source) else {
        return Err(Unresolved::dead("source-removed", "its source has been removed"));
    };
    let subscription = kept.subscription.clone();
    let wire = WireRequest { method: kept.method, path_rest: kept.path, headers: kept.headers, body: kept.body };
    let parsed = parse(&wire).map_err(|error: ParseError| Unresolved::Dead(crate::webhooks::dead(&error)))?;
    let mut seen = Vec::new();
    let number = parsed.events.iter().filter_map(|event| event.number).max().or(parsed.events_since_start);
    if let (Some(subscription), Some(number)) = (&subscription, number) {
        seen.push(SeenEvent { source: kept.source.clone(), subscription: subscription.clone(), number });
    }
    if parsed.kind.is_control() {
        return Ok(seen);
    }
    if parsed.kind == Kind::Ping || parsed.events.is_empty() {
        sweep::subscription(core, locks, sweeps, &entry, subscription.as_ref(), kept.received).await?;
        return Ok(seen);
    }
    let mut dead = Dead::default();
    for event in parsed.events {
        let done = match named(&entry, &event).await {
            Ok(Some(reference)) => {
                let hint = Hint { reference, event, received: kept.received };
                settle::resource(core, locks, &entry, hint).await
            }
            Ok(None) => sweep::subscription(core, locks, sweeps, &entry, subscription.as_ref(), kept.received).await,
            Err(unresolved) => Err(unresolved),
        };
        dead.note(done)?;
    }
    dead.end()?;
    Ok(seen)
}

/// The resource that an event is about; `None` where it does not say.
async fn named(entry: &SourceEntry, event: &NotifiedEvent) -> Result<Option<Reference>, Unresolved> {
    match &event.focus {
        None => Ok(None),
        Some(Focus::Literal { reference, .. }) => Ok(Some(reference.clone())),
        Some(Focus::Identifier { resource_type: Some(kind), system, value, .. }) => {
            by_identifier(entry, kind, system.as_deref(), value).await.map(Some)
        }
        Some(_) => Err(Unresolved::dead(
            "focus",
            "the focus names no resource of a FHIR server: neither Type/id nor an identifier with its type",
        )),
    }
}

async fn by_identifier(
    entry: &SourceEntry,
    kind: &ResourceType,
    system: Option<&str>,
    value: &str,
) -> Result<Reference, Unresolved> {
    let token = system.map_or_else(|| value.to_owned(), |system| format!("{system}|{value}"));
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("identifier", &token).finish();
    let page = entry.client.search(kind, &query).await.map_err(|e| Unresolved::from_read(e, "search by identifier"))?;
    let found = page.matches().map_err(|e| Unresolved::from_read(e, "search by identifier"))?;
    match found.as_slice() {
        [one] => one.reference().map_err(|e| Unresolved::from_read(e, "search by identifier")),
        [] => Err(Unresolved::dead("focus", "the source has no resource with the focus's identifier")),
        _ => Err(Unresolved::dead("focus", "the source has several resources with the focus's identifier")),
    }
}
