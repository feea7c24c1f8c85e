//! When and where a host dies: half of the time at a named commit point, half at any moment.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use hob_simulation::points::{Point, Side};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};

/// The `nth` time that a host passes one side of a commit point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Strike {
    pub(crate) point: Point,
    pub(crate) side: Side,
    pub(crate) nth: u32,
}

impl Strike {
    /// Whether only the server's side sees this point: the request has left and its answer is not there yet.
    pub(crate) fn is_servers(self) -> bool {
        matches!((self.point, self.side), (Point::Send, Side::After) | (Point::ServerCommit, _) | (Point::Answer, Side::Before))
    }
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.side, self.point, self.nth)
    }
}

impl FromStr for Strike {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is no commit point such as `before record 3`");
        let words: Vec<&str> = text.split(' ').collect();
        let [side, point, nth] = words.as_slice() else { return Err(bad()) };
        let side = [Side::Before, Side::After].into_iter().find(|known| known.to_string() == *side).ok_or_else(bad)?;
        let point = Point::ALL.into_iter().find(|known| known.to_string() == *point).ok_or_else(bad)?;
        Ok(Self { point, side, nth: nth.parse().map_err(|_| bad())? })
    }
}

/// One kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kill {
    /// At a commit point.
    At(Strike),
    /// This long after the process was started; it may not be ready yet.
    After(Duration),
}

/// The kills of a run, all from its seed.
pub(crate) struct Plan {
    random: StdRng,
    /// What is left of a round over all points and sides.
    round: Vec<(Point, Side)>,
    /// What the host did not come to in time: it gets a second chance, at the first time that it comes there.
    missed: Option<(Point, Side)>,
    next_is_named: bool,
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: StdRng::seed_from_u64(seed), round: Vec::new(), missed: None, next_is_named: false }
    }

    pub(crate) fn next(&mut self) -> Kill {
        self.next_is_named = !self.next_is_named;
        if !self.next_is_named {
            let early = self.random.random_bool(0.2);
            let millis = if early { self.random.random_range(0..400) } else { self.random.random_range(400..1_600) };
            return Kill::After(Duration::from_millis(millis));
        }
        if let Some((point, side)) = self.missed.take() {
            return Kill::At(Strike { point, side, nth: 1 });
        }
        if self.round.is_empty() {
            self.round = Point::ALL.into_iter().flat_map(|point| [(point, Side::Before), (point, Side::After)]).collect();
            self.round.shuffle(&mut self.random);
        }
        let (point, side) = self.round.pop().unwrap_or((Point::Append, Side::Before));
        let nth = match point {
            // Seldom passed.
            Point::Swept | Point::FireCron | Point::Fail => 1,
            Point::FireTimer | Point::Ask | Point::AskSend | Point::Answered | Point::OutboxSend | Point::OutboxDone => {
                self.random.random_range(1..4)
            }
            _ => self.random.random_range(1..25),
        };
        Kill::At(Strike { point, side, nth })
    }

    /// The host did not come to this point in time.
    pub(crate) fn missed(&mut self, strike: Strike) {
        self.missed = (strike.nth > 1).then_some((strike.point, strike.side));
    }
}
