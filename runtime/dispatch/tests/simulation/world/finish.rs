//! The end of a history.

use super::{Row, Standing, World};

impl World {
    /// All comes up, nothing new comes in, time goes on: every run must end.
    pub(super) fn finish(&mut self) {
        for bot in 0..4 {
            self.set_policy(bot, Standing::Live);
        }
        for _ in 0..100_000 {
            while !self.live.is_empty() {
                self.deliver_news();
            }
            if !self.questions.is_empty() {
                self.serve_question();
            } else if !self.ending.is_empty() {
                self.write_end();
            } else if !self.in_flight.is_empty() {
                self.end_one();
            } else if let Some(at) = self.wait {
                self.now = at;
                self.drain();
            } else if self.model.rows.values().any(|row| row.held) {
                if self.chance(50) { self.give_up() } else { self.reopen() }
            } else {
                break;
            }
        }
        let left: Vec<u64> = self.model.rows.values().filter(|row| row.open).map(|row| row.head.seq).collect();
        assert!(left.is_empty(), "seed {}: never ended: {left:?}", self.seed);
        let doubled = |row: &&Row| row.ends > 1 + u32::from(row.reopened);
        assert_eq!(self.model.rows.values().find(doubled).map(|row| row.head.seq), None, "seed {}: doubled", self.seed);
        assert_eq!(self.dispatcher.heads(), 0, "seed {}: memory keeps what has ended", self.seed);
        assert_eq!(self.dispatcher.in_flight(), 0, "seed {}", self.seed);
    }
}
