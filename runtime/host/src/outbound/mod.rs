//! One try at one request of a bot: of the outbox, or in the midst of a run. It goes only where [`reach`] lets it.

mod reach;

use std::time::Duration;

use axum::http::{HeaderMap, Method, Request, header};
use bytes::Bytes;
use hob_engine::placeholder;
use hob_fhir::{Answer, NoAnswer};
use hob_model::RunId;

use crate::bots::LiveBot;
use crate::core::Core;
use crate::secrets::{self, Secret};

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
            Self::Address { .. } => "outbox-address",
        }
    }

    /// As the contract has it.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "refused",
            Self::Address { .. } => "not-allowed",
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
    let mut used = Used::default();
    let request = match request(bot, outgoing, &mut used) {
        Ok(request) => request,
        Err(why) => return why,
    };
    let host = request.uri().host().unwrap_or_default().to_owned();
    match tokio::time::timeout(outgoing.timeout, core.outbound.exchange(request, BODY)).await {
        Err(_) => Tried::Unknown("timed out"),
        Ok(Err(NoAnswer::Unknown(why))) => Tried::Unknown(why),
        Ok(Err(NoAnswer::Forbidden)) => Tried::Refused(Refusal::Address { host }),
        Ok(Err(NoAnswer::NotSent(why))) => Tried::Later { code: "outbox-unreachable", why: why.to_owned(), asked: None },
        Ok(Ok(answer)) => judge(answer, &used),
    }
}

/// What an answer says. A gateway that answers for a receiver which it did not understand, or which did not answer it, knows no more than if the connection
/// had broken; so do those of large networks, with numbers of their own.
fn judge(answer: Answer, used: &Used) -> Tried {
    let Answer { status, headers, body, whole } = answer;
    match status {
        502 | 504 | 520 | 522 | 524 | 598 | 599 => Tried::Unknown("a gateway did not say what became of it"),
        429 | 500.. => {
            let asked = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
            let asked = asked.map(Duration::from_secs).map(|asked| asked.min(LONGEST_ASKED));
            Tried::Later { code: "outbox-answer", why: format!("the receiver answered {status}"), asked }
        }
        _ => Tried::Answered(Heard { status, headers: used.headers(&headers), body: used.scrub(body), whole }),
    }
}

/// The request with the values of its secrets.
fn request(bot: &LiveBot, outgoing: &Outgoing<'_>, used: &mut Used) -> Result<Request<Bytes>, Tried> {
    let mut fill = |text: &str| used.fill(bot, outgoing.run, text);
    let method =
        outgoing.method.parse::<Method>().map_err(|_| Tried::Refused(Refusal::Malformed("the method is none of HTTP")))?;
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
    request.body(body).map_err(|_| Tried::Refused(Refusal::Malformed("its URL or a header is none of HTTP")))
}

/// The secrets that went into a request, each with what stood for it.
#[derive(Default)]
struct Used(Vec<(String, Secret)>);

impl Used {
    /// Puts the values of secrets in the place of their placeholders.
    fn fill(&mut self, bot: &LiveBot, run: RunId, text: &str) -> Result<String, Tried> {
        let mut filled = text.to_owned();
        for (name, reference) in &bot.manifest.secrets {
            let placeholder = placeholder(run, name);
            if !filled.contains(&placeholder) {
                continue;
            }
            if !self.0.iter().any(|(known, _)| *known == placeholder) {
                let value = secrets::resolve(reference).map_err(|error| {
                    tracing::error!(bot = %bot.name, secret = name, %error, "a request of a bot waits for its secret");
                    Tried::Later { code: "outbox-secret", why: format!("the secret {name}: {error}"), asked: None }
                })?;
                self.0.push((placeholder.clone(), value));
                // One value may be the begin of another.
                self.0.sort_by_key(|(_, value)| std::cmp::Reverse(value.expose().len()));
            }
            if let Some((_, value)) = self.0.iter().find(|(known, _)| *known == placeholder) {
                filled = filled.replace(&placeholder, value.expose());
            }
        }
        Ok(filled)
    }

    /// A receiver that gives back what it was given does not give the bot a secret. Only as it was given: what a receiver encodes is not known again.
    fn scrub(&self, bytes: Bytes) -> Bytes {
        let mut clean = bytes;
        for (placeholder, value) in &self.0 {
            let value = value.expose().as_bytes();
            if value.is_empty() || value.len() > clean.len() {
                continue;
            }
            let mut left = &clean[..];
            let mut without = Vec::new();
            while let Some(at) = left.windows(value.len()).position(|part| part == value) {
                without.extend_from_slice(&left[..at]);
                without.extend_from_slice(placeholder.as_bytes());
                left = &left[at + value.len()..];
            }
            if left.len() < clean.len() {
                without.extend_from_slice(left);
                clean = without.into();
            }
        }
        clean
    }

    /// The headers of an answer, without what belongs to the connection and what is no text. Cookies are for browsers.
    fn headers(&self, headers: &HeaderMap) -> Vec<(String, String)> {
        let ours = ["connection", "keep-alive", "set-cookie", "trailer", "transfer-encoding", "upgrade"];
        let texts = headers.iter().filter(|(name, _)| !ours.contains(&name.as_str()));
        let clean = |value: &str| String::from_utf8_lossy(&self.scrub(Bytes::copy_from_slice(value.as_bytes()))).into_owned();
        texts.filter_map(|(name, value)| Some((name.to_string(), clean(value.to_str().ok()?)))).collect()
    }
}

#[cfg(test)]
mod wire;

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, retry_after: Option<&str>) -> Tried {
        let mut headers = HeaderMap::new();
        if let Some(asked) = retry_after {
            headers.insert(header::RETRY_AFTER, asked.parse().unwrap());
        }
        judge(Answer { status, headers, body: Bytes::from_static(b"x"), whole: true }, &Used::default())
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
    fn a_secret_that_comes_back_is_its_placeholder_again() {
        let known = |placeholder: &str, value: &str| (placeholder.to_owned(), Secret::known(value));
        let used = Used(vec![known("<long>", "abcd"), known("<short>", "ab"), known("<none>", "")]);
        for (given, told) in [
            (&b"xabcdabcdaby"[..], &b"x<long><long><short>y"[..]),
            (b"\xff\xfeab", b"\xff\xfe<short>"),
            (b"nothing", b"nothing"),
            (b"a", b"a"),
            (b"", b""),
        ] {
            assert_eq!(used.scrub(Bytes::from_static(given)), told);
        }
        let mut headers = HeaderMap::new();
        headers.insert("x-echo", "Bearer abcd".parse().unwrap());
        headers.insert("set-cookie", "session=1".parse().unwrap());
        assert_eq!(used.headers(&headers), [("x-echo".to_owned(), "Bearer <long>".to_owned())]);
    }

    #[test]
    fn a_wait_that_is_asked_for_is_honoured_up_to_a_day() {
        for (asked, told) in [("7", Some(7)), (" 90 ", Some(90)), ("999999999", Some(24 * 3600)), ("soon", None), ("-1", None)] {
            let Tried::Later { asked: found, .. } = judged(503, Some(asked)) else { panic!("{asked}") };
            assert_eq!(found, told.map(Duration::from_secs), "{asked}");
        }
    }
}
