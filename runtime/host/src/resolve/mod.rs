//! Resolve: from a kept notification to changes in order and the runs that they make.
//!
//! A notification is a hint that something happened. What happened is read from the source: which version, what lies between it and the last one
//! that was resolved, what was deleted. Serial for each resource, parallel over resources, and durable: a notification counts as resolved
//! only in the ledger transaction that holds its changes and runs, and a repeat of any part finds the marks and makes nothing twice.

mod judge;
mod order;
mod settle;
mod sweep;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hob_ingress::{Focus, Kind, NotifiedEvent, ParseError, WireRequest, parse};
use hob_ledger::{DeadReason, NotificationSeq, Resolution, SeenEvent, StoredNotification};
use hob_model::{Reference, ResourceType, SourceId, TenantId, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub(crate) use judge::{JudgeError, Watch, lane_of, lane_of_bot};

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
    /// The source did not answer: later.
    Down(Option<Duration>),
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
    pub(crate) fn from_read(error: &hob_fhir::FhirError, what: &str) -> Self {
        use hob_fhir::FhirErrorKind as K;
        match error.kind {
            // Credentials, permissions and protocol are the operator's to mend; until then nothing is lost.
            K::Unauthorized | K::Forbidden | K::Protocol => Self::Down(error.retry_after),
            _ if error.is_transient() => Self::Down(error.retry_after),
            _ => Self::dead("resolve", format!("{what}: {error}")),
        }
    }
}

/// Which notifications of a source wait for it to answer again.
struct Waiting {
    from: NotificationSeq,
    until: Timestamp,
}

/// Resolves what is accepted, until it is told to stop.
pub(crate) struct Resolver {
    core: Arc<Core>,
    locks: Arc<Keyed<hob_model::ResourceKey>>,
    sweeps: Arc<sweep::Sweeps>,
    cursor: NotificationSeq,
    busy: BTreeSet<NotificationSeq>,
    waiting: BTreeMap<(TenantId, SourceId), Waiting>,
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
                changed = news.changed(), if !full => if changed.is_err() { return },
                () = alarm => self.wake(),
            }
        }
    }

    /// Starts as many as there is room for. True where there may be more.
    async fn begin(&mut self) -> bool {
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
        let more = page.len() == room;
        for stored in page {
            let seq = stored.seq;
            self.cursor = self.cursor.max(seq);
            let key = (stored.notification.tenant.clone(), stored.notification.source.clone());
            if self.busy.contains(&seq) {
                continue;
            }
            if let Some(waiting) = self.waiting.get_mut(&key) {
                waiting.from = waiting.from.min(seq);
                continue;
            }
            self.busy.insert(seq);
            let (core, locks, sweeps) = (Arc::clone(&self.core), Arc::clone(&self.locks), Arc::clone(&self.sweeps));
            self.tasks.spawn(async move {
                let done = one(&core, &locks, &sweeps, stored).await;
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
            Ok(()) | Err(Unresolved::Dead(_)) => {}
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
        self.waiting.values().map(|waiting| waiting.until).min()
    }

    fn wake(&mut self) {
        let now = self.core.clock.now();
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
        Err(Unresolved::Ledger) => {
            // It is looked at again at once: not in a busy loop.
            core.pause(Duration::from_millis(500)).await;
            Err(Unresolved::Ledger)
        }
        Err(other) => Err(other),
    }
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
    for event in parsed.events {
        match named(&entry, &event).await? {
            Some(reference) => {
                let hint = Hint { reference, event, received: kept.received };
                settle::resource(core, locks, &entry, hint).await?;
            }
            None => sweep::subscription(core, locks, sweeps, &entry, subscription.as_ref(), kept.received).await?,
        }
    }
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
    let page = entry.client.search(kind, &query).await.map_err(|e| Unresolved::from_read(&e, "search by identifier"))?;
    let found = page.matches().map_err(|e| Unresolved::from_read(&e, "search by identifier"))?;
    match found.as_slice() {
        [one] => one.reference().map_err(|e| Unresolved::from_read(&e, "search by identifier")),
        [] => Err(Unresolved::dead("focus", "the source has no resource with the focus's identifier")),
        _ => Err(Unresolved::dead("focus", "the source has several resources with the focus's identifier")),
    }
}
