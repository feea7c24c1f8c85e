//! The dispatcher: composes the parts.

use std::collections::VecDeque;

use hob_model::Timestamp;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::io::{Config, Input, Output};

/// Decides what runs when.
#[derive(Debug)]
pub struct Dispatcher {
    config: Config,
    rng: ChaCha8Rng,
    outputs: VecDeque<Output>,
}

impl Dispatcher {
    /// An empty dispatcher. `seed` decides all of its randomness (jitter).
    #[must_use]
    pub fn new(config: Config, seed: u64) -> Self {
        Self {
            config,
            rng: ChaCha8Rng::seed_from_u64(seed),
            outputs: VecDeque::new(),
        }
    }

    /// Takes in what happened. Drain [`Dispatcher::poll`] afterwards.
    pub fn handle(&mut self, input: Input, now: Timestamp) {
        let _ = (input, now, &self.config, &self.rng);
    }

    /// The next thing to do. To be called until it says [`Output::Wait`].
    pub fn poll(&mut self, now: Timestamp) -> Output {
        let _ = now;
        self.outputs.pop_front().unwrap_or(Output::Wait(None))
    }
}
