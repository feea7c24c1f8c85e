//! Two clocks over the one paused clock of the runtime: the server's, which is right, and the host's, which may jump.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use hob_model::{Clock, Timestamp};
use tokio::time::Instant;

/// When every simulation begins: an ordinary morning.
const BEGIN: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);

/// The clocks of one simulation.
#[derive(Debug)]
pub(crate) struct Clocks {
    start: Instant,
    /// By how much the host's clock is ahead, in microseconds.
    skew: AtomicI64,
}

impl Clocks {
    /// To be made inside the paused runtime.
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), skew: AtomicI64::new(0) }
    }

    /// How long the simulation has gone on.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// The server's time.
    pub(crate) fn server(&self) -> Timestamp {
        BEGIN + self.elapsed()
    }

    /// Sets by how much the host's clock is ahead of the server's; behind where negative.
    pub(crate) fn set_skew(&self, micros: i64) {
        self.skew.store(micros, Ordering::Relaxed);
    }
}

impl Clock for Clocks {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.server().micros().saturating_add(self.skew.load(Ordering::Relaxed)))
    }
}
