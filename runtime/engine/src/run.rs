//! What a run is given and what it leaves.

use std::collections::BTreeMap;
use std::time::Duration;

use hob_model::{Effects, Event, Failure, Journal, Payload, Reference, RunId, Timestamp, VersionId};
use serde_json::Value;

use crate::Document;

/// One attempt of one bot at one event.
#[derive(Debug, Clone)]
pub struct RunInput {
    /// The run.
    pub run: RunId,
    /// What it is run on.
    pub event: Event,
    /// The event's payload; over 1 MiB the guest gets only `resource`.
    pub payload: Payload,
    /// The event's resource, parsed. For a change it counts as read at its `meta.versionId`: an update without another read of it
    /// fails at the commit if the resource has moved on.
    pub resource: Option<Document>,
    /// The version before, for `%previous` in FHIRPath, where known.
    pub previous: Option<Document>,
    /// Counted from 1.
    pub attempt: u32,
    /// Seeds the sandbox's randomness.
    pub seed: u64,
    /// Where the sandbox's clock stands at the start.
    pub now: Timestamp,
    /// What the deployment set; for the rest the manifest's defaults hold.
    pub settings: BTreeMap<String, Value>,
}

/// What an attempt left.
#[derive(Debug)]
pub struct RunOutput {
    /// The guest's answer, or why there is none.
    pub result: Result<Option<Payload>, Failure>,
    /// What to commit. Empty where `result` is an error.
    pub effects: Effects,
    /// Host calls and log.
    pub journal: Journal,
    /// Versions that the run has seen, by resource: when one of them has moved on, the attempt stood on sand.
    pub read: BTreeMap<Reference, VersionId>,
    /// CPU time of guest and host functions together.
    pub cpu: Duration,
    /// From start to end by the host's clock.
    pub wall: Duration,
}
