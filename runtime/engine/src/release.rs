//! A release: a compiled component and its manifest, ready to run.

use std::sync::Arc;

use hob_model::{Clock, Failure, FailureKind, Manifest};

use crate::{FhirReads, RunInput, RunOutput};

/// One immutable version of a bot, ready to run.
pub struct Release {
    pub(crate) manifest: Manifest,
}

impl Release {
    /// The manifest that the runs are held to.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Runs one attempt in a fresh instance. Never panics and never blocks a worker for longer than a tick, whatever the guest does.
    pub async fn run(&self, input: RunInput, fhir: Arc<dyn FhirReads>, clock: Arc<dyn Clock>) -> RunOutput {
        let _ = (fhir, clock, input);
        RunOutput {
            result: Err(Failure { kind: FailureKind::Fatal, code: "unbuilt".into(), message: String::new(), retry_after: None }),
            effects: hob_model::Effects::default(),
            journal: hob_model::Journal::default(),
            read: std::collections::BTreeMap::new(),
            cpu: std::time::Duration::ZERO,
            wall: std::time::Duration::ZERO,
        }
    }
}
