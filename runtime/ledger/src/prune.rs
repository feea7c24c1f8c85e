//! Pruning: what may be forgotten, and how far a pass has come.

use hob_model::Timestamp;

use crate::{NotificationSeq, RunSeq};

/// What is old enough to be forgotten. Whatever they say, nothing goes that is open, set, waiting or needed: see [`crate::Ledger::prune`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PruneRules {
    /// Runs that ended before this without being dead letters, and notifications that came before it and are resolved.
    pub ended: Timestamp,
    /// Dead letters, runs that ended and notifications that came before this.
    pub dead: Timestamp,
}

/// How far a pass has come: the last notification and the last run that were looked at, `None` where there are no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PruneCursor {
    /// Of notifications.
    pub notifications: Option<NotificationSeq>,
    /// Of runs.
    pub runs: Option<RunSeq>,
}

impl PruneCursor {
    /// The begin of a pass.
    pub const BEGIN: Self = Self { notifications: Some(NotificationSeq::ZERO), runs: Some(RunSeq::ZERO) };

    /// Whether the pass has ended.
    #[must_use]
    pub const fn is_end(&self) -> bool {
        self.notifications.is_none() && self.runs.is_none()
    }
}

/// What one call of [`crate::Ledger::prune`] forgot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    /// Runs, each with its attempts, journals, log lines, recorded effects and ended requests.
    pub runs: usize,
    /// Notifications.
    pub notifications: usize,
    /// Where the next call goes on.
    pub next: PruneCursor,
}
