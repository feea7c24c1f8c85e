//! Fence slots: lent to an attempt, held by its run from the ledger's `record` on, made when all are in use, replaced when one is gone.
//!
//! The ledger alone decides which run holds a slot, in the same commit that keeps what the run decided, so a crash leaves no doubt. What memory knows
//! here only saves asking the ledger which slots are free: where it is wrong, `record` refuses and another one is taken. What stays on the
//! server is as many slots as attempts have ever committed at once there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hob_fhir::FhirError;
use hob_fhir::fence::{self, Slot, SlotName};
use hob_ledger::{FenceKey, FenceUse, LedgerError};
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

/// The slots of one source, as far as memory knows them.
#[derive(Debug, Default)]
struct Known {
    free: BTreeMap<u32, Slot>,
    lent: BTreeSet<u32>,
}

/// The slots of all sources.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slots(Arc<Mutex<BTreeMap<(TenantId, SourceId), Known>>>);

impl Slots {
    fn of(&self) -> MutexGuard<'_, BTreeMap<(TenantId, SourceId), Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lowest that is free: what was in use lately is.
    fn borrow(&self, source: &(TenantId, SourceId)) -> Option<Lent> {
        let mut all = self.of();
        let known = all.get_mut(source)?;
        let (number, slot) = known.free.pop_first()?;
        known.lent.insert(number);
        Some(Lent { number, slot, source: source.clone(), slots: self.clone(), back: false })
    }

    /// A slot that is free in the ledger. One that is lent stays so.
    fn learn(&self, source: &(TenantId, SourceId), number: u32, slot: Slot) {
        let mut all = self.of();
        let known = all.entry(source.clone()).or_default();
        if !known.lent.contains(&number) {
            known.free.insert(number, slot);
        }
    }

    /// Of these numbers those that memory does not know.
    fn unknown(&self, source: &(TenantId, SourceId), numbers: &[u32]) -> Vec<u32> {
        let mut all = self.of();
        let known = all.entry(source.clone()).or_default();
        numbers.iter().copied().filter(|number| !known.lent.contains(number) && !known.free.contains_key(number)).collect()
    }
}

/// A slot in the hands of one attempt. Dropped, it is found again by asking the ledger; [`Lent::free`] gives it back at once.
#[derive(Debug)]
pub(crate) struct Lent {
    pub(crate) number: u32,
    pub(crate) slot: Slot,
    source: (TenantId, SourceId),
    slots: Slots,
    /// It was given back: who has it now is no longer this one's to say.
    back: bool,
}

impl Lent {
    /// The ledger has it free, as it is now.
    pub(crate) fn free(mut self, slot: Slot) {
        self.back = true;
        if let Some(known) = self.slots.of().get_mut(&self.source) {
            known.lent.remove(&self.number);
            known.free.insert(self.number, slot);
        }
    }

    /// The fence as the ledger keeps it beside the recorded effects.
    pub(crate) fn kept(&self) -> FenceUse {
        FenceUse { slot: self.number, reference: self.slot.reference.clone(), version: Some(self.slot.version.clone()) }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.back
            && let Some(known) = self.slots.of().get_mut(&self.source)
        {
            known.lent.remove(&self.number);
        }
    }
}

fn name(core: &Core, tenant: &TenantId, source: &SourceId, slot: u32) -> Result<SlotName, BadId> {
    // Tenant and source are 63 characters at most each; their digest keeps the name short and tells nobody who they are.
    let whose = hob_model::Digest::of_parts(&[tenant.as_str().as_bytes(), source.as_str().as_bytes()]).hex();
    SlotName::new(format!("hob-{}-{}-{slot}", core.host_id, &whose[..12]))
}

/// A slot for one attempt.
pub(crate) async fn take(core: &Core, entry: &SourceEntry) -> Result<Lent, FenceError> {
    let (tenant, source) = (&entry.source.tenant, &entry.source.id);
    let key = (tenant.clone(), source.clone());
    loop {
        if let Some(lent) = core.slots.borrow(&key) {
            return Ok(lent);
        }
        let _one_at_a_time = core.conditions.lock(format!("fence {tenant} {source}")).await;
        // Whoever was before may have found some.
        if let Some(lent) = core.slots.borrow(&key) {
            return Ok(lent);
        }
        let known = core.ledger.fences(tenant, source).await?;
        let free: Vec<u32> = known.iter().filter(|fence| fence.held_by.is_none()).map(|fence| fence.key.slot).collect();
        let unknown = core.slots.unknown(&key, &free);
        for fence in known.iter().filter(|fence| unknown.contains(&fence.key.slot)) {
            let number = fence.key.slot;
            let slot = match &fence.version {
                Some(version) => Slot {
                    name: name(core, tenant, source, number)?,
                    reference: fence.reference.clone(),
                    version: version.clone(),
                },
                None => replace(core, entry, number).await?,
            };
            core.slots.learn(&key, number, slot);
        }
        if unknown.is_empty() {
            // One more: made on the server first, then known to the ledger, then lent like any other.
            let next = known.iter().map(|fence| fence.key.slot + 1).max().unwrap_or(0);
            let slot = replace(core, entry, next).await?;
            core.slots.learn(&key, next, slot);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(version: &str) -> Slot {
        Slot { name: "s".parse().unwrap(), reference: "Basic/1".parse().unwrap(), version: version.parse().unwrap() }
    }

    #[test]
    fn a_slot_is_lent_to_one_attempt_and_an_old_look_at_the_ledger_does_not_free_it() {
        let (slots, key) = (Slots::default(), ("t".parse().unwrap(), "s".parse().unwrap()));
        assert_eq!(slots.unknown(&key, &[3]), [3]);
        slots.learn(&key, 3, slot("1"));
        assert!(slots.unknown(&key, &[3]).is_empty());
        let lent = slots.borrow(&key).unwrap();
        slots.learn(&key, 3, slot("1"));
        assert!(slots.borrow(&key).is_none() && slots.unknown(&key, &[3]).is_empty());
        lent.free(slot("2"));
        let again = slots.borrow(&key).unwrap();
        assert_eq!((again.number, again.slot.version.as_str()), (3, "2"));
        // Nobody knows here how the attempt ended: the ledger is asked.
        drop(again);
        assert!(slots.borrow(&key).is_none());
        assert_eq!(slots.unknown(&key, &[3]), [3]);
    }
}
