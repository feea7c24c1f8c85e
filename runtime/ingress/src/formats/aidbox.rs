//! Aidbox: AidboxSubscriptionStatus, first in a Bundle of type `history`, then the resources.
//!
//! Checked against the vendor's reference (<https://www.health-samurai.io/docs/aidbox/>, "Subscriptions Module Resources") and
//! its examples of notifications. It has the members of SubscriptionStatus, with `topic-destination` in place of
//! `subscription`; counts are decimals. `meta.versionId` is an integer that counts over the whole server, so it does not
//! tell a create from an update.

use serde_json::Value;

use super::r4b;
use super::topic::Status;
use crate::ParseError;
use crate::read::{Object, text};

pub(super) fn read(status: &Object, at: &str) -> Result<Status, ParseError> {
    let mut read = r4b::read(status, at)?;
    if let Some(destination) = status.get("topic-destination").and_then(Value::as_object) {
        read.subscription = text(destination, "reference", &format!("{at}/topic-destination"))?;
    }
    Ok(read)
}
