//! Releases that are observed: they get live events and do nothing. What they would have done accumulates here until somebody decides.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use hob_model::{BotName, Digest, RunId, SourceId, TenantId, Timestamp};
use serde_json::{Map, Value};

use crate::{Epoch, Result, RunSeq};

/// Examples of one kind that are kept of an observation; the rest is counted.
pub const EXAMPLES: usize = 200;
/// Runs that may be settled beyond one that is not: then that one is given up, and counted as missed.
pub const AHEAD: usize = 10_000;
/// The kind of a run that was not looked at.
pub const MISSED: &str = "missed";

/// A release that is observed, and how it did so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// The clinic.
    pub tenant: TenantId,
    /// The bot.
    pub bot: BotName,
    /// The release.
    pub release: Digest,
    /// The source that it would work on.
    pub source: SourceId,
    /// Its settings, defaults filled in.
    pub settings: Map<String, Value>,
    /// No release of the bot acts: its own runs decide and do nothing.
    pub first: bool,
    /// When it began.
    pub began: Timestamp,
    /// Runs up to here are settled, or from before it.
    pub floor: RunSeq,
    /// How many runs of each kind. Kinds are the caller's words, but for [`MISSED`].
    pub counts: BTreeMap<String, u64>,
}

/// A run as it was observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Its place.
    pub seq: RunSeq,
    /// Which.
    pub run: RunId,
    /// What kind of end it had.
    pub kind: String,
    /// What is kept of it, if it is worth it. It may be patient data.
    pub body: Option<Bytes>,
}

/// What [`crate::Ledger::observations`] gives. Errors are those of the ledger.
#[async_trait]
pub trait Observations: Send + Sync {
    /// Begins to observe a release, in the place of another one of the bot, of which all is forgotten. `NotFound` where the release is not kept.
    async fn observe(&self, epoch: Epoch, observation: Observation) -> Result<()>;

    /// The release of a bot that is observed.
    async fn observation(&self, tenant: &TenantId, bot: &BotName) -> Result<Option<Observation>>;

    /// All of a tenant, or of all, by name.
    async fn all_observed(&self, tenant: Option<&TenantId>) -> Result<Vec<Observation>>;

    /// Runs of the bot that have ended and are not settled, oldest first, `limit` at most.
    async fn unsettled(&self, tenant: &TenantId, bot: &BotName, limit: usize) -> Result<Vec<(RunSeq, RunId)>>;

    /// Keeps what was observed of `release`, and counts it. A run that was settled before is not counted again; of each kind [`EXAMPLES`] bodies are kept. Where
    /// another release is observed by now, or none, it does nothing.
    async fn settle(
        &self,
        epoch: Epoch,
        tenant: &TenantId,
        bot: &BotName,
        release: &Digest,
        observed: Vec<Observed>,
    ) -> Result<()>;

    /// Examples of a bot, of one kind or of all, oldest first, `limit` of each kind at most.
    async fn examples(&self, tenant: &TenantId, bot: &BotName, kind: Option<&str>, limit: usize) -> Result<Vec<Bytes>>;

    /// Forgets that a release is observed, and what was seen of it. A repeat does nothing.
    async fn unobserve(&self, epoch: Epoch, tenant: &TenantId, bot: &BotName) -> Result<()>;
}
