//! Lanes that are too deep for memory: of each, from which seq on it must be read, and which resources wait there.
//!
//! The cursor of a bot (`pager`) passes over the runs of a lane that has enough of them in memory. For each such lane one number
//! says where reading goes on (`from`), so a deep lane costs a row, not a row a run. The one thing that must be known of the runs
//! passed over is what they are about, or a younger run of the same resource in another lane would overtake them. So the
//! resources are kept, as hashes, with the last run that was passed over: a hash that two resources share only makes one wait
//! for the other. The number of lanes and of resources is bounded; where it is reached, nothing more is passed over and the
//! cursor stands.
//!
//! **Who waits, and why not in a circle.** A run T must not come into memory while a run S of its resource, older and of another
//! lane, is passed over: T is passed over too, and its lane waits. It waits for a lane whose `from` is below T, and its own
//! lane's `from` is T (a page said so). So of the lanes that wait the one with the lowest `from` waits for a lane that does not.

use std::collections::{BTreeMap, BTreeSet};

use hob_model::LaneKey;

/// A passed lane by number, never given twice: what names a lane that is gone is out of date.
pub(crate) type LaneIx = u64;

/// The most lanes and resources that may be kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) lanes: usize,
    pub(crate) resources: usize,
}

#[derive(Debug)]
struct Lane {
    key: LaneKey,
    /// All open runs of the lane before this, up to the cursor, are in memory.
    from: u64,
    /// Memory has room for more of it.
    wants: bool,
    /// Its next run waits for runs passed over in this one.
    waits: Option<LaneIx>,
}

/// Runs of a resource that were passed over in one lane.
#[derive(Debug)]
struct Span {
    /// None is before this.
    first: u64,
    /// The last of them.
    last: u64,
}

/// The lanes passed over of one bot.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    last_number: LaneIx,
    names: BTreeMap<LaneKey, LaneIx>,
    lanes: BTreeMap<LaneIx, Lane>,
    by_from: BTreeSet<(u64, LaneIx)>,
    wanting: BTreeSet<(u64, LaneIx)>,
    /// Who is waited for, and who waits.
    waiting: BTreeSet<(LaneIx, LaneIx)>,
    resources: BTreeMap<(u64, LaneIx), Span>,
    /// Steps of reading since resources that are out of date were looked for.
    steps: usize,
}

impl Passed {
    pub(crate) fn len(&self) -> usize {
        self.lanes.len()
    }

    /// Where a lane is to be read from, if it was passed over.
    pub(crate) fn from(&self, lane: &LaneKey) -> Option<u64> {
        Some(self.lanes.get(self.names.get(lane)?)?.from)
    }

    /// Passes over a run. `false` where there is no room to remember it: nothing has changed then.
    pub(crate) fn pass(&mut self, lane: &LaneKey, resource: Option<u64>, seq: u64, bounds: Bounds) -> bool {
        let known = self.names.get(lane).copied();
        if known.is_none() && self.lanes.len() >= bounds.lanes {
            return false;
        }
        let new = resource.is_some_and(|resource| known.is_none_or(|ix| !self.resources.contains_key(&(resource, ix))));
        if new {
            self.sweep(bounds.resources);
            if self.resources.len() >= bounds.resources {
                return false;
            }
        }
        let ix = known.unwrap_or_else(|| self.add(lane, seq));
        if let Some(resource) = resource {
            let span = self.resources.entry((resource, ix)).or_insert(Span { first: seq, last: seq });
            (span.first, span.last) = (span.first.min(seq), span.last.max(seq));
        }
        if self.lanes.get(&ix).is_some_and(|lane| seq < lane.from) {
            self.set(ix, |lane| lane.from = seq);
        }
        true
    }

    fn add(&mut self, lane: &LaneKey, from: u64) -> LaneIx {
        self.last_number += 1;
        let ix = self.last_number;
        self.names.insert(lane.clone(), ix);
        self.lanes.insert(ix, Lane { key: lane.clone(), from, wants: false, waits: None });
        self.by_from.insert((from, ix));
        ix
    }

    /// Forgets resources of which nothing is passed over any more, if there is need and enough has changed since.
    fn sweep(&mut self, most: usize) {
        if self.resources.len() < most || self.steps < self.resources.len() / 8 {
            return;
        }
        self.steps = 0;
        let lanes = &self.lanes;
        self.resources.retain(|(_, ix), span| lanes.get(ix).is_some_and(|lane| lane.from <= span.last));
    }

    /// The lane in which an older run of the resource may be passed over, other than the run's own.
    pub(crate) fn blocker(&self, lane: &LaneKey, resource: Option<u64>, seq: u64) -> Option<LaneIx> {
        let resource = resource?;
        let own = self.names.get(lane).copied();
        let spans = self.resources.range((resource, 0)..=(resource, LaneIx::MAX)).map(|((_, ix), span)| (*ix, span));
        let older = |(ix, span): &(LaneIx, &Span)| {
            let from = self.lanes.get(ix).map(|lane| lane.from);
            Some(*ix) != own && from.is_some_and(|from| from <= span.last && from.max(span.first) < seq)
        };
        spans.filter(older).map(|(ix, _)| ix).next()
    }

    /// Whether memory has room for more of a lane; changes nothing where it was not passed over.
    pub(crate) fn set_wants(&mut self, lane: &LaneKey, wants: bool) {
        if let Some(ix) = self.names.get(lane) {
            self.set(*ix, |lane| lane.wants = wants);
        }
    }

    /// The lane to read next, and from where: of those that want it the furthest behind.
    pub(crate) fn next(&self) -> Option<(LaneIx, &LaneKey, u64)> {
        let (from, ix) = self.wanting.first()?;
        Some((*ix, &self.lanes.get(ix)?.key, *from))
    }

    /// Where a lane is to be read from, by number.
    pub(crate) fn first_of(&self, ix: LaneIx) -> Option<u64> {
        Some(self.lanes.get(&ix)?.from)
    }

    /// The lane's next run, `seq`, waits for what is passed over in `on`.
    pub(crate) fn wait(&mut self, ix: LaneIx, seq: u64, on: LaneIx) {
        // Nothing open is before it: to say so is what keeps lanes from waiting in a circle.
        if self.lanes.get(&ix).is_some_and(|lane| lane.from < seq) {
            self.set(ix, |lane| lane.from = seq);
            self.step(ix);
        }
        self.waiting.insert((on, ix));
        self.set(ix, |lane| lane.waits = Some(on));
    }

    /// A lane was read up to a run, which is in memory or has ended.
    pub(crate) fn read(&mut self, ix: LaneIx, seq: u64, resource: Option<u64>) {
        self.set(ix, |lane| lane.from = lane.from.max(seq + 1));
        if let Some(resource) = resource
            && let Some(span) = self.resources.get_mut(&(resource, ix))
        {
            span.first = span.first.max(seq + 1);
            if span.first > span.last {
                self.resources.remove(&(resource, ix));
            }
        }
        self.step(ix);
    }

    /// Nothing of the lane is passed over any more.
    pub(crate) fn done(&mut self, ix: LaneIx) {
        let Some(lane) = self.lanes.remove(&ix) else { return };
        self.names.remove(&lane.key);
        self.by_from.remove(&(lane.from, ix));
        self.wanting.remove(&(lane.from, ix));
        if let Some(on) = lane.waits {
            self.waiting.remove(&(on, ix));
        }
        if self.lanes.is_empty() {
            self.resources.clear();
        }
        self.step(ix);
    }

    /// Lanes of which nothing up to the cursor is passed over are so no more.
    pub(crate) fn cut(&mut self, cursor: u64) {
        while let Some((from, ix)) = self.by_from.last().copied()
            && from > cursor
        {
            self.done(ix);
        }
    }

    /// A run ended that is not in memory: it may have been the one that waits.
    pub(crate) fn wake(&mut self) {
        for (_, ix) in std::mem::take(&mut self.waiting) {
            self.set(ix, |lane| lane.waits = None);
        }
    }

    /// Reading went on in a lane: those that wait for it look again.
    fn step(&mut self, on: LaneIx) {
        self.steps += 1;
        while let Some((of, ix)) = self.waiting.range((on, 0)..).next().copied()
            && of == on
        {
            self.waiting.remove(&(on, ix));
            self.set(ix, |lane| lane.waits = None);
        }
    }

    fn set(&mut self, ix: LaneIx, change: impl FnOnce(&mut Lane)) {
        let Some(lane) = self.lanes.get_mut(&ix) else { return };
        self.by_from.remove(&(lane.from, ix));
        self.wanting.remove(&(lane.from, ix));
        change(lane);
        self.by_from.insert((lane.from, ix));
        if lane.wants && lane.waits.is_none() {
            self.wanting.insert((lane.from, ix));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: Bounds = Bounds { lanes: 10, resources: 10 };

    fn lane(name: &str) -> LaneKey {
        name.parse().unwrap()
    }

    #[test]
    fn a_run_waits_for_an_older_one_of_its_resource_that_was_passed_over_elsewhere() {
        let mut passed = Passed::default();
        assert!(passed.pass(&lane("hot"), Some(1), 5, WIDE));
        assert_eq!(passed.blocker(&lane("hot"), Some(1), 9), None, "its own lane keeps the order");
        assert_eq!(passed.blocker(&lane("b"), Some(2), 9), None, "another resource");
        let hot = passed.blocker(&lane("b"), Some(1), 9).unwrap();
        assert!(passed.pass(&lane("b"), Some(1), 9, WIDE));
        passed.set_wants(&lane("hot"), true);
        passed.set_wants(&lane("b"), true);
        let b = passed.names[&lane("b")];
        assert_eq!(passed.blocker(&lane("b"), Some(1), 9), Some(hot));
        assert_eq!(passed.blocker(&lane("hot"), Some(1), 5), None, "the lowest waits for nobody");
        passed.wait(b, 9, hot);
        assert_eq!(passed.next().map(|(ix, ..)| ix), Some(hot));
        passed.read(hot, 5, Some(1));
        passed.done(hot);
        assert_eq!(passed.blocker(&lane("b"), Some(1), 9), None);
        assert_eq!(passed.next().map(|(ix, _, from)| (ix, from)), Some((b, 9)));
    }

    #[test]
    fn what_cannot_be_remembered_is_not_passed_over() {
        let mut passed = Passed::default();
        let bounds = Bounds { lanes: 1, resources: 2 };
        assert!(passed.pass(&lane("a"), Some(1), 1, bounds));
        assert!(!passed.pass(&lane("b"), Some(1), 2, bounds), "one lane");
        assert!(passed.pass(&lane("a"), Some(2), 3, bounds));
        assert!(!passed.pass(&lane("a"), Some(3), 4, bounds), "two resources");
        assert!(passed.pass(&lane("a"), None, 5, bounds));
        let a = passed.names[&lane("a")];
        passed.read(a, 3, None);
        assert!(passed.pass(&lane("a"), Some(3), 6, bounds), "what was read is out of date");
        passed.cut(2);
        assert_eq!((passed.len(), passed.resources.len()), (0, 0));
        assert!(passed.by_from.is_empty() && passed.wanting.is_empty() && passed.names.is_empty());
    }
}
