//! What the sandbox sees of the machine: a clock that stands where the run began, randomness from the run's seed, and a log.
//! Two runs on the same input see the same.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hob_model::Timestamp;
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxBuilder};

use crate::log::{Log, Stream, Writer};

/// Both clocks: each look moves them on by a microsecond, so that a loop that waits for time to pass ends.
#[derive(Clone)]
struct Still {
    start: Duration,
    looks: Arc<AtomicU64>,
}

impl Still {
    fn elapsed(&self) -> Duration {
        Duration::from_micros(self.looks.fetch_add(1, Ordering::Relaxed))
    }
}

impl HostWallClock for Still {
    fn resolution(&self) -> Duration {
        Duration::from_micros(1)
    }

    fn now(&self) -> Duration {
        self.start + self.elapsed()
    }
}

impl HostMonotonicClock for Still {
    fn resolution(&self) -> u64 {
        1_000
    }

    fn now(&self) -> u64 {
        u64::try_from(self.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The WASI context of one run: no files, sockets, environment or arguments.
pub(crate) fn wasi(seed: u64, now: Timestamp, log: &Arc<Mutex<Log>>) -> WasiCtx {
    let start = Duration::from_micros(u64::try_from(now.micros()).unwrap_or(0));
    let clock = Still { start, looks: Arc::new(AtomicU64::new(0)) };
    let mut builder = WasiCtxBuilder::new();
    builder
        .wall_clock(clock.clone())
        .monotonic_clock(clock)
        .secure_random(ChaCha12Rng::seed_from_u64(seed))
        .insecure_random(ChaCha12Rng::seed_from_u64(seed.wrapping_add(1)))
        .insecure_random_seed(u128::from(seed))
        .max_random_size(1 << 20)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .stdout(Writer { log: Arc::clone(log), stream: Stream::Out })
        .stderr(Writer { log: Arc::clone(log), stream: Stream::Err });
    builder.build()
}
