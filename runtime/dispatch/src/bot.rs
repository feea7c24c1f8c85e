//! What the dispatcher keeps of a bot and of a run.

use std::collections::{BTreeMap, BTreeSet};

use hob_model::{BotName, OnDead, Retry, TenantId, Timestamp};

use crate::backoff::Counts;
use crate::order::{Order, Place};
use crate::pager::Pager;
use crate::sources::{SourceIx, Sources};

/// A bot by number, never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BotIx(pub(crate) u64);

/// A tenant by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TenantIx(pub(crate) u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Live,
    Paused,
    Removed,
}

/// A bot and its runs in memory.
#[derive(Debug)]
pub(crate) struct Bot {
    pub(crate) tenant: TenantId,
    pub(crate) tenant_ix: TenantIx,
    pub(crate) name: BotName,
    pub(crate) standing: Standing,
    pub(crate) retry: Retry,
    pub(crate) concurrency: usize,
    pub(crate) on_dead: OnDead,
    pub(crate) order: Order,
    pub(crate) pager: Pager,
    pub(crate) in_flight: usize,
    /// Whether it takes part in the round, as the turns know it.
    pub(crate) in_round: bool,
    /// What may start as far as order and time go, by source.
    ready: BTreeMap<Option<SourceIx>, BTreeSet<Place>>,
}

impl Bot {
    /// A bot in service that runs nothing before its policy says how.
    pub(crate) fn new(tenant: TenantId, tenant_ix: TenantIx, name: BotName) -> Self {
        Self {
            tenant,
            tenant_ix,
            name,
            standing: Standing::Live,
            retry: Retry::default(),
            concurrency: 0,
            on_dead: OnDead::default(),
            order: Order::new(),
            pager: Pager::default(),
            in_flight: 0,
            in_round: false,
            ready: BTreeMap::new(),
        }
    }

    pub(crate) fn add_ready(&mut self, source: Option<SourceIx>, place: Place) {
        self.ready.entry(source).or_default().insert(place);
    }

    pub(crate) fn remove_ready(&mut self, source: Option<SourceIx>, place: Place) {
        if let Some(places) = self.ready.get_mut(&source) {
            places.remove(&place);
            if places.is_empty() {
                self.ready.remove(&source);
            }
        }
    }

    /// Whether it has something to start and may.
    pub(crate) fn is_active(&self) -> bool {
        self.standing == Standing::Live && self.in_flight < self.concurrency && !self.ready.is_empty()
    }

    /// Whether its runs take more than half of what it may have in memory.
    pub(crate) fn is_short(&self, share: usize) -> bool {
        self.order.len() > share / 2
    }

    /// The oldest of its runs that may start and whose source lets it.
    pub(crate) fn startable(&self, sources: &Sources, free: usize, now: Timestamp) -> Option<Place> {
        let open = self.ready.iter().filter(|(source, _)| source.is_none_or(|ix| sources.is_open(ix, free, now)));
        open.filter_map(|(_, places)| places.first().copied()).min()
    }
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Others of its lane or resource are before it.
    Behind,
    /// It is first, and waits for this instant.
    Until(Timestamp),
    /// It may start.
    Ready,
    /// An attempt is in flight.
    InFlight,
    /// Its end is being written.
    Ending,
}

/// A run in memory.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) bot: BotIx,
    pub(crate) place: Place,
    pub(crate) source: Option<SourceIx>,
    /// The resource that it is about, as a hash.
    pub(crate) resource: Option<u64>,
    pub(crate) not_before: Option<Timestamp>,
    pub(crate) counts: Counts,
    pub(crate) state: State,
}

impl Run {
    pub(crate) const fn is_idle(&self) -> bool {
        matches!(self.state, State::Behind | State::Until(_) | State::Ready)
    }
}
