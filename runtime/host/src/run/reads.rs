//! A run's reads at its source, by the FHIR client.

use std::sync::Mutex;
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use hob_engine::{FhirError, FhirErrorCode, FhirReads, Found, Page, ReadCapabilities};
use hob_fhir::FhirErrorKind;
use hob_model::{Reference, ResourceType, VersionId};

use crate::sources::{SourceEntry, may_be_down};

/// The reads of one attempt. Remembers when the source did not answer, so that the attempt is not blamed on the bot.
pub(crate) struct SourceReads {
    entry: Arc<SourceEntry>,
    failed: Mutex<Option<hob_fhir::FhirError>>,
}

impl SourceReads {
    pub(crate) fn new(entry: Arc<SourceEntry>) -> Self {
        Self { entry, failed: Mutex::new(None) }
    }

    /// The last read that the source did not answer, if any.
    pub(crate) fn unanswered(&self) -> Option<hob_fhir::FhirError> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn failed(&self, error: hob_fhir::FhirError) -> FhirError {
        if may_be_down(&error) {
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
        }
        let code = match error.kind {
            FhirErrorKind::NotFound => FhirErrorCode::NotFound,
            FhirErrorKind::Gone => FhirErrorCode::Gone,
            FhirErrorKind::Conflict => FhirErrorCode::Conflict,
            FhirErrorKind::Invalid | FhirErrorKind::SearchIgnored => FhirErrorCode::Invalid,
            FhirErrorKind::Unauthorized | FhirErrorKind::Forbidden | FhirErrorKind::Refused => FhirErrorCode::Refused,
            FhirErrorKind::TooMany
            | FhirErrorKind::Unavailable
            | FhirErrorKind::Unreachable
            | FhirErrorKind::Lost
            | FhirErrorKind::Protocol => FhirErrorCode::Unavailable,
        };
        FhirError { code, status: error.status, message: error.to_string(), outcome: error.outcome }
    }

    fn page(&self, page: Result<hob_fhir::Page, hob_fhir::FhirError>) -> Result<Page, FhirError> {
        let page = page.map_err(|e| self.failed(e))?;
        Ok(Page { next: page.next.map(|link| link.as_str().to_owned()), bundle: page.bundle.into() })
    }

    fn found(&self, found: Result<hob_fhir::Versioned, hob_fhir::FhirError>) -> Result<Found, FhirError> {
        let found = found.map_err(|e| self.failed(e))?;
        Ok(Found { resource: found.resource.into(), version: found.version })
    }
}

#[async_trait]
impl FhirReads for SourceReads {
    fn capabilities(&self) -> ReadCapabilities {
        ReadCapabilities { client_ids: self.entry.source.capabilities.as_ref().is_some_and(|c| c.client_ids) }
    }

    async fn read(&self, reference: &Reference) -> Result<Found, FhirError> {
        self.found(self.entry.client.read(reference).await)
    }

    async fn vread(&self, reference: &Reference, version: &VersionId) -> Result<Found, FhirError> {
        self.found(self.entry.client.vread(reference, version).await)
    }

    async fn history(&self, reference: &Reference) -> Result<Page, FhirError> {
        self.page(self.entry.client.history(reference, None).await)
    }

    async fn search(&self, resource_type: &ResourceType, query: &str) -> Result<Page, FhirError> {
        self.page(self.entry.client.search(resource_type, query).await)
    }

    async fn everything(&self, patient: &Reference, query: &str) -> Result<Page, FhirError> {
        self.page(self.entry.client.everything(patient, query).await)
    }

    async fn more(&self, next: &str) -> Result<Page, FhirError> {
        let link = self.entry.client.link(next).map_err(|e| self.failed(e))?;
        self.page(self.entry.client.more(&link).await)
    }
}
