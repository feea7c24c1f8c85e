//! One try at one request of a bot: of the outbox, or in the midst of a run. It goes only where [`reach`] lets it, and takes along only what [`fill`] puts in.

mod fill;
mod reach;

use std::borrow::Cow;
use std::time::Duration;

use axum::http::header;
use bytes::Bytes;
use hob_engine::Scrub;
use hob_fhir::{Answer, NoAnswer};
use hob_model::RunId;

use crate::bots::LiveBot;
use crate::core::Core;

pub use reach::Allowed;
pub(crate) use reach::Reach;

/// The most of an answer's body that is kept.
const BODY: usize = 1024 * 1024;
/// The longest wait that a receiver may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(24 * 3600);

/// What became of one try.
#[derive(Debug)]
pub(crate) enum Tried {
    /// The receiver said what it made of it.
    Answered(Heard),
    /// It was not done, and may be tried again.
    Later { code: &'static str, why: String, asked: Option<Duration> },
    /// Its bytes left and nobody knows what became of them.
    Unknown(&'static str),
    /// It can never be sent. Nothing was.
    Refused(Refusal),
}

/// Why a request can never be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// It is none of HTTP.
    #[error("{0}")]
    Malformed(&'static str),
    /// No rule of the release in service lets its secrets go there.
    #[error(
        "no `[[http]]` rule of the release in service lets {secrets} go to {host} so: add it to the rule's `secrets` in bot.toml, and deploy"
    )]
    Secret {
        /// Their names.
        secrets: String,
        /// Where it was to go.
        host: String,
    },
    /// The host has no address that bots may ask.
    #[error(
        "{host} has no address of the public internet, and this host does not send bots elsewhere: whoever runs it can list {host} or its address in hob.toml, `[outbound] allow`"
    )]
    Address {
        /// The host's name or address, in the normal form of URLs.
        host: String,
    },
}

impl Refusal {
    /// As the outbox's dead letters have it.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "outbox-refused",
            Self::Secret { .. } => "outbox-not-allowed",
            Self::Address { .. } => "outbox-address",
        }
    }
}

/// An answer as the bot may have it.
#[derive(Debug, PartialEq)]
pub(crate) struct Heard {
    pub(crate) status: u16,
    /// Those that are text, without what belongs to the connection.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
    /// False where the body was longer, and is cut.
    pub(crate) whole: bool,
}

/// A request as the bot made it.
pub(crate) struct Outgoing<'a> {
    /// Whose placeholders stand in it.
    pub(crate) run: RunId,
    pub(crate) idempotency_key: &'a str,
    pub(crate) method: &'a str,
    pub(crate) url: &'a str,
    pub(crate) headers: &'a [(String, String)],
    pub(crate) body: &'a [u8],
    /// How long an answer may take. A connection has less time to be made: what is over this has left.
    pub(crate) timeout: Duration,
}

/// Sends a request once.
pub(crate) async fn send(core: &Core, bot: &LiveBot, outgoing: &Outgoing<'_>) -> Tried {
    let (request, scrub) = match fill::filled(&core.places(&bot.tenant), &bot.manifest, outgoing) {
        Ok(filled) => filled,
        Err(why) => return why,
    };
    let host = request.uri().host().unwrap_or_default().to_owned();
    match tokio::time::timeout(outgoing.timeout, core.outbound.exchange(request, BODY)).await {
        Err(_) => Tried::Unknown("timed out"),
        Ok(Err(NoAnswer::Unknown(why))) => Tried::Unknown(why),
        Ok(Err(NoAnswer::Forbidden)) => {
            tracing::warn!(tenant = %bot.tenant, bot = %bot.name, host, "a request of a bot was not sent: its host has no address that bots may ask");
            Tried::Refused(Refusal::Address { host })
        }
        Ok(Err(NoAnswer::NotSent(why))) => Tried::Later { code: "outbox-unreachable", why: why.to_owned(), asked: None },
        Ok(Ok(answer)) => judge(answer, &scrub),
    }
}

/// What an answer says. A gateway that answers for a receiver which it did not understand, or which did not answer it, knows no more than if the connection
/// had broken; so do those of large networks, with numbers of their own.
fn judge(answer: Answer, scrub: &Scrub) -> Tried {
    let Answer { status, headers, body, whole } = answer;
    match status {
        502 | 504 | 520 | 522 | 524 | 598 | 599 => Tried::Unknown("a gateway did not say what became of it"),
        429 | 500.. => {
            let asked = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
            let asked = asked.map(Duration::from_secs).map(|asked| asked.min(LONGEST_ASKED));
            Tried::Later { code: "outbox-answer", why: format!("the receiver answered {status}"), asked }
        }
        _ => Tried::Answered(Heard { status, headers: fill::headers_heard(&headers, scrub), body: scrubbed(body, scrub), whole }),
    }
}

fn scrubbed(body: Bytes, scrub: &Scrub) -> Bytes {
    match scrub.bytes(&body) {
        Cow::Borrowed(_) => body.clone(),
        Cow::Owned(clean) => clean.into(),
    }
}

#[cfg(test)]
mod wire;

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::*;

    fn judged(status: u16, retry_after: Option<&str>) -> Tried {
        let mut headers = HeaderMap::new();
        if let Some(asked) = retry_after {
            headers.insert(header::RETRY_AFTER, asked.parse().unwrap());
        }
        judge(Answer { status, headers, body: Bytes::from_static(b"x"), whole: true }, &Scrub::default())
    }

    #[test]
    fn only_what_the_receiver_did_not_do_is_tried_again() {
        for status in [200, 202, 301, 400, 404, 409, 422] {
            assert!(matches!(judged(status, None), Tried::Answered(heard) if heard.status == status), "{status}");
        }
        for status in [429, 500, 501, 503, 521] {
            assert!(matches!(judged(status, None), Tried::Later { code: "outbox-answer", asked: None, .. }), "{status}");
        }
        for status in [502, 504, 520, 522, 524, 598, 599] {
            assert!(matches!(judged(status, None), Tried::Unknown(_)), "{status}");
        }
    }

    #[test]
    fn a_wait_that_is_asked_for_is_honoured_up_to_a_day() {
        for (asked, told) in [("7", Some(7)), (" 90 ", Some(90)), ("999999999", Some(24 * 3600)), ("soon", None), ("-1", None)] {
            let Tried::Later { asked: found, .. } = judged(503, Some(asked)) else { panic!("{asked}") };
            assert_eq!(found, told.map(Duration::from_secs), "{asked}");
        }
    }
}
