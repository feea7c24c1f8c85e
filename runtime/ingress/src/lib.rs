//! Notifications of every known FHIR server, parsed into one form and authenticated.
//!
//! Goal: whatever a server posts, [`parse`] gives one [`Notification`] or an error that names what was wrong and where.
//! Pure functions over a captured request: the host runs HTTP, bounds the body, keeps the bytes and looks at the clock.
//!
//! The order is: [`Verifier::verify`] on the raw bytes, keep them durably, [`parse`], answer with [`reply_for`].
//!
//! Trade-offs:
//! - Lenient about what servers get wrong without doubt about the meaning (numbers as strings, `Active`, `text/plain`),
//!   strict about meaning: two names for one resource, or a kind that nobody defined, is an error and not a guess.
//! - A notification is a hint. Whatever it leaves out is `None` here, and the host asks the server: no field is derived
//!   from what a server usually does.
//! - A Subscription or a SubscriptionTopic in a body is a resource like any other and has kind [`Kind::Resource`]: a server
//!   can hold a subscription on them. A status that comes without its Bundle is read as the notification that it states,
//!   since no server stores it. What has no id is no version of anything and is refused, as is FHIR messaging (a `message`
//!   Bundle), which is no rest-hook shape.

mod auth;
mod error;
mod explain;
mod focus;
mod formats;
mod notification;
mod read;
mod reply;
mod wire;

pub use auth::{AuthError, Verifier};
pub use error::ParseError;
pub use explain::{ExplainError, Explained, ExplainedEvent, Explanation, Signature, explain};
pub use focus::Focus;
pub use formats::parse;
pub use notification::{Challenge, Format, Kind, Notification, NotifiedEvent, SubscriptionState};
pub use reply::{Reply, reply_for};
pub use wire::WireRequest;

/// Events in one notification, at most; more is [`ParseError::TooMany`]. Aidbox batches 20, Microsoft 100.
pub const MAX_EVENTS: usize = 1_000;

/// Entries of a Bundle, at most: each event may bring related resources.
pub const MAX_ENTRIES: usize = 4_000;

/// Bytes in one reference, URL or id, at most.
pub const MAX_TEXT: usize = 2_048;
