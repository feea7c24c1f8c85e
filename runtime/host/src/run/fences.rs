//! Fence slots: taken by a run before its effects are recorded, made when all are in use, replaced when one is gone.
//!
//! A slot belongs to one run at a time, in the ledger, so a crash leaves no doubt who holds which. What stays on the server is as many
//! slots as runs have ever committed at once there.

use hob_fhir::FhirError;
use hob_fhir::fence::{self, Slot, SlotName};
use hob_ledger::{FenceKey, FenceUse, LedgerError, RunKey};
use hob_model::{BadId, SourceId, TenantId};

use crate::core::Core;
use crate::sources::SourceEntry;

/// Why there is no slot.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FenceError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Server(#[from] FhirError),
    #[error(transparent)]
    Name(#[from] BadId),
}

fn name(core: &Core, tenant: &TenantId, source: &SourceId, slot: u32) -> Result<SlotName, BadId> {
    // Tenant and source are 63 characters at most each; their digest keeps the name short and tells nobody who they are.
    let whose = hob_model::Digest::of_parts(&[tenant.as_str().as_bytes(), source.as_str().as_bytes()]).hex();
    SlotName::new(format!("hob-{}-{}-{slot}", core.host_id, &whose[..12]))
}

/// The slot that `run` holds from now on.
pub(crate) async fn take(core: &Core, entry: &SourceEntry, run: &RunKey) -> Result<(u32, Slot), FenceError> {
    let (tenant, source) = (&entry.source.tenant, &entry.source.id);
    loop {
        if let Some(free) = core.ledger.take_fence(core.epoch, run, source).await? {
            let number = free.key.slot;
            let name = name(core, tenant, source, number)?;
            return match free.version {
                Some(version) => Ok((number, Slot { name, reference: free.reference, version })),
                None => Ok((number, replace(core, entry, number).await?)),
            };
        }
        // One more: made on the server first, then known to the ledger, then taken like any other.
        let _one_at_a_time = core.conditions.lock(format!("fence {tenant} {source}")).await;
        let known = core.ledger.fences(tenant, source).await?;
        if known.iter().any(|fence| fence.held_by.is_none()) {
            continue;
        }
        let next = known.iter().map(|fence| fence.key.slot + 1).max().unwrap_or(0);
        replace(core, entry, next).await?;
    }
}

/// Makes slot `number`, or finds it as it is now on the server, and tells the ledger.
pub(crate) async fn replace(core: &Core, entry: &SourceEntry, number: u32) -> Result<Slot, FenceError> {
    let (tenant, source) = (&entry.source.tenant, &entry.source.id);
    let slot = fence::ensure(&entry.client, &name(core, tenant, source, number)?).await?;
    let key = FenceKey { tenant: tenant.clone(), source: source.clone(), slot: number };
    core.ledger.put_fence(core.epoch, &key, slot.reference.clone(), Some(slot.version.clone())).await?;
    Ok(slot)
}

/// Tells the ledger where a slot stands after a commit that did not happen; it stays with its run.
pub(crate) async fn moved(core: &Core, entry: &SourceEntry, number: u32, slot: Option<&Slot>) -> Result<(), FenceError> {
    match slot {
        Some(slot) => {
            let key = FenceKey { tenant: entry.source.tenant.clone(), source: entry.source.id.clone(), slot: number };
            core.ledger.put_fence(core.epoch, &key, slot.reference.clone(), Some(slot.version.clone())).await?;
        }
        None => {
            replace(core, entry, number).await?;
        }
    }
    Ok(())
}

/// The fence as the ledger keeps it beside the recorded effects.
pub(crate) fn kept(number: u32, slot: &Slot) -> FenceUse {
    FenceUse { slot: number, reference: slot.reference.clone(), version: Some(slot.version.clone()) }
}
