//! Which of a bot's open runs memory has seen, and what must be read from the ledger.
//!
//! Memory is bounded, so it may know only a part of a bot's open runs. That part must never let a run overtake an older one of
//! its lane, or of its resource, that is still unread. The rules that give this:
//!
//! 1. **Every open run with a seq up to the cursor is in memory or was passed over; what lies beyond it comes in only in the order
//!    of seq**, by pages, or live once the ledger has no more (`complete`). A live run that comes while older ones are unread, or
//!    that finds no room, is forgotten: a page brings it.
//! 2. **A run is passed over only as the youngest of its lane.** A lane that has enough heads in memory is passed over from there
//!    on ([`Passed`]): of its runs from `from` up to the cursor none is let in but in the order of seq, by pages of that lane
//!    alone; what such a page holds beyond the cursor is not looked at. So no lane is read past a hole, and the cursor goes on
//!    past a lane of any depth.
//! 3. **No run is let in while an older one of its resource is passed over in another lane**: it is passed over too.
//!
//! The ledger is the truth for what is open, but a page is a picture of a moment. Two races, two notes in the [`Question`]:
//! a run that ended while the page was on its way (`ended`) is not let in again, and a run that came meanwhile and may be
//! too young for the page (`missed`) makes for one more page. A cursor or a lane that was set back, or a run that an operator
//! opened again meanwhile where the page was to bring it, voids the page.
//!
//! Trade-off: what was passed over must be remembered by resource, which is bounded. Where the bound is reached the cursor stands
//! still (`stalled`) until a lane moves.

use std::collections::BTreeSet;

use hob_model::{LaneKey, RunId};

use crate::passed::{Bounds, LaneIx, Passed};

#[derive(Debug)]
struct Question {
    id: u64,
    /// The lane that it asks for; all where `None`.
    lane: Option<LaneIx>,
    after: u64,
    missed: u64,
    ended: BTreeSet<RunId>,
    void: bool,
}

/// A bot's cursor.
#[derive(Debug, Default)]
pub(crate) struct Pager {
    cursor: u64,
    complete: bool,
    /// The run after the cursor can be neither let in nor passed over before a lane moves.
    stalled: bool,
    passed: Passed,
    open: Option<Question>,
}

/// A page that may be let in.
#[derive(Debug)]
pub(crate) struct Page {
    /// The lane that it is of; all where `None`.
    pub(crate) lane: Option<LaneIx>,
    missed: u64,
    ended: BTreeSet<RunId>,
}

impl Page {
    /// Whether the page shows a run as open that has ended since.
    pub(crate) fn is_stale(&self, run: RunId) -> bool {
        self.ended.contains(&run)
    }
}

impl Pager {
    /// Whether there are runs after the cursor to ask for.
    pub(crate) const fn wants(&self) -> bool {
        !self.complete && !self.stalled && self.open.is_none()
    }

    /// Whether there is a lane to ask for.
    pub(crate) fn wants_lane(&self) -> bool {
        self.open.is_none() && self.passed.next().is_some()
    }

    /// Begins a question, of a lane first; the answer is to hold what is after the returned seq.
    pub(crate) fn ask(&mut self, id: u64) -> (Option<LaneKey>, u64) {
        let next = self.passed.next().map(|(ix, key, from)| (ix, key.clone(), from));
        let (lane, key, after) = match next {
            Some((ix, key, from)) => (Some(ix), Some(key), from.saturating_sub(1)),
            None => (None, None, self.cursor),
        };
        self.open = Some(Question { id, lane, after, missed: 0, ended: BTreeSet::new(), void: false });
        (key, after)
    }

    /// The answer to question `id`; `None` where it is not open, or was overtaken.
    pub(crate) fn answer(&mut self, id: u64) -> Option<Page> {
        let Question { lane, after, missed, ended, void, .. } = self.open.take_if(|open| open.id == id)?;
        let now = match lane {
            Some(ix) => self.passed.first_of(ix)?.saturating_sub(1),
            None => self.cursor,
        };
        (after == now && !void).then_some(Page { lane, missed, ended })
    }

    /// A run after the cursor is in memory, was passed over, or has ended.
    pub(crate) fn saw(&mut self, seq: u64) {
        self.cursor = self.cursor.max(seq);
    }

    /// All of the page was seen, and the ledger had no more.
    pub(crate) fn reached_end(&mut self, page: &Page) {
        self.complete = page.missed <= self.cursor;
    }

    /// A run of a lane's page is in memory or has ended.
    pub(crate) fn saw_in(&mut self, ix: LaneIx, seq: u64, resource: Option<u64>) {
        self.stalled = false;
        self.passed.read(ix, seq, resource);
    }

    /// All of a lane's page was seen; `end` where the ledger had no more of the lane up to the cursor.
    pub(crate) fn read_lane(&mut self, ix: LaneIx, page: &Page, end: bool) {
        let Some(from) = self.passed.first_of(ix) else { return };
        if (end && page.missed < from) || from > self.cursor {
            self.stalled = false;
            self.passed.done(ix);
        }
    }

    /// Whether a run is beyond what is read of its lane.
    pub(crate) fn is_passed(&self, lane: &LaneKey, seq: u64) -> bool {
        self.passed.from(lane).is_some_and(|from| seq >= from)
    }

    /// Whether a run is not beyond the cursor.
    pub(crate) const fn is_read(&self, seq: u64) -> bool {
        seq <= self.cursor
    }

    /// Whether runs of the lane were passed over.
    pub(crate) fn reads_from(&self, lane: &LaneKey) -> bool {
        self.passed.from(lane).is_some()
    }

    /// What was passed over.
    pub(crate) const fn passed(&mut self) -> &mut Passed {
        &mut self.passed
    }

    /// Passes over a run. `false` where it cannot be remembered.
    pub(crate) fn pass(&mut self, lane: &LaneKey, resource: Option<u64>, seq: u64, bounds: Bounds) -> bool {
        let done = self.passed.pass(lane, resource, seq, bounds);
        if let Some(open) = self.open.as_mut().filter(|open| done && open.lane.is_some()) {
            open.missed = open.missed.max(seq);
        }
        done
    }

    /// The run after the cursor must wait for a lane to move.
    pub(crate) const fn stall(&mut self) {
        self.stalled = true;
    }

    /// Whether an unknown live run is to be let in. One up to the cursor is a repeat of what was passed over or has ended, or came
    /// out of order: the ledger knows.
    pub(crate) fn live(&mut self, lane: &LaneKey, seq: u64) -> bool {
        if seq <= self.cursor {
            if !self.is_passed(lane, seq) {
                self.rewind(seq);
            }
            return false;
        }
        if let Some(open) = &mut self.open {
            open.missed = open.missed.max(seq);
        }
        self.complete
    }

    /// Whether an unknown run that was opened again is to be let in: not if a page brings it.
    pub(crate) fn reopened(&mut self, lane: &LaneKey, seq: u64) -> bool {
        let here = seq <= self.cursor || self.complete;
        let by_page = !here || self.is_passed(lane, seq);
        if let Some(open) = self.open.as_mut().filter(|_| by_page) {
            // The page may have been read before it was opened, and its cursor may pass the run.
            open.void = true;
        }
        here
    }

    /// The run `seq`, and what is after it and not in memory, must be read.
    pub(crate) fn rewind(&mut self, seq: u64) {
        self.cursor = self.cursor.min(seq.saturating_sub(1));
        self.complete = false;
        self.stalled = false;
        self.passed.cut(self.cursor);
    }

    /// A run left memory because it ended.
    pub(crate) fn ended(&mut self, run: RunId) {
        if let Some(open) = &mut self.open {
            open.ended.insert(run);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(n: u8) -> RunId {
        RunId::of_parts(&[&[n]])
    }

    fn lane() -> LaneKey {
        "a".parse().unwrap()
    }

    #[test]
    fn live_runs_wait_for_the_last_page() {
        let mut pager = Pager::default();
        assert!(pager.wants());
        assert_eq!(pager.ask(1).1, 0);
        assert!(!pager.wants());
        assert!(!pager.live(&lane(), 7), "older ones are unread");
        assert!(pager.answer(9).is_none(), "not the question");
        let page = pager.answer(1).unwrap();
        pager.saw(5);
        pager.reached_end(&page);
        assert!(pager.wants(), "7 may be too young for the page");
        assert_eq!(pager.ask(2).1, 5);
        let page = pager.answer(2).unwrap();
        pager.saw(7);
        pager.reached_end(&page);
        assert!(!pager.wants());
        assert!(pager.live(&lane(), 8));
        pager.saw(8);
        assert!(!pager.live(&lane(), 6), "unknown and below the cursor: the ledger knows");
        assert_eq!(pager.ask(3).1, 5);
    }

    #[test]
    fn a_page_does_not_bring_back_what_ended() {
        let mut pager = Pager::default();
        pager.ask(1);
        pager.ended(run(1));
        let page = pager.answer(1).unwrap();
        assert!(page.is_stale(run(1)) && !page.is_stale(run(2)));
    }

    #[test]
    fn a_run_opened_again_beyond_the_cursor_voids_the_page() {
        let mut pager = Pager::default();
        pager.saw(3);
        pager.ask(1);
        assert!(pager.reopened(&lane(), 2), "below the cursor no page brings it");
        assert!(!pager.reopened(&lane(), 4));
        assert!(pager.answer(1).is_none());
        assert_eq!(pager.ask(2).1, 3);
    }

    #[test]
    fn setting_the_cursor_back_voids_the_page() {
        let mut pager = Pager::default();
        pager.saw(10);
        assert_eq!(pager.ask(1).1, 10);
        pager.rewind(4);
        assert!(pager.answer(1).is_none());
        assert_eq!(pager.ask(2).1, 3);
    }

    #[test]
    fn a_lane_is_read_to_the_cursor_and_no_further() {
        let bounds = Bounds { lanes: 9, resources: 9 };
        let mut pager = Pager::default();
        assert!(pager.pass(&lane(), None, 3, bounds));
        pager.saw(6);
        pager.passed().set_wants(&lane(), true);
        assert!(pager.wants_lane());
        assert_eq!(pager.ask(1), (Some(lane()), 2));
        assert!(pager.pass(&lane(), None, 7, bounds), "one more came meanwhile");
        pager.saw(7);
        let page = pager.answer(1).unwrap();
        let ix = page.lane.unwrap();
        pager.saw_in(ix, 3, None);
        pager.read_lane(ix, &page, true);
        assert_eq!(pager.ask(2), (Some(lane()), 3), "7 may be too young for the page");
        assert!(pager.reopened(&lane(), 5));
        assert!(pager.answer(2).is_none(), "5 was opened after the page was read");
        pager.ask(3);
        let page = pager.answer(3).unwrap();
        pager.saw_in(ix, 7, None);
        pager.read_lane(ix, &page, true);
        assert!(!pager.is_passed(&lane(), 9) && !pager.wants_lane());
    }
}
