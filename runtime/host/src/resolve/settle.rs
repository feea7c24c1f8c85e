//! Settling one resource: from a hint to every change that was not seen yet, in order, with the runs that each makes.

use std::sync::Arc;
use std::time::Duration;

use hob_fhir::FhirErrorKind;
use hob_ledger::{NewRun, NotificationSeq, Opening, Resolution, ResolvedChange, ResourceMark, SeenEvent};
use hob_model::{Change, ChangeKey, Failure, FailureKind, Interaction, ResourceKey, Timestamp, Versions};
use serde_json::Value;

use super::history::history;
use super::order::{self, Look, Mark};
use super::{Hint, Unresolved, judge};
use crate::bots::LiveBot;
use crate::core::Core;
use crate::run::driver::persist;
use crate::sources::SourceEntry;

/// How long resolve waits for commits that may have made a change. After it the loop guard has a second look, at the attempt.
const PATIENCE: Duration = Duration::from_secs(5);

/// A notification that is resolved with the changes of the one resource that it names.
#[derive(Debug, Clone)]
pub(crate) struct Whole {
    pub(super) seq: NotificationSeq,
    pub(super) seen: Vec<SeenEvent>,
}

/// Settles the resource that `hint` names. True where that resolved the notification, in the ledger transaction of its changes: not where there were none.
pub(crate) async fn resource(core: &Core, entry: &SourceEntry, hint: Hint, whole: Option<Whole>) -> Result<bool, Unresolved> {
    let source = &entry.source;
    let _gate = entry.deploying.read().await;
    let kind = hint.reference.resource_type.clone();
    let bots: Vec<Arc<LiveBot>> =
        core.bots.on(&source.tenant, &source.id).into_iter().filter(|bot| bot.watches_type(kind.as_str())).collect();
    if bots.is_empty() {
        return Ok(false);
    }
    let key = ResourceKey { tenant: source.tenant.clone(), source: source.id.clone(), resource: hint.reference.clone() };
    let _serial = core.gaps.resources.lock(key.clone()).await;
    let settled = core.inflight.settled(&source.tenant, &source.id, &hint.reference);
    if tokio::time::timeout(PATIENCE, settled).await.is_err() {
        tracing::warn!(tenant = %source.tenant, source = %source.id, "a commit is still under way: a change is resolved before its end");
    }
    let seen = core.ledger.mark(&key).await.map_err(|_| Unresolved::Ledger)?;
    let mark = seen.as_ref().map(|m| Mark { version: m.version.clone(), occurred: m.occurred });
    // Nothing is older than the oldest bot that wants the type.
    let since = bots.iter().map(|bot| bot.since(kind.as_str())).min().flatten();
    let changes = unseen(entry, &key, &hint, mark.as_ref(), since).await?;
    if changes.changes.is_empty() {
        return Ok(false);
    }
    let resolves = whole.is_some();
    write(core, entry, &bots, seen, changes, hint.received, whole).await.map(|()| resolves)
}

/// Every version of a resource since an instant, oldest first; `None` where the source keeps no history of it.
pub(crate) async fn versions(
    entry: &SourceEntry,
    key: &ResourceKey,
    since: Option<Timestamp>,
) -> Result<Option<Vec<Change>>, Unresolved> {
    let read = history(entry, &key.resource, None, since).await?;
    Ok(read.map(|read| order::unseen(key, &read.versions, read.whole, None, since)))
}

/// Changes that were not seen, oldest first.
struct Unseen {
    changes: Vec<Change>,
    /// They were found after a later version had been resolved, and nothing tells their place.
    late: bool,
}

async fn unseen(
    entry: &SourceEntry,
    key: &ResourceKey,
    hint: &Hint,
    mark: Option<&Mark>,
    since: Option<Timestamp>,
) -> Result<Unseen, Unresolved> {
    let in_order = |changes| Unseen { changes, late: false };
    let deleted = hint.event.interaction == Some(Interaction::Delete);
    match order::look(mark, hint.event.version.as_ref(), entry.counts_versions()) {
        Look::Duplicate => return Ok(in_order(Vec::new())),
        Look::Next if !deleted => {
            if let Some(change) = told(entry, key, hint, mark).await? {
                return Ok(in_order(if is_old(&change, since) { Vec::new() } else { vec![change] }));
            }
        }
        Look::Next | Look::History => {}
    }
    match history(entry, &hint.reference, mark, since).await? {
        Some(read) => Ok(in_order(order::unseen(key, &read.versions, read.whole, mark, since))),
        None => without_history(entry, key, hint, mark, since).await,
    }
}

fn is_old(change: &Change, since: Option<Timestamp>) -> bool {
    matches!((change.occurred, since), (Some(at), Some(since)) if at < since)
}

fn last_updated(resource: &Value) -> Option<Timestamp> {
    resource["meta"]["lastUpdated"].as_str().and_then(Timestamp::parse)
}

/// The change as the notification tells it, read by version where it bore no content. `None` where that version is a delete.
async fn told(entry: &SourceEntry, key: &ResourceKey, hint: &Hint, mark: Option<&Mark>) -> Result<Option<Change>, Unresolved> {
    let Some(version) = hint.event.version.clone() else { return Ok(None) };
    let resource = match &hint.event.resource {
        Some(resource) => resource.clone(),
        None => match entry.client.vread(&hint.reference, &version).await {
            Ok(found) => found.resource,
            Err(error) if matches!(error.kind, FhirErrorKind::Gone | FhirErrorKind::NotFound) => return Ok(None),
            Err(error) => return Err(Unresolved::from_read(error, "read of a version")),
        },
    };
    let interaction = if mark.is_none() { Interaction::Create } else { Interaction::Update };
    Ok(Some(Change {
        occurred: last_updated(&resource),
        interaction,
        previous: mark.map(|mark| mark.version.clone()),
        key: ChangeKey { resource: key.clone(), version },
        resource: Some(resource),
    }))
}

/// A source without history: what the notification says, or what the resource is now, is all that can be known.
async fn without_history(
    entry: &SourceEntry,
    key: &ResourceKey,
    hint: &Hint,
    mark: Option<&Mark>,
    since: Option<Timestamp>,
) -> Result<Unseen, Unresolved> {
    let mut change = match told(entry, key, hint, mark).await? {
        Some(change) => change,
        None => match entry.client.read(&hint.reference).await {
            Ok(found) => Change {
                key: ChangeKey { resource: key.clone(), version: found.version },
                interaction: hint.event.interaction.unwrap_or(Interaction::Update),
                previous: mark.map(|mark| mark.version.clone()),
                occurred: found.last_updated,
                resource: Some(found.resource),
            },
            Err(error) if matches!(error.kind, FhirErrorKind::Gone | FhirErrorKind::NotFound) => {
                return Err(Unresolved::dead(
                    "gone-without-history",
                    "the resource is gone and the source keeps no history of it",
                ));
            }
            Err(error) => return Err(Unresolved::from_read(error, "read of the resource")),
        },
    };
    if mark.is_some_and(|mark| mark.version == change.key.version) || is_old(&change, since) {
        return Ok(Unseen { changes: Vec::new(), late: false });
    }
    if let Some(interaction) = hint.event.interaction {
        change.interaction = interaction;
    }
    let late = matches!((change.occurred, mark.and_then(|m| m.occurred)), (Some(at), Some(seen)) if at < seen);
    Ok(Unseen { changes: vec![change], late })
}

async fn write(
    core: &Core,
    entry: &SourceEntry,
    bots: &[Arc<LiveBot>],
    seen: Option<ResourceMark>,
    unseen: Unseen,
    received: Timestamp,
    whole: Option<Whole>,
) -> Result<(), Unresolved> {
    let mut ordinal = seen.map_or(0, |mark| mark.ordinal);
    let mut before: Option<Value> = None;
    let mut resolved = Vec::with_capacity(unseen.changes.len());
    for change in unseen.changes {
        let previous = match (&before, &change.previous) {
            (Some(before), _) => Some(before.clone()),
            (None, Some(version)) if bots.iter().any(|bot| bot.watches.iter().any(judge::Watch::wants_previous)) => {
                let before = entry.version_before(&change.key.resource.resource, version).await;
                before.map_err(|error| Unresolved::from_read(error, "read of the version before"))?
            }
            _ => None,
        };
        let own = core.ledger.wrote(&change.key).await.map_err(|_| Unresolved::Ledger)?;
        let hop = own.as_ref().map_or(0, |own| own.hop.saturating_add(1));
        let runs = bots
            .iter()
            .filter(|bot| own.as_ref().is_none_or(|own| own.bot != bot.name || bot.manifest.own_changes))
            .filter(|bot| wants(bot, &change, previous.as_ref()))
            .map(|bot| run(core, entry, bot, &change, hop, unseen.late))
            .collect();
        before = if change.interaction == Interaction::Delete { None } else { change.resource.clone() };
        let place = if unseen.late {
            None
        } else {
            ordinal += 1;
            Some(ordinal)
        };
        resolved.push(ResolvedChange { change, ordinal: place, received, hop, runs });
    }
    let (notifications, seen) = whole.map_or_else(Default::default, |whole| (vec![whole.seq], whole.seen));
    let resolution = Resolution { tenant: entry.source.tenant.clone(), notifications, changes: resolved, seen };
    let queued =
        persist(core, "resolve", || core.ledger.resolve(core.epoch, resolution.clone())).await.ok_or(Unresolved::Ledger)?;
    core.news(queued.heads).await;
    Ok(())
}

fn wants(bot: &LiveBot, change: &Change, previous: Option<&Value>) -> bool {
    let kind = change.key.resource.resource.resource_type.as_str();
    bot.watches
        .iter()
        .any(|watch| !watch.is_before(change) && watch.takes(change.interaction, kind, change.resource.as_ref(), previous))
}

/// The run that a change makes of a bot.
pub(crate) fn run(core: &Core, entry: &SourceEntry, bot: &LiveBot, change: &Change, hop: u16, late: bool) -> NewRun {
    let lane = judge::lane(&bot.manifest.order_by, change, change.key.event_id(), &entry.bases);
    let opening = if late {
        Opening::Late
    } else if hop > core.config.limits.hops {
        Opening::Dead(Failure {
            kind: FailureKind::Fatal,
            code: "hop-limit".to_owned(),
            message: format!(
                "{hop} bots' writes led to this change, over the host's `limits.hops`: do bots answer one another in a circle?"
            ),
            retry_after: None,
        })
    } else {
        Opening::Pending
    };
    NewRun {
        bot: bot.name.clone(),
        release: bot.digest,
        lane,
        opening,
        supersedes_earlier: bot.manifest.versions == Versions::Latest,
    }
}
