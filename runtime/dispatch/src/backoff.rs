//! What follows a failed attempt: another, when, or the end.
//!
//! Full jitter (uniform from nothing to a ceiling that doubles) spreads the runs that failed together; its price, now and then
//! a wait of almost nothing, is bounded by the limit on attempts. A `Retry-After` is a floor, with jitter on top of it so that
//! all who were told the same instant do not come back at once.

use std::time::Duration;

use hob_model::{FailureKind, Retry, Timestamp};
use rand::{Rng, RngExt};

use crate::io::EndReason;

/// The longest wait after a conflict: long enough for two writers of one resource to miss each other.
const CONFLICT: Duration = Duration::from_millis(200);
/// The shortest and the longest wait after an attempt of which nobody can say how it ended.
const LOST: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(1));

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another attempt, not before this.
    Again(Timestamp),
    /// None.
    End(EndReason),
}

/// How often a run failed and met conflicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) failures: u32,
    pub(crate) conflicts: u32,
}

/// Counts a failure of `kind` and says what follows. `floor` is the wait that was asked for.
pub(crate) fn after_failure(
    counts: &mut Counts,
    kind: FailureKind,
    floor: Option<Duration>,
    policy: &Retry,
    now: Timestamp,
    rng: &mut impl Rng,
) -> Next {
    let (wait, spread) = match kind {
        FailureKind::Reject => return Next::End(EndReason::Rejected),
        FailureKind::Fatal => return Next::End(EndReason::Fatal),
        FailureKind::Retry => {
            counts.failures = counts.failures.saturating_add(1);
            if counts.failures >= policy.attempts {
                return Next::End(EndReason::RetriesExhausted);
            }
            (uniform(Duration::ZERO, policy.ceiling(counts.failures), rng), Duration::from_millis(policy.first_ms))
        }
        FailureKind::Conflict => {
            counts.conflicts = counts.conflicts.saturating_add(1);
            if counts.conflicts >= policy.conflicts {
                return Next::End(EndReason::ConflictsExhausted);
            }
            (uniform(Duration::ZERO, CONFLICT, rng), CONFLICT)
        }
    };
    let floor = floor.map_or(Duration::ZERO, |floor| uniform(floor, floor.saturating_add(spread), rng));
    Next::Again(now + wait.max(floor))
}

/// When a lost attempt is repeated: soon, but not so soon that a ledger that cannot be reached is asked without pause.
pub(crate) fn after_loss(now: Timestamp, rng: &mut impl Rng) -> Timestamp {
    now + uniform(LOST.0, LOST.1, rng)
}

fn uniform(least: Duration, most: Duration, rng: &mut impl Rng) -> Duration {
    let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(rng.random_range(micros(least)..=micros(most)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000);

    fn counts(failures: u32, conflicts: u32) -> Counts {
        Counts { failures, conflicts }
    }

    #[test]
    fn limits_are_counted_apart_and_name_themselves() {
        let policy = Retry { attempts: 2, conflicts: 3, ..Retry::default() };
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut at = counts(0, 0);
        let mut fail = |kind| after_failure(&mut at, kind, None, &policy, NOW, &mut rng);
        assert!(matches!(fail(FailureKind::Conflict), Next::Again(_)));
        assert!(matches!(fail(FailureKind::Retry), Next::Again(_)));
        assert!(matches!(fail(FailureKind::Conflict), Next::Again(_)));
        assert_eq!(fail(FailureKind::Conflict), Next::End(EndReason::ConflictsExhausted));
        assert_eq!(fail(FailureKind::Retry), Next::End(EndReason::RetriesExhausted));
        assert_eq!(fail(FailureKind::Reject), Next::End(EndReason::Rejected));
        assert_eq!(fail(FailureKind::Fatal), Next::End(EndReason::Fatal));
        assert_eq!(at, counts(2, 3));
    }

    proptest! {
        #[test]
        fn waits_stay_within_ceiling_and_above_floor(seed: u64, failures in 0_u32..100, floor in prop::option::of(0_u64..10_000)) {
            let policy = Retry { attempts: u32::MAX, ..Retry::default() };
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let floor = floor.map(Duration::from_millis);
            let mut at = counts(failures, 0);
            let next = after_failure(&mut at, FailureKind::Retry, floor, &policy, NOW, &mut rng);
            let Next::Again(at) = next else { panic!("{next:?}") };
            let wait = at.since(NOW);
            let asked = floor.unwrap_or_default();
            prop_assert!(wait >= asked);
            prop_assert!(wait <= policy.ceiling(failures + 1).max(asked + Duration::from_millis(policy.first_ms)));
        }

        #[test]
        fn nothing_overflows(seed: u64, failures: u32, conflicts: u32, floor: u64, first_ms: u64, max_ms: u64) {
            let policy = Retry { attempts: u32::MAX, conflicts: u32::MAX, first_ms, max_ms };
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            for kind in [FailureKind::Retry, FailureKind::Conflict] {
                let floor = Some(Duration::from_secs(floor));
                after_failure(&mut counts(failures, conflicts), kind, floor, &policy, NOW, &mut rng);
            }
        }
    }
}
