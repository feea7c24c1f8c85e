//! Where bots run, as the host needs it. The engine is the one in service; a simulation runs native bots in its place.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hob_engine::{Components, Engine, EngineError, Outside, Release, Replayed, RunInput, RunOutput};
use hob_ledger::Ledger;
use hob_model::{Clock, Digest, Journal, Manifest, TenantId};

/// A release's component, as the ledger has it.
pub(crate) struct Kept {
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) tenant: TenantId,
    pub(crate) release: Digest,
}

#[async_trait]
impl Components for Kept {
    async fn component(&self) -> Result<Bytes, String> {
        let found = self.ledger.release(&self.tenant, &self.release).await.map_err(|error| error.to_string())?;
        found.map(|release| release.component).ok_or_else(|| "the ledger does not have the release".to_owned())
    }
}

/// Makes components ready to run.
#[async_trait]
pub trait Sandbox: Send + Sync {
    /// Checks and compiles a component, without holding up other tasks; `again` has it, should its compiled code be lost.
    ///
    /// # Errors
    /// [`EngineError`] where it is refused.
    async fn prepare(
        &self,
        component: Bytes,
        manifest: Manifest,
        again: Arc<dyn Components>,
    ) -> Result<Arc<dyn Prepared>, EngineError>;
}

/// One immutable version of a bot, ready to run.
#[async_trait]
pub trait Prepared: Send + Sync {
    /// Runs one attempt to its end; whatever the bot does, it ends and nothing is written anywhere.
    async fn run(&self, input: RunInput, outside: Outside) -> RunOutput;

    /// Repeats an attempt by its journal; `None` where what runs here cannot be repeated.
    async fn replay(&self, input: RunInput, journal: Journal, clock: Arc<dyn Clock>) -> Option<Replayed> {
        let _ = (input, journal, clock);
        None
    }

    /// Does what another release did, by its journal and by `anew`; `None` where what runs here cannot.
    async fn otherwise(&self, input: RunInput, journal: Arc<Journal>, anew: Outside) -> Option<RunOutput> {
        let _ = (input, journal, anew);
        None
    }
}

#[async_trait]
impl Sandbox for Engine {
    async fn prepare(
        &self,
        component: Bytes,
        manifest: Manifest,
        again: Arc<dyn Components>,
    ) -> Result<Arc<dyn Prepared>, EngineError> {
        let engine = self.clone();
        let compiled = tokio::task::spawn_blocking(move || engine.prepare_from(&component, &manifest, again)).await;
        let release = compiled.unwrap_or_else(|_| Err(EngineError::Start("the compiler was cut off".to_owned())))?;
        Ok(release)
    }
}

#[async_trait]
impl Prepared for Release {
    async fn run(&self, input: RunInput, outside: Outside) -> RunOutput {
        Self::run(self, input, outside).await
    }

    async fn replay(&self, input: RunInput, journal: Journal, clock: Arc<dyn Clock>) -> Option<Replayed> {
        Some(Self::replay(self, input, journal, clock).await)
    }

    async fn otherwise(&self, input: RunInput, journal: Arc<Journal>, anew: Outside) -> Option<RunOutput> {
        Some(Self::otherwise(self, input, journal, anew).await)
    }
}
