//! What carries a request to a server and its answer back: one exchange, bounded, never redirected, never repeated.
//!
//! Everything that Hob says to a FHIR server or to whom the outbox names goes through [`Transport`], so that a simulation can stand in the place of the
//! network. Time limits are set by who sends, not here.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request};
use reqwest::redirect;

use crate::guard::{self, Guard, Guarded, Lookup};
use crate::{FhirError, FhirErrorKind};

/// A server's answer, whatever its status.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, after decompression.
    pub body: Bytes,
    /// Whether all of the body is there: false where it was longer than the sender wanted, and is cut.
    pub whole: bool,
}

/// Why there is no answer. Says nothing of the request: a URL may hold a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    /// No byte reached the server.
    NotSent(&'static str),
    /// The server may have had the request, and may have done what it asks.
    Unknown(&'static str),
    /// No byte left: the receiver has no address that the transport's [`Guard`] allows.
    Forbidden,
}

/// What [`NoAnswer::Forbidden`] is in a source's error.
pub(crate) const FORBIDDEN: &str = "the address is not allowed";

/// Carries requests.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends `request` once and waits for the answer, of whose body `most` bytes are kept.
    ///
    /// # Errors
    /// [`NoAnswer`]; a status that is an error is an answer.
    async fn exchange(&self, request: Request<Bytes>, most: usize) -> Result<Answer, NoAnswer>;
}

/// The network: HTTP/1.1 and HTTP/2 over TCP and TLS.
#[derive(Clone)]
pub struct Network {
    client: reqwest::Client,
    guard: Option<Arc<dyn Guard>>,
}

impl Network {
    /// A transport with connections of its own.
    ///
    /// # Errors
    /// [`FhirErrorKind::Refused`] where TLS cannot be set up.
    pub fn new(connect_timeout: Duration, user_agent: &str) -> Result<Self, FhirError> {
        Ok(Self { client: built(manners(connect_timeout, user_agent))?, guard: None })
    }

    /// A transport for requests whose receivers others than the operator name: it connects only to what `guard` allows, and knows no proxy, which would
    /// look names up itself.
    ///
    /// # Errors
    /// [`FhirErrorKind::Refused`] where TLS cannot be set up.
    pub fn guarded(connect_timeout: Duration, user_agent: &str, guard: Arc<dyn Guard>) -> Result<Self, FhirError> {
        Self::over(connect_timeout, user_agent, guard, Arc::new(guard::System))
    }

    pub(crate) fn over(
        connect_timeout: Duration,
        user_agent: &str,
        guard: Arc<dyn Guard>,
        lookup: Arc<dyn Lookup>,
    ) -> Result<Self, FhirError> {
        let resolver = Guarded { guard: Arc::clone(&guard), lookup };
        // No connection is kept: each request is judged anew, and no tenant's request travels on another's connection.
        let client = manners(connect_timeout, user_agent).no_proxy().pool_max_idle_per_host(0).dns_resolver(Arc::new(resolver));
        Ok(Self { client: built(client)?, guard: Some(guard) })
    }
}

fn manners(connect_timeout: Duration, user_agent: &str) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(connect_timeout)
        .user_agent(user_agent)
        // Credentials and patient data go to the configured server and nowhere else.
        .redirect(redirect::Policy::none())
        .referer(false)
        .gzip(true)
        // Shorter than the keep-alive of common servers, so that few writes meet a connection that is just being closed.
        .pool_idle_timeout(Duration::from_secs(20))
}

fn built(client: reqwest::ClientBuilder) -> Result<reqwest::Client, FhirError> {
    client.build().map_err(|e| FhirError::new(FhirErrorKind::Refused, "HTTP client", cause(&e)))
}

#[async_trait]
impl Transport for Network {
    async fn exchange(&self, request: Request<Bytes>, most: usize) -> Result<Answer, NoAnswer> {
        let request = reqwest::Request::try_from(request).map_err(|e| NoAnswer::NotSent(cause(&e)))?;
        if self.guard.as_ref().is_some_and(|guard| !guard::permits(&**guard, request.url())) {
            return Err(NoAnswer::Forbidden);
        }
        let mut response = self.client.execute(request).await.map_err(|e| no_answer(&e))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let (body, whole) = match bounded(&mut response, most).await {
            Ok(read) => read,
            // A body that is missing does not change what such a status says.
            Err(_) if !(200..300).contains(&status) => (Bytes::new(), true),
            Err(error) => return Err(NoAnswer::Unknown(cause(&error))),
        };
        Ok(Answer { status, headers, body, whole })
    }
}

fn no_answer(error: &reqwest::Error) -> NoAnswer {
    if guard::is_forbidden(error) {
        NoAnswer::Forbidden
    } else if error.is_connect() || error.is_builder() {
        NoAnswer::NotSent(cause(error))
    } else {
        NoAnswer::Unknown(cause(error))
    }
}

/// What went wrong in words, without the URL: that may hold a query.
fn cause(error: &reqwest::Error) -> &'static str {
    if error.is_connect() {
        "no connection"
    } else if error.is_timeout() {
        "timed out"
    } else if error.is_builder() {
        "not a request that can be sent"
    } else if error.is_body() || error.is_decode() {
        "the answer broke off"
    } else {
        "the connection broke"
    }
}

/// Reads a body up to `most` bytes; says whether that was all. Counts what comes out of decompression, so a bomb ends here too.
async fn bounded(response: &mut reqwest::Response, most: usize) -> Result<(Bytes, bool), reqwest::Error> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        let room = most - body.len();
        if chunk.len() > room {
            body.extend_from_slice(&chunk[..room]);
            return Ok((body.freeze(), false));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((body.freeze(), true))
}
