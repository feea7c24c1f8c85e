//! One bot's runs in their order: lanes, and resources across lanes.
//!
//! A lane goes one run at a time: first what has begun (a run in backoff or with recorded effects holds its lane), then by seq.
//! A run that has not begun also waits for every earlier run of its resource, and for every one that has begun. A run that has
//! begun waits for nothing but a run in flight. So whoever waits, waits for one that has begun or is older, and nobody waits
//! in a circle.
//!
//! A dead letter may hold its lane: it has begun, and never starts. All that waits for it waits until it is let go.

use std::collections::{BTreeMap, BTreeSet};

use hob_model::{LaneKey, Reference, RunId};

use crate::sources::SourceIx;

/// A run by its place in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) seq: u64,
    pub(crate) run: RunId,
}

/// A resource, on its source.
pub(crate) type ResourceKey = (Option<SourceIx>, Reference);

/// Begun before fresh: the order of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Begun,
    Fresh,
}

#[derive(Debug)]
struct Member {
    rank: Rank,
    in_flight: bool,
    held: bool,
    lane: u64,
    resource: Option<u64>,
}

/// The runs of one lane or of one resource.
#[derive(Debug, Default)]
struct Queue {
    members: BTreeSet<(Rank, Place)>,
    in_flight: usize,
    /// Of a lane: the run that order lets start.
    ready: Option<Place>,
}

/// Queues by name, and by number once the name is known.
#[derive(Debug)]
struct Queues<K> {
    last: u64,
    numbers: BTreeMap<K, u64>,
    queues: BTreeMap<u64, (K, Queue)>,
}

impl<K: Ord + Clone> Queues<K> {
    const fn new() -> Self {
        Self { last: 0, numbers: BTreeMap::new(), queues: BTreeMap::new() }
    }

    fn number(&mut self, name: &K) -> u64 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        self.last += 1;
        self.numbers.insert(name.clone(), self.last);
        self.queues.insert(self.last, (name.clone(), Queue::default()));
        self.last
    }

    fn get(&self, number: u64) -> Option<&Queue> {
        self.queues.get(&number).map(|(_, queue)| queue)
    }

    fn get_mut(&mut self, number: u64) -> Option<&mut Queue> {
        self.queues.get_mut(&number).map(|(_, queue)| queue)
    }

    fn find(&self, name: &K) -> Option<&Queue> {
        self.get(*self.numbers.get(name)?)
    }

    fn drop_empty(&mut self, number: u64) {
        if self.get(number).is_some_and(|queue| queue.members.is_empty())
            && let Some((name, _)) = self.queues.remove(&number)
        {
            self.numbers.remove(&name);
        }
    }
}

/// The order of one bot's runs.
#[derive(Debug)]
pub(crate) struct Order {
    members: BTreeMap<Place, Member>,
    lanes: Queues<LaneKey>,
    resources: Queues<ResourceKey>,
    changes: Vec<(Place, bool)>,
}

impl Order {
    pub(crate) const fn new() -> Self {
        Self { members: BTreeMap::new(), lanes: Queues::new(), resources: Queues::new(), changes: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// How many runs of a lane there are.
    pub(crate) fn lane_len(&self, lane: &LaneKey) -> usize {
        self.lanes.find(lane).map_or(0, |queue| queue.members.len())
    }

    /// The lane of a run.
    pub(crate) fn lane_of(&self, place: Place) -> Option<&LaneKey> {
        self.lanes.queues.get(&self.members.get(&place)?.lane).map(|(key, _)| key)
    }

    /// Whether a dead letter holds the lane.
    pub(crate) fn is_held(&self, lane: &LaneKey) -> bool {
        let first = self.lanes.find(lane).and_then(|queue| queue.members.first());
        first.is_some_and(|(_, place)| self.members.get(place).is_some_and(|member| member.held))
    }

    /// The youngest run of a lane, if it has not begun and nobody waits for it: none of its lane, none of its resource.
    pub(crate) fn last_of_lane(&self, lane: &LaneKey) -> Option<Place> {
        let last = self.lanes.find(lane)?.members.last().filter(|(rank, _)| *rank == Rank::Fresh)?;
        let resource = self.members.get(&last.1)?.resource.and_then(|resource| self.resources.get(resource));
        resource.is_none_or(|queue| queue.members.last() == Some(last)).then_some(last.1)
    }

    /// Whether the run, begun and not in flight, holds its lane and does not start.
    pub(crate) fn set_held(&mut self, place: Place, held: bool) {
        if let Some(member) = self.members.get_mut(&place) {
            member.held = held;
        }
        self.refresh_around(place);
    }

    /// Puts a run in its queues. `begun` where its effects are recorded, `held` where it holds its lane.
    pub(crate) fn insert(&mut self, place: Place, lane: &LaneKey, resource: Option<&ResourceKey>, begun: bool, held: bool) {
        let member = Member {
            rank: if begun || held { Rank::Begun } else { Rank::Fresh },
            in_flight: false,
            held,
            lane: self.lanes.number(lane),
            resource: resource.map(|key| self.resources.number(key)),
        };
        self.members.insert(place, member);
        self.update(place, |queue, rank| {
            queue.members.insert((rank, place));
        });
    }

    /// The run is in flight, and has begun for good.
    pub(crate) fn start(&mut self, place: Place) {
        self.update(place, |queue, rank| {
            queue.members.remove(&(rank, place));
            queue.members.insert((Rank::Begun, place));
            queue.in_flight += 1;
        });
        if let Some(member) = self.members.get_mut(&place) {
            member.rank = Rank::Begun;
            member.in_flight = true;
        }
    }

    /// The run is in flight no more, but keeps its lane.
    pub(crate) fn stop(&mut self, place: Place) {
        if let Some(member) = self.members.get_mut(&place) {
            member.in_flight = false;
        }
        self.update(place, |queue, _| queue.in_flight = queue.in_flight.saturating_sub(1));
    }

    /// The run leaves.
    pub(crate) fn remove(&mut self, place: Place) {
        let in_flight = self.members.get(&place).is_some_and(|member| member.in_flight);
        self.update(place, |queue, rank| {
            queue.members.remove(&(rank, place));
            queue.in_flight = queue.in_flight.saturating_sub(usize::from(in_flight));
        });
        if let Some(member) = self.members.remove(&place) {
            self.lanes.drop_empty(member.lane);
            if let Some(resource) = member.resource {
                self.resources.drop_empty(resource);
            }
        }
    }

    /// The last in seq that is not in flight.
    pub(crate) fn newest_idle(&self) -> Option<Place> {
        self.members.iter().rev().find(|(_, member)| !member.in_flight).map(|(place, _)| *place)
    }

    /// What order lets start (`true`) or no longer lets start, since the last call, in turn.
    pub(crate) fn take_changes(&mut self) -> Vec<(Place, bool)> {
        std::mem::take(&mut self.changes)
    }

    /// Changes the run's two queues, then finds out for whom that makes a difference.
    fn update(&mut self, place: Place, change: impl Fn(&mut Queue, Rank)) {
        let Some(member) = self.members.get(&place) else {
            return;
        };
        if let Some(queue) = self.lanes.get_mut(member.lane) {
            change(queue, member.rank);
        }
        if let Some(queue) = member.resource.and_then(|resource| self.resources.get_mut(resource)) {
            change(queue, member.rank);
        }
        self.refresh_around(place);
    }

    /// The run's lane, and the lanes of those of its resource that can be ready now or were before: all that have begun, and
    /// the first two that have not (one that came or went may have been first).
    fn refresh_around(&mut self, place: Place) {
        let Some(member) = self.members.get(&place) else {
            return;
        };
        let mut lanes = vec![member.lane];
        if let Some(queue) = member.resource.and_then(|resource| self.resources.get(resource)) {
            let mut fresh = 0;
            for (rank, other) in &queue.members {
                fresh += usize::from(*rank == Rank::Fresh);
                if fresh > 2 {
                    break;
                }
                lanes.extend(self.members.get(other).map(|other| other.lane));
            }
        }
        lanes.dedup();
        for lane in lanes {
            self.refresh(lane);
        }
    }

    fn refresh(&mut self, lane: u64) {
        let Some(queue) = self.lanes.get(lane) else {
            return;
        };
        let first = if queue.in_flight > 0 { None } else { queue.members.first() };
        let first = first.filter(|(_, place)| self.members.get(place).is_some_and(|member| !member.held));
        let now = first.filter(|(rank, place)| self.resource_lets(*rank, *place)).map(|(_, place)| *place);
        let before = queue.ready;
        if now != before {
            self.changes.extend(before.map(|place| (place, false)));
            self.changes.extend(now.map(|place| (place, true)));
            if let Some(queue) = self.lanes.get_mut(lane) {
                queue.ready = now;
            }
        }
    }

    fn resource_lets(&self, rank: Rank, place: Place) -> bool {
        let resource = self.members.get(&place).and_then(|member| member.resource);
        resource
            .and_then(|resource| self.resources.get(resource))
            .is_none_or(|queue| queue.in_flight == 0 && (rank == Rank::Begun || queue.members.first() == Some(&(rank, place))))
    }
}

#[cfg(test)]
mod tests;
