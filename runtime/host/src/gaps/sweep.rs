//! Sweeping one type of one source: all that changed since the last look is settled, page by page, and only then does the mark move.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use hob_ingress::NotifiedEvent;
use hob_ledger::{DeadReason, NewNotification, SweepMark, Verdict};
use hob_model::{Interaction, Reference, ResourceKey, ResourceType, SubscriptionKey, Timestamp};
use serde_json::json;

use super::walk::{Found, Walk};
use super::window::{self, Last};
use super::{Key, key_of};
use crate::core::Core;
use crate::resolve::{Hint, Unresolved, resource};
use crate::run::driver::persist;
use crate::sources::SourceEntry;

/// Resources of a page that are settled at once.
const AT_ONCE: usize = 4;
/// References remembered, so that older versions on later pages cost nothing; beyond it the ledger's marks tell.
const REMEMBERED: usize = 10_000;

/// Which sweep of a type is the last that began, and the last that was done.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Turn {
    begun: u64,
    done: u64,
}

/// The types of a source that bots want.
pub(super) fn types(core: &Core, entry: &SourceEntry) -> BTreeSet<ResourceType> {
    let bots = core.bots.on(&entry.source.tenant, &entry.source.id);
    bots.iter().flat_map(|bot| &bot.watches).filter_map(|watch| ResourceType::new(watch.resource_type()).ok()).collect()
}

/// Since when the first bot wants the type; `None` where that is not known.
pub(super) fn begin(core: &Core, entry: &SourceEntry, kind: &ResourceType) -> Option<Timestamp> {
    let bots = core.bots.on(&entry.source.tenant, &entry.source.id);
    let wanting = bots.iter().filter(|bot| bot.watches_type(kind.as_str()));
    wanting.map(|bot| bot.since(kind.as_str())).min().flatten()
}

/// Sweeps the type that a subscription is for; without a subscription, all types that bots want.
pub(crate) async fn subscription(core: &Core, entry: &SourceEntry, key: Option<&SubscriptionKey>) -> Result<(), Unresolved> {
    let source = &entry.source;
    let named = match key {
        Some(key) => core.ledger.subscription(&source.tenant, &source.id, key).await.map_err(|_| Unresolved::Ledger)?,
        None => None,
    };
    let of_named = |criteria: &str| criteria.split('?').next().and_then(|kind| ResourceType::new(kind).ok());
    let types = match named {
        Some(subscription) => of_named(&subscription.criteria).into_iter().collect(),
        None => types(core, entry),
    };
    for kind in types {
        settle(core, entry, &kind).await?;
    }
    Ok(())
}

/// Sweeps a type. Whoever waits for a sweep shares the first that begins after it came.
pub(super) async fn settle(core: &Core, entry: &SourceEntry, kind: &ResourceType) -> Result<(), Unresolved> {
    let place: (Key, ResourceType) = (key_of(entry), kind.clone());
    let turns = || core.gaps.turns.lock().unwrap_or_else(PoisonError::into_inner);
    let needed = turns().entry(place.clone()).or_default().begun + 1;
    let _one = core.gaps.types.lock(place.clone()).await;
    let mine = {
        let mut turns = turns();
        let turn = turns.entry(place.clone()).or_default();
        if turn.done >= needed {
            return Ok(());
        }
        turn.begun += 1;
        turn.begun
    };
    Sweep::new(core, entry, kind).run().await?;
    turns().entry(place).or_default().done = mine;
    Ok(())
}

struct Sweep<'a> {
    core: &'a Core,
    entry: &'a SourceEntry,
    kind: &'a ResourceType,
    settled: BTreeSet<Reference>,
    newest: Option<Timestamp>,
}

impl<'a> Sweep<'a> {
    fn new(core: &'a Core, entry: &'a SourceEntry, kind: &'a ResourceType) -> Self {
        Self { core, entry, kind, settled: BTreeSet::new(), newest: None }
    }

    async fn run(mut self) -> Result<(), Unresolved> {
        let source = &self.entry.source;
        let marks = self.core.ledger.sweeps(&source.tenant, &source.id).await.map_err(|_| Unresolved::Ledger)?;
        let mark = marks.into_iter().find(|mark| mark.resource_type == *self.kind);
        let last = mark.map(|mark| Last { seen: mark.seen, looked: mark.looked });
        let begin = begin(self.core, self.entry, self.kind);
        let overlap = Duration::from_millis(self.core.config.limits.sweep_overlap_ms);
        let looked = self.core.clock.now();
        let mut walk = Walk::begin(self.entry, self.kind, window::since(last, begin, overlap, Duration::ZERO)).await?;
        let took = self.core.clock.now().since(looked);
        let date = walk.date();
        // The answer tells the source's clock, and so whether it was turned back since the last look.
        let turned = last.zip(date).map_or(Duration::ZERO, |(last, date)| window::turned_back(last, date, looked));
        if !turned.is_zero() {
            walk = Walk::begin(self.entry, self.kind, window::since(last, begin, overlap, turned)).await?;
        }
        let mut failed = None;
        while let Some(found) = walk.page().await? {
            let hints = self.hints(found, walk.by_history());
            let left = self.page(hints).await?;
            failed = failed.or(left);
        }
        if let Some(failed) = failed {
            return Err(failed);
        }
        let Some(seen) = window::seen(date, self.newest, took) else { return Ok(()) };
        let source = &self.entry.source;
        let mark = SweepMark {
            tenant: source.tenant.clone(),
            source: source.id.clone(),
            resource_type: self.kind.clone(),
            seen,
            looked,
        };
        let kept = persist(self.core, "swept", || self.core.ledger.swept(self.core.epoch, mark.clone())).await;
        kept.ok_or(Unresolved::Ledger)
    }

    /// One hint for each resource on the page that a bot may want a version of: its newest version there. Where middle versions are not shown, any
    /// resource may have one.
    fn hints(&mut self, page: Vec<Found>, every_version: bool) -> Vec<(Reference, NotifiedEvent)> {
        let bots = self.core.bots.on(&self.entry.source.tenant, &self.entry.source.id);
        let watches = || bots.iter().flat_map(|bot| &bot.watches).filter(|watch| watch.resource_type() == self.kind.as_str());
        // What a delete ended is not known yet.
        let may_take =
            |found: &Found| found.resource.as_ref().is_none_or(|resource| watches().any(|watch| watch.may_take(resource)));
        let mut wanted: BTreeSet<Reference> = BTreeSet::new();
        let mut newest: BTreeMap<Reference, (usize, NotifiedEvent)> = BTreeMap::new();
        for (place, found) in page.into_iter().enumerate() {
            self.newest = self.newest.max(found.last_updated);
            if !every_version || may_take(&found) {
                wanted.insert(found.reference.clone());
            }
            let interaction = found.is_delete().then_some(Interaction::Delete);
            newest.entry(found.reference).or_insert_with(|| {
                let event = NotifiedEvent {
                    version: Some(found.version),
                    interaction,
                    resource: found.resource,
                    ..NotifiedEvent::default()
                };
                (place, event)
            });
        }
        let mut hints: Vec<_> = newest.into_iter().filter(|(reference, _)| wanted.contains(reference)).collect();
        // The oldest first, as far as the page goes.
        hints.sort_by_key(|(_, (place, _))| std::cmp::Reverse(*place));
        hints
            .into_iter()
            .filter(|(reference, _)| self.is_new(reference))
            .map(|(reference, (_, event))| (reference, event))
            .collect()
    }

    fn is_new(&mut self, reference: &Reference) -> bool {
        if self.settled.len() >= REMEMBERED {
            self.settled.clear();
        }
        self.settled.insert(reference.clone())
    }

    /// Settles what is on a page. Gives what kept the first one that failed from it, where that need not keep the others.
    async fn page(&self, hints: Vec<(Reference, NotifiedEvent)>) -> Result<Option<Unresolved>, Unresolved> {
        let received = self.core.clock.now();
        let settled = futures::stream::iter(hints.into_iter().map(|(reference, event)| self.one(reference, event, received)));
        let mut settled = settled.buffer_unordered(AT_ONCE);
        let mut failed = None;
        while let Some(done) = settled.next().await {
            let Err(unresolved) = done else { continue };
            if unresolved.is_of_all(self.entry).await {
                return Err(unresolved);
            }
            failed = failed.or(Some(unresolved));
        }
        Ok(failed)
    }

    /// Settles one resource. One that never can be is a dead letter, so that the mark passes it and it is not forgotten.
    async fn one(&self, reference: Reference, event: NotifiedEvent, received: Timestamp) -> Result<(), Unresolved> {
        let version = event.version.clone();
        let hint = Hint { reference: reference.clone(), event, received };
        let reason = match resource(self.core, self.entry, hint, None).await.map(drop) {
            Err(Unresolved::Dead(reason)) => reason,
            other => return other,
        };
        let source = &self.entry.source;
        let key = ResourceKey { tenant: source.tenant.clone(), source: source.id.clone(), resource: reference };
        let dead = || self.core.gaps.dead.lock().unwrap_or_else(PoisonError::into_inner);
        // Looks overlap: it has been said.
        if dead().contains(&(key.clone(), version.clone())) {
            return Ok(());
        }
        tracing::warn!(tenant = %source.tenant, source = %source.id, code = reason.code, "what a sweep found is a dead letter");
        let letter = dead_letter(&key, reason, received);
        match self.core.ledger.accept(vec![letter]).await {
            Ok(_on_disk) => {
                let mut dead = dead();
                if dead.len() >= REMEMBERED {
                    dead.clear();
                }
                dead.insert((key, version));
                Ok(())
            }
            Err(_) => Err(Unresolved::Ledger),
        }
    }
}

/// What a sweep found and could not resolve, as the notification that should have told of it.
fn dead_letter(key: &ResourceKey, reason: DeadReason, received: Timestamp) -> NewNotification {
    let body = json!({"resourceType": "Bundle", "type": "history", "entry": [{"resource": {
        "resourceType": "SubscriptionStatus",
        "type": "event-notification",
        "subscription": {"display": "a sweep"},
        "notificationEvent": [{"focus": {"reference": key.resource.to_string()}}],
    }}]});
    let body = Bytes::from(body.to_string());
    NewNotification {
        tenant: key.tenant.clone(),
        source: key.source.clone(),
        subscription: None,
        received,
        method: "POST".to_owned(),
        path: String::new(),
        headers: vec![("content-type".to_owned(), "application/fhir+json".to_owned())],
        format: Some("r4b".to_owned()),
        size: body.len() as u64,
        body,
        verdict: Verdict::Dead(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_letter_of_a_sweep_is_a_notification_that_can_be_resolved_later() {
        let key = ResourceKey { tenant: "t".parse().unwrap(), source: "s".parse().unwrap(), resource: "Task/1".parse().unwrap() };
        let letter = dead_letter(&key, DeadReason { code: "resolve".into(), message: "m".into() }, Timestamp::default());
        let wire = hob_ingress::WireRequest {
            method: letter.method,
            path_rest: letter.path,
            headers: letter.headers,
            body: letter.body,
        };
        let parsed = hob_ingress::parse(&wire).unwrap();
        assert_eq!(parsed.events.iter().map(NotifiedEvent::reference).collect::<Vec<_>>(), [Some(key.resource)]);
        assert_eq!((parsed.kind, parsed.events[0].number), (hob_ingress::Kind::EventNotification, None));
    }
}
