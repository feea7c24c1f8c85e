//! One HTTP exchange with the source: authenticated, bounded, never redirected; and the repeat of reads.
//!
//! Only GET is repeated here. What writes is repeated by [`crate::commit`], which knows when that is safe.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use chrono::DateTime;
use hob_model::{Clock, Timestamp};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::Value;
use url::Url;

use crate::auth::{Authorizer, Credentials};
use crate::transport::{FORBIDDEN, NoAnswer, Transport};
use crate::{FhirError, FhirErrorKind, transport};

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
    transport: Arc<dyn Transport>,
    authorizer: Authorizer,
    clock: Arc<dyn Clock>,
    config: ClientConfig,
    rng: Mutex<StdRng>,
}

impl Http {
    pub(crate) fn new(
        transport: Arc<dyn Transport>,
        credentials: Credentials,
        config: ClientConfig,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let rng = Mutex::new(StdRng::seed_from_u64(config.seed));
        let authorizer = Authorizer::new(credentials, Arc::clone(&clock), config.timeout);
        Self { transport, authorizer, clock, config, rng }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Sends, once; twice where a token was refused and could be renewed (a 401 was not processed).
    pub(crate) async fn send(&self, call: &Call) -> Result<Answer, FhirError> {
        let authorization = self.authorizer.header(&*self.transport).await?;
        match self.exchange(call, authorization.as_ref()).await {
            Err(e) if e.kind == FhirErrorKind::Unauthorized && self.authorizer.renewable(authorization.as_ref()).await => {
                let renewed = self.authorizer.header(&*self.transport).await?;
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
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(call.url.as_str())
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
        if call.body.is_some() {
            request = request.header("content-type", "application/fhir+json; charset=utf-8");
        }
        let request = request
            .body(call.body.clone().unwrap_or_default())
            .map_err(|_| FhirError::new(FhirErrorKind::Invalid, what, "not a request that can be sent"))?;
        let (status, headers, body) = match sent(&*self.transport, request, self.config.max_body, self.config.timeout).await {
            Ok(transport::Answer { status, whole: false, .. }) if (200..300).contains(&status) => {
                return Err(FhirError::protocol(what, format_args!("the answer is larger than {} bytes", self.config.max_body)));
            }
            Ok(transport::Answer { status, headers, body, .. }) => (status, headers, body),
            Err(NoAnswer::NotSent(why)) => return Err(FhirError::new(FhirErrorKind::Unreachable, what, why)),
            Err(NoAnswer::Forbidden) => return Err(FhirError::new(FhirErrorKind::Unreachable, what, FORBIDDEN)),
            Err(NoAnswer::Unknown(why)) => return Err(FhirError::new(FhirErrorKind::Lost, what, why)),
        };
        if (200..300).contains(&status) {
            return Ok(Answer { status, headers, body });
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
        // A body that is no FHIR does not change what the status says.
        let outcome = serde_json::from_slice::<Value>(&body).ok().filter(|value| value["resourceType"] == "OperationOutcome");
        Err(FhirError::answered(what, status, retry_after(&headers, self.clock.now()), outcome))
    }
}

/// One exchange within a time limit. After it nobody knows whether the server had the request.
pub(crate) async fn sent(
    transport: &dyn Transport,
    request: Request<Bytes>,
    most: usize,
    limit: Duration,
) -> Result<transport::Answer, NoAnswer> {
    tokio::time::timeout(limit, transport.exchange(request, most)).await.unwrap_or(Err(NoAnswer::Unknown("timed out")))
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("config", &self.config).finish_non_exhaustive()
    }
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
