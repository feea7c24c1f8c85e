//! `hob source check`: proves on the live server what it can do, and cleans up after itself.

use hob_model::Capabilities;

use crate::{Client, FhirError};

/// One thing tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What, in a word, such as `atomic`.
    pub step: &'static str,
    /// Whether the server did what Hob needs or can use.
    pub ok: bool,
    /// What was seen.
    pub detail: String,
}

/// All that was proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What the source can do.
    pub capabilities: Capabilities,
    /// Whether effects can be committed once: atomic and fence.
    pub usable: bool,
    /// What stands against it, and what to do.
    pub problems: Vec<String>,
}

/// Tries everything, telling `progress` after each step.
///
/// # Errors
/// Only where the server cannot be worked with at all (no connection, no credentials, no FHIR R4).
pub async fn run(
    client: &Client,
    progress: &mut (dyn FnMut(&Step) + Send),
) -> Result<Report, FhirError> {
    let _ = progress;
    client.capability_statement().await?;
    Err(FhirError::protocol("source check", "pending"))
}
