//! Effects: what a run decided. Staged in the sandbox, recorded in the ledger, committed together.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Reference, ResourceType, Timestamp, VersionId};

/// One write to the source. A patch is applied where it is staged and is an [`Write::Update`] from then on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "write", rename_all = "lowercase")]
pub enum Write {
    /// A new resource.
    Create {
        /// Its type.
        resource_type: ResourceType,
        /// What the run calls it until the server answers: `Type/id` where the id is final, else `urn:uuid:…`.
        reference: String,
        /// Whether the id in `reference` is the one that the resource will have.
        is_final: bool,
        /// A search that must find nothing (R4 `If-None-Exist`), without the type and the question mark.
        if_none_exist: Option<String>,
        /// The content.
        resource: Value,
    },
    /// A new version of a resource, if it still is at the version that was read.
    Update {
        /// Which.
        target: Reference,
        /// The version that the run read.
        read: VersionId,
        /// The content.
        resource: Value,
    },
    /// The end of a resource, if it still is at the version that was read.
    Delete {
        /// Which.
        target: Reference,
        /// The version that the run read.
        read: VersionId,
    },
}

/// A resource that must not have changed when the run commits, though the run does not write it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// Which.
    pub target: Reference,
    /// The version that it must still have.
    pub version: VersionId,
}

/// What a run does to its timers. Takes effect in the ledger commit that records the run as done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "timer", rename_all = "lowercase")]
pub enum TimerOp {
    /// Sets or moves a timer.
    Set {
        /// Its key within the bot and lane.
        key: String,
        /// When it fires.
        at: Timestamp,
        /// What the bot gets back.
        payload: Value,
    },
    /// Takes one back, also one that has fired but not started.
    Cancel {
        /// Its key.
        key: String,
    },
}

/// A request to somebody outside, sent after the commit; its answer comes back as an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxItem {
    /// What the bot calls it; unique in the run.
    pub key: String,
    /// An HTTP method.
    pub method: String,
    /// The URL; may hold placeholders of secrets.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// All that a run decided.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Effects {
    /// In the order in which they were staged; one for each resource.
    pub writes: Vec<Write>,
    /// What else must be unchanged.
    pub guards: Vec<Guard>,
    /// Timers set and taken back.
    pub timers: Vec<TimerOp>,
    /// Requests to send.
    pub outbox: Vec<OutboxItem>,
}

impl Effects {
    /// Whether anything must be sent to the FHIR server.
    #[must_use]
    pub fn commits(&self) -> bool {
        !self.writes.is_empty()
    }
}
