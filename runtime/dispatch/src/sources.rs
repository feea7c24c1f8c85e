//! FHIR servers: how many runs work on each, and which are down.
//!
//! A server may hold twice as many places as it held when a run on it last finished well ([`QUIET`] in any case), up to its cap.
//! So one that hangs gets few places before the first attempt on it has reached its time-out, whatever its cap; and one that comes
//! back is met by one run, then two, four, eight, as each proves that it bears them.
//!
//! No server may hold more places than are free: a few slow ones together never take all, and what is left is shared by the others.
//! Its price: with n servers that could fill the host, about one place in n + 1 stays free.
//!
//! A server that is down is tried by one run at a time once its wait is over, so that its return is noticed without a crowd.

use std::collections::BTreeMap;

use hob_model::{SourceId, TenantId, Timestamp};

/// A source by number: comparing numbers is cheaper than comparing names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SourceIx(usize);

/// What a server that was quiet, and is not known to be down, may hold: enough for a few runs that come together.
const QUIET: usize = 4;

#[derive(Debug)]
struct Row {
    in_flight: usize,
    /// The most that it may hold, by how it did so far.
    allowed: usize,
    /// Runs that could start if the source let them.
    ready: usize,
    /// Down, and no try before this.
    down: Option<Timestamp>,
}

/// All sources that a run or an input has named.
#[derive(Debug)]
pub(crate) struct Sources {
    cap: usize,
    names: BTreeMap<TenantId, BTreeMap<SourceId, SourceIx>>,
    rows: Vec<Row>,
}

impl Sources {
    pub(crate) const fn new(cap: usize) -> Self {
        Self { cap, names: BTreeMap::new(), rows: Vec::new() }
    }

    /// The number of a source, a new one if need be.
    pub(crate) fn number(&mut self, tenant: &TenantId, source: &SourceId) -> SourceIx {
        if let Some(ix) = self.names.get(tenant).and_then(|sources| sources.get(source)) {
            return *ix;
        }
        let ix = SourceIx(self.rows.len());
        self.rows.push(Row { in_flight: 0, allowed: QUIET, ready: 0, down: None });
        self.names.entry(tenant.clone()).or_default().insert(source.clone(), ix);
        ix
    }

    pub(crate) fn down(&mut self, ix: SourceIx, until: Timestamp) {
        let row = &mut self.rows[ix.0];
        (row.down, row.allowed) = (Some(until), 1);
    }

    pub(crate) fn up(&mut self, ix: SourceIx) {
        self.rows[ix.0].down = None;
    }

    /// A run on it, still counted as in flight, finished well.
    pub(crate) fn finished(&mut self, ix: SourceIx) {
        let row = &mut self.rows[ix.0];
        row.down = None;
        row.allowed = (row.in_flight * 2).max(row.allowed.min(QUIET)).min(self.cap);
    }

    /// Whether one more run may start on it, where the host has `free` places.
    pub(crate) fn is_open(&self, ix: SourceIx, free: usize, now: Timestamp) -> bool {
        let row = &self.rows[ix.0];
        match row.down {
            None => row.in_flight < row.allowed.min(self.cap) && row.in_flight <= free,
            Some(until) => row.in_flight == 0 && until <= now,
        }
    }

    pub(crate) fn started(&mut self, ix: SourceIx) {
        self.rows[ix.0].in_flight += 1;
    }

    pub(crate) fn stopped(&mut self, ix: SourceIx) {
        let row = &mut self.rows[ix.0];
        row.in_flight = row.in_flight.saturating_sub(1);
    }

    pub(crate) fn ready(&mut self, ix: SourceIx) {
        self.rows[ix.0].ready += 1;
    }

    pub(crate) fn unready(&mut self, ix: SourceIx) {
        let row = &mut self.rows[ix.0];
        row.ready = row.ready.saturating_sub(1);
    }

    /// The next instant after `now` at which a source that somebody waits for may be tried.
    pub(crate) fn next(&self, now: Timestamp) -> Option<Timestamp> {
        self.rows.iter().filter(|row| row.ready > 0).filter_map(|row| row.down).filter(|until| *until > now).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> (Sources, SourceIx) {
        let mut sources = Sources::new(16);
        let ix = sources.number(&"a".parse().unwrap(), &"hapi".parse().unwrap());
        assert_eq!(ix, sources.number(&"a".parse().unwrap(), &"hapi".parse().unwrap()));
        assert_ne!(ix, sources.number(&"b".parse().unwrap(), &"hapi".parse().unwrap()));
        (sources, ix)
    }

    /// Starts what may start; gives back how many are in flight.
    fn fill(sources: &mut Sources, ix: SourceIx) -> usize {
        while sources.is_open(ix, 100, Timestamp::from_micros(10)) {
            sources.started(ix);
        }
        sources.rows[ix.0].in_flight
    }

    fn all_finish(sources: &mut Sources, ix: SourceIx) {
        for _ in 0..sources.rows[ix.0].in_flight {
            sources.finished(ix);
            sources.stopped(ix);
        }
    }

    #[test]
    fn a_source_that_was_down_is_tried_by_one_then_by_two_and_four() {
        let at = Timestamp::from_micros;
        let (mut sources, ix) = two();
        sources.down(ix, at(10));
        assert!(!sources.is_open(ix, 100, at(9)));
        assert_eq!(sources.next(at(0)), None, "nobody waits for it");
        sources.ready(ix);
        assert_eq!((sources.next(at(9)), sources.next(at(10))), (Some(at(10)), None));
        let crowd = [1, 2, 4, 8, 16, 16].map(|_| {
            let crowd = fill(&mut sources, ix);
            // The last to finish is alone: what counts is how many were borne.
            sources.finished(ix);
            for _ in 0..crowd {
                sources.stopped(ix);
            }
            crowd
        });
        assert_eq!(crowd, [1, 2, 4, 8, 16, 16]);
        sources.down(ix, at(5));
        sources.up(ix);
        assert_eq!(fill(&mut sources, ix), 1, "an answer to the host's own question is no proof that it bears a crowd");
    }

    #[test]
    fn a_source_that_stops_to_answer_holds_twice_what_it_was_seen_to_bear() {
        let (mut sources, ix) = two();
        assert_eq!(fill(&mut sources, ix), QUIET);
        all_finish(&mut sources, ix);
        assert_eq!(fill(&mut sources, ix), QUIET, "the last was alone");
        sources.stopped(ix);
        sources.finished(ix);
        assert_eq!(fill(&mut sources, ix), 6);
    }

    #[test]
    fn no_source_holds_more_than_is_free() {
        let (mut sources, ix) = two();
        for _ in 0..3 {
            sources.started(ix);
        }
        assert!(sources.is_open(ix, 3, Timestamp::from_micros(0)));
        assert!(!sources.is_open(ix, 2, Timestamp::from_micros(0)));
    }
}
