//! What is deployed: releases, the bots in service, and the subscriptions on the sources.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use hob_model::{BadId, BotName, Digest, Manifest, Reference, SourceId, SubscriptionKey, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A component and its manifest, immutable, named by digest.
#[derive(Debug, Clone, PartialEq)]
pub struct Release {
    /// The clinic.
    pub tenant: TenantId,
    /// Of manifest text and component: see [`Release::digest_of`].
    pub digest: Digest,
    /// The manifest, checked.
    pub manifest: Manifest,
    /// The manifest, as written.
    pub manifest_text: String,
    /// The WebAssembly component.
    pub component: Bytes,
    /// When it was first stored.
    pub created: Timestamp,
}

impl Release {
    /// The name of the release that is made of these two.
    #[must_use]
    pub fn digest_of(manifest_text: &str, component: &[u8]) -> Digest {
        Digest::of_parts(&[b"release", manifest_text.as_bytes(), component])
    }
}

/// A bot in service, or one that was.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    /// The clinic.
    pub tenant: TenantId,
    /// The bot.
    pub bot: BotName,
    /// The release that is live.
    pub release: Digest,
    /// The source that it works on.
    pub source: Option<SourceId>,
    /// Its settings, defaults filled in.
    pub settings: Map<String, Value>,
    /// When this release went live.
    pub deployed: Timestamp,
    /// Whether it is in service.
    pub active: bool,
}

/// R4 `Subscription.status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SubscriptionStatus {
    /// The server has not yet set it up.
    Requested,
    /// The server posts.
    Active,
    /// The server gave up.
    Error,
    /// It is switched off.
    Off,
}

impl SubscriptionStatus {
    /// FHIR's code.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Active => "active",
            Self::Error => "error",
            Self::Off => "off",
        }
    }
}

impl fmt::Display for SubscriptionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SubscriptionStatus {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        [Self::Requested, Self::Active, Self::Error, Self::Off]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or(BadId { kind: "subscription status", rule: "one of requested, active, error, off" })
    }
}

/// A subscription that Hob has on a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The clinic.
    pub tenant: TenantId,
    /// The source.
    pub source: SourceId,
    /// The last segment of its endpoint's path.
    pub key: SubscriptionKey,
    /// The bot that it is for.
    pub bot: BotName,
    /// Which `[[on]]` table of the bot's manifest, from 0.
    pub trigger: u32,
    /// The resource on the server; `None` where somebody makes it by hand.
    pub reference: Option<Reference>,
    /// The criteria, as the server was given them.
    pub criteria: String,
    /// The server's clock when it was made: what is older is from before the bot.
    pub since: Option<Timestamp>,
    /// Where it stands.
    pub status: SubscriptionStatus,
    /// The highest event number seen. [`crate::Ledger::put_subscription`] does not lower it.
    pub last_event: Option<u64>,
}
