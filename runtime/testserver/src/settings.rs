//! What the server is like: FHIR servers differ, and Hob must work on each of them.

use hob_model::{BaseUrl, Capabilities, Timestamp};
use http::StatusCode;

use crate::reading::Reading;

/// Whose small manners it has, where R4 leaves a choice or a server departs from it: how a delete is answered, which status a bad patch or an unknown
/// path gets, whether unknown search parameters are always refused, whether tags stay when an update leaves them out. `docs/testserver.md` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manners {
    /// What R4 says or suggests.
    Standard,
    /// HAPI FHIR JPA 8.8.
    Hapi,
}

/// How the server answers a stale `If-Match`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConflictStatus {
    /// 412, as R4 says.
    PreconditionFailed,
    /// 409, as HAPI does.
    Conflict,
}

impl ConflictStatus {
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::Conflict => StatusCode::CONFLICT,
        }
    }
}

/// What `meta.versionId` looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionIds {
    /// 1, 2, 3 for each resource.
    Counted,
    /// Without order or meaning, as Medplum's; the same for the same history.
    Opaque,
}

/// When a Subscription that was sent as `requested` becomes `active`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// Right after the answer, by a version of its own.
    AtOnce,
    /// When [`crate::Server::activate`] is called.
    WhenTold,
}

/// How a [`crate::Server`] behaves. All fields may be changed after one of the constructors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The URL that the server is known by: in links, and before the path of requests.
    pub base: BaseUrl,
    /// `CapabilityStatement.software.name`. Hob speaks HAPI's dialect to what has `hapi` in it.
    pub software: String,
    /// `CapabilityStatement.software.version`.
    pub software_version: String,
    /// What no other setting says.
    pub manners: Manners,
    /// What becomes of content that R4 does not have.
    pub reading: Reading,
    /// How a stale `If-Match` is answered.
    pub conflict: ConflictStatus,
    /// Whether `PUT Type/id` may create.
    pub client_ids: bool,
    /// Whether `If-Match` on an id that never was creates it, as on HAPI, or is refused.
    pub if_match_creates: bool,
    /// Whether a DELETE looks at `If-Match`. HAPI's does not.
    pub if_match_on_delete: bool,
    /// Whether what is referred to must be there, and may not be deleted.
    pub integrity: bool,
    /// What version ids look like.
    pub versions: VersionIds,
    /// Whether `Type/id/_history` is there.
    pub instance_history: bool,
    /// Whether `Type/_history` is there.
    pub type_history: bool,
    /// Whether histories say when a delete was. HAPI's do not.
    pub deletes_bear_time: bool,
    /// When Subscriptions become active.
    pub activation: Activation,
    /// Entries on a page where no `_count` is given.
    pub page: usize,
    /// The most entries on a page, whatever `_count` says.
    pub longest_page: usize,
}

impl Settings {
    /// A server that does all that R4 offers.
    #[must_use]
    pub fn standard(base: BaseUrl) -> Self {
        Self {
            base,
            software: "Hob test server".to_owned(),
            software_version: env!("CARGO_PKG_VERSION").to_owned(),
            manners: Manners::Standard,
            reading: Reading::Strict,
            conflict: ConflictStatus::PreconditionFailed,
            client_ids: true,
            if_match_creates: false,
            if_match_on_delete: true,
            integrity: false,
            versions: VersionIds::Counted,
            instance_history: true,
            type_history: true,
            deletes_bear_time: true,
            activation: Activation::AtOnce,
            page: 20,
            longest_page: 1000,
        }
    }

    /// What the source check proves of such a server, for hosts that begin with one that was checked.
    #[must_use]
    pub fn proved(&self, checked: Timestamp) -> Capabilities {
        Capabilities {
            checked,
            software: Some(format!("{} {}", self.software, self.software_version)),
            atomic: true,
            fence: true,
            client_ids: self.client_ids,
            conflict_status: Some(self.conflict.status().as_u16()),
            instance_history: self.instance_history,
            type_history: self.type_history,
            history_shows_deletes: self.instance_history,
            integer_versions: self.versions == VersionIds::Counted,
            strict_search: true,
            // More than that it does not try.
            transaction_entries: 101,
            notes: Vec::new(),
        }
    }

    /// A server with the manners of HAPI FHIR JPA 8.8, as they were measured.
    #[must_use]
    pub fn hapi(base: BaseUrl) -> Self {
        Self {
            software: "HAPI FHIR Server (imitated)".to_owned(),
            manners: Manners::Hapi,
            reading: Reading::Lenient,
            conflict: ConflictStatus::Conflict,
            if_match_creates: true,
            if_match_on_delete: false,
            deletes_bear_time: false,
            ..Self::standard(base)
        }
    }
}
