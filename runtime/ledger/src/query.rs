//! What operators ask: lists, one run in full, log lines, counts.

use std::collections::BTreeMap;

use hob_model::{Attempt, BotName, Digest, Failure, Journal, LogLine, Payload, Reference, RunId, RunState, Timestamp, VersionId};

use crate::{LogSeq, RunRecord, RunSeq, Wrote};

/// Which runs to list; newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFilter {
    /// Of this bot alone.
    pub bot: Option<BotName>,
    /// In this state alone.
    pub state: Option<RunState>,
    /// Received at or after this.
    pub since: Option<Timestamp>,
    /// Older than this row: the last seq of the page before.
    pub before: Option<RunSeq>,
    /// At most this many rows.
    pub limit: usize,
}

impl Default for RunFilter {
    fn default() -> Self {
        Self { bot: None, state: None, since: None, before: None, limit: 50 }
    }
}

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// Its place; the cursor of the next page.
    pub seq: RunSeq,
    /// Which.
    pub run: RunId,
    /// The bot.
    pub bot: BotName,
    /// Where it stands.
    pub state: RunState,
    /// Of a dead run that holds its lane: how many wait behind it there.
    pub holds: Option<u64>,
    /// `change`, `cron`, `timer`, `invoke` or `reply`.
    pub trigger: String,
    /// The resource and version of a change.
    pub subject: Option<(Reference, VersionId)>,
    /// When Hob had its event.
    pub received: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Attempts so far.
    pub attempts: u32,
    /// The last failure, where the last attempt failed.
    pub failure: Option<Failure>,
}

/// An attempt with all that is kept of it.
#[derive(Debug, Clone)]
pub struct StoredAttempt {
    /// The attempt. One that was recorded and not ended has `ended` equal to `started`.
    pub attempt: Attempt,
    /// The release that ran.
    pub release: Digest,
    /// What it asked, was told and said; `None` where it never came to that.
    pub journal: Option<Journal>,
}

/// All that is known of one run.
#[derive(Debug, Clone)]
pub struct RunDetail {
    /// As in a list.
    pub row: RunRow,
    /// As the engine would get it; `recorded` is there also after the end.
    pub record: RunRecord,
    /// Attempts, oldest first.
    pub attempts: Vec<StoredAttempt>,
    /// Versions that it wrote.
    pub wrote: Vec<Wrote>,
    /// What became of `urn:uuid:…` references.
    pub references: BTreeMap<String, Reference>,
    /// What `handle` returned.
    pub result: Option<Payload>,
}

/// Which log lines to list; oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter {
    /// Of this bot alone.
    pub bot: Option<BotName>,
    /// Of this run alone.
    pub run: Option<RunId>,
    /// Newer than this line. `None` gives the newest `limit` lines.
    pub after: Option<LogSeq>,
    /// At most this many lines.
    pub limit: usize,
}

impl Default for LogFilter {
    fn default() -> Self {
        Self { bot: None, run: None, after: None, limit: 50 }
    }
}

/// A log line in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRow {
    /// Its place; the cursor of the next page.
    pub seq: LogSeq,
    /// When the attempt ended that wrote it.
    pub at: Timestamp,
    /// The bot.
    pub bot: BotName,
    /// The run.
    pub run: RunId,
    /// The attempt's number.
    pub attempt: u32,
    /// The line.
    pub line: LogLine,
}

/// Counts over all tenants, and what the ledger did since it was opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// Runs by state; a state without runs is missing.
    pub runs: BTreeMap<RunState, u64>,
    /// Notifications that wait to be resolved.
    pub unresolved: u64,
    /// Ingress dead letters.
    pub dead_notifications: u64,
    /// Requests that wait in the outbox or are being sent.
    pub outbox: u64,
    /// Requests that were given up.
    pub dead_requests: u64,
    /// Timers that are set.
    pub timers: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Commits since it was opened.
    pub commits: u64,
    /// Writes in those commits.
    pub writes: u64,
}
