//! One try at one request of a bot: of the outbox, or in the midst of a run.

use std::time::Duration;

use axum::http::{HeaderMap, Method, Request, header};
use bytes::Bytes;
use hob_engine::placeholder;
use hob_fhir::NoAnswer;
use hob_model::RunId;

use crate::bots::LiveBot;
use crate::core::Core;
use crate::secrets;

/// The most of an answer's body that is kept.
const BODY: usize = 1024 * 1024;
/// How long an answer may take. A connection has less time to be made: what is over this has left.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The longest wait that a receiver may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(24 * 3600);

/// What became of one try.
#[derive(Debug)]
pub(crate) enum Tried {
    /// The receiver said what it made of it.
    Answered { status: u16, headers: Box<HeaderMap>, body: Bytes },
    /// It was not done, and may be tried again.
    Later { code: &'static str, why: String, asked: Option<Duration> },
    /// Its bytes left and nobody knows what became of them.
    Unknown(&'static str),
    /// It can never be sent.
    Refused(&'static str),
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
}

/// Sends a request once.
pub(crate) async fn send(core: &Core, bot: &LiveBot, outgoing: &Outgoing<'_>) -> Tried {
    let request = match request(bot, outgoing) {
        Ok(request) => request,
        Err(why) => return why,
    };
    match tokio::time::timeout(TIMEOUT, core.transport.exchange(request, BODY)).await {
        Err(_) => Tried::Unknown("timed out"),
        Ok(Err(NoAnswer::Unknown(why))) => Tried::Unknown(why),
        Ok(Err(NoAnswer::NotSent(why))) => Tried::Later { code: "outbox-unreachable", why: why.to_owned(), asked: None },
        Ok(Ok(answer)) => judge(answer.status, answer.headers, answer.body),
    }
}

/// What an answer says. A gateway that answers for a receiver which it did not understand, or which did not answer it, knows no more than if the connection
/// had broken.
fn judge(status: u16, headers: HeaderMap, body: Bytes) -> Tried {
    match status {
        502 | 504 => Tried::Unknown("a gateway did not say what became of it"),
        429 | 500.. => {
            let asked = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
            let asked = asked.map(Duration::from_secs).map(|asked| asked.min(LONGEST_ASKED));
            Tried::Later { code: "outbox-answer", why: format!("the receiver answered {status}"), asked }
        }
        _ => Tried::Answered { status, headers: Box::new(headers), body },
    }
}

/// The request with the values of its secrets.
fn request(bot: &LiveBot, outgoing: &Outgoing<'_>) -> Result<Request<Bytes>, Tried> {
    let fill = |text: &str| fill(bot, outgoing.run, text);
    let method = outgoing.method.parse::<Method>().map_err(|_| Tried::Refused("the method is none of HTTP"))?;
    let mut request = Request::builder().method(method).uri(fill(outgoing.url)?);
    for (name, value) in outgoing.headers {
        request = request.header(name, fill(value)?);
    }
    // No connection is kept for another request: one that the receiver is just closing would leave the outcome unknown.
    request = request.header(header::CONNECTION, "close").header("Idempotency-Key", outgoing.idempotency_key);
    let body = match std::str::from_utf8(outgoing.body) {
        Ok(text) => fill(text)?.into(),
        Err(_) => Bytes::copy_from_slice(outgoing.body),
    };
    request.body(body).map_err(|_| Tried::Refused("its URL or a header is none of HTTP"))
}

/// Puts the values of secrets in the place of their placeholders.
fn fill(bot: &LiveBot, run: RunId, text: &str) -> Result<String, Tried> {
    let mut filled = text.to_owned();
    for (name, reference) in &bot.manifest.secrets {
        let placeholder = placeholder(run, name);
        if filled.contains(&placeholder) {
            let value = secrets::resolve(reference).map_err(|error| {
                tracing::error!(bot = %bot.name, secret = name, %error, "a request of a bot waits for its secret");
                Tried::Later { code: "outbox-secret", why: format!("the secret {name}: {error}"), asked: None }
            })?;
            filled = filled.replace(&placeholder, value.expose());
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, retry_after: Option<&str>) -> Tried {
        let mut headers = HeaderMap::new();
        if let Some(asked) = retry_after {
            headers.insert(header::RETRY_AFTER, asked.parse().unwrap());
        }
        judge(status, headers, Bytes::from_static(b"x"))
    }

    #[test]
    fn only_what_the_receiver_did_not_do_is_tried_again() {
        for status in [200, 202, 301, 400, 404, 409, 422] {
            assert!(matches!(judged(status, None), Tried::Answered { status: told, .. } if told == status), "{status}");
        }
        for status in [429, 500, 501, 503, 599] {
            assert!(matches!(judged(status, None), Tried::Later { code: "outbox-answer", asked: None, .. }), "{status}");
        }
        for status in [502, 504] {
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
