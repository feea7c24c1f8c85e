//! What a run asks of others in its midst. The host implements this; the engine holds the request to the manifest first.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hob_model::{Clock, Failure};

use crate::{FhirReads, Secrets};

/// What one attempt has to do with the world outside of its sandbox.
#[derive(Clone)]
pub struct Outside {
    /// Reads at the event's source.
    pub fhir: Arc<dyn FhirReads>,
    /// Requests to others.
    pub http: Arc<dyn Outbound>,
    /// Values of the bot's secrets.
    pub secrets: Arc<dyn Secrets>,
    /// The host's clock.
    pub clock: Arc<dyn Clock>,
}

/// A request that a rule of the manifest allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// In capitals.
    pub method: String,
    /// In its normal form.
    pub url: String,
    /// Names and values; values may hold placeholders of secrets.
    pub headers: Vec<(String, String)>,
    /// The body; may hold placeholders of secrets.
    pub body: Bytes,
}

/// What the receiver said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// The HTTP status.
    pub status: u16,
    /// Names, in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq)]
pub enum HttpError {
    /// The bot is told, and decides.
    Told {
        /// A word of the contract: `not-allowed`, `refused`, `too-large`, `later`, `unknown`.
        code: &'static str,
        /// For the bot's author.
        message: String,
        /// How long the receiver asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// The attempt ends with this, whatever the bot would make of it.
    Ends(Failure),
}

/// Requests to others.
#[async_trait]
pub trait Outbound: Send + Sync {
    /// Sends a request, or gives the answer that this run got before.
    ///
    /// # Errors
    /// [`HttpError`].
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError>;
}

/// Where nothing may be sent and no secret is to be had: every request is refused.
#[derive(Debug, Clone, Copy)]
pub struct Offline;

#[async_trait]
impl Outbound for Offline {
    async fn send(&self, _request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let message = "nothing is sent to others here: the bot is tried out, and not in service".to_owned();
        Err(HttpError::Told { code: "refused", message, retry_after: None })
    }
}
