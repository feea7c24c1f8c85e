//! One HTTP exchange with the source: authenticated, bounded, never redirected; and the repeat of reads.
//!
//! Only GET is repeated here. What writes is repeated by [`crate::commit`], which knows when that is safe.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use chrono::DateTime;
use hob_model::{Clock, Timestamp};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, redirect};
use serde_json::Value;
use url::Url;

use crate::auth::{Authorizer, Credentials};
use crate::{FhirError, FhirErrorKind};

/// Limits and manners of a [`crate::Client`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientConfig {
    /// For making a connection.
    pub connect_timeout: Duration,
    /// For a whole exchange, body included.
    pub timeout: Duration,
    /// The most bytes of an answer's body, after decompression.
    pub max_body: usize,
    /// `User-Agent`.
    pub user_agent: String,
    /// How often a read is repeated on 429, 502, 503, 504 and broken connections; 0 for never.
    pub read_retries: u32,
    /// The longest that one wait between repeats may be; a `Retry-After` above it ends the repeats.
    pub longest_wait: Duration,
    /// Seeds the jitter of the waits.
    pub seed: u64,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
            max_body: 32 * 1024 * 1024,
            user_agent: concat!("hob/", env!("CARGO_PKG_VERSION")).to_owned(),
            read_retries: 3,
            longest_wait: Duration::from_secs(5),
            seed: 0,
        }
    }
}

/// The first wait before a repeat; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// One request.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// What it is, for errors: interaction and type, no id, no query.
    pub(crate) what: String,
    pub(crate) body: Option<Bytes>,
    pub(crate) headers: Vec<(HeaderName, String)>,
}

/// A 2xx answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The server's clock at the answer.
    pub(crate) fn date(&self) -> Option<Timestamp> {
        self.header("date").and_then(http_date)
    }

    pub(crate) fn json(&self, what: &str) -> Result<Value, FhirError> {
        serde_json::from_slice(&self.body).map_err(|e| {
            FhirError::protocol(what, format_args!("the answer is not JSON (line {}, column {})", e.line(), e.column()))
        })
    }
}

pub(crate) struct Http {
    client: reqwest::Client,
    authorizer: Authorizer,
    clock: Arc<dyn Clock>,
    config: ClientConfig,
    rng: Mutex<StdRng>,
}

impl Http {
    pub(crate) fn new(credentials: Credentials, config: ClientConfig, clock: Arc<dyn Clock>) -> Result<Self, FhirError> {
        let client = reqwest::Client::builder()
            .connect_timeout(config.connect_timeout)
            .timeout(config.timeout)
            .user_agent(&config.user_agent)
            // Credentials and patient data go to the configured server and nowhere else.
            .redirect(redirect::Policy::none())
            .referer(false)
            .gzip(true)
            // Shorter than the keep-alive of common servers, so that few writes meet a connection that is just being closed.
            .pool_idle_timeout(Duration::from_secs(20))
            .build()
            .map_err(|e| FhirError::new(FhirErrorKind::Refused, "HTTP client", cause(&e)))?;
        let rng = Mutex::new(StdRng::seed_from_u64(config.seed));
        Ok(Self { client, authorizer: Authorizer::new(credentials, Arc::clone(&clock)), clock, config, rng })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Sends, once; twice where a token was refused and could be renewed (a 401 was not processed).
    pub(crate) async fn send(&self, call: &Call) -> Result<Answer, FhirError> {
        let authorization = self.authorizer.header(&self.client).await?;
        match self.exchange(call, authorization.as_ref()).await {
            Err(e) if e.kind == FhirErrorKind::Unauthorized && self.authorizer.renewable(authorization.as_ref()).await => {
                let renewed = self.authorizer.header(&self.client).await?;
                self.exchange(call, renewed.as_ref()).await
            }
            other => other,
        }
    }

    /// Sends a request that changes nothing, again after a wait where that may help.
    pub(crate) async fn send_read(&self, call: &Call) -> Result<Answer, FhirError> {
        let mut wait = FIRST_WAIT;
        let mut left = self.config.read_retries;
        loop {
            let error = match self.send(call).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            // A 500 is as a rule a bug that the same request meets again.
            let may_help = error.is_transient() && error.status != Some(500);
            let asked = error.retry_after.unwrap_or_default();
            if left == 0 || !may_help || asked > self.config.longest_wait {
                return Err(error);
            }
            left -= 1;
            tracing::debug!(what = call.what, kind = error.kind.as_str(), left, "repeating a read");
            tokio::time::sleep(asked.max(self.jittered(wait)).min(self.config.longest_wait)).await;
            wait = wait.saturating_mul(2);
        }
    }

    /// Between half of `wait` and all of it.
    fn jittered(&self, wait: Duration) -> Duration {
        let factor = match self.rng.lock() {
            Ok(mut rng) => rng.random_range(0.5..=1.0),
            Err(_) => 1.0,
        };
        wait.mul_f64(factor)
    }

    async fn exchange(&self, call: &Call, authorization: Option<&crate::Secret>) -> Result<Answer, FhirError> {
        let what = call.what.as_str();
        let mut request = self
            .client
            .request(call.method.clone(), call.url.clone())
            .header("accept", "application/fhir+json, application/json;q=0.9");
        if let Some(secret) = authorization {
            let mut value = HeaderValue::from_str(secret.reveal())
                .map_err(|_| FhirError::new(FhirErrorKind::Unauthorized, what, "the credentials do not fit into a header"))?;
            value.set_sensitive(true);
            request = request.header("authorization", value);
        }
        for (name, value) in &call.headers {
            let value = HeaderValue::from_str(value).map_err(|_| {
                FhirError::new(FhirErrorKind::Invalid, what, format_args!("what was given for {name} does not fit into a header"))
            })?;
            request = request.header(name, value);
        }
        if let Some(body) = &call.body {
            request = request.header("content-type", "application/fhir+json; charset=utf-8").body(body.clone());
        }
        let mut answer = request.send().await.map_err(|e| transport(what, &e))?;
        let status = answer.status().as_u16();
        let headers = answer.headers().clone();
        let body = bounded(&mut answer, self.config.max_body, what).await;
        if (200..300).contains(&status) {
            return Ok(Answer { status, headers, body: body? });
        }
        if (300..400).contains(&status) && status != 304 {
            return Err(FhirError {
                status: Some(status),
                ..FhirError::new(
                    FhirErrorKind::Refused,
                    what,
                    format_args!("the server redirects ({status}), which is not followed"),
                )
            });
        }
        // A body that is missing or no FHIR does not change what the status says.
        let outcome = body
            .ok()
            .and_then(|body| serde_json::from_slice::<Value>(&body).ok())
            .filter(|value| value["resourceType"] == "OperationOutcome");
        Err(FhirError::answered(what, status, retry_after(&headers, self.clock.now()), outcome))
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("config", &self.config).finish_non_exhaustive()
    }
}

fn transport(what: &str, error: &reqwest::Error) -> FhirError {
    let kind = if error.is_connect() || error.is_builder() { FhirErrorKind::Unreachable } else { FhirErrorKind::Lost };
    FhirError::new(kind, what, cause(error))
}

/// What went wrong in words, without the URL: that may hold a query.
pub(crate) fn cause(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "timed out"
    } else if error.is_connect() {
        "no connection"
    } else if error.is_builder() {
        "not a request that can be sent"
    } else if error.is_body() || error.is_decode() {
        "the answer broke off"
    } else {
        "the connection broke"
    }
}

/// Reads a body up to `most` bytes. Counts what comes out of decompression, so a bomb ends here too.
pub(crate) async fn bounded(answer: &mut reqwest::Response, most: usize, what: &str) -> Result<Bytes, FhirError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.map_err(|e| FhirError::new(FhirErrorKind::Lost, what, cause(&e)))? {
        if body.len() + chunk.len() > most {
            return Err(FhirError::protocol(what, format_args!("the answer is larger than {most} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// `Retry-After`, in seconds or as a date by the server's own clock.
pub(crate) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let value = text("retry-after")?.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let until = http_date(value)?;
    Some(until.since(text("date").and_then(http_date).unwrap_or(now)))
}

pub(crate) fn http_date(text: &str) -> Option<Timestamp> {
    DateTime::parse_from_rfc2822(text).ok().map(|at| Timestamp::from_utc(at.to_utc()))
}
