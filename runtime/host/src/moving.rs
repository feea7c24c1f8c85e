//! A FHIR server that bots move away from: its resources are read, and one at a time is changed at a version that is named. For `hob import`.

use std::sync::Arc;
use std::time::Duration;

use hob_fhir::{Client, ClientConfig, Credentials, FhirError, FhirErrorKind};
use hob_model::{Auth, BaseUrl, Clock, Reference, ResourceType, Timestamp, VersionId};
use hob_search::Criteria;
use serde_json::Value;

use crate::secrets;

/// Why the server did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum MovingError {
    /// A secret that authentication needs is not there, or the URL cannot be used.
    #[error("{0}")]
    Access(String),
    /// It is at another version than the one that was named.
    #[error("it was changed by somebody else meanwhile")]
    Moved,
    /// Nobody knows whether it was done.
    #[error("the answer was lost: {0}")]
    Unknown(String),
    /// Any other.
    #[error("{0}")]
    Server(String),
}

/// A resource at a version.
#[derive(Debug, Clone, PartialEq)]
pub struct At {
    /// The content.
    pub resource: Value,
    /// The version.
    pub version: VersionId,
    /// When it came to be, by the server's clock.
    pub since: Option<Timestamp>,
}

/// The server.
#[derive(Debug, Clone)]
pub struct Remote(Client);

impl Remote {
    /// At a base URL.
    ///
    /// # Errors
    /// [`MovingError::Access`].
    pub fn new(base: &BaseUrl, auth: &Auth, clock: Arc<dyn Clock>) -> Result<Self, MovingError> {
        let access = |error: &dyn std::fmt::Display| MovingError::Access(error.to_string());
        let read = |reference: &_| secrets::resolve(reference).map(|secret| secret.expose().to_owned());
        let credentials = Credentials::resolve(auth, read).map_err(|error| access(&error))?;
        let config = ClientConfig { connect_timeout: Duration::from_secs(10), ..ClientConfig::default() };
        Client::at(base, credentials, config, clock).map(Self).map_err(|error| access(&error))
    }

    /// All resources of a type.
    ///
    /// # Errors
    /// [`MovingError::Server`].
    pub async fn all(&self, resource_type: &ResourceType) -> Result<Vec<Value>, MovingError> {
        let mut found = Vec::new();
        let mut page = self.0.search(resource_type, "_count=100").await.map_err(said)?;
        loop {
            found.extend(page.matches().map_err(said)?.into_iter().map(|one| one.resource));
            let Some(next) = &page.next else { return Ok(found) };
            page = self.0.more(next).await.map_err(said)?;
        }
    }

    /// One resource.
    ///
    /// # Errors
    /// [`MovingError::Server`].
    pub async fn read(&self, reference: &Reference) -> Result<At, MovingError> {
        let found = self.0.read(reference).await.map_err(said)?;
        Ok(At { resource: found.resource, version: found.version, since: found.last_updated })
    }

    /// Makes a new version, if it still is at `version`.
    ///
    /// # Errors
    /// [`MovingError::Moved`] where it is not, [`MovingError::Unknown`] where it may have been done.
    pub async fn update(&self, resource: &Value, version: &VersionId) -> Result<(), MovingError> {
        self.0.update(resource, Some(version)).await.map(drop).map_err(said)
    }
}

/// Whether Hob can judge criteria of a Subscription itself; why not.
///
/// # Errors
/// The reason, for the author.
pub fn judged(criteria: &str) -> Result<(), String> {
    Criteria::parse(criteria).map(drop).map_err(|error| error.to_string())
}

fn said(error: FhirError) -> MovingError {
    match error.kind {
        FhirErrorKind::Conflict => MovingError::Moved,
        FhirErrorKind::Lost | FhirErrorKind::Unavailable => MovingError::Unknown(error.to_string()),
        _ => MovingError::Server(error.to_string()),
    }
}
