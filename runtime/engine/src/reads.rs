//! What a run asks of its FHIR server. The engine stages writes itself, so reading is all that it needs; the host implements
//! this with the FHIR client, tests with a map.

use async_trait::async_trait;
use hob_model::{Reference, ResourceType, VersionId};
use serde_json::Value;

use crate::Document;

/// One version of one resource, as the server has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The content, with `resourceType` and `id`.
    pub resource: Document,
    /// `meta.versionId` or the ETag.
    pub version: VersionId,
}

/// A page of a search or a history.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The Bundle (`searchset` or `history`).
    pub bundle: Document,
    /// The server's link to the next page. The guest never sees it and cannot choose it.
    pub next: Option<String>,
}

/// What kind of refusal, in the words of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FhirErrorCode {
    /// 404.
    NotFound,
    /// 410, or a version that is a delete.
    Gone,
    /// 409, 412.
    Conflict,
    /// 400, 422: what was asked makes no sense to the server.
    Invalid,
    /// 401, 403, 405.
    Refused,
    /// No answer, 429, or 5xx.
    Unavailable,
    /// A run is replayed, and nobody can say what the answer was; only then. The attempt ends.
    Ends,
}

impl FhirErrorCode {
    /// The word in the contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::Gone => "gone",
            Self::Conflict => "conflict",
            Self::Invalid => "invalid",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
            Self::Ends => crate::tape::ENDS,
        }
    }

    /// The one of this word.
    pub(crate) fn named(word: &str) -> Option<Self> {
        let all = [Self::NotFound, Self::Gone, Self::Conflict, Self::Invalid, Self::Refused, Self::Unavailable];
        all.into_iter().find(|code| code.as_str() == word)
    }
}

/// A server that did not answer with what was asked for. Goes to the guest and the journal, never to the host's log.
#[derive(Debug, Clone, PartialEq)]
pub struct FhirError {
    /// What kind.
    pub code: FhirErrorCode,
    /// The HTTP status, where a server answered.
    pub status: Option<u16>,
    /// For the bot's author.
    pub message: String,
    /// The server's OperationOutcome.
    pub outcome: Option<Value>,
}

/// What of a source's abilities a run depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadCapabilities {
    /// `PUT Type/id` creates a resource with that id, so a create's id is final at once.
    pub client_ids: bool,
}

/// Reads at the event's source.
#[async_trait]
pub trait FhirReads: Send + Sync {
    /// What the source can do.
    fn capabilities(&self) -> ReadCapabilities;

    /// The current version.
    ///
    /// # Errors
    /// [`FhirErrorCode::Gone`] for a deleted resource, [`FhirErrorCode::NotFound`] for one that never was.
    async fn read(&self, reference: &Reference) -> Result<Found, FhirError>;

    /// One version.
    ///
    /// # Errors
    /// As for [`FhirReads::read`].
    async fn vread(&self, reference: &Reference, version: &VersionId) -> Result<Found, FhirError>;

    /// The instance's history, newest first.
    ///
    /// # Errors
    /// As for [`FhirReads::read`].
    async fn history(&self, reference: &Reference) -> Result<Page, FhirError>;

    /// The first page of a search; `query` is what follows the question mark, percent-encoded as the guest gave it.
    ///
    /// # Errors
    /// Whatever the server refuses; unknown parameters must be refused too (`Prefer: handling=strict`).
    async fn search(&self, resource_type: &ResourceType, query: &str) -> Result<Page, FhirError>;

    /// Patient/$everything, its first page; `query` as for a search. A source that is not asked for operations refuses.
    ///
    /// # Errors
    /// As for [`FhirReads::read`].
    async fn everything(&self, _patient: &Reference, _query: &str) -> Result<Page, FhirError> {
        let message = "operations cannot be asked of this source".to_owned();
        Err(FhirError { code: FhirErrorCode::Refused, status: None, message, outcome: None })
    }

    /// The page that a [`Page::next`] of this run names.
    ///
    /// # Errors
    /// As for [`FhirReads::search`].
    async fn more(&self, next: &str) -> Result<Page, FhirError>;
}
