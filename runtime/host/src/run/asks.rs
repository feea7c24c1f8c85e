//! Requests of a run in its midst: each is in the ledger before a byte of it leaves, and its answer is before the bot has it.
//!
//! No transaction takes such a request back, so it must not depend on how often the run is tried: an attempt that asks what an earlier one asked is
//! given the same answer. What was asked is told by method, URL and body, and by how many equal ones the attempt asked before. Of one without an answer nobody
//! knows whether it was done: a method that only reads is asked again; of any other the manifest says what becomes of it, as of those in the outbox.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use axum::http::{HeaderMap, Method};
use bytes::Bytes;
use data_encoding::BASE64;
use hob_engine::{HttpError, HttpRequest, HttpResponse, Outbound, placeholder};
use hob_ledger::{AskKey, Asked, RunKey};
use hob_model::{Digest, Failure, FailureKind, Unknown};
use serde_json::{Value, json};

use crate::bots::LiveBot;
use crate::core::Core;
use crate::outbound::{Outgoing, Tried, send};
use crate::run::driver::persist;
use crate::secrets;

/// What an attempt asks.
pub(crate) struct Asks {
    core: Arc<Core>,
    bot: Arc<LiveBot>,
    run: RunKey,
    /// How many equal ones were answered.
    answered: Mutex<BTreeMap<Digest, u32>>,
}

impl Asks {
    pub(crate) fn new(core: &Arc<Core>, bot: &Arc<LiveBot>, run: &RunKey) -> Self {
        Self { core: Arc::clone(core), bot: Arc::clone(bot), run: run.clone(), answered: Mutex::default() }
    }
}

#[async_trait]
impl Outbound for Asks {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let what = Digest::of_parts(&[request.method.as_bytes(), request.url.as_bytes(), &request.body]);
        let among = self.answered.lock().unwrap_or_else(PoisonError::into_inner).get(&what).copied().unwrap_or_default();
        let ask = Digest::of_parts(&[what.as_bytes(), &among.to_be_bytes()]);
        let asking = Asking {
            core: Arc::clone(&self.core),
            bot: Arc::clone(&self.bot),
            key: AskKey { run: self.run.clone(), ask },
            request,
        };
        // On a task of its own: what has left is waited for and kept, though the attempt's time is over.
        let answer =
            tokio::spawn(asking.go()).await.unwrap_or_else(|_| Err(unknown("the host panicked while it was being sent")));
        if answer.is_ok() {
            *self.answered.lock().unwrap_or_else(PoisonError::into_inner).entry(what).or_default() += 1;
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
    async fn go(self) -> Result<HttpResponse, HttpError> {
        let core = &self.core;
        let asked = persist(core, "ask", || core.ledger.ask(core.epoch, &self.key)).await.ok_or_else(no_ledger)?;
        match asked {
            Asked::Before(answer) => return decode(&answer).ok_or_else(no_ledger),
            Asked::Unknown if !self.may_repeat() => {
                return Err(unknown("an earlier attempt was cut off while it was being sent"));
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
        };
        let (code, message, retry_after) = match send(core, &self.bot, &outgoing).await {
            Tried::Answered { status, headers, body } => {
                let response = HttpResponse { status, headers: self.heard(&headers), body: self.scrubbed(body) };
                let kept = encode(&response);
                let done = persist(core, "answered", || core.ledger.answered(core.epoch, &self.key, kept.clone())).await;
                return done.map(|()| response).ok_or_else(no_ledger);
            }
            Tried::Unknown(why) if self.may_repeat() => return Err(told("unknown", why.to_owned(), None)),
            Tried::Unknown(why) => return Err(unknown(why)),
            Tried::Later { why, asked, .. } => ("later", why, asked),
            Tried::Refused(why) => ("refused", why.to_owned(), None),
        };
        // An earlier try of one that may be repeated is no more known than before, and no less repeated.
        persist(core, "unasked", || core.ledger.unasked(core.epoch, &self.key)).await.ok_or_else(no_ledger)?;
        Err(told(code, message, retry_after))
    }

    /// RFC 9110, 9.2.1: what only reads can be asked as often as one likes.
    fn may_repeat(&self) -> bool {
        let reads = [Method::GET, Method::HEAD, Method::OPTIONS].iter().any(|method| method.as_str() == self.request.method);
        reads || self.bot.manifest.outbox.unknown == Unknown::Resend
    }

    /// The headers of an answer, without what belongs to the connection and what is no text.
    fn heard(&self, headers: &HeaderMap) -> Vec<(String, String)> {
        let ours = ["connection", "keep-alive", "set-cookie", "trailer", "transfer-encoding", "upgrade"];
        let texts = headers.iter().filter(|(name, _)| !ours.contains(&name.as_str()));
        texts.filter_map(|(name, value)| Some((name.to_string(), self.without_secrets(value.to_str().ok()?)))).collect()
    }

    /// A receiver that gives back what it was given must not give the bot a secret.
    fn scrubbed(&self, body: Bytes) -> Bytes {
        match std::str::from_utf8(&body) {
            Ok(text) if !self.bot.manifest.secrets.is_empty() => self.without_secrets(text).into(),
            _ => body,
        }
    }

    fn without_secrets(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for (name, reference) in &self.bot.manifest.secrets {
            if let Ok(value) = secrets::resolve(reference)
                && !value.expose().is_empty()
            {
                clean = clean.replace(value.expose(), &placeholder(self.key.run.run, name));
            }
        }
        clean
    }
}

fn told(code: &'static str, message: String, retry_after: Option<std::time::Duration>) -> HttpError {
    HttpError::Told { code, message, retry_after }
}

/// Nobody knows, and nobody may ask again but somebody who looked.
fn unknown(why: &str) -> HttpError {
    let message = format!(
        "nobody knows whether a request was done: {why}; look at the receiver, then open the run again: it is then sent anew"
    );
    HttpError::Ends(Failure { kind: FailureKind::Fatal, code: "request-unknown".to_owned(), message, retry_after: None })
}

fn no_ledger() -> HttpError {
    let message = "the ledger does not take it".to_owned();
    HttpError::Ends(Failure { kind: FailureKind::Retry, code: "ledger".to_owned(), message, retry_after: None })
}

fn encode(response: &HttpResponse) -> Bytes {
    let HttpResponse { status, headers, body } = response;
    json!({ "status": status, "headers": headers, "body": BASE64.encode(body) }).to_string().into()
}

fn decode(bytes: &[u8]) -> Option<HttpResponse> {
    let mut kept: Value = serde_json::from_slice(bytes).ok()?;
    Some(HttpResponse {
        status: u16::try_from(kept["status"].as_u64()?).ok()?,
        headers: serde_json::from_value(kept["headers"].take()).ok()?,
        body: BASE64.decode(kept["body"].as_str()?.as_bytes()).ok()?.into(),
    })
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
        assert_eq!(decode(&encode(&response)), Some(response));
        assert_eq!(decode(b"{}"), None);
    }
}
