//! The model: every run in plain lists, every rule as a search through all of them.

use std::collections::{BTreeMap, BTreeSet};

use hob_dispatch::{Config, RunHead};
use hob_model::{BotName, OnDead, Retry, RunId, SourceId, TenantId, Timestamp};

/// A run as the ledger has it, with what the model must know beside.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) head: RunHead,
    pub(crate) open: bool,
    /// In flight, or its end is being written.
    pub(crate) busy: bool,
    /// Started, or recorded, since the dispatcher came up: holds its lane.
    pub(crate) begun: bool,
    /// A dead letter that holds its lane: open for the order, but it does not start.
    pub(crate) held: bool,
    /// Opened again by an operator: others have gone on without it.
    pub(crate) reopened: bool,
    /// The ledger closed it while it waited: its start is the host's to refuse.
    pub(crate) closed_elsewhere: bool,
    /// How often it ended.
    pub(crate) ends: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Live,
    Paused,
    Removed,
}

#[derive(Debug)]
pub(crate) struct BotState {
    pub(crate) tenant: TenantId,
    pub(crate) name: BotName,
    pub(crate) standing: Standing,
    pub(crate) retry: Retry,
    pub(crate) concurrency: usize,
    pub(crate) on_dead: OnDead,
}

/// All that is so outside of the dispatcher.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) config: Config,
    pub(crate) rows: BTreeMap<u64, Row>,
    pub(crate) seqs: BTreeMap<RunId, u64>,
    pub(crate) bots: Vec<BotState>,
    pub(crate) down: BTreeMap<(TenantId, SourceId), Timestamp>,
    /// The most runs that a source may hold, by how it did so far.
    pub(crate) allowed: BTreeMap<(TenantId, SourceId), usize>,
}

/// What a source that was quiet may hold.
const QUIET: usize = 4;

pub(crate) fn source_of(head: &RunHead) -> Option<(TenantId, SourceId)> {
    Some((head.tenant.clone(), head.source.clone()?))
}

fn same_bot(a: &RunHead, b: &RunHead) -> bool {
    (&a.tenant, &a.bot) == (&b.tenant, &b.bot)
}

fn same_lane(a: &RunHead, b: &RunHead) -> bool {
    same_bot(a, b) && a.lane == b.lane
}

fn same_resource(a: &RunHead, b: &RunHead) -> bool {
    same_bot(a, b) && a.source == b.source && a.resource.is_some() && a.resource == b.resource
}

impl Model {
    pub(crate) fn bot(&self, head: &RunHead) -> &BotState {
        self.bots.iter().find(|bot| (&bot.tenant, &bot.name) == (&head.tenant, &head.bot)).unwrap()
    }

    fn busy(&self) -> impl Iterator<Item = &Row> {
        self.rows.values().filter(|row| row.busy)
    }

    /// Whether caps, source and standing let one more like `head` start.
    pub(crate) fn barred(&self, head: &RunHead, now: Timestamp) -> Option<&'static str> {
        let bot = self.bot(head);
        if bot.standing != Standing::Live {
            return Some("its bot is not live");
        }
        if self.busy().count() >= self.config.in_flight {
            return Some("the host is at its cap");
        }
        if self.busy().filter(|row| same_bot(&row.head, head)).count() >= bot.concurrency {
            return Some("its bot is at its cap");
        }
        let source = source_of(head)?;
        let on_source = self.busy().filter(|row| source_of(&row.head).as_ref() == Some(&source)).count();
        let free = self.config.in_flight - self.busy().count();
        match self.down.get(&source) {
            Some(until) if *until > now => Some("its source is down"),
            Some(_) if on_source > 0 => Some("another tries its source"),
            None if on_source >= self.config.per_source => Some("its source is at its cap"),
            None if on_source >= *self.allowed.get(&source).unwrap_or(&QUIET) => Some("its source was not seen to bear more"),
            None if on_source > free => Some("its source holds more places than are free"),
            _ => None,
        }
    }

    pub(crate) fn went_down(&mut self, source: (TenantId, SourceId), until: Timestamp) {
        self.allowed.insert(source.clone(), 1);
        self.down.insert(source, until);
    }

    /// A busy run on a source finishes well.
    pub(crate) fn bore(&mut self, source: (TenantId, SourceId)) {
        let held = self.busy().filter(|row| source_of(&row.head).as_ref() == Some(&source)).count();
        self.down.remove(&source);
        let allowed = self.allowed.entry(source).or_insert(QUIET);
        *allowed = (2 * held).max(QUIET.min(*allowed)).min(self.config.per_source);
    }

    /// Which promise a start of `seq` breaks, if any. Holds whatever part of the runs is in memory.
    pub(crate) fn breach(&self, seq: u64, now: Timestamp) -> Option<&'static str> {
        let row = &self.rows[&seq];
        let head = &row.head;
        if row.busy {
            return Some("it is in flight");
        }
        if head.not_before.is_some_and(|at| at > now) {
            return Some("it is too early");
        }
        if self.busy().any(|other| same_lane(&other.head, head)) {
            return Some("another of its lane is in flight");
        }
        if self.busy().any(|other| same_resource(&other.head, head)) {
            return Some("another of its resource is in flight");
        }
        if row.held {
            return Some("it is held");
        }
        let mut older = self.rows.range(..seq).map(|(_, row)| row).filter(|row| row.open && (row.held || !row.reopened));
        if older.any(|older| same_lane(&older.head, head) || same_resource(&older.head, head)) {
            return Some("an older one is open");
        }
        self.barred(head, now)
    }

    /// The runs that order lets start, as a dispatcher that knows all runs must see it.
    pub(crate) fn first_in_order(&self) -> BTreeSet<u64> {
        let waiting = self.rows.values().filter(|row| row.open && self.bot(&row.head).standing != Standing::Removed);
        let rank = |row: &Row| (!row.begun, row.head.seq);
        let first = |row: &&Row| {
            let lane = self.rows.values().filter(|other| other.open && same_lane(&other.head, &row.head));
            let resource = self.rows.values().filter(|other| other.open && same_resource(&other.head, &row.head));
            !row.busy
                && !row.held
                && lane.clone().all(|other| !other.busy && rank(row) <= rank(other))
                && resource.clone().all(|other| !other.busy && (row.begun || rank(row) <= rank(other)))
        };
        waiting.filter(first).map(|row| row.head.seq).collect()
    }

    /// The instant that `Wait` must name.
    pub(crate) fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let first = self.first_in_order();
        let wakes = first.iter().filter_map(|seq| {
            let head = &self.rows[seq].head;
            match head.not_before.filter(|at| *at > now) {
                Some(at) => Some(at),
                None => self.down.get(&source_of(head)?).copied().filter(|until| *until > now),
            }
        });
        wakes.min()
    }
}
