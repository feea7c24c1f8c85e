//! FHIR servers: how many runs work on each, and which are down.
//!
//! A server that is down is tried by one run at a time once its wait is over, so that its return is noticed without a crowd.

use std::collections::BTreeMap;

use hob_model::{SourceId, TenantId, Timestamp};

/// A source by number: comparing numbers is cheaper than comparing names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SourceIx(usize);

#[derive(Debug, Default)]
struct Row {
    in_flight: usize,
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
        self.rows.push(Row::default());
        self.names.entry(tenant.clone()).or_default().insert(source.clone(), ix);
        ix
    }

    pub(crate) fn down(&mut self, ix: SourceIx, until: Timestamp) {
        self.rows[ix.0].down = Some(until);
    }

    pub(crate) fn up(&mut self, ix: SourceIx) {
        self.rows[ix.0].down = None;
    }

    /// Whether one more run may start on it.
    pub(crate) fn is_open(&self, ix: SourceIx, now: Timestamp) -> bool {
        let row = &self.rows[ix.0];
        match row.down {
            None => row.in_flight < self.cap,
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

    #[test]
    fn a_source_that_was_down_is_tried_by_one() {
        let at = Timestamp::from_micros;
        let mut sources = Sources::new(2);
        let ix = sources.number(&"a".parse().unwrap(), &"hapi".parse().unwrap());
        assert_eq!(ix, sources.number(&"a".parse().unwrap(), &"hapi".parse().unwrap()));
        assert_ne!(ix, sources.number(&"b".parse().unwrap(), &"hapi".parse().unwrap()));
        sources.started(ix);
        assert!(sources.is_open(ix, at(0)));
        sources.started(ix);
        assert!(!sources.is_open(ix, at(0)), "at its cap");
        sources.down(ix, at(10));
        sources.stopped(ix);
        sources.stopped(ix);
        assert!(!sources.is_open(ix, at(9)));
        assert_eq!(sources.next(at(0)), None, "nobody waits for it");
        sources.ready(ix);
        assert_eq!((sources.next(at(9)), sources.next(at(10))), (Some(at(10)), None));
        assert!(sources.is_open(ix, at(10)));
        sources.started(ix);
        assert!(!sources.is_open(ix, at(10)), "one tries it");
        sources.up(ix);
        assert!(sources.is_open(ix, at(10)));
    }
}
