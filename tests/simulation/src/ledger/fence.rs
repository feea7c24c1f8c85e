//! Fences: who holds which.

use hob_ledger::{Fence, FenceKey, FenceUse, LedgerError, Result, RunKey};
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

    /// Gives a run the fence that its transaction moves, and frees what else it held there.
    pub(super) fn hold_fence(&mut self, run: &RunKey, fence: &FenceUse) -> Result<()> {
        let source = self.run(run)?.head.source.clone().ok_or(LedgerError::NotFound { what: "source of the run" })?;
        let key = FenceKey { tenant: run.tenant.clone(), source, slot: fence.slot };
        let is_to_be_had = |found: &Fence| {
            found.reference == fence.reference && found.version == fence.version && found.held_by.is_none_or(|by| by == run.run)
        };
        if !self.fences.get(&key).is_some_and(is_to_be_had) {
            return Err(LedgerError::FenceTaken { slot: fence.slot });
        }
        self.free_fences(run);
        if let Some(found) = self.fences.get_mut(&key) {
            found.held_by = Some(run.run);
        }
        Ok(())
    }

    /// Frees what a run holds at the source that it works on.
    pub(super) fn free_fences(&mut self, run: &RunKey) {
        if let Some(source) = self.runs.get(run).and_then(|run| run.head.source.clone()) {
            for fence in self.held(run, &source) {
                fence.held_by = None;
            }
        }
    }

    pub(super) fn fence_moved(&mut self, run: &RunKey, source: &SourceId, version: &VersionId) {
        for fence in self.held(run, source) {
            fence.version = Some(version.clone());
        }
    }
}
