//! Why a bot does not handle an event.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

/// What the host does after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Tries again later, up to the manifest's limit.
    Retry,
    /// Never tries again: the run ends rejected.
    Reject,
}

/// Why the bot did not handle the event. The operator sees it in `hob show`.
#[derive(Debug, Clone, PartialEq)]
pub struct Error {
    /// What the host does next.
    pub kind: Kind,
    /// A stable code of the bot's own, such as `no-patient`.
    pub code: String,
    /// For the operator.
    pub message: String,
    /// The shortest wait before the next attempt.
    pub retry_after: Option<Duration>,
    /// More for the operator.
    pub details: Option<Box<Value>>,
}

impl Error {
    /// Try again later.
    pub fn retry(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: Kind::Retry, code: code.into(), message: message.into(), retry_after: None, details: None }
    }

    /// Do not try again.
    pub fn reject(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: Kind::Reject, ..Self::retry(code, message) }
    }

    /// Wait at least this long before the next attempt.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Gives the operator more to look at.
    #[must_use]
    pub fn details(mut self, details: Value) -> Self {
        self.details = Some(Box::new(details));
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Error {}

/// What the FHIR server, or the host before it, answered instead of a resource.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct FhirError {
    /// `not-found`, `gone`, `scope`, `conflict`, `invalid`, `unavailable`, `limit`, `refused`, or a later word.
    pub code: String,
    /// The HTTP status, where a server answered.
    pub status: Option<u16>,
    /// What was wrong.
    pub message: String,
    /// The server's OperationOutcome.
    pub outcome: Option<Box<Value>>,
}

impl FhirError {
    /// Whether there is no such resource, or none any more.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self.code.as_str(), "not-found" | "gone")
    }
}

/// With `?`: what another attempt can cure is a retry, the rest a reject.
impl From<FhirError> for Error {
    fn from(error: FhirError) -> Self {
        let kind = match error.code.as_str() {
            "not-found" | "gone" | "invalid" | "refused" | "scope" => Kind::Reject,
            _ => Kind::Retry,
        };
        Self { kind, code: format!("fhir-{}", error.code), message: error.message, retry_after: None, details: error.outcome }
    }
}

/// The host does not take a timer, an outbox item, a setting or an expression: the bot or its manifest is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {message}")]
pub struct Refused {
    /// Which part of the host: `timer`, `outbox`, `setting`, `secret`, `fhirpath`.
    pub what: &'static str,
    /// Why.
    pub message: String,
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Self::reject(refused.what, refused.message)
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::reject("json", error.to_string())
    }
}
