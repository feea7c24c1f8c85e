//! Which source is swept when: pure, with the clock and the jitter passed in, so that every history is a test.
//!
//! A source is swept at the start, now and again after that, and soon after any sign that something of it may have been missed. One sweep of a source
//! at a time; what is wanted while it runs is done by another one after it. What failed last time takes at most half of the places, so that sources that
//! hang never hold up the others.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hob_model::{SourceId, SubscriptionKey, TenantId, Timestamp};

/// A source.
pub(crate) type Key = (TenantId, SourceId);

/// Why a source is swept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Reason {
    /// The host began to work on it: what came before is not known.
    Start,
    /// It is time.
    Periodic,
    /// It answers again.
    Back,
    /// A notification of it was told to come back later.
    Overload,
    /// Its count of events has a gap, or began again.
    EventGap,
    /// A heartbeat that it promised did not come.
    Heartbeat,
    /// A Subscription on it does not post, or did not.
    Subscription,
}

impl Reason {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Periodic => "periodic",
            Self::Back => "back",
            Self::Overload => "overload",
            Self::EventGap => "event-gap",
            Self::Heartbeat => "heartbeat",
            Self::Subscription => "subscription",
        }
    }

    /// How long to wait for more of the same, at least and at most: many hosts hear of one outage at one time, and events overtake one another.
    const fn delay(self) -> (Duration, Duration) {
        let (least, most) = match self {
            Self::Start => (0, 2_000),
            Self::Periodic | Self::Heartbeat | Self::Subscription => (0, 0),
            Self::Back => (0, 3_000),
            Self::Overload => (2_000, 6_000),
            Self::EventGap => (1_000, 2_000),
        };
        (Duration::from_millis(least), Duration::from_millis(most))
    }
}

/// Between two sweeps of a source, whatever the signs say.
const REST: Duration = Duration::from_secs(2);
/// The pause after a first failure; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// The longest pause after a failure.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// So many periods without a word are too many.
const PERIODS: u32 = 2;

#[derive(Debug)]
struct Promise {
    period: Duration,
    heard: Timestamp,
}

impl Promise {
    fn due(&self) -> Timestamp {
        self.heard + self.period.saturating_mul(PERIODS)
    }
}

#[derive(Debug, Default)]
struct Plan {
    due: Option<Timestamp>,
    reasons: BTreeSet<Reason>,
    /// What the sweep that runs is for.
    running: Option<BTreeSet<Reason>>,
    failures: u32,
    promises: BTreeMap<SubscriptionKey, Promise>,
}

impl Plan {
    fn want(&mut self, reason: Reason, at: Timestamp) {
        self.reasons.insert(reason);
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }
}

/// The plan of all sources.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// `None`: only on signs.
    every: Option<Duration>,
    places: usize,
    plans: BTreeMap<Key, Plan>,
    /// The clock when it was last looked at.
    latest: Timestamp,
}

fn between((least, most): (Duration, Duration), spread: f64) -> Duration {
    least + most.saturating_sub(least).mul_f64(spread.clamp(0.0, 1.0))
}

impl Schedule {
    pub(crate) fn new(every: Option<Duration>, places: usize) -> Self {
        Self { every, places: places.max(1), plans: BTreeMap::new(), latest: Timestamp::default() }
    }

    /// The sources that are to be swept from now on: others are forgotten, unless a sweep of them runs.
    pub(crate) fn keep(&mut self, sources: &BTreeSet<Key>, now: Timestamp, mut spread: impl FnMut() -> f64) {
        self.plans.retain(|key, plan| sources.contains(key) || plan.running.is_some());
        for key in sources {
            if let Entry::Vacant(new) = self.plans.entry(key.clone()) {
                new.insert(Plan::default()).want(Reason::Start, now + between(Reason::Start.delay(), spread()));
            }
        }
    }

    /// Something may have been missed. A source that is not known is one without bots.
    pub(crate) fn want(&mut self, key: &Key, reason: Reason, now: Timestamp, spread: f64) {
        if let Some(plan) = self.plans.get_mut(key) {
            plan.want(reason, now + between(reason.delay(), spread));
        }
    }

    /// What the source's Subscriptions promise to send at the least. The first period begins now.
    pub(crate) fn promised(&mut self, key: &Key, promises: &BTreeMap<SubscriptionKey, Duration>, now: Timestamp) {
        let Some(plan) = self.plans.get_mut(key) else { return };
        plan.promises.retain(|subscription, _| promises.contains_key(subscription));
        for (subscription, period) in promises {
            let promise = plan.promises.entry(subscription.clone()).or_insert(Promise { period: *period, heard: now });
            promise.period = (*period).max(Duration::from_secs(1));
        }
    }

    /// The subscription gave a sign of life.
    pub(crate) fn heard(&mut self, key: &Key, subscription: &SubscriptionKey, now: Timestamp) {
        if let Some(promise) = self.plans.get_mut(key).and_then(|plan| plan.promises.get_mut(subscription)) {
            promise.heard = now;
        }
    }

    /// The next source to be swept now, with all that it is swept for; it is under way until [`Schedule::ended`].
    pub(crate) fn start(&mut self, now: Timestamp) -> Option<(Key, BTreeSet<Reason>)> {
        self.look_at_clocks(now);
        let (running, failing) = self.running();
        if running >= self.places {
            return None;
        }
        let room_for_failing = failing < self.failing_places();
        let due = self.plans.iter().filter(|(_, plan)| plan.running.is_none() && plan.due.is_some_and(|due| due <= now));
        let next = due.filter(|(_, plan)| plan.failures == 0 || room_for_failing);
        let (key, _) = next.min_by_key(|(_, plan)| (plan.failures > 0, plan.due))?;
        let key = key.clone();
        let plan = self.plans.get_mut(&key)?;
        plan.due = None;
        let mut reasons = std::mem::take(&mut plan.reasons);
        if reasons.is_empty() {
            reasons.insert(Reason::Periodic);
        }
        plan.running = Some(reasons.clone());
        Some((key, reasons))
    }

    /// A sweep ended. `asked`: how long the source asked to be left alone.
    pub(crate) fn ended(&mut self, key: &Key, done: bool, asked: Option<Duration>, now: Timestamp, spread: f64) {
        let Some(plan) = self.plans.get_mut(key) else { return };
        let Some(reasons) = plan.running.take() else { return };
        let wanted = plan.due.map(|due| due.max(now + REST));
        if done {
            plan.failures = 0;
            let next = self.every.map(|every| now + every.mul_f64(0.75 + spread.clamp(0.0, 1.0) / 2.0).max(REST));
            plan.due = [wanted, next].into_iter().flatten().min();
        } else {
            plan.failures = plan.failures.saturating_add(1);
            plan.reasons.extend(reasons);
            let doubled = FIRST_PAUSE.saturating_mul(1_u32.checked_shl(plan.failures.min(16) - 1).unwrap_or(u32::MAX));
            let pause = doubled.min(LONGEST_PAUSE).mul_f64(0.5 + spread.clamp(0.0, 1.0) / 2.0);
            plan.due = Some(now + pause.max(asked.unwrap_or_default().min(LONGEST_PAUSE * 2)));
        }
    }

    /// When [`Schedule::start`] is to be asked again, unless something is told or ends before.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        let (running, failing) = self.running();
        let promises = self.plans.values().flat_map(|plan| plan.promises.values().map(Promise::due));
        let can = |plan: &&Plan| plan.running.is_none() && (plan.failures == 0 || failing < self.failing_places());
        let due = self.plans.values().filter(can).filter_map(|plan| plan.due).filter(|_| running < self.places);
        due.chain(promises).min()
    }

    fn running(&self) -> (usize, usize) {
        let running = self.plans.values().filter(|plan| plan.running.is_some());
        running.fold((0, 0), |(all, failing), plan| (all + 1, failing + usize::from(plan.failures > 0)))
    }

    fn failing_places(&self) -> usize {
        (self.places / 2).max(1)
    }

    /// A clock that was turned back takes all times with it; then promises that were not kept.
    fn look_at_clocks(&mut self, now: Timestamp) {
        let back = self.latest.since(now);
        self.latest = now;
        for plan in self.plans.values_mut() {
            plan.due = plan.due.map(|due| due - back);
            let mut silent = false;
            for promise in plan.promises.values_mut() {
                promise.heard = promise.heard - back;
                if promise.due() <= now {
                    promise.heard = now;
                    silent = true;
                }
            }
            if silent {
                plan.want(Reason::Heartbeat, now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(n: usize) -> Key {
        ("t".parse().unwrap(), format!("s{n}").parse().unwrap())
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::default() + Duration::from_secs(seconds)
    }

    fn one(every: Option<u64>) -> Schedule {
        let mut schedule = Schedule::new(every.map(Duration::from_secs), 2);
        schedule.keep(&BTreeSet::from([key(0)]), at(0), || 0.0);
        schedule
    }

    fn reasons(all: &[Reason]) -> BTreeSet<Reason> {
        all.iter().copied().collect()
    }

    #[test]
    fn at_the_start_then_now_and_again_then_on_a_sign() {
        let mut schedule = one(Some(100));
        assert_eq!(schedule.start(at(0)), Some((key(0), reasons(&[Reason::Start]))));
        assert_eq!(schedule.start(at(0)), None);
        // A sign during a sweep is not lost to it.
        schedule.want(&key(0), Reason::Overload, at(1), 0.0);
        schedule.ended(&key(0), true, None, at(4), 0.5);
        assert_eq!(schedule.next(), Some(at(6)));
        assert_eq!(schedule.start(at(6)), Some((key(0), reasons(&[Reason::Overload]))));
        schedule.ended(&key(0), true, None, at(7), 0.5);
        assert_eq!((schedule.next(), schedule.start(at(106))), (Some(at(107)), None));
        assert_eq!(schedule.start(at(107)), Some((key(0), reasons(&[Reason::Periodic]))));
    }

    #[test]
    fn a_failed_sweep_is_repeated_for_its_reasons_and_by_what_the_source_asks() {
        let mut schedule = one(None);
        schedule.start(at(0)).unwrap();
        schedule.ended(&key(0), false, Some(Duration::from_secs(50)), at(1), 1.0);
        assert_eq!(schedule.next(), Some(at(51)));
        assert_eq!(schedule.start(at(51)), Some((key(0), reasons(&[Reason::Start]))));
        schedule.ended(&key(0), true, None, at(52), 1.0);
        assert_eq!(schedule.next(), None);
    }

    #[test]
    fn sources_that_failed_take_half_of_the_places_at_most() {
        let mut schedule = Schedule::new(None, 4);
        schedule.keep(&(0..6).map(key).collect(), at(0), || 0.0);
        for round in 0..2 {
            let begun: Vec<Key> = std::iter::from_fn(|| schedule.start(at(round)).map(|(key, _)| key)).collect();
            begun.iter().for_each(|key| schedule.ended(key, false, None, at(round), 0.0));
        }
        // All six failed once or more: two may try at a time, and one that is healthy goes before them.
        schedule.keep(&(0..7).map(key).collect(), at(900), || 0.0);
        let begun: Vec<Key> = std::iter::from_fn(|| schedule.start(at(900)).map(|(key, _)| key)).collect();
        assert_eq!((begun.len(), &begun[0]), (3, &key(6)));
        assert_eq!(schedule.next(), None);
    }

    #[test]
    fn a_heartbeat_that_does_not_come_is_a_sign() {
        let mut schedule = one(None);
        schedule.start(at(0)).unwrap();
        let subscription: SubscriptionKey = "a.0".parse().unwrap();
        schedule.promised(&key(0), &BTreeMap::from([(subscription.clone(), Duration::from_secs(10))]), at(1));
        schedule.ended(&key(0), true, None, at(1), 0.0);
        schedule.heard(&key(0), &subscription, at(15));
        assert_eq!((schedule.start(at(34)), schedule.next()), (None, Some(at(35))));
        assert_eq!(schedule.start(at(35)), Some((key(0), reasons(&[Reason::Heartbeat]))));
        schedule.ended(&key(0), true, None, at(36), 0.0);
        assert_eq!(schedule.next(), Some(at(55)));
    }

    #[test]
    fn a_clock_that_is_turned_back_puts_nothing_off() {
        let mut schedule = one(Some(100));
        schedule.start(at(1_000_000)).unwrap();
        schedule.ended(&key(0), true, None, at(1_000_000), 0.0);
        assert_eq!(schedule.start(at(10)), None);
        assert_eq!(schedule.next(), Some(at(85)));
    }

    /// What happens in a simulated history.
    #[derive(Debug, Clone)]
    enum Step {
        Want(usize, Reason),
        /// The oldest sweep that runs ends; sources of number 0 and 1 always fail.
        End,
        Pass(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let reason = prop_oneof![Just(Reason::Back), Just(Reason::Overload), Just(Reason::EventGap), Just(Reason::Subscription)];
        prop_oneof![
            (0..6_usize, reason).prop_map(|(n, reason)| Step::Want(n, reason)),
            Just(Step::End),
            (0..200_u64).prop_map(Step::Pass)
        ]
    }

    proptest! {
        #[test]
        fn every_wish_is_followed_by_a_sweep_and_places_are_kept(
            steps in proptest::collection::vec(step(), 0..200), places in 1..5_usize, every in proptest::option::of(20..400_u64), spread in 0.0..1.0_f64
        ) {
            let mut schedule = Schedule::new(every.map(Duration::from_secs), places);
            let all: BTreeSet<Key> = (0..6).map(key).collect();
            let fails = |key_of: &Key| *key_of == key(0) || *key_of == key(1);
            let mut now = at(1_000);
            schedule.keep(&all, now, || spread);
            let mut open: BTreeMap<Key, Timestamp> = all.iter().map(|key| (key.clone(), now)).collect();
            let mut running: Vec<Key> = Vec::new();
            let rest = std::iter::repeat_n([Step::Pass(30), Step::End], 400).flatten();
            for step in steps.into_iter().chain(rest) {
                match step {
                    Step::Want(n, reason) => {
                        schedule.want(&key(n), reason, now, spread);
                        open.insert(key(n), now);
                    }
                    Step::End if !running.is_empty() => {
                        let ended = running.remove(0);
                        schedule.ended(&ended, !fails(&ended), None, now, spread);
                        if fails(&ended) {
                            open.insert(ended, now);
                        }
                    }
                    Step::End => {}
                    Step::Pass(seconds) => now = now + Duration::from_secs(seconds),
                }
                // It never asks to be asked for nothing.
                if let Some(next) = schedule.next().filter(|next| *next > now) {
                    prop_assert!(schedule.start(now).is_none(), "one starts before {next:?}");
                }
                while let Some((started, _)) = schedule.start(now) {
                    prop_assert!(!running.contains(&started));
                    running.push(started.clone());
                    open.remove(&started);
                }
                prop_assert!(schedule.next().is_none_or(|next| next > now), "it would spin");
                prop_assert!(running.len() <= places);
            }
            // At the end only the failing ones are still, or again, wanted.
            prop_assert!(open.keys().all(fails), "{open:?}");
        }
    }
}
