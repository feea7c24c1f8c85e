//! Resolve: from a kept notification to changes in order and the runs that they make.
//!
//! A notification is a hint that something happened. What happened is read from the source: which version, what lies between it and the last one
//! that was resolved, what was deleted. Serial for each resource, parallel over resources, and durable: a notification counts as resolved
//! only in the ledger transaction that holds its changes and runs, and a repeat of any part finds the marks and makes nothing twice.

pub(crate) mod closing;
mod history;
mod judge;
mod order;
mod places;
mod reopened;
mod settle;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use hob_fhir::FhirError;
use hob_ingress::{Focus, Kind, NotifiedEvent, ParseError, SubscriptionState, WireRequest, parse};
use hob_ledger::{DeadReason, NotificationSeq, SeenEvent, StoredNotification};
use hob_model::{Reference, ResourceType, TenantId, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub(crate) use judge::{JudgeError, Watch, lane_of, lane_of_bot};
use places::{End, Places};
pub(crate) use reopened::Reopened;
pub(crate) use settle::{resource, run, versions};

use crate::core::Core;
use crate::gaps::{Key, Reason, sweep, window};
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

    /// Whether another resource of the source would fare no better.
    pub(crate) async fn is_of_all(&self, entry: &SourceEntry) -> bool {
        match self {
            Self::Unread(error) => entry.is_down(error).await,
            Self::Again | Self::Panicked | Self::Dead(_) => false,
            Self::Down(_) | Self::Ledger => true,
        }
    }

    /// From a read that failed. `what` names the step for the operator.
    pub(crate) fn from_read(error: FhirError, what: &str) -> Self {
        use hob_fhir::FhirErrorKind as K;
        match error.kind {
            // Credentials, permissions, protocol and where the server is are the operator's to mend; until then nothing is lost.
            K::Unauthorized | K::Forbidden | K::Protocol | K::Refused => Self::Unread(Box::new(error)),
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

/// How often the host may panic at a notification before it is a dead letter: whatever it is, it is not the moment.
const PANICS: u32 = 5;

/// Resolves what is accepted, until it is told to stop.
pub(crate) struct Resolver {
    core: Arc<Core>,
    places: Places,
    tasks: JoinSet<Ended>,
}

/// A notification that is in work no more: whose, which, its path, and how it ended.
type Ended = (Key, NotificationSeq, String, Result<(), Unresolved>);

impl Resolver {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        let places = Places::new(core.config.limits.resolves);
        Self { core, places, tasks: JoinSet::new() }
    }

    /// Runs until `stop` is true; what is in work then is dropped, and found again at the next start.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut news = self.core.ledger.watch();
        let mut told = true;
        loop {
            if let Some(first) = self.core.reopened.take() {
                self.places.again_from(first);
                told = true;
            }
            if std::mem::take(&mut told) {
                news.borrow_and_update();
                told = !self.look().await;
            }
            told |= !self.begin().await;
            let wake = self.places.next_wake(self.core.clock.now());
            let core = Arc::clone(&self.core);
            let alarm = async {
                match wake {
                    Some(at) => core.pause(at.since(core.clock.now()) + Duration::from_millis(1)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stopped(&mut stop) => return,
                Some(done) = self.tasks.join_next(), if !self.tasks.is_empty() => self.ended(done),
                changed = news.changed() => if changed.is_err() { return } else { told = true },
                () = std::future::ready(()), if told => {}
                () = core.reopened.told() => {}
                () = alarm => self.places.wake(self.core.clock.now()),
            }
        }
    }

    /// Asks which sources have something; false where the ledger does not say.
    async fn look(&mut self) -> bool {
        match self.core.ledger.unresolved_sources().await {
            Ok(sources) => {
                self.places.news(sources);
                true
            }
            Err(error) => {
                tracing::error!(%error, "the ledger does not say what is to be resolved");
                self.core.pause(Duration::from_secs(1)).await;
                false
            }
        }
    }

    /// Starts as many as there is room for; false where the ledger does not say.
    async fn begin(&mut self) -> bool {
        while let Some((key, after, room)) = self.places.next() {
            let page = match self.core.ledger.unresolved_of(&key.0, &key.1, after, room).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::error!(%error, "the ledger does not say what is to be resolved");
                    self.core.pause(Duration::from_secs(1)).await;
                    return false;
                }
            };
            let numbers: Vec<_> = page.iter().map(|stored| (stored.seq, stored.notification.path.as_str())).collect();
            let begun: BTreeSet<usize> = self.places.page(&key, &numbers, self.core.clock.now()).into_iter().collect();
            for (index, stored) in page.into_iter().enumerate() {
                if begun.contains(&index) {
                    let (seq, path) = (stored.seq, stored.notification.path.clone());
                    self.spawn(key.clone(), seq, path, Some(stored));
                }
            }
        }
        true
    }

    /// Resolves a notification on a task of its own; one that is not at hand is read from the ledger.
    fn spawn(&mut self, key: Key, seq: NotificationSeq, path: String, stored: Option<StoredNotification>) {
        let core = Arc::clone(&self.core);
        let panics = self.places.panics(&key, seq) + 1;
        self.tasks.spawn(async move {
            let work = async {
                let stored = match stored {
                    Some(stored) => stored,
                    None => {
                        let before = NotificationSeq::new(seq.get().saturating_sub(1));
                        let read = core.ledger.unresolved_of(&key.0, &key.1, before, 1).await;
                        let found = read.map_err(|_| Unresolved::Ledger)?.pop();
                        let Some(stored) = found.filter(|stored| stored.seq == seq) else { return Ok(()) };
                        stored
                    }
                };
                one(&core, stored).await
            };
            let done = match std::panic::AssertUnwindSafe(work).catch_unwind().await {
                Ok(done) => done,
                Err(_) => Err(panicked(&core, &key.0, seq, panics).await),
            };
            (key, seq, path, done)
        });
    }

    fn ended(&mut self, done: Result<Ended, tokio::task::JoinError>) {
        let Ok((key, seq, path, result)) = done else {
            // A task that was lost leaves its notification unresolved in the ledger: begin again from the start.
            tracing::error!("a resolve was cut off: looking again");
            self.tasks = JoinSet::new();
            self.places = Places::new(self.core.config.limits.resolves);
            return;
        };
        let now = self.core.clock.now();
        let (tenant, source) = &key;
        if result.is_ok()
            && self.places.is_probing(&key)
            && let Some(entry) = self.core.sources.get(tenant, source)
            && entry.is_up()
        {
            self.core.gaps.want(&entry, Reason::Back);
        }
        let end = match result {
            Ok(()) | Err(Unresolved::Dead(_)) => End::Done,
            Err(failed @ (Unresolved::Again | Unresolved::Unread(_) | Unresolved::Panicked)) => {
                tracing::warn!(%tenant, %source, notification = seq.get(), "a notification is not resolved: it is looked at again later");
                if matches!(failed, Unresolved::Panicked) { End::Panicked } else { End::Later }
            }
            Err(Unresolved::Ledger) => End::Again,
            Err(Unresolved::Down(asked)) => End::Down(match self.core.sources.get(tenant, source) {
                Some(entry) => self.core.source_down(&entry, asked),
                None => now + Duration::from_secs(30),
            }),
        };
        if let Some(next) = self.places.ended(&key, seq, &path, end, now) {
            self.spawn(key, next, path, None);
        }
    }
}

/// Resolves one notification: each of its events for itself, then the notification.
async fn one(core: &Core, stored: StoredNotification) -> Result<(), Unresolved> {
    let seq = stored.seq;
    let (tenant, source) = (stored.notification.tenant.clone(), stored.notification.source.clone());
    let outcome = match events(core, stored).await {
        Ok(None) => Ok(()),
        Ok(Some(seen)) => core.closing.close(core, tenant.clone(), seq, seen).await,
        Err(unresolved) => Err(unresolved),
    };
    match outcome {
        Ok(()) => Ok(()),
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

/// The event numbers that the notification bore; `None` where it is resolved by now.
async fn events(core: &Core, stored: StoredNotification) -> Result<Option<Vec<SeenEvent>>, Unresolved> {
    let seq = stored.seq;
    let kept = stored.notification;
    let Some(entry) = core.sources.get(&kept.tenant, &kept.source) else {
        return Err(Unresolved::dead("source-removed", "its source has been removed"));
    };
    let subscription = kept.subscription.clone();
    let wire = WireRequest { method: kept.method, path_rest: kept.path, headers: kept.headers, body: kept.body };
    let parsed = parse(&wire).map_err(|error: ParseError| Unresolved::Dead(crate::webhooks::dead(&error)))?;
    let mut seen = Vec::new();
    let number = parsed.events.iter().filter_map(|event| event.number).max().or(parsed.events_since_start);
    if matches!(parsed.state, Some(SubscriptionState::Error | SubscriptionState::Off)) {
        core.gaps.want(&entry, Reason::Subscription);
    }
    if let (Some(subscription), Some(number)) = (&subscription, number) {
        let first = parsed.events.iter().filter_map(|event| event.number).min().unwrap_or(number);
        let known = core.ledger.subscription(&kept.tenant, &kept.source, subscription).await.map_err(|_| Unresolved::Ledger)?;
        if known.is_some_and(|known| window::is_gap(known.last_event, first)) {
            core.gaps.want(&entry, Reason::EventGap);
        }
        seen.push(SeenEvent { source: kept.source.clone(), subscription: subscription.clone(), number });
    }
    if parsed.kind.is_control() {
        return Ok(Some(seen));
    }
    if parsed.kind == Kind::Ping || parsed.events.is_empty() {
        sweep::subscription(core, &entry, subscription.as_ref()).await?;
        return Ok(Some(seen));
    }
    // Where it names one resource, the ledger takes both in one.
    let mut whole = (parsed.events.len() == 1).then(|| settle::Whole { seq, seen: seen.clone() });
    let mut resolved = false;
    let mut dead = Dead::default();
    for event in parsed.events {
        let done = match named(&entry, &event).await {
            Ok(Some(reference)) => {
                let hint = Hint { reference, event, received: kept.received };
                settle::resource(core, &entry, hint, whole.take()).await.map(|with_it| resolved = with_it)
            }
            Ok(None) => sweep::subscription(core, &entry, subscription.as_ref()).await,
            Err(unresolved) => Err(unresolved),
        };
        dead.note(done)?;
    }
    dead.end()?;
    Ok((!resolved).then_some(seen))
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
