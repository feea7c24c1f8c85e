//! How far behind a source Hob is: what a sweep would find now, counted and not run.

use std::collections::{BTreeMap, BTreeSet};

use hob_ledger::ResourceMark;
use hob_model::{Reference, ResourceKey, ResourceType, RunState, Timestamp};
use serde::Serialize;

use super::sweep;
use super::walk::{Found, Walk};
use super::window::{self, Last};
use crate::bots::LiveBot;
use crate::core::Core;
use crate::resolve::Unresolved;
use crate::sources::SourceEntry;

/// Pages that are read for an answer: an operator waits for it.
const PAGES: usize = 5;

/// How far behind one type is.
#[derive(Debug, Serialize)]
pub(crate) struct Lag {
    #[serde(rename = "type")]
    resource_type: ResourceType,
    /// How far it was swept, by the source's clock.
    seen: Option<Timestamp>,
    /// The newest change on the server that bears a time.
    newest: Option<Timestamp>,
    /// Versions that a bot may want and that are not resolved.
    waiting: u64,
    /// There are more than were counted.
    more: bool,
}

/// How far behind each type of a source is.
pub(crate) async fn of(core: &Core, entry: &SourceEntry) -> Result<Vec<Lag>, Unresolved> {
    let mut all = Vec::new();
    for kind in sweep::types(core, entry) {
        all.push(one(core, entry, kind).await?);
    }
    Ok(all)
}

async fn one(core: &Core, entry: &SourceEntry, kind: ResourceType) -> Result<Lag, Unresolved> {
    let source = &entry.source;
    let marks = core.ledger.sweeps(&source.tenant, &source.id).await.map_err(|_| Unresolved::Ledger)?;
    let mark = marks.into_iter().find(|mark| mark.resource_type == kind);
    let last = mark.as_ref().map(|mark| Last { seen: mark.seen, looked: mark.looked });
    let bots = core.bots.on(&source.tenant, &source.id);
    let begin = sweep::begin(core, entry, &kind);
    let overlap = std::time::Duration::from_millis(core.config.limits.sweep_overlap_ms);
    let since = window::since(last, begin, overlap, std::time::Duration::ZERO);
    let mut lag = Lag { resource_type: kind.clone(), seen: mark.map(|mark| mark.seen), newest: None, waiting: 0, more: false };
    let mut walk = Walk::begin(entry, &kind, since).await?;
    let mut seen: BTreeMap<Reference, Resolved> = BTreeMap::new();
    for _ in 0..PAGES {
        let Some(page) = walk.page().await? else { return Ok(lag) };
        for found in page {
            lag.newest = lag.newest.max(found.last_updated);
            if !seen.contains_key(&found.reference) {
                let key =
                    ResourceKey { tenant: source.tenant.clone(), source: source.id.clone(), resource: found.reference.clone() };
                let mark = core.ledger.mark(&key).await.map_err(|_| Unresolved::Ledger)?;
                seen.insert(found.reference.clone(), Resolved { mark, reached: false, counted: BTreeSet::new() });
            }
            let Some(resolved) = seen.get_mut(&found.reference) else { continue };
            if resolved.is_news(&found, entry.counts_versions()) && is_wanted(&bots, &kind, &found, begin) {
                lag.waiting += 1;
            }
        }
    }
    lag.more = true;
    Ok(lag)
}

/// What is known of a resource while its versions go by, the newest first.
struct Resolved {
    mark: Option<ResourceMark>,
    /// The mark went by: what comes now is resolved.
    reached: bool,
    /// Pages repeat entries when something is added between them.
    counted: BTreeSet<hob_model::VersionId>,
}

impl Resolved {
    fn is_news(&mut self, found: &Found, counts: bool) -> bool {
        if let Some(mark) = &self.mark {
            let below = counts && matches!((found.version.number(), mark.version.number()), (Some(a), Some(b)) if a <= b);
            self.reached |= below || mark.version == found.version;
        }
        !self.reached && self.counted.insert(found.version.clone())
    }
}

fn is_wanted(bots: &[std::sync::Arc<LiveBot>], kind: &ResourceType, found: &Found, begin: Option<Timestamp>) -> bool {
    let old = matches!((found.last_updated, begin), (Some(at), Some(begin)) if at < begin);
    let mut watches = bots.iter().flat_map(|bot| &bot.watches).filter(|watch| watch.resource_type() == kind.as_str());
    !old && found.resource.as_ref().is_none_or(|resource| watches.any(|watch| watch.may_take(resource)))
}

/// Runs of the source's bots that have not ended.
pub(crate) async fn open_runs(core: &Core, entry: &SourceEntry) -> Result<u64, hob_ledger::LedgerError> {
    let mut open = 0;
    for bot in core.bots.on(&entry.source.tenant, &entry.source.id) {
        let counts = core.ledger.run_counts(&bot.tenant, Some(&bot.name)).await?;
        open += [RunState::Pending, RunState::Recorded].iter().filter_map(|state| counts.get(state)).sum::<u64>();
    }
    Ok(open)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(version: &str) -> Found {
        Found { reference: "Task/1".parse().unwrap(), version: version.parse().unwrap(), last_updated: None, resource: None }
    }

    fn news(mark: Option<&str>, versions: &[&str], counts: bool) -> Vec<bool> {
        let mark =
            mark.map(|version| ResourceMark { version: version.parse().unwrap(), ordinal: 1, deleted: false, occurred: None });
        let mut resolved = Resolved { mark, reached: false, counted: BTreeSet::new() };
        versions.iter().map(|version| resolved.is_news(&found(version), counts)).collect()
    }

    #[test]
    fn what_is_above_the_mark_is_counted_once() {
        assert_eq!(news(Some("2"), &["4", "3", "3", "2", "1"], true), [true, true, false, false, false]);
        // The mark's own entry may lie beyond the window.
        assert_eq!(news(Some("9"), &["8"], true), [false]);
        assert_eq!(news(Some("b"), &["c", "b", "a"], false), [true, false, false]);
        assert_eq!(news(None, &["2", "1"], false), [true, true]);
    }
}
