//! What can go wrong, and how often each went wrong at each point.

use std::fmt;

use crate::points::{Point, Side};

/// One kind of fault. Each can strike whenever a run or a notification passes a commit point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The host dies where it stands and comes up again after a while.
    Crash,
    /// Another host takes the ledger over while this one stands still; later this one wakes as a zombie.
    TakeOver,
    /// The server does what it is next asked, and the answer does not arrive.
    AnswerLost,
    /// The next transaction stays on its way until long after its sender gave up.
    SendLate,
    /// The server refuses the next transaction for good.
    Refused,
    /// The server answers 500 or 503 to all for a while.
    ServerFails,
    /// The server takes requests and answers none for a while.
    ServerHangs,
    /// The server is very slow for a while.
    ServerSlow,
    /// A person edits the resource that was last worked on.
    SubjectEdited,
    /// A person deletes it.
    SubjectDeleted,
    /// A person edits or deletes what a bot made.
    OutputChanged,
    /// A new release of a bot is deployed.
    Redeployed,
    /// The host's clock jumps ahead.
    ClockAhead,
    /// The host's clock jumps back.
    ClockBack,
    /// The next notifications are lost for good.
    PostsLost,
    /// The next notifications come several times.
    PostsRepeated,
    /// The next notifications come much later, behind others.
    PostsLate,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Crash,
        Self::TakeOver,
        Self::AnswerLost,
        Self::SendLate,
        Self::Refused,
        Self::ServerFails,
        Self::ServerHangs,
        Self::ServerSlow,
        Self::SubjectEdited,
        Self::SubjectDeleted,
        Self::OutputChanged,
        Self::Redeployed,
        Self::ClockAhead,
        Self::ClockBack,
        Self::PostsLost,
        Self::PostsRepeated,
        Self::PostsLate,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::TakeOver => "take-over",
            Self::AnswerLost => "answer-lost",
            Self::SendLate => "send-late",
            Self::Refused => "refused",
            Self::ServerFails => "server-fails",
            Self::ServerHangs => "server-hangs",
            Self::ServerSlow => "server-slow",
            Self::SubjectEdited => "subject-edited",
            Self::SubjectDeleted => "subject-deleted",
            Self::OutputChanged => "output-changed",
            Self::Redeployed => "redeployed",
            Self::ClockAhead => "clock-ahead",
            Self::ClockBack => "clock-back",
            Self::PostsLost => "posts-lost",
            Self::PostsRepeated => "posts-repeated",
            Self::PostsLate => "posts-late",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How often each fault struck at each side of each point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matrix(Vec<u64>);

impl Default for Matrix {
    fn default() -> Self {
        Self(vec![0; Self::places().count() * Fault::ALL.len()])
    }
}

impl Matrix {
    /// Every side of every point, in the order of a run's life.
    pub fn places() -> impl Iterator<Item = (Point, Side)> {
        Point::ALL.into_iter().flat_map(|point| [(point, Side::Before), (point, Side::After)])
    }

    fn at(point: Point, side: Side, fault: Fault) -> usize {
        let place = point as usize * 2 + usize::from(side == Side::After);
        place * Fault::ALL.len() + fault as usize
    }

    pub(crate) fn add(&mut self, point: Point, side: Side, fault: Fault) {
        self.0[Self::at(point, side, fault)] += 1;
    }

    /// How often.
    #[must_use]
    pub fn get(&self, point: Point, side: Side, fault: Fault) -> u64 {
        self.0[Self::at(point, side, fault)]
    }

    /// Adds another's counts.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine += theirs;
        }
    }

    /// The pair that was hit least.
    #[must_use]
    pub fn least(&self) -> Option<(Point, Side, Fault, u64)> {
        let pairs = Self::places().flat_map(|(point, side)| Fault::ALL.map(|fault| (point, side, fault)));
        pairs.map(|(point, side, fault)| (point, side, fault, self.get(point, side, fault))).min_by_key(|pair| pair.3)
    }
}
