//! The outbox: requests that runs staged, sent after their commit, each under one Idempotency-Key for good.
//!
//! That a request is being sent is in the ledger before a byte of it leaves, and it is taken off only by the transaction that also keeps its end. So whoever
//! finds one that is being sent, and is not sending it, knows that nobody knows: the host died in between. Then, and where the answer was lost, the bot's
//! manifest says what becomes of it (`[outbox] unknown`).
//!
//! Of one bot to one host few are sent at once, in the order in which they were staged, so that a receiver that hangs holds up its own requests alone. One
//! that is tried again later does not hold up those behind it: a bot that needs one after the other sends the second when it has the first's answer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header::CONTENT_TYPE;
use futures::FutureExt as _;
use hob_ledger::{DeadReason, DueOutbox, NewEvent, NewRun, Opening, OutboxKey};
use hob_model::{Cause, Event, Manifest, Payload, Timestamp, Trigger, Unknown};
use tokio::task::JoinSet;

use crate::bots::LiveBot;
use crate::core::Core;
use crate::outbound::{Heard, Outgoing, Tried, send};
use crate::run::driver::persist;

/// Requests under way at once.
const AT_ONCE: usize = 32;
/// Of those, of one bot to one host.
const SHARE: usize = 4;
/// Tries before a request is a dead letter: with ten minutes between the later ones, about three days.
const TRIES: u32 = 450;

pub(super) struct Outbox {
    tasks: JoinSet<OutboxKey>,
    busy: BTreeSet<OutboxKey>,
    /// The ledger may hold requests as being sent that this host is not sending: at the start, and after a call whose answer was lost.
    unsure: bool,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self { tasks: JoinSet::new(), busy: BTreeSet::new(), unsure: true }
    }

    /// Sends what is due; says when the next is.
    pub(super) async fn look(&mut self, core: &Arc<Core>) -> Option<Timestamp> {
        while let Some(ended) = self.tasks.try_join_next() {
            self.ended(ended);
        }
        match self.begin(core).await {
            Ok(next) => next,
            Err(error) => {
                self.unsure = true;
                tracing::error!(%error, "the outbox waits for the ledger");
                // Here and not by the alarm: what is under way ends at once where the ledger refuses all, and each end is a look.
                core.pause(Duration::from_secs(1)).await;
                Some(core.clock.now())
            }
        }
    }

    async fn begin(&mut self, core: &Arc<Core>) -> hob_ledger::Result<Option<Timestamp>> {
        if self.unsure {
            for item in core.ledger.sending_outbox().await? {
                if !self.busy.contains(&item.key) {
                    self.spawn(core, item, true);
                }
            }
            self.unsure = false;
        }
        let now = core.clock.now();
        let next = core.ledger.next_outbox(SHARE).await?;
        let room = AT_ONCE.saturating_sub(self.tasks.len());
        if room == 0 || next.is_none_or(|at| at > now) {
            // With all places taken the next end is the alarm.
            return Ok(next.filter(|_| room > 0));
        }
        for item in core.ledger.begin_outbox(core.epoch, now, SHARE, room).await? {
            self.spawn(core, item, false);
        }
        if self.tasks.len() >= AT_ONCE { Ok(None) } else { core.ledger.next_outbox(SHARE).await }
    }

    fn spawn(&mut self, core: &Arc<Core>, item: DueOutbox, unknown: bool) {
        self.busy.insert(item.key.clone());
        let core = Arc::clone(core);
        self.tasks.spawn(async move {
            one(&core, &item, unknown).await;
            item.key
        });
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
            Err(_) => tracing::error!("a request of the outbox was cut off: the next start looks after it"),
        }
    }
}

/// Tries a request once, and keeps what came of it. `unknown`: an earlier host may have sent it.
async fn one(core: &Core, item: &DueOutbox, unknown: bool) {
    let Some(bot) = core.bots.get(&item.key.tenant, &item.bot) else {
        // Its bot is out of service, and with it what says whether an unknown outcome may be sent again.
        let reason = DeadReason { code: "outbox-no-bot".to_owned(), message: "its bot is not in service".to_owned() };
        if unknown {
            end(core, None, item, &DeadReason { code: "outbox-unknown".to_owned(), ..reason }).await;
        } else {
            again(core, item, Duration::from_secs(300), &reason).await;
        }
        return;
    };
    let tried = if unknown {
        Tried::Unknown("the host stopped while it was being sent")
    } else {
        let outgoing = Outgoing {
            run: item.key.run,
            idempotency_key: &item.idempotency_key,
            method: &item.item.method,
            url: &item.item.url,
            headers: &item.item.headers,
            body: &item.item.body,
            timeout: Duration::from_millis(bot.manifest.limits.request_ms),
        };
        let sent = std::panic::AssertUnwindSafe(send(core, &bot, &outgoing)).catch_unwind().await;
        sent.unwrap_or(Tried::Unknown("the host panicked while it was being sent"))
    };
    settle(core, &bot, item, tried).await;
}

async fn settle(core: &Core, bot: &LiveBot, item: &DueOutbox, tried: Tried) {
    let (code, why, asked, last) = match tried {
        Tried::Answered(Heard { status, headers, body, .. }) => {
            let content_type = headers.into_iter().find(|(name, _)| name == CONTENT_TYPE.as_str());
            let payload = Payload { content_type: content_type.map(|(_, value)| value).unwrap_or_default(), bytes: body };
            let reply = reply(core, bot, item, Some(status), payload);
            let queued = persist(core, "outbox", || core.ledger.outbox_done(core.epoch, &item.key, reply.clone())).await;
            core.news(queued.map(|queued| queued.heads).unwrap_or_default()).await;
            return;
        }
        Tried::Later { code, why, asked } => (code, why, asked, false),
        Tried::Unknown(why) => ("outbox-unknown", why.to_owned(), None, bot.manifest.outbox.unknown == Unknown::DeadLetter),
        Tried::Refused(why) => (why.code(), why.to_string(), None, true),
    };
    let tries = item.attempts.saturating_add(1);
    let mut reason = DeadReason { code: code.to_owned(), message: why };
    if last {
        end(core, Some(bot), item, &reason).await;
    } else if tries < TRIES {
        let doubled = Duration::from_secs(1).saturating_mul(1_u32.checked_shl(item.attempts).unwrap_or(u32::MAX));
        let wait = doubled.min(Duration::from_secs(600)).mul_f64(0.5 + core.spread() / 2.0).max(asked.unwrap_or_default());
        again(core, item, wait, &reason).await;
    } else {
        reason.message = format!("{} (given up after {tries} tries)", reason.message);
        end(core, Some(bot), item, &reason).await;
    }
}

async fn again(core: &Core, item: &DueOutbox, wait: Duration, reason: &DeadReason) {
    let at = core.clock.now() + wait;
    persist(core, "outbox", || core.ledger.outbox_again(core.epoch, &item.key, at, reason.clone())).await;
}

/// Gives a request up; the bot hears of it as of an answer without a status.
async fn end(core: &Core, bot: Option<&LiveBot>, item: &DueOutbox, reason: &DeadReason) {
    tracing::error!(tenant = %item.key.tenant, run = %item.key.run, code = reason.code, "a request of the outbox is a dead letter");
    let reply = bot.and_then(|bot| reply(core, bot, item, None, Payload::default()));
    let at = core.clock.now();
    let write = || core.ledger.outbox_dead(core.epoch, &item.key, at, reason.clone(), reply.clone());
    let queued = persist(core, "outbox", write).await;
    core.news(queued.map(|queued| queued.heads).unwrap_or_default()).await;
}

/// The event of an end, where the bot wants it.
fn reply(core: &Core, bot: &LiveBot, item: &DueOutbox, status: Option<u16>, payload: Payload) -> Option<NewEvent> {
    if !wants_replies(&bot.manifest) {
        return None;
    }
    let event = Event {
        id: item.key.event_id(item.round),
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
    Some(NewEvent { event, payload, runs: vec![run] })
}

/// Whether a bot wants the answers to its requests.
fn wants_replies(manifest: &Manifest) -> bool {
    manifest.on.iter().any(|trigger| matches!(trigger, Trigger::Reply))
}
