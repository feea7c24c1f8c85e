//! Dead letters: which of them are meant, and those of the outbox.

use hob_model::{BotName, SourceId, Timestamp};

use crate::{DeadReason, OutboxKey, OutboxSeq};

/// What died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadKind {
    /// A run: its state is dead.
    Run,
    /// A notification.
    Notification,
    /// A request of the outbox.
    Request,
}

/// Which dead letters are listed, counted or tried again; by default all. One that has no bot, or no source, is not of any.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeadFilter {
    /// Of this bot alone.
    pub bot: Option<BotName>,
    /// Of this source alone.
    pub source: Option<SourceId>,
    /// With this code as the reason. The code of a run is that of [`hob_model::Failure::word`].
    pub code: Option<String>,
    /// At or after this: a notification by when it came, others by when they died.
    pub since: Option<Timestamp>,
    /// Before this.
    pub until: Option<Timestamp>,
}

/// A request of the outbox that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadRequest {
    /// Its place; the cursor of the next page.
    pub seq: OutboxSeq,
    /// Which.
    pub key: OutboxKey,
    /// The bot of the run that staged it.
    pub bot: BotName,
    /// That run's source.
    pub source: Option<SourceId>,
    /// Whom it goes to: host, with the port where the URL has one. Empty where an earlier Hob staged it.
    pub host: String,
    /// The HTTP method.
    pub method: String,
    /// When its run was done.
    pub staged: Timestamp,
    /// When it was given up.
    pub ended: Timestamp,
    /// Tries since it was staged or tried again by an operator.
    pub attempts: u32,
    /// What was wrong at the last.
    pub reason: DeadReason,
}
