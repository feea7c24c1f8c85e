//! Which of a bot's open runs memory has seen, and what must be read from the ledger.
//!
//! Memory is bounded, so it may know only a part of a bot's open runs. That part must never let a run overtake an older one of
//! its lane that is still unread. The rule that gives this: **every open run with a seq up to the cursor has been seen; what lies
//! beyond it comes in only in the order of seq**, by pages, or live once the ledger has no more (`complete`). A live run that
//! comes while older ones are unread, or that finds no room, is forgotten: a page brings it.
//!
//! The ledger is the truth for what is open, but a page is a picture of a moment. Two races, two notes in the [`Question`]:
//! a run that ended while the page was on its way (`ended`) is not let in again, and a live run that came meanwhile and may be
//! too young for the page (`missed`) makes for one more page. A cursor that was set back, or a run beyond it that an operator opened
//! again meanwhile, voids the page.
//!
//! Trade-off: one cursor a bot, not one a lane. A lane that is longer than the bot's share of memory keeps the bot's other lanes
//! from being read until it moves; a cursor a lane could not know of older runs of a resource in other lanes.

use std::collections::BTreeSet;

use hob_model::RunId;

#[derive(Debug)]
struct Question {
    id: u64,
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
    open: Option<Question>,
}

/// A page that may be let in.
#[derive(Debug)]
pub(crate) struct Page {
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
    /// Whether there is something to ask.
    pub(crate) const fn wants(&self) -> bool {
        !self.complete && self.open.is_none()
    }

    /// Begins a question; the answer is to hold what is after the returned seq.
    pub(crate) fn ask(&mut self, id: u64) -> u64 {
        self.open = Some(Question { id, after: self.cursor, missed: 0, ended: BTreeSet::new(), void: false });
        self.cursor
    }

    /// The answer to question `id`; `None` where it is not open, or was overtaken.
    pub(crate) fn answer(&mut self, id: u64) -> Option<Page> {
        let open = self.open.take_if(|open| open.id == id)?;
        (open.after == self.cursor && !open.void).then_some(Page { missed: open.missed, ended: open.ended })
    }

    /// A run of the page was let in, is in memory already, or has ended.
    pub(crate) fn saw(&mut self, seq: u64) {
        self.cursor = self.cursor.max(seq);
    }

    /// All of the page was seen, and the ledger had no more.
    pub(crate) fn reached_end(&mut self, page: &Page) {
        self.complete = page.missed <= self.cursor;
    }

    /// Whether an unknown live run is to be let in. One below the cursor is a repeat of what has ended, or came out of order:
    /// the ledger knows.
    pub(crate) fn live(&mut self, seq: u64) -> bool {
        if seq <= self.cursor {
            self.rewind(seq);
        } else if let Some(open) = &mut self.open {
            open.missed = open.missed.max(seq);
        }
        self.complete
    }

    /// Whether an unknown run that was opened again is to be let in: not if a page brings it.
    pub(crate) fn reopened(&mut self, seq: u64) -> bool {
        let here = seq <= self.cursor || self.complete;
        if let Some(open) = self.open.as_mut().filter(|_| !here) {
            // The page may have been read before it was opened, and its cursor may pass the run.
            open.void = true;
        }
        here
    }

    /// The run `seq`, and what is after it and not in memory, must be read.
    pub(crate) fn rewind(&mut self, seq: u64) {
        self.cursor = self.cursor.min(seq.saturating_sub(1));
        self.complete = false;
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

    #[test]
    fn live_runs_wait_for_the_last_page() {
        let mut pager = Pager::default();
        assert!(pager.wants());
        assert_eq!(pager.ask(1), 0);
        assert!(!pager.wants());
        assert!(!pager.live(7), "older ones are unread");
        assert!(pager.answer(9).is_none(), "not the question");
        let page = pager.answer(1).unwrap();
        pager.saw(5);
        pager.reached_end(&page);
        assert!(pager.wants(), "7 may be too young for the page");
        assert_eq!(pager.ask(2), 5);
        let page = pager.answer(2).unwrap();
        pager.saw(7);
        pager.reached_end(&page);
        assert!(!pager.wants());
        assert!(pager.live(8));
        pager.saw(8);
        assert!(!pager.live(6), "unknown and below the cursor: the ledger knows");
        assert_eq!(pager.ask(3), 5);
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
        assert!(pager.reopened(2), "below the cursor no page brings it");
        assert!(!pager.reopened(4));
        assert!(pager.answer(1).is_none());
        assert_eq!(pager.ask(2), 3);
    }

    #[test]
    fn setting_the_cursor_back_voids_the_page() {
        let mut pager = Pager::default();
        pager.saw(10);
        assert_eq!(pager.ask(1), 10);
        pager.rewind(4);
        assert!(pager.answer(1).is_none());
        assert_eq!(pager.ask(2), 3);
    }
}
