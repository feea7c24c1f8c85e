//! What to answer.
//!
//! One reply pleases every server known: 200 with a FHIR Bundle. HAPI's topic delivery wants 204 or a body that parses as
//! a Bundle, its PUT delivery parses any body as FHIR, a handshake must get exactly 200, and the rest do not look.

use bytes::Bytes;

use crate::{Challenge, Notification};

/// An answer to a notification that the ledger has kept. Its status is always 2xx, so the host may give it only then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Bytes,
}

impl Default for Reply {
    /// The reply to every notification that asks no question; good for dead letters too.
    fn default() -> Self {
        Self {
            status: 200,
            content_type: "application/fhir+json",
            headers: Vec::new(),
            body: Bytes::from_static(br#"{"resourceType":"Bundle","type":"transaction-response"}"#),
        }
    }
}

/// The reply to `notification`.
#[must_use]
pub fn reply_for(notification: &Notification) -> Reply {
    match &notification.challenge {
        None => Reply::default(),
        Some(Challenge::ValidationCode(code)) => Reply {
            content_type: "application/json",
            body: Bytes::from(serde_json::json!({ "validationResponse": code }).to_string()),
            ..Reply::default()
        },
        Some(Challenge::RequestOrigin(origin)) => Reply {
            headers: vec![("WebHook-Allowed-Origin", origin.clone()), ("WebHook-Allowed-Rate", "*".to_owned())],
            ..Reply::default()
        },
    }
}
