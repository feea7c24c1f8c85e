//! Why a request was not done, as an OperationOutcome.

use bytes::Bytes;
use http::StatusCode;
use serde_json::json;

/// A request that was not done. The text holds no content of resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// R4 `issue-type`.
    code: &'static str,
    text: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &'static str, text: impl Into<String>) -> Self {
        Self { status, code, text: text.into() }
    }

    /// 400: the request cannot be read.
    pub(crate) fn malformed(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", text)
    }

    /// 400: R4 allows it, this server does not.
    pub(crate) fn unsupported(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "not-supported", text)
    }

    /// 404.
    pub(crate) fn not_found(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", text)
    }

    /// 410.
    pub(crate) fn gone(text: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "deleted", text)
    }

    /// 422: read, and refused for good.
    pub(crate) fn unprocessable(text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "processing", text)
    }

    /// The same, saying which entry of a Bundle it is about.
    pub(crate) fn at_entry(mut self, index: usize) -> Self {
        self.text = format!("Bundle.entry[{index}]: {}", self.text);
        self
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn outcome(&self) -> Bytes {
        let issue = json!({"severity": "error", "code": self.code, "diagnostics": self.text});
        Bytes::from(json!({"resourceType": "OperationOutcome", "issue": [issue]}).to_string())
    }

    /// An outcome that says what was done.
    pub(crate) fn done(text: &str) -> Bytes {
        let issue = json!({"severity": "information", "code": "informational", "diagnostics": text});
        Bytes::from(json!({"resourceType": "OperationOutcome", "issue": [issue]}).to_string())
    }
}
