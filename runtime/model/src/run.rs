//! A run: one event handled by one bot. Its states, its attempts and how they fail.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{BadId, Timestamp};

/// Where a run stands. `Pending` and `Recorded` are open; the rest are ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Waits in its lane for its first or next attempt.
    Pending,
    /// Its effects are in the ledger and may have reached the server: they are sent as they are, or found there.
    Recorded,
    /// Its effects are on the server, once.
    Done,
    /// A newer version took its place, or its resource no longer matches.
    Superseded,
    /// The bot refused the event.
    Rejected,
    /// It could not be handled: the reason is in its attempts. `hob retry` opens it again.
    Dead,
    /// Its version was found after a later one had run: listed, not run.
    Late,
}

impl RunState {
    /// Every state, in the order of the enum.
    pub const ALL: [Self; 7] =
        [Self::Pending, Self::Recorded, Self::Done, Self::Superseded, Self::Rejected, Self::Dead, Self::Late];

    /// Whether the run still has something to do.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Recorded)
    }

    /// The word that ledger, API and CLI use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Recorded => "recorded",
            Self::Done => "done",
            Self::Superseded => "superseded",
            Self::Rejected => "rejected",
            Self::Dead => "dead",
            Self::Late => "late",
        }
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RunState {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or(BadId { kind: "run state", rule: "one of pending, recorded, done, superseded, rejected, dead, late" })
    }
}

/// What an attempt's failure asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureKind {
    /// Try again later: traps, limits and servers that are down are of this kind.
    Retry,
    /// Never: the bot refuses this event.
    Reject,
    /// A resource changed since it was read: again on fresh reads, not counted as a failure.
    Conflict,
    /// Cannot succeed however often it is tried, such as a scope that is missing or a transaction that the server refuses.
    Fatal,
}

/// Why an attempt failed. `message` may come from a bot or a server: it goes to the ledger, never to the host's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What it asks for.
    pub kind: FailureKind,
    /// A stable code that the docs list, such as `limit-cpu`; or the bot's own.
    pub code: String,
    /// For the operator: what, where, what to do.
    pub message: String,
    /// The wait that the bot or the server asked for.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// The code where it has the form of one, else `other`: a bot's own is free text, and may go neither into a log nor into an index.
    #[must_use]
    pub fn word(&self) -> &str {
        let formed = self.code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if formed && !self.code.is_empty() { &self.code } else { "other" }
    }
}

/// One try at a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Counted from 1, conflicts included.
    pub number: u32,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// Why it failed; `None` where it did not.
    pub failure: Option<Failure>,
}
