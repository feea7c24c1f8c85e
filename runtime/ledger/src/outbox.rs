//! The outbox: requests that runs staged, sent after their commit.

use hob_model::{BotName, Digest, EventId, LaneKey, OutboxItem, RunId, SourceId, TenantId, Timestamp};

/// One request of one run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutboxKey {
    /// The clinic.
    pub tenant: TenantId,
    /// The run that staged it.
    pub run: RunId,
    /// What the run calls it.
    pub key: String,
}

impl OutboxKey {
    /// The event of its answer. `round`: how often an operator had it tried again; each end of a round is an event of its own.
    #[must_use]
    pub fn event_id(&self, round: u32) -> EventId {
        let (tenant, run, key) = (self.tenant.as_str().as_bytes(), self.run.as_bytes(), self.key.as_bytes());
        match round {
            0 => EventId::of_parts(&[b"reply", tenant, run, key]),
            again => EventId::of_parts(&[b"reply", tenant, run, key, &again.to_be_bytes()]),
        }
    }

    /// The `Idempotency-Key` of the request, fixed when it is staged: of run and key, printable whatever the key is.
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        let mut digits = Digest::of_parts(&[self.run.as_bytes(), self.key.as_bytes()]).hex();
        digits.truncate(32);
        format!("{}-{digits}", self.run)
    }
}

/// Whom a URL of the outbox goes to: host, and port where it has one, in small letters.
#[must_use]
pub fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default().to_ascii_lowercase()
}

/// A request that is to be sent, or may have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueOutbox {
    /// Which.
    pub key: OutboxKey,
    /// The bot of the run that staged it: the answer is an event for it.
    pub bot: BotName,
    /// The lane of that run.
    pub lane: LaneKey,
    /// The source of that run.
    pub source: Option<SourceId>,
    /// The hop of that run's event.
    pub hop: u16,
    /// The request.
    pub item: OutboxItem,
    /// The `Idempotency-Key`, the same at every try.
    pub idempotency_key: String,
    /// Tries so far in this round.
    pub attempts: u32,
    /// How often an operator had it tried again.
    pub round: u32,
    /// When the run was done.
    pub staged: Timestamp,
}
