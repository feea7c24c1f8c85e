//! Requests of a run in its midst: each is in the ledger before a byte of it leaves, and its answer is before the bot has it.
//!
//! No transaction takes such a request back, so it must not depend on how often the run is tried: an attempt that asks what an earlier one asked is
//! given the same answer. What was asked is told by method, URL and body, and by how many equal ones the attempt asked before. Of one without an answer nobody
//! knows whether it was done: a method that only reads is asked again; of any other the manifest says what becomes of it, as of those in the outbox.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::http::Method;
use bytes::Bytes;
use data_encoding::BASE64;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use hob_engine::{HttpError, HttpRequest, HttpResponse, Outbound};
use hob_ledger::{AskKey, Asked, REQUEST_UNKNOWN, RunKey};
use hob_model::{Digest, Failure, FailureKind, Unknown};
use serde_json::{Value, json};

use crate::bots::LiveBot;
use crate::core::Core;
use crate::outbound::{Heard, Outgoing, Tried, send};
use crate::run::driver::persist;

/// What became of a question.
type Answer = Result<HttpResponse, HttpError>;

/// What an attempt asks.
pub(crate) struct Asks {
    core: Arc<Core>,
    bot: Arc<LiveBot>,
    run: RunKey,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// How many equal ones were answered.
    answered: BTreeMap<Digest, u32>,
    /// The last question: it may be under way when the bot's time is over.
    last: Option<Shared<BoxFuture<'static, Answer>>>,
}

impl Asks {
    pub(crate) fn new(core: &Arc<Core>, bot: &Arc<LiveBot>, run: &RunKey) -> Self {
        Self { core: Arc::clone(core), bot: Arc::clone(bot), run: run.clone(), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for what is under way, so that the next attempt does not ask beside it. Gives the failure that ends the attempt, whatever the bot failed of.
    pub(crate) async fn settled(&self) -> Option<Failure> {
        let last = self.state().last.take()?;
        match last.await {
            Err(HttpError::Ends(failure)) => Some(failure),
            _ => None,
        }
    }
}

#[async_trait]
impl Outbound for Asks {
    async fn send(&self, request: HttpRequest) -> Answer {
        let what = Digest::of_parts(&[request.method.as_bytes(), request.url.as_bytes(), &request.body]);
        let among = self.state().answered.get(&what).copied().unwrap_or_default();
        let ask = Digest::of_parts(&[what.as_bytes(), &among.to_be_bytes()]);
        let asking = Asking {
            core: Arc::clone(&self.core),
            bot: Arc::clone(&self.bot),
            key: AskKey { run: self.run.clone(), ask },
            request,
        };
        // On a task of its own: what has left is waited for and kept, though the bot's time is over.
        let may_repeat = asking.may_repeat();
        let task = tokio::spawn(asking.go());
        let panicked = "the host panicked while it was being sent";
        let end = async move { task.await.unwrap_or_else(|_| Err(not_known(may_repeat, panicked))) };
        let answer = end.boxed().shared();
        self.state().last = Some(answer.clone());
        let answer = answer.await;
        if answer.is_ok() {
            *self.state().answered.entry(what).or_default() += 1;
        }
        answer
    }
}

struct Asking {
    core: Arc<Core>,
    bot: Arc<LiveBot>,
    key: AskKey,
    request: HttpRequest,
}

impl Asking {
    async fn go(self) -> Answer {
        let core = &self.core;
        let asked = persist(core, "ask", || core.ledger.ask(core.epoch, &self.key)).await.ok_or_else(no_ledger)?;
        match &asked {
            Asked::Before(answer) => return decode(answer).ok_or_else(no_ledger)?,
            Asked::Unknown if !self.may_repeat() => {
                return Err(not_known(false, "an earlier attempt was cut off while it was being sent"));
            }
            Asked::Now | Asked::Unknown => {}
        }
        let outgoing = Outgoing {
            run: self.key.run.run,
            idempotency_key: &self.key.idempotency_key(),
            method: &self.request.method,
            url: &self.request.url,
            headers: &self.request.headers,
            body: &self.request.body,
            timeout: Duration::from_millis(self.bot.manifest.limits.request_ms),
        };
        let (answer, kept) = match send(core, &self.bot, &outgoing).await {
            Tried::Unknown(why) => return Err(not_known(self.may_repeat(), why)),
            Tried::Answered(Heard { status, headers, body, whole: true }) => {
                // Whoever is asked to show other credentials, or to come again, is not told what he asked.
                (Ok(HttpResponse { status, headers, body }), !matches!(status, 401 | 403 | 407 | 408 | 425))
            }
            Tried::Answered(Heard { whole: false, .. }) => (Err(too_large()), true),
            // The host's log says why; where the host keeps its secrets is not for the bot.
            Tried::Later { code: "outbox-secret", .. } => {
                (Err(told("later", "a secret is not to be had: see the host's log".to_owned(), None)), false)
            }
            Tried::Later { why, asked, .. } => (Err(told("later", why, asked)), false),
            Tried::Refused(why) => (Err(told("refused", why.to_string(), None)), false),
        };
        if kept {
            let bytes = encode(answer.as_ref().ok());
            persist(core, "answered", || core.ledger.answered(core.epoch, &self.key, bytes.clone()))
                .await
                .ok_or_else(no_ledger)?;
        } else if asked == Asked::Now {
            // What an earlier attempt sent stays as unknown as it was.
            persist(core, "unasked", || core.ledger.unasked(core.epoch, &self.key)).await.ok_or_else(no_ledger)?;
        }
        answer
    }

    /// RFC 9110, 9.2.1: what only reads can be asked as often as one likes.
    fn may_repeat(&self) -> bool {
        let reads = [Method::GET, Method::HEAD, Method::OPTIONS].iter().any(|method| method.as_str() == self.request.method);
        reads || self.bot.manifest.outbox.unknown == Unknown::Resend
    }
}

fn told(code: &'static str, message: String, retry_after: Option<Duration>) -> HttpError {
    HttpError::Told { code, message, retry_after }
}

fn too_large() -> HttpError {
    told("too-large", "the answer is longer than 1 MiB".to_owned(), None)
}

/// Nobody knows whether it was done; where it may not be asked again, only somebody who looked may have it asked.
fn not_known(may_repeat: bool, why: &str) -> HttpError {
    if may_repeat {
        return told("unknown", why.to_owned(), None);
    }
    let message = format!(
        "nobody knows whether a request was done: {why}; look at the receiver, then open the run again: it is then sent anew"
    );
    HttpError::Ends(Failure { kind: FailureKind::Fatal, code: REQUEST_UNKNOWN.to_owned(), message, retry_after: None })
}

fn no_ledger() -> HttpError {
    let message = "the ledger does not take it".to_owned();
    HttpError::Ends(Failure { kind: FailureKind::Retry, code: "ledger".to_owned(), message, retry_after: None })
}

/// None for one that was too large.
fn encode(response: Option<&HttpResponse>) -> Bytes {
    let Some(HttpResponse { status, headers, body }) = response else { return Bytes::from_static(b"null") };
    json!({ "status": status, "headers": headers, "body": BASE64.encode(body) }).to_string().into()
}

fn decode(bytes: &[u8]) -> Option<Answer> {
    let mut kept: Value = serde_json::from_slice(bytes).ok()?;
    if kept.is_null() {
        return Some(Err(too_large()));
    }
    Some(Ok(HttpResponse {
        status: u16::try_from(kept["status"].as_u64()?).ok()?,
        headers: serde_json::from_value(kept["headers"].take()).ok()?,
        body: BASE64.decode(kept["body"].as_str()?.as_bytes()).ok()?.into(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_it_was_kept() {
        let response = HttpResponse {
            status: 201,
            headers: vec![("content-type".to_owned(), "image/png".to_owned())],
            body: Bytes::from_static(&[0, 255, 34, 10]),
        };
        assert_eq!(decode(&encode(Some(&response))), Some(Ok(response)));
        assert_eq!(decode(&encode(None)), Some(Err(too_large())));
        assert_eq!(decode(b"{}"), None);
    }
}
