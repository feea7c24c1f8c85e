//! Running the past on purpose: versions from before a bot, or that nobody judged for it.
//!
//! It goes its own way round the marks: it neither reads nor moves them, and what has a run already gets no second one, whatever made the first. The
//! runs stand behind what waits in their lanes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hob_ledger::{LedgerError, Resolution, ResolvedChange, RunKey};
use hob_model::{
    BotName, Change, ChangeKey, Digest, Interaction, Reference, ResourceKey, ResourceType, RunId, TenantId, Timestamp, Versions,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::walk::{Found, Walk};
use crate::bots::LiveBot;
use crate::core::Core;
use crate::resolve::{Unresolved, Watch, run, versions};
use crate::run::driver::persist;
use crate::sources::SourceEntry;

/// What is to be run.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Wish {
    /// By the source's clock; from the first version of all unless said.
    since: Option<Timestamp>,
    /// By the source's clock, itself not included; until now unless said.
    until: Option<Timestamp>,
    /// Of the types that the bot wants, only this one.
    #[serde(rename = "type")]
    resource_type: Option<ResourceType>,
    /// Only the newest version of each resource.
    current: bool,
    /// Count, and make nothing.
    pub(crate) dry_run: bool,
}

/// What was found of a type and an interaction.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Count {
    /// Runs that were made, or would be.
    pub(crate) new: u64,
    /// Changes that have their run.
    pub(crate) known: u64,
}

/// What a backfill came to, so far or at its end.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// Versions that were looked at.
    pub(crate) looked: u64,
    pub(crate) counts: BTreeMap<(ResourceType, Interaction), Count>,
    /// The first of the new ones.
    pub(crate) examples: Vec<ChangeKey>,
    /// Resources whose versions cannot be read.
    pub(crate) unreadable: u64,
}

impl Done {
    /// Runs that were made, or would be, of all types.
    pub(crate) fn made(&self) -> u64 {
        self.counts.values().map(|count| count.new).sum()
    }
}

/// Why a backfill ended early. What it made stays, and another one goes on behind it.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// The bot is not in service, or does not want the type.
    NotWanted,
    /// The source is not in service.
    NoSource,
    /// The source or the ledger failed.
    Failed(Unresolved),
    /// Whoever asked has gone.
    Gone,
}

impl From<Unresolved> for Stopped {
    fn from(unresolved: Unresolved) -> Self {
        Self::Failed(unresolved)
    }
}

/// How many examples are named.
const EXAMPLES: usize = 10;

/// Runs the past of a bot; tells `progress` after each page, and ends where it says false.
pub(crate) async fn backfill(
    core: &Arc<Core>,
    tenant: &TenantId,
    bot: &BotName,
    wish: Wish,
    progress: impl Fn(&Done) -> bool + Send,
) -> Result<Done, Stopped> {
    let live = core.bots.get(tenant, bot).ok_or(Stopped::NotWanted)?;
    let entry = core.sources.get(tenant, &live.source).ok_or(Stopped::NoSource)?;
    let wanted = live.watches.iter().filter_map(|watch| ResourceType::new(watch.resource_type()).ok());
    let types: BTreeSet<ResourceType> =
        wanted.filter(|kind| wish.resource_type.as_ref().is_none_or(|asked| asked == kind)).collect();
    if types.is_empty() {
        return Err(Stopped::NotWanted);
    }
    let mut work = Backfill { core, entry: &entry, bot, wish: &wish, done: Done::default(), gone_through: BTreeSet::new() };
    for kind in &types {
        let mut walk = Walk::begin(&entry, kind, wish.since).await?;
        while let Some(page) = walk.page().await? {
            work.page(page, walk.by_history()).await?;
            if !progress(&work.done) {
                return Err(Stopped::Gone);
            }
        }
        work.gone_through.clear();
    }
    Ok(work.done)
}

struct Backfill<'a> {
    core: &'a Arc<Core>,
    entry: &'a SourceEntry,
    bot: &'a BotName,
    wish: &'a Wish,
    done: Done,
    /// Resources of the type that were gone through, eight bytes each.
    gone_through: BTreeSet<u64>,
}

fn short(reference: &Reference) -> u64 {
    let digest = Digest::of(reference.to_string().as_bytes());
    digest.as_bytes().iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

impl Backfill<'_> {
    /// Goes through the resources of a page, each once and whole: its runs must be made in the order of its versions. Where the pages show every version,
    /// those that no trigger can want need no second look; what a delete ended is not known.
    async fn page(&mut self, page: Vec<Found>, every_version: bool) -> Result<(), Stopped> {
        let live = self.core.bots.get(&self.entry.source.tenant, self.bot).ok_or(Stopped::NotWanted)?;
        for found in page {
            let late = matches!((found.last_updated, self.wish.until), (Some(at), Some(until)) if at >= until);
            let may_be = |resource: &Value| live.watches.iter().any(|watch| watch.may_take(resource));
            let unwanted = every_version && found.resource.as_ref().is_some_and(|resource| !may_be(resource));
            if late || unwanted || !self.gone_through.insert(short(&found.reference)) {
                continue;
            }
            match self.resource(found).await {
                Ok(()) => {}
                Err(Stopped::Failed(Unresolved::Dead(_))) => self.done.unreadable += 1,
                Err(stopped) => return Err(stopped),
            }
        }
        Ok(())
    }

    async fn resource(&mut self, found: Found) -> Result<(), Stopped> {
        let (core, entry) = (self.core, self.entry);
        let tenant = &entry.source.tenant;
        let _gate = entry.deploying.read().await;
        // The release may have changed since the last resource.
        let bot = core.bots.get(tenant, self.bot).ok_or(Stopped::NotWanted)?;
        let key = ResourceKey { tenant: tenant.clone(), source: entry.source.id.clone(), resource: found.reference.clone() };
        let _serial = core.gaps.resources.lock(key.clone()).await;
        let received = core.clock.now();
        let changes = match versions(entry, &key, self.wish.since).await? {
            Some(changes) => changes,
            None => alone(key, found).into_iter().collect(),
        };
        let mut resolved = Vec::new();
        let mut before: Option<Value> = None;
        for (change, chosen) in self.chosen(&bot, changes) {
            let previous = match (&before, &change.previous) {
                (Some(before), _) => Some(before.clone()),
                (None, Some(version)) if chosen && bot.watches.iter().any(Watch::wants_previous) => {
                    match entry.client.vread(&change.key.resource.resource, version).await {
                        Ok(found) => Some(found.resource),
                        Err(error) if error.is_transient() => return Err(Unresolved::Unread(Box::new(error)).into()),
                        Err(_) => None,
                    }
                }
                _ => None,
            };
            before = if change.interaction == Interaction::Delete { None } else { change.resource.clone() };
            if chosen {
                resolved.extend(self.judge(&bot, change, previous.as_ref(), received).await?);
            }
        }
        if self.wish.dry_run || resolved.is_empty() {
            return Ok(());
        }
        let resolution = Resolution { tenant: tenant.clone(), notifications: Vec::new(), changes: resolved, seen: Vec::new() };
        let queued = persist(core, "backfill", || core.ledger.resolve(core.epoch, resolution.clone())).await;
        core.news(queued.ok_or(Stopped::Failed(Unresolved::Ledger))?.heads).await;
        Ok(())
    }

    /// The versions, and which of them are asked for.
    fn chosen(&self, bot: &LiveBot, changes: Vec<Change>) -> Vec<(Change, bool)> {
        let mut at = None;
        let mut marked: Vec<(Change, bool)> = Vec::with_capacity(changes.len());
        for change in changes {
            // A delete that bears no time came after what it ended.
            at = change.occurred.or(at);
            let inside = !matches!((at, self.wish.until), (Some(at), Some(until)) if at >= until);
            marked.push((change, inside));
        }
        if self.wish.current || bot.manifest.versions == Versions::Latest {
            let newest = marked.iter().rposition(|(_, inside)| *inside);
            for (place, (_, chosen)) in marked.iter_mut().enumerate() {
                *chosen = Some(place) == newest;
            }
        }
        marked
    }

    /// The run that a version makes, where it makes one that is not there.
    async fn judge(
        &mut self,
        bot: &LiveBot,
        change: Change,
        previous: Option<&Value>,
        received: Timestamp,
    ) -> Result<Option<ResolvedChange>, Stopped> {
        let core = self.core;
        self.done.looked += 1;
        let kind = change.key.resource.resource.resource_type.clone();
        let takes = |watch: &Watch| watch.takes(change.interaction, kind.as_str(), change.resource.as_ref(), previous);
        if !bot.watches.iter().any(takes) {
            return Ok(None);
        }
        let failed = |_| Stopped::Failed(Unresolved::Ledger);
        let own = core.ledger.wrote(&change.key).await.map_err(failed)?;
        if own.as_ref().is_some_and(|own| own.bot == bot.name && !bot.manifest.own_changes) {
            return Ok(None);
        }
        let run_key = RunKey { tenant: bot.tenant.clone(), run: RunId::new(&bot.tenant, &bot.name, change.key.event_id()) };
        let known = match core.ledger.load(&run_key).await {
            Ok(_) => true,
            Err(LedgerError::NotFound { .. }) => false,
            Err(_) => return Err(Stopped::Failed(Unresolved::Ledger)),
        };
        let count = self.done.counts.entry((kind, change.interaction)).or_default();
        if known {
            count.known += 1;
            return Ok(None);
        }
        count.new += 1;
        if self.done.examples.len() < EXAMPLES {
            self.done.examples.push(change.key.clone());
        }
        let hop = own.map_or(0, |own| own.hop.saturating_add(1));
        let mut new = run(core, self.entry, bot, &change, hop, false);
        // What waits is newer than this.
        new.supersedes_earlier = false;
        Ok(Some(ResolvedChange { change, ordinal: None, received, hop, runs: vec![new] }))
    }
}

/// All that is known of a resource whose source keeps no history.
fn alone(key: ResourceKey, found: Found) -> Option<Change> {
    let first = found.version.number() == Some(1);
    Some(Change {
        interaction: if first { Interaction::Create } else { Interaction::Update },
        previous: None,
        occurred: found.last_updated,
        resource: Some(found.resource?),
        key: ChangeKey { resource: key, version: found.version },
    })
}
