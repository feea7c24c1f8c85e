//! Fences: who holds which.

use hob_ledger::{Fence, FenceKey, Result, RunKey};
use hob_model::{Reference, SourceId, TenantId, VersionId};

use super::state::State;

impl State {
    pub(super) fn fences(&self, tenant: &TenantId, source: &SourceId) -> Vec<Fence> {
        self.fences.values().filter(|fence| fence.key.tenant == *tenant && fence.key.source == *source).cloned().collect()
    }

    pub(super) fn put_fence(&mut self, key: &FenceKey, reference: Reference, version: Option<VersionId>) {
        let held_by = self.fences.get(key).and_then(|fence| fence.held_by);
        self.fences.insert(key.clone(), Fence { key: key.clone(), reference, version, held_by });
    }

    /// Fences of a source that `run` holds: one, but for mistakes.
    fn held<'a>(&'a mut self, run: &'a RunKey, source: &'a SourceId) -> impl Iterator<Item = &'a mut Fence> {
        let of = move |fence: &&mut Fence| {
            fence.key.tenant == run.tenant && fence.key.source == *source && fence.held_by == Some(run.run)
        };
        self.fences.values_mut().filter(of)
    }

    pub(super) fn take_fence(&mut self, run: &RunKey, source: &SourceId) -> Result<Option<Fence>> {
        // A run that is not there must not hold a slot for ever.
        self.run(run)?;
        if let Some(fence) = self.held(run, source).next() {
            return Ok(Some(fence.clone()));
        }
        let of = |fence: &&mut Fence| fence.key.tenant == run.tenant && fence.key.source == *source && fence.held_by.is_none();
        Ok(self.fences.values_mut().find(of).map(|fence| {
            fence.held_by = Some(run.run);
            fence.clone()
        }))
    }

    pub(super) fn free_fence(&mut self, run: &RunKey, source: &SourceId) {
        for fence in self.held(run, source) {
            fence.held_by = None;
        }
    }

    /// Frees what a run holds at the source that it works on.
    pub(super) fn free_fences(&mut self, run: &RunKey) {
        if let Some(source) = self.runs.get(run).and_then(|run| run.head.source.clone()) {
            self.free_fence(run, &source);
        }
    }

    pub(super) fn fence_moved(&mut self, run: &RunKey, source: &SourceId, version: &VersionId) {
        for fence in self.held(run, source) {
            fence.version = Some(version.clone());
        }
    }
}
