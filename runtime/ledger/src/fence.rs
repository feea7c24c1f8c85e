//! Fences: small resources on a source, each held by at most one run, that a transaction must move to succeed.

use hob_model::{Reference, RunId, SourceId, TenantId, VersionId};

/// Where a fence has its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FenceKey {
    /// The clinic.
    pub tenant: TenantId,
    /// The source that the fence is on.
    pub source: SourceId,
    /// Its number at this source; what stays on the server is bounded by how many there are.
    pub slot: u32,
}

/// A fence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// Its place.
    pub key: FenceKey,
    /// The resource.
    pub reference: Reference,
    /// The version that it had when Hob last saw it; `None` before it was made.
    pub version: Option<VersionId>,
    /// The run that holds it.
    pub held_by: Option<RunId>,
}

/// The fence that a recorded transaction moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FenceUse {
    /// Its place at the run's source.
    pub slot: u32,
    /// The resource.
    pub reference: Reference,
    /// The version that the transaction moves it from; `None` where the transaction makes it.
    pub version: Option<VersionId>,
}
