//! What a caller of the admin API is told when a call fails.
//!
//! The caller is the tenant's own staff, so the message may name bots, runs and what to do. The host's log gets the code alone.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hob_ledger::LedgerError;
use serde_json::{Value, json};

/// A failed call: its status, a code that docs/errors.md lists, and what to do.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    help: &'static str,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>, help: &'static str) -> Self {
        Self { status, code, message: message.into(), help }
    }

    pub(crate) fn bad(code: &'static str, message: impl Into<String>, help: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message, help)
    }

    pub(crate) fn missing(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message, "list what there is with `hob source list`, `hob bots` or `hob runs`")
    }
}

impl ApiError {
    /// The body, for answers that have begun already.
    pub(crate) fn to_json(&self) -> Value {
        json!({"error": {"code": self.code, "message": self.message, "help": self.help}})
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        tracing::info!(code = self.code, status = self.status.as_u16(), "admin call refused");
        (self.status, Json(self.to_json())).into_response()
    }
}

impl From<LedgerError> for ApiError {
    fn from(error: LedgerError) -> Self {
        let (status, code) = match &error {
            LedgerError::NotFound { .. } => (StatusCode::NOT_FOUND, "not-found"),
            _ => (StatusCode::SERVICE_UNAVAILABLE, "ledger"),
        };
        Self::new(status, code, error.to_string(), "see the host's log; `hob status` says whether the host is ready")
    }
}
