//! The sandbox with its commit points.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hob_engine::{Components, EngineError, Outside, RunInput, RunOutput};
use hob_host::{Prepared, Sandbox};
use hob_model::Manifest;

use super::{Hook, Point, Pointed, Side};

#[async_trait]
impl Sandbox for Pointed<dyn Sandbox> {
    async fn prepare(
        &self,
        component: Bytes,
        manifest: Manifest,
        again: Arc<dyn Components>,
    ) -> Result<Arc<dyn Prepared>, EngineError> {
        let inner = self.inner.prepare(component, manifest, again).await?;
        Ok(Arc::new(Bot { inner, hook: Arc::clone(&self.hook) }))
    }
}

struct Bot {
    inner: Arc<dyn Prepared>,
    hook: Arc<dyn Hook>,
}

#[async_trait]
impl Prepared for Bot {
    async fn run(&self, input: RunInput, outside: Outside) -> RunOutput {
        self.hook.at(Point::Attempt, Side::Before).await;
        let output = self.inner.run(input, outside).await;
        self.hook.at(Point::Attempt, Side::After).await;
        output
    }
}
