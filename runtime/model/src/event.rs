//! An event: what a bot is run on.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{ChangeKey, EventId, Interaction, RunId, SourceId, TenantId, Timestamp, VersionId};

/// Why a bot is run. The trigger of the manifest that it answers to has the same name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "trigger", rename_all = "lowercase")]
pub enum Cause {
    /// A version of a resource.
    Change {
        /// Which.
        key: ChangeKey,
        /// What was done.
        interaction: Interaction,
        /// The version before, where known.
        previous: Option<VersionId>,
    },
    /// A cron expression of the manifest came due.
    Cron {
        /// The expression, as written.
        schedule: String,
        /// The instant that it named.
        at: Timestamp,
    },
    /// A timer that a run set.
    Timer {
        /// The key that the run gave it.
        key: String,
        /// When it was to fire.
        due: Timestamp,
        /// The run that set it.
        set_by: RunId,
    },
    /// Somebody asked: `hob invoke` or the admin API.
    Invoke {
        /// Who, as the admin API knows them.
        requester: String,
    },
    /// The answer to a request that a run put in the outbox.
    Reply {
        /// The run that sent it.
        sent_by: RunId,
        /// The key that the run gave it.
        key: String,
        /// The HTTP status; `None` where no answer came.
        status: Option<u16>,
    },
}

impl Cause {
    /// The trigger's word, in manifests, in the contract and wherever people read it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Change { .. } => "change",
            Self::Cron { .. } => "cron",
            Self::Timer { .. } => "timer",
            Self::Invoke { .. } => "invoke",
            Self::Reply { .. } => "reply",
        }
    }
}

/// The bytes of an event and what they are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Payload {
    /// A media type, such as `application/fhir+json`.
    pub content_type: String,
    /// The bytes, as they came.
    pub bytes: Bytes,
}

/// What a bot is run on, without its payload (which the ledger keeps apart).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its id, made of what makes it unique.
    pub id: EventId,
    /// The clinic.
    pub tenant: TenantId,
    /// The source that the run reads from and writes to; `None` where the bot has none.
    pub source: Option<SourceId>,
    /// Why.
    #[serde(flatten)]
    pub cause: Cause,
    /// When it happened by the source's clock, where known.
    pub occurred: Option<Timestamp>,
    /// When Hob had it on disk.
    pub received: Timestamp,
    /// How many bots' writes lie between this event and one from outside: 0 for the latter.
    pub hop: u16,
}
