//! The outbox: requests that runs staged, sent after their commit, each under one Idempotency-Key for good.
//!
//! A request is taken off only by the ledger transaction that also keeps its answer as an event. After a crash in between it is sent again, under the
//! same key: the receiver's part of "once" is to honour that key, as the docs tell authors.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, Request};
use bytes::Bytes;
use hob_engine::placeholder;
use hob_ledger::{DueOutbox, NewEvent, NewRun, Opening, OutboxKey};
use hob_model::{Cause, Event, Payload, Timestamp};
use tokio::task::JoinSet;

use crate::agenda::wants_replies;
use crate::bots::LiveBot;
use crate::core::Core;
use crate::run::driver::persist;
use crate::secrets;

/// Requests under way at once.
const AT_ONCE: usize = 16;
/// Tries before the answer that none came is the answer: with ten minutes between the later ones, about three days.
const TRIES: u32 = 450;
/// The most of an answer's body that is kept.
const BODY: usize = 1024 * 1024;
const TIMEOUT: Duration = Duration::from_secs(30);

pub(super) struct Outbox {
    tasks: JoinSet<OutboxKey>,
    busy: BTreeSet<OutboxKey>,
}

/// What became of one try.
enum Tried {
    Answer { status: u16, content_type: String, body: Bytes },
    Later(Option<Duration>),
    Refused(String),
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self { tasks: JoinSet::new(), busy: BTreeSet::new() }
    }

    /// Sends what is due; says when the next is.
    pub(super) async fn look(&mut self, core: &Arc<Core>) -> Option<Timestamp> {
        while let Some(ended) = self.tasks.try_join_next() {
            self.ended(ended);
        }
        let room = AT_ONCE.saturating_sub(self.tasks.len());
        let due = core.ledger.due_outbox(core.clock.now(), room + self.busy.len()).await.unwrap_or_default();
        for item in due.into_iter().filter(|item| !self.busy.contains(&item.key)).take(room).collect::<Vec<_>>() {
            self.busy.insert(item.key.clone());
            let core = Arc::clone(core);
            self.tasks.spawn(async move {
                let key = item.key.clone();
                one(&core, item).await;
                key
            });
        }
        // With all places taken the next end is the alarm.
        if self.busy.is_empty() { core.ledger.next_outbox().await.ok().flatten() } else { None }
    }

    /// Waits for one request to end; for ever where none is under way.
    pub(super) async fn one_ended(&mut self) {
        match self.tasks.join_next().await {
            Some(ended) => self.ended(ended),
            None => std::future::pending().await,
        }
    }

    /// Lets what is under way end.
    pub(super) async fn drain(&mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            self.ended(ended);
        }
    }

    fn ended(&mut self, ended: Result<OutboxKey, tokio::task::JoinError>) {
        match ended {
            Ok(key) => {
                self.busy.remove(&key);
            }
            Err(_) => self.busy.clear(),
        }
    }
}

async fn one(core: &Core, item: DueOutbox) {
    let Some(bot) = core.bots.get(&item.key.tenant, &item.bot) else {
        let at = core.clock.now() + Duration::from_secs(300);
        persist(core, "outbox", || core.ledger.outbox_again(core.epoch, &item.key, at)).await;
        return;
    };
    let (status, payload) = match send(core, &bot, &item).await {
        Tried::Answer { status, content_type, body } => (Some(status), Payload { content_type, bytes: body }),
        Tried::Later(asked) if item.attempts + 1 < TRIES => {
            let doubled = Duration::from_secs(1).saturating_mul(1_u32.checked_shl(item.attempts).unwrap_or(u32::MAX));
            let wait = doubled.min(Duration::from_secs(600)).mul_f64(0.5 + core.spread() / 2.0).max(asked.unwrap_or_default());
            let at = core.clock.now() + wait;
            persist(core, "outbox", || core.ledger.outbox_again(core.epoch, &item.key, at)).await;
            return;
        }
        Tried::Later(_) => {
            tracing::error!(tenant = %item.key.tenant, run = %item.key.run, code = "outbox-given-up", "a request was given up");
            (None, Payload::default())
        }
        Tried::Refused(why) => {
            tracing::error!(tenant = %item.key.tenant, run = %item.key.run, code = "outbox-refused", why, "a request was not sent");
            (None, Payload::default())
        }
    };
    let reply = if wants_replies(&bot.manifest) { Some(reply(core, &bot, &item, status, payload)) } else { None };
    let queued = persist(core, "outbox", || core.ledger.outbox_done(core.epoch, &item.key, reply.clone())).await;
    core.news(queued.map(|queued| queued.heads).unwrap_or_default()).await;
}

async fn send(core: &Core, bot: &LiveBot, item: &DueOutbox) -> Tried {
    let request = match request(bot, item) {
        Ok(request) => request,
        Err(why) => return why,
    };
    let sent = tokio::time::timeout(TIMEOUT, core.transport.exchange(request, BODY)).await;
    let Ok(Ok(answer)) = sent else { return Tried::Later(None) };
    let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    if answer.status == 429 || answer.status >= 500 {
        return Tried::Later(header("retry-after").and_then(|text| text.parse().ok()).map(Duration::from_secs));
    }
    let content_type = header("content-type").unwrap_or_default();
    Tried::Answer { status: answer.status, content_type, body: answer.body }
}

/// The request with the values of its secrets.
fn request(bot: &LiveBot, item: &DueOutbox) -> Result<Request<Bytes>, Tried> {
    let fill = |text: &str| fill(bot, item, text);
    let method = item.item.method.parse::<Method>().map_err(|_| Tried::Refused("the method is none of HTTP".to_owned()))?;
    let mut request = Request::builder().method(method).uri(fill(&item.item.url)?);
    for (name, value) in &item.item.headers {
        request = request.header(name, fill(value)?);
    }
    request = request.header("Idempotency-Key", &item.idempotency_key);
    let body = match std::str::from_utf8(&item.item.body) {
        Ok(text) => fill(text)?.into(),
        Err(_) => Bytes::from(item.item.body.clone()),
    };
    request.body(body).map_err(|_| Tried::Refused("its URL or a header is none of HTTP".to_owned()))
}

/// Puts the values of secrets in the place of their placeholders.
fn fill(bot: &LiveBot, item: &DueOutbox, text: &str) -> Result<String, Tried> {
    let mut filled = text.to_owned();
    for (name, reference) in &bot.manifest.secrets {
        let placeholder = placeholder(item.key.run, name);
        if filled.contains(&placeholder) {
            let value = secrets::resolve(reference).map_err(|error| {
                tracing::error!(tenant = %item.key.tenant, bot = %bot.name, secret = name, %error, "a request of a bot waits for its secret");
                Tried::Later(None)
            })?;
            filled = filled.replace(&placeholder, value.expose());
        }
    }
    Ok(filled)
}

fn reply(core: &Core, bot: &LiveBot, item: &DueOutbox, status: Option<u16>, payload: Payload) -> NewEvent {
    let event = Event {
        id: item.key.event_id(),
        tenant: item.key.tenant.clone(),
        source: item.source.clone(),
        cause: Cause::Reply { sent_by: item.key.run, key: item.key.key.clone(), status },
        occurred: Some(core.clock.now()),
        received: core.clock.now(),
        hop: item.hop,
    };
    let run = NewRun {
        bot: bot.name.clone(),
        release: bot.digest,
        lane: item.lane.clone(),
        opening: Opening::Pending,
        supersedes_earlier: false,
    };
    NewEvent { event, payload, runs: vec![run] }
}
