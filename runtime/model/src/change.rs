//! A change: one version of one resource. Its identity is all that dedupe and order hang on.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{EventId, Reference, SourceId, TenantId, Timestamp, VersionId};

/// What was done to a resource (R4 Subscription and history speak of these three).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interaction {
    /// The first version.
    Create,
    /// A later version, also one that brings a deleted resource back.
    Update,
    /// The end of a resource; a version of its own.
    Delete,
}

impl fmt::Display for Interaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        })
    }
}

/// One resource of one source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResourceKey {
    /// The clinic.
    pub tenant: TenantId,
    /// The FHIR server.
    pub source: SourceId,
    /// Type and id.
    pub resource: Reference,
}

/// What makes a change unique. Subscription, event number, method and transport are no part of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChangeKey {
    /// Which resource.
    #[serde(flatten)]
    pub resource: ResourceKey,
    /// Which version of it.
    pub version: VersionId,
}

impl ChangeKey {
    /// The id of the event that this change is.
    #[must_use]
    pub fn event_id(&self) -> EventId {
        let key = &self.resource;
        EventId::of_parts(&[
            b"change",
            key.tenant.as_str().as_bytes(),
            key.source.as_str().as_bytes(),
            key.resource.resource_type.as_str().as_bytes(),
            key.resource.id.as_str().as_bytes(),
            self.version.as_str().as_bytes(),
        ])
    }
}

/// One version of one resource, complete: what resolve makes of one or many notifications.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Its identity.
    #[serde(flatten)]
    pub key: ChangeKey,
    /// What was done.
    pub interaction: Interaction,
    /// The version before, where known.
    pub previous: Option<VersionId>,
    /// `meta.lastUpdated`, by the server's clock, where known.
    pub occurred: Option<Timestamp>,
    /// The resource at this version; for a delete the last content before it, where the server still has it.
    pub resource: Option<Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_version_is_the_same_event_and_no_other_is() {
        let key = |tenant: &str, version: &str| ChangeKey {
            resource: ResourceKey {
                tenant: tenant.parse().unwrap(),
                source: "hapi".parse().unwrap(),
                resource: "Task/1".parse().unwrap(),
            },
            version: version.parse().unwrap(),
        };
        assert_eq!(key("a", "1").event_id(), key("a", "1").event_id());
        assert_ne!(key("a", "1").event_id(), key("a", "2").event_id());
        assert_ne!(key("a", "1").event_id(), key("b", "1").event_id());
    }
}
