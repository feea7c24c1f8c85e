//! The one place of the benches that looks at a clock, and what is made of what it showed.

use std::time::{Duration, Instant};

/// A point in time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Now.
    #[allow(clippy::disallowed_methods, reason = "a bench measures time itself, not time as the host is told it")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// How long ago that was.
    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    /// From here to a later point.
    pub(crate) fn until(self, later: Self) -> Duration {
        later.0.duration_since(self.0)
    }
}

/// The middle one; zero where there is none.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    match figures.len() {
        0 => 0.0,
        n if n % 2 == 1 => figures[n / 2],
        n => f64::midpoint(figures[n / 2 - 1], figures[n / 2]),
    }
}

/// The figures of rounds that were taken in turns.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    /// Of Hob, one for each round.
    pub(crate) ours: Vec<f64>,
    /// Of the floor.
    pub(crate) floor: Vec<f64>,
    /// Single measurements of Hob.
    pub(crate) n: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two() {
        assert_eq!((median(vec![3.0, 1.0, 2.0]), median(vec![4.0, 1.0]), median(vec![])), (2.0, 2.5, 0.0));
    }
}
