//! Sweeps: when a notification says that something happened and not what, the source is asked for all that changed since the last look.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hob_fhir::{FhirErrorKind, Page};
use hob_ingress::NotifiedEvent;
use hob_model::{Reference, ResourceKey, ResourceType, SubscriptionKey, Timestamp};

use super::{Dead, Hint, Unresolved, settle};
use crate::core::Core;
use crate::keyed::Keyed;
use crate::sources::SourceEntry;

/// Looks overlap by this much, because a server's clock and its commits are not in step.
const OVERLAP: Duration = Duration::from_secs(10);
const PAGES: usize = 10_000;
const PAGE: u32 = 200;

/// How far each type of each source was swept, by the source's clock. Forgotten at a restart, which only makes the next sweep longer: what was
/// seen is known by its marks.
#[derive(Default)]
pub(crate) struct Sweeps(Mutex<BTreeMap<(String, ResourceType), Timestamp>>);

/// Sweeps the type that a subscription is for; without a subscription, all types that bots want.
pub(super) async fn subscription(
    core: &Core,
    locks: &Keyed<ResourceKey>,
    sweeps: &Sweeps,
    entry: &SourceEntry,
    key: Option<&SubscriptionKey>,
    received: Timestamp,
) -> Result<(), Unresolved> {
    let source = &entry.source;
    let mut types: BTreeSet<ResourceType> = BTreeSet::new();
    let named = match key {
        Some(key) => core.ledger.subscription(&source.tenant, &source.id, key).await.map_err(|_| Unresolved::Ledger)?,
        None => None,
    };
    match named {
        Some(subscription) => {
            types.extend(subscription.criteria.split('?').next().and_then(|kind| ResourceType::new(kind).ok()));
        }
        None => {
            let bots = core.bots.on(&source.tenant, &source.id);
            types.extend(
                bots.iter().flat_map(|bot| &bot.watches).filter_map(|watch| ResourceType::new(watch.resource_type()).ok()),
            );
        }
    }
    for kind in types {
        one(core, locks, sweeps, entry, &kind, received).await?;
    }
    Ok(())
}

async fn one(
    core: &Core,
    locks: &Keyed<ResourceKey>,
    sweeps: &Sweeps,
    entry: &SourceEntry,
    kind: &ResourceType,
    received: Timestamp,
) -> Result<(), Unresolved> {
    let source = &entry.source;
    let place = (format!("{}/{}", source.tenant, source.id), kind.clone());
    let last = sweeps.0.lock().unwrap_or_else(PoisonError::into_inner).get(&place).copied();
    let deployed = core
        .bots
        .on(&source.tenant, &source.id)
        .iter()
        .filter(|bot| bot.watches_type(kind.as_str()))
        .map(|bot| bot.since(kind.as_str()))
        .min()
        .flatten();
    let since = last.map(|at| at - OVERLAP).or(deployed);
    let mut dead = Dead::default();
    let date = changed(core, locks, entry, kind, since, received, &mut dead).await?;
    if let Some(date) = date {
        sweeps.0.lock().unwrap_or_else(PoisonError::into_inner).insert(place, date);
    }
    dead.end()
}

/// Settles what changed since an instant, page by page; gives the source's clock at the look. Order across resources is not promised, so a page is settled
/// before the next is read.
async fn changed(
    core: &Core,
    locks: &Keyed<ResourceKey>,
    entry: &SourceEntry,
    kind: &ResourceType,
    since: Option<Timestamp>,
    received: Timestamp,
    dead: &mut Dead,
) -> Result<Option<Timestamp>, Unresolved> {
    let read = |error: hob_fhir::FhirError| Unresolved::from_read(error, "sweep");
    let (mut page, by_history) = match entry.client.type_history(kind, since, Some(PAGE)).await {
        Ok(page) => (page, true),
        Err(error) if matches!(error.kind, FhirErrorKind::NotFound | FhirErrorKind::Refused | FhirErrorKind::Invalid) => {
            let query = since.map_or_else(|| format!("_count={PAGE}"), |at| format!("_lastUpdated=ge{at}&_count={PAGE}"));
            (entry.client.search(kind, &query).await.map_err(read)?, false)
        }
        Err(error) => return Err(read(error)),
    };
    let date = page.date;
    let mut settled: BTreeSet<Reference> = BTreeSet::new();
    for _ in 0..PAGES {
        for reference in references(&page, by_history).map_err(read)?.into_iter().rev() {
            if settled.insert(reference.clone()) {
                let hint = Hint { reference, event: NotifiedEvent::default(), received };
                dead.note(settle::resource(core, locks, entry, hint, None).await.map(drop))?;
            }
        }
        let Some(next) = page.next.clone() else { return Ok(date) };
        page = entry.client.more(&next).await.map_err(read)?;
    }
    Err(Unresolved::dead("sweep-too-long", "more changed since the last look than can be read"))
}

fn references(page: &Page, by_history: bool) -> Result<Vec<Reference>, hob_fhir::FhirError> {
    if by_history {
        return Ok(page.history()?.into_iter().map(|entry| entry.reference).collect());
    }
    page.matches()?.iter().map(hob_fhir::Versioned::reference).collect()
}
