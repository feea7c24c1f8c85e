//! Ids, events, changes, runs, effects and manifests: data without I/O.
//!
//! Every other room speaks in these types, so a word means the same thing on the wire, in the ledger, in the sandbox and
//! in the CLI. Nothing here reads a clock, a file or a socket, and nothing here imports another room.
//!
//! Trade-off: a few types (`Change`, `Event`) carry what only one room needs, so that there is one of each and no layer of
//! conversions between near-copies.

mod base_url;
mod change;
mod clock;
mod effect;
mod event;
mod id;
mod journal;
mod manifest;
mod run;
mod scope;
mod slip;
mod source;

pub use base_url::BaseUrl;
pub use change::{Change, ChangeKey, Interaction, ResourceKey};
pub use clock::{Clock, ManualClock, Timestamp};
pub use effect::{Effects, Guard, OutboxItem, TimerOp, Write};
pub use event::{Cause, Event, Payload};
pub use id::{
    BadId, BotName, Digest, EventId, LaneKey, Reference, ResourceId, ResourceType, RunId, SourceId, SubscriptionKey, TenantId,
    VersionId,
};
pub use journal::{Call, Difference, Given, Journal, LogLevel, LogLine, Said, Text};
pub use manifest::{
    Filter, HttpRule, Limits, Manifest, ManifestError, OnDead, OrderBy, Outbox, Retry, SecretSpec, SettingSpec, SettingType,
    SignAlgorithm, Trigger, Unknown, Versions, manifest_schema,
};
pub use run::{Attempt, Failure, FailureKind, RunState};
pub use scope::{Interactions, Scope, ScopeError, ScopeLevel};
pub use slip::{guess, with_guess};
pub use source::{Auth, Capabilities, Inbound, SecretRef, Source};
