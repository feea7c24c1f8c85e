//! Errors: one kind each that a caller decides by, a text for the operator, and the server's own words apart from it.
//!
//! A server's diagnostics often quote what was sent to it. So the text is made of codes alone, neither `Display` nor `Debug`
//! shows the OperationOutcome, and URLs are named by their template.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

/// What a failed request means to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FhirErrorKind {
    /// 404: the server knows no such resource.
    NotFound,
    /// 410: it was deleted.
    Gone,
    /// 409 or 412: it is no longer at the version named, or writers collided.
    Conflict,
    /// 400 or 422: what was asked makes no sense to the server, now or later.
    Invalid,
    /// A search in which the server would ignore something: answering it would return more than was asked for.
    SearchIgnored,
    /// 401: the credentials are wrong or spent.
    Unauthorized,
    /// 403: the credentials do not cover this.
    Forbidden,
    /// 429: later.
    TooMany,
    /// Any 5xx, 408 or 425: the server could not answer. It may have done what was asked.
    Unavailable,
    /// No connection: nothing was sent.
    Unreachable,
    /// Sent, but no whole answer came. It may have been done.
    Lost,
    /// Not done on purpose: a redirect, a link that leads elsewhere, a method that the server does not take.
    Refused,
    /// The answer is not FHIR R4 JSON, or too large, or does not fit the question.
    Protocol,
}

impl FhirErrorKind {
    /// A stable word for logs, metrics and the docs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::Gone => "gone",
            Self::Conflict => "conflict",
            Self::Invalid => "invalid",
            Self::SearchIgnored => "search-ignored",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::TooMany => "too-many",
            Self::Unavailable => "unavailable",
            Self::Unreachable => "unreachable",
            Self::Lost => "lost",
            Self::Refused => "refused",
            Self::Protocol => "protocol",
        }
    }

    const fn remedy(self) -> &'static str {
        match self {
            Self::NotFound => "check the id, and that the source's base URL is the right one",
            Self::Gone => "the resource was deleted",
            Self::Conflict => "read it again and repeat",
            Self::Invalid => "the server will refuse it however often it is sent",
            Self::SearchIgnored => "correct the search: answering it would return more than was asked for",
            Self::Unauthorized => "check the source's credentials",
            Self::Forbidden => "the source's credentials do not cover this: widen them at the server",
            Self::TooMany | Self::Unavailable => "try again later",
            Self::Unreachable => "check that the server is up and that its base URL is right",
            Self::Lost => "no whole answer came: it may have been done",
            Self::Refused => "check the source's base URL and what the server supports",
            Self::Protocol => "is the base URL that of a FHIR R4 server that speaks JSON?",
        }
    }

    const fn of_status(status: u16) -> Self {
        match status {
            400 | 422 => Self::Invalid,
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            409 | 412 => Self::Conflict,
            410 => Self::Gone,
            429 => Self::TooMany,
            408 | 425 | 500..=599 => Self::Unavailable,
            300..=499 => Self::Refused,
            _ => Self::Protocol,
        }
    }
}

impl fmt::Display for FhirErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request that did not do what was asked.
///
/// `Display` and `Debug` hold no patient data. `outcome` may: it belongs in the ledger or before the bot's author, never in a log.
#[derive(Clone, PartialEq)]
pub struct FhirError {
    /// What to decide by.
    pub kind: FhirErrorKind,
    /// The HTTP status, where a server answered.
    pub status: Option<u16>,
    /// How long the server asked to wait.
    pub retry_after: Option<Duration>,
    /// For the operator: what was asked (by type, not by id) and what went wrong.
    pub message: String,
    /// The server's OperationOutcome.
    pub outcome: Option<Value>,
}

impl FhirError {
    pub(crate) fn new(kind: FhirErrorKind, what: &str, wrong: impl fmt::Display) -> Self {
        Self { kind, status: None, retry_after: None, message: format!("{what}: {wrong}"), outcome: None }
    }

    pub(crate) fn protocol(what: &str, wrong: impl fmt::Display) -> Self {
        Self::new(FhirErrorKind::Protocol, what, wrong)
    }

    /// From an answer that is not a success.
    pub(crate) fn answered(what: &str, status: u16, retry_after: Option<Duration>, outcome: Option<Value>) -> Self {
        let codes = outcome.as_ref().map(outcome_codes).unwrap_or_default();
        let said = if codes.is_empty() { String::new() } else { format!(" ({})", codes.join(", ")) };
        Self {
            kind: FhirErrorKind::of_status(status),
            status: Some(status),
            retry_after,
            message: format!("{what}: the server answered {status}{said}"),
            outcome,
        }
    }

    /// Whether the server certainly did nothing: the same bytes may be sent again without a look.
    #[must_use]
    pub const fn was_not_processed(&self) -> bool {
        matches!(
            self.kind,
            FhirErrorKind::Unreachable | FhirErrorKind::TooMany | FhirErrorKind::Unauthorized | FhirErrorKind::Forbidden
        )
    }

    /// Whether the same request may succeed later without anybody changing anything.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(
            self.kind,
            FhirErrorKind::TooMany | FhirErrorKind::Unavailable | FhirErrorKind::Unreachable | FhirErrorKind::Lost
        )
    }
}

impl fmt::Display for FhirError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.kind, self.message, self.kind.remedy())
    }
}

impl fmt::Debug for FhirError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FhirError")
            .field("kind", &self.kind)
            .field("status", &self.status)
            .field("retry_after", &self.retry_after)
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for FhirError {}

/// The codes of an OperationOutcome: `issue.code`, `issue.details.coding.code`, and HAPI's own numbers. Never free text.
pub(crate) fn outcome_codes(outcome: &Value) -> Vec<String> {
    const MOST: usize = 8;
    let mut codes: Vec<String> = Vec::new();
    let mut add = |code: &str| {
        let plain =
            !code.is_empty() && code.len() <= 64 && code.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if plain && codes.len() < MOST && !codes.iter().any(|known| known == code) {
            codes.push(code.to_owned());
        }
    };
    for issue in outcome["issue"].as_array().into_iter().flatten() {
        if matches!(issue["severity"].as_str(), Some("information" | "warning")) {
            continue;
        }
        add(issue["code"].as_str().unwrap_or_default());
        for coding in issue["details"]["coding"].as_array().into_iter().flatten() {
            add(coding["code"].as_str().unwrap_or_default());
        }
        for word in issue["diagnostics"].as_str().unwrap_or_default().split([' ', ':']) {
            let number = word.strip_prefix("HAPI-").unwrap_or_default();
            if number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit()) {
                add(word);
            }
        }
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn shows_codes_and_no_free_text() {
        let outcome = json!({"resourceType": "OperationOutcome", "issue": [
            {"severity": "error", "code": "processing",
             "diagnostics": "HAPI-0550: HAPI-0989: Trying to update Patient/CANARY/_history/1 but this is not the current version",
             "details": {"text": "CANARY", "coding": [{"code": "CAN ARY"}, {"code": "stale"}]}},
            {"severity": "information", "code": "informational"}]});
        let error = FhirError::answered("transaction", 409, None, Some(outcome));
        assert_eq!(error.kind, FhirErrorKind::Conflict);
        assert_eq!(
            error.to_string(),
            "conflict: transaction: the server answered 409 (processing, stale, HAPI-0550, HAPI-0989); read it again and repeat"
        );
        assert!(!format!("{error:?}").contains("CANARY"));
    }

    #[test]
    fn every_status_has_a_kind() {
        for (status, kind) in [
            (200, FhirErrorKind::Protocol),
            (302, FhirErrorKind::Refused),
            (404, FhirErrorKind::NotFound),
            (405, FhirErrorKind::Refused),
            (408, FhirErrorKind::Unavailable),
            (410, FhirErrorKind::Gone),
            (412, FhirErrorKind::Conflict),
            (422, FhirErrorKind::Invalid),
            (503, FhirErrorKind::Unavailable),
        ] {
            assert_eq!(FhirErrorKind::of_status(status), kind, "{status}");
        }
    }
}
