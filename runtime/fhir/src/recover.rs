//! Reading from the server what became of a transaction whose answer was lost.
//!
//! The version right after the one that the fence named says who moved it; the slot's content says what the creates became; the histories of
//! what was written say which versions were this run's. A version is claimed only where that is certain: the host takes a claimed version for its own
//! work and does not run the bot on it, so a wrong claim would lose somebody's change.

use hob_model::{Interaction, Reference, VersionId};

use crate::commit::{Committed, Finding, Written};
use crate::fence::{self, FenceUse, Slot};
use crate::plan::{CommitPlan, Planned};
use crate::{Client, FhirError, FhirErrorKind, HistoryEntry, Versioned};

/// The most pages of one history that are read.
const MOST_PAGES: usize = 50;
/// A wish for their size.
const PAGE: u32 = 100;

pub(crate) async fn find_out(client: &Client, plan: &CommitPlan) -> Result<Finding, FhirError> {
    let fence = &plan.fence;
    let (current, slot) = match client.read(&fence.slot.reference).await {
        Ok(found) if found.version == fence.slot.version => return Ok(Finding::NotYet),
        Ok(found) => {
            let slot = Slot { version: found.version.clone(), ..fence.slot.clone() };
            (Some(found), Some(slot))
        }
        Err(e) if e.kind == FhirErrorKind::Gone => (None, None),
        Err(e) if e.kind == FhirErrorKind::NotFound => return Err(fence::expunged()),
        Err(e) => return Err(e),
    };
    let moved = match current.filter(|found| fence::names(&found.resource, fence)) {
        Some(found) => Some(found),
        None => successor(client, fence).await?.filter(|found| fence::names(&found.resource, fence)),
    };
    match moved {
        Some(moved) => {
            let mut written = Vec::with_capacity(plan.writes.len());
            let mut created = fence::created(&moved.resource).into_iter();
            for (effect, planned) in plan.writes.iter().enumerate() {
                let reference = match &planned.urn {
                    Some(_) => created.next().flatten(),
                    None => planned.target.clone(),
                };
                written.push(one(client, effect, planned, reference, &moved).await?);
            }
            Ok(Finding::Happened(Committed::new(plan, written, slot, true)))
        }
        None => Ok(Finding::Never { slot }),
    }
}

/// The version of the slot right after the one that `fence` names; `None` where that is a delete.
async fn successor(client: &Client, fence: &FenceUse) -> Result<Option<Versioned>, FhirError> {
    let slot = &fence.slot;
    if let Some(next) = slot.version.number().and_then(|number| VersionId::new((number + 1).to_string()).ok()) {
        match client.vread(&slot.reference, &next).await {
            Ok(found) => return Ok(Some(found)),
            Err(e) if e.kind == FhirErrorKind::Gone => return Ok(None),
            // Not a count after all.
            Err(e) if e.kind == FhirErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    let entries = until(client, &slot.reference, Some(&slot.version)).await?;
    // Newest first, so what follows a version stands before it.
    let at = entries.iter().position(|entry| entry.version == slot.version).ok_or_else(fence::expunged)?;
    let Some(entry) = at.checked_sub(1).and_then(|before| entries.get(before)) else {
        return Ok(None);
    };
    let version = entry.version.clone();
    Ok(entry.resource.clone().map(|resource| Versioned { resource, version, last_updated: entry.last_updated, date: None }))
}

/// The history down to `version`, or all of it.
async fn until(client: &Client, reference: &Reference, version: Option<&VersionId>) -> Result<Vec<HistoryEntry>, FhirError> {
    let mut page = client.history(reference, Some(PAGE)).await?;
    let mut entries = page.history()?;
    for _ in 1..MOST_PAGES {
        if version.is_some_and(|version| entries.iter().any(|entry| entry.version == *version)) {
            break;
        }
        let Some(next) = &page.next else { break };
        page = client.more(next).await?;
        entries.extend(page.history()?);
    }
    // The oldest one that was read is not the oldest one: nothing may be said by it.
    if version.is_none() && page.next.is_some() {
        entries.clear();
    }
    Ok(entries)
}

async fn one(
    client: &Client,
    effect: usize,
    planned: &Planned,
    reference: Option<Reference>,
    moved: &Versioned,
) -> Result<Written, FhirError> {
    let version = match &reference {
        Some(reference) => match until(client, reference, planned.read.as_ref()).await {
            Ok(entries) => own_version(planned, &entries, moved),
            // No history here, or none left of this resource.
            Err(e) if !e.is_transient() => None,
            Err(e) => return Err(e),
        },
        None => None,
    };
    // Whether a conditional create found a match cannot be told afterwards; that no version is claimed covers it.
    Ok(Written { effect, interaction: planned.interaction, reference, version, existed: false })
}

/// Which entry of a history the transaction made, if that is certain.
fn own_version(planned: &Planned, entries: &[HistoryEntry], moved: &Versioned) -> Option<VersionId> {
    let entry = match (planned.interaction, &planned.read) {
        // Ids of creates are new, so the oldest version is the run's, unless a conditional create found somebody else's. Servers
        // that stamp a whole transaction with one instant let that be told.
        (Interaction::Create, _) => entries
            .last()
            .filter(|oldest| !planned.conditional || oldest.last_updated.is_some() && oldest.last_updated == moved.last_updated),
        // If-Match held, so what follows the version that was read is the run's. (An update equal to what was read makes no version, but
        // the engine does not send one.)
        (_, Some(read)) => {
            let newer = entries.iter().position(|entry| entry.version == *read).and_then(|at| entries.get(..at))?;
            match planned.interaction {
                Interaction::Delete => newer.iter().rev().find(|entry| entry.interaction == Interaction::Delete),
                _ => newer.last(),
            }
        }
        (_, None) => None,
    }?;
    Some(entry.version.clone())
}
