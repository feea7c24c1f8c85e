//! Faults, as they strike at commit points.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;

use super::host::Life;
use super::{Fault, Order, World};
use crate::points::{Point, Side};

/// More commit points than the longest history passes.
const SPINS: u64 = 2_000_000;

/// How many edits by faults come to each change that people were asked for. An edit makes runs, and those pass points where the next edit strikes:
/// with some mixes of faults each makes more than one, and the history would have no end.
const EDITS: u64 = 2;

/// A host that does the same for ever at one instant cannot be left from inside.
#[allow(clippy::print_stderr, clippy::exit, reason = "the simulated clock stands still, so nobody else will ever say it")]
fn spins(seed: u64, point: Point) -> ! {
    eprintln!("seed {seed}: the host passes {point} again and again and no time goes by");
    std::process::exit(1)
}

/// How much oftener a fault strikes where a host seldom passes, so that each meets each point.
const fn weight(point: Point) -> u32 {
    match point {
        Point::FireCron => 40,
        Point::Swept => 25,
        Point::Fail => 15,
        Point::Ask | Point::AskSend | Point::Answered | Point::OutboxBegin | Point::OutboxSend | Point::OutboxDone => 12,
        Point::FireTimer => 6,
        Point::Record | Point::Send | Point::ServerCommit | Point::Answer | Point::Done => 2,
        _ => 1,
    }
}

impl World {
    /// A commit point is passed: now and then something goes wrong there.
    pub(super) fn strike(self: &Arc<Self>, life: &Life, point: Point, side: Side) {
        let mut state = self.state();
        state.passed += 1;
        if state.passed > SPINS {
            spins(self.seed, point);
        }
        let rarity = state.rarity;
        if rarity == 0 || state.rng.random_range(0..rarity) >= weight(point) || state.faults.is_empty() {
            return;
        }
        let (faults, bots) = (state.faults.len(), state.releases.len());
        let pick = state.rng.random_range(0..faults);
        let fault = state.faults[pick];
        let edits = matches!(fault, Fault::SubjectEdited | Fault::SubjectDeleted);
        if edits && state.written > u64::from(state.changes) * (1 + EDITS) {
            return;
        }
        state.matrix.add(point, side, fault);
        let few = state.rng.random_range(1..5);
        let bot = state.rng.random_range(0..bots);
        let jump = i64::from(state.rng.random_range(1..600_u32)) * 1_000_000;
        let now = self.clocks.elapsed();
        drop(state);
        self.tell(|| format!("! {fault} {side} {point} of host {}", life.number));
        let until = |most: u64| now + self.span(Duration::from_secs(most));
        match fault {
            Fault::Crash => life.falls(None, self.span(Duration::from_secs(30))),
            Fault::TakeOver => life.falls(Some(self.span(Duration::from_secs(20))), Duration::ZERO),
            Fault::AnswerLost => self.state().weather.lose_answers += 1,
            Fault::SendLate => self.state().weather.late_sends += 1,
            Fault::Refused => self.state().weather.refuse += 1,
            Fault::ServerFails => self.state().weather.fails_until = until(60),
            Fault::ServerHangs => self.state().weather.hangs_until = until(60),
            Fault::ServerSlow => self.state().weather.slow_until = until(60),
            Fault::SubjectEdited | Fault::SubjectDeleted => {
                let subject = self.state().subject.clone();
                if let Some(subject) = subject {
                    self.person_changes(&subject, fault == Fault::SubjectDeleted);
                }
            }
            Fault::OutputChanged => self.person_changes_output(),
            Fault::Redeployed => {
                // A full queue means that the host is being replaced again and again: one release less does not matter.
                let _ = self.orders.try_send(Order::Redeploy(bot));
            }
            Fault::ClockAhead => self.clocks.set_skew(jump),
            Fault::ClockBack => self.clocks.set_skew(-jump),
            Fault::PostsLost => self.state().weather.lose_posts += few,
            Fault::PostsRepeated => self.state().weather.repeat_posts += few,
            Fault::PostsLate => self.state().weather.late_posts += few,
        }
    }

    /// All is well from now on: what is left must come to its end.
    pub(super) fn heal(&self) {
        self.state().calm();
        self.clocks.set_skew(0);
        self.tell(|| "! no more faults".to_owned());
    }
}
