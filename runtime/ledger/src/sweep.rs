//! How far a source was swept: what gap repair goes on from.

use hob_model::{ResourceType, SourceId, TenantId, Timestamp};

/// How far one type of a source is known to be settled. All that the source showed up to `seen` is in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepMark {
    /// The clinic.
    pub tenant: TenantId,
    /// The source.
    pub source: SourceId,
    /// The type.
    pub resource_type: ResourceType,
    /// The source's clock at the look.
    pub seen: Timestamp,
    /// The host's clock at the same look: how the two have gone on since tells whether one was turned.
    pub looked: Timestamp,
}
