//! Runs: their heads for the dispatcher, their records for the engine, and how attempts end.

use std::collections::BTreeMap;

use bytes::Bytes;
use hob_model::{
    Attempt, BotName, Digest, Effects, Event, Journal, LaneKey, OutboxItem, Payload, Reference, RunId, RunState, SourceId,
    TenantId, TimerOp, Timestamp, VersionId,
};

use crate::{FenceUse, RunSeq};

/// A run of a tenant: nobody reaches another tenant's run by its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunKey {
    /// The clinic.
    pub tenant: TenantId,
    /// The run.
    pub run: RunId,
}

/// An open run without its event: what the dispatcher needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunHead {
    /// Its place in the order in which the ledger took runs.
    pub seq: RunSeq,
    /// Which.
    pub key: RunKey,
    /// The bot.
    pub bot: BotName,
    /// The source that it reads from and writes to.
    pub source: Option<SourceId>,
    /// The resource that it is about; `None` unless its event is a change.
    pub resource: Option<Reference>,
    /// Its queue within the bot.
    pub lane: LaneKey,
    /// Where it stands.
    pub state: RunState,
    /// It is dead and holds its lane.
    pub held: bool,
    /// It does not start before this.
    pub not_before: Option<Timestamp>,
    /// Attempts that failed since it was made or retried, conflicts apart.
    pub failures: u32,
    /// Attempts that ended in a conflict since it was made or retried.
    pub conflicts: u32,
    /// The number of the last attempt; 0 before the first. The next has one more, also after a retry: an attempt with the number of
    /// another takes its place in what [`crate::Ledger::show`] tells.
    pub attempt: u32,
}

/// What a run needs to be run, sent or looked after.
#[derive(Debug, Clone)]
pub struct RunRecord {
    /// Where it stands.
    pub head: RunHead,
    /// What it is run on.
    pub event: Event,
    /// The event's bytes.
    pub payload: Payload,
    /// The bot's release when the event came.
    pub release: Digest,
    /// Attempts so far, oldest first.
    pub attempts: Vec<Attempt>,
    /// Effects that may have reached the server: to be sent as they are, or found there.
    pub recorded: Option<Recorded>,
}

/// An attempt with the release that made it.
#[derive(Debug, Clone)]
pub struct Tried {
    /// The attempt.
    pub attempt: Attempt,
    /// The release that ran.
    pub release: Digest,
    /// What it asked, was told and said; `None` where [`crate::Ledger::record`] has it.
    pub journal: Option<Journal>,
}

/// What an attempt decided, before anything of it is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// The attempt's number.
    pub attempt: u32,
    /// The release that ran.
    pub release: Digest,
    /// What it decided.
    pub effects: Effects,
    /// The transaction, byte for byte as it is sent; empty where there is nothing to commit.
    pub bundle: Bytes,
    /// The fence that the transaction moves.
    pub fence: Option<FenceUse>,
    /// What `handle` returned.
    pub result: Option<Payload>,
}

/// One version that a run wrote, as the server's answer named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrote {
    /// The resource.
    pub reference: Reference,
    /// The version.
    pub version: VersionId,
}

/// A run that is done: its effects are on the server, or it had none.
#[derive(Debug, Clone)]
pub struct Finish {
    /// The attempt; it did not fail.
    pub tried: Tried,
    /// What it decided, where that was not recorded before (nothing had to be sent). Its timers and outbox are not looked at.
    pub recorded: Option<Recorded>,
    /// Versions that the answer named.
    pub wrote: Vec<Wrote>,
    /// What became of `urn:uuid:…` references.
    pub references: BTreeMap<String, Reference>,
    /// Timers to set and take back, references resolved.
    pub timers: Vec<TimerOp>,
    /// Requests to send, references resolved.
    pub outbox: Vec<OutboxItem>,
    /// The version that the run's fence has now, where it held one; the slot is free again.
    pub fence: Option<VersionId>,
}

/// What is to become of a run whose attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Again afresh: recorded effects are known not to be on the server; they are dropped and the fence's slot is free.
    Again {
        /// Not before this.
        at: Timestamp,
    },
    /// Recorded effects may be on the server: they and the fence's slot stay, to be sent or looked for again.
    Resend {
        /// Not before this.
        at: Timestamp,
    },
    /// The run is a dead letter. Recorded effects are known not to be on the server; they are kept to be shown, not to be sent.
    Dead,
    /// The run is a dead letter and nobody knows whether its effects are on the server: a retry looks before it sends them.
    DeadUnsure,
    /// The bot refused the event.
    Rejected,
}

/// Who wrote a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnWrite {
    /// The bot.
    pub bot: BotName,
    /// The hop of its run's event: a change by this write has one more.
    pub hop: u16,
    /// Its run.
    pub run: RunId,
}
