//! Who may be resolved next: pure. A place is one notification in work.
//!
//! Each source has a queue of its own. It takes at most half of the places that are free, so that sources that hang leave some to the others, and one
//! alone after it did not answer. Of what is posted to one resource's path one is in work and the others wait behind it without a place, so that a
//! resource that changes all the time does not hold up the rest.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use hob_ledger::NotificationSeq;
use hob_model::Timestamp;

use crate::gaps::Key;

/// The longest pause between two looks at a notification that could not be resolved though its source answers.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// How many notifications of a source may wait behind others; their numbers alone are in memory.
const BEHIND: usize = 10_000;

/// What became of a notification in work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The ledger holds its end.
    Done,
    /// It is looked at again later, alone.
    Later,
    /// The same; the host panicked at it.
    Panicked,
    /// It is looked at again at once: the ledger did not take it.
    Again,
    /// Its source does not answer: all of the source's wait.
    Down(Timestamp),
}

/// What waits for itself alone.
#[derive(Debug, Clone, Copy)]
struct Later {
    until: Timestamp,
    tries: u32,
    panics: u32,
}

#[derive(Debug, Default)]
struct Queue {
    cursor: NotificationSeq,
    /// Nothing was behind the cursor at the last look.
    dry: bool,
    /// Too many wait behind others: nothing more is read until one ends.
    full: bool,
    busy: usize,
    /// In work, or waiting behind one that is.
    taken: BTreeSet<NotificationSeq>,
    behind: BTreeMap<String, VecDeque<NotificationSeq>>,
    later: BTreeMap<NotificationSeq, Later>,
    down: Option<Timestamp>,
    /// It did not answer the last time: one at a time until it does.
    probing: bool,
}

impl Queue {
    fn back_to(&mut self, seq: NotificationSeq) {
        self.cursor = self.cursor.min(NotificationSeq::new(seq.get().saturating_sub(1)));
        self.dry = false;
    }
}

/// All places, and who waits for them.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    busy: usize,
    queues: BTreeMap<Key, Queue>,
    /// The source that was served last: the next one is first.
    last: Option<Key>,
    /// The last time that the alarm was looked at: what was due by then is to be begun.
    asleep: Timestamp,
}

impl Places {
    pub(super) fn new(most: usize) -> Self {
        Self { most, busy: 0, queues: BTreeMap::new(), last: None, asleep: Timestamp::default() }
    }

    /// These sources may have something new.
    pub(super) fn news(&mut self, sources: Vec<Key>) {
        for key in sources {
            self.queues.entry(key).or_default().dry = false;
        }
    }

    fn room(&self, queue: &Queue) -> usize {
        let free = self.most.saturating_sub(self.busy);
        match queue {
            Queue { dry: true, .. } | Queue { full: true, .. } | Queue { down: Some(_), .. } => 0,
            Queue { probing: true, busy, .. } => 1_usize.saturating_sub(*busy).min(free),
            Queue { busy, .. } => free.saturating_sub(*busy).div_ceil(2),
        }
    }

    /// The source to be read next: after which notification, and how many.
    pub(super) fn next(&mut self) -> Option<(Key, NotificationSeq, usize)> {
        let open = |(_, queue): &(&Key, &Queue)| self.room(queue) > 0;
        let after_last = |(key, _): &(&Key, &Queue)| self.last.as_ref().is_none_or(|last| *key > last);
        let mut all = self.queues.iter().filter(open);
        let (key, queue) = all.clone().find(after_last).or_else(|| all.next())?;
        let next = (key.clone(), queue.cursor, self.room(queue));
        self.last = Some(next.0.clone());
        Some(next)
    }

    /// Takes a page that was read; gives the places in it of those that are to be begun. `page`: number and path of each.
    pub(super) fn page(&mut self, key: &Key, page: &[(NotificationSeq, &str)], now: Timestamp) -> Vec<usize> {
        let Some(mut room) = self.queues.get(key).map(|queue| self.room(queue)) else { return Vec::new() };
        let Some(queue) = self.queues.get_mut(key) else { return Vec::new() };
        queue.dry = page.is_empty();
        let mut begun = Vec::new();
        for (index, (seq, path)) in page.iter().enumerate() {
            let waits = queue.later.get(seq).is_some_and(|later| later.until > now);
            if !waits && !queue.taken.contains(seq) {
                if let Some(behind) = queue.behind.get_mut(*path) {
                    if queue.taken.len() >= BEHIND {
                        queue.full = true;
                        break;
                    }
                    behind.push_back(*seq);
                } else if room == 0 {
                    break;
                } else {
                    room -= 1;
                    queue.busy += 1;
                    self.busy += 1;
                    if !path.is_empty() {
                        queue.behind.insert((*path).to_owned(), VecDeque::new());
                    }
                    begun.push(index);
                }
                queue.taken.insert(*seq);
            }
            queue.cursor = queue.cursor.max(*seq);
        }
        begun
    }

    /// One in work ended. Gives the one behind it, which takes its place.
    pub(super) fn ended(
        &mut self,
        key: &Key,
        seq: NotificationSeq,
        path: &str,
        end: End,
        now: Timestamp,
    ) -> Option<NotificationSeq> {
        let queue = self.queues.get_mut(key)?;
        queue.taken.remove(&seq);
        queue.full = false;
        match end {
            End::Done => {
                queue.later.remove(&seq);
                queue.probing = false;
            }
            End::Later | End::Panicked => {
                let (tries, panics) = queue.later.get(&seq).map_or((0, 0), |later| (later.tries, later.panics));
                let tries = tries.saturating_add(1);
                let panics = panics.saturating_add(u32::from(end == End::Panicked));
                let pause = Duration::from_secs(1).saturating_mul(1_u32.checked_shl(tries).unwrap_or(u32::MAX));
                queue.later.insert(seq, Later { until: now + pause.min(LONGEST_PAUSE), tries, panics });
            }
            End::Again => queue.back_to(seq),
            End::Down(until) => {
                queue.down = Some(until);
                queue.probing = true;
                queue.back_to(seq);
            }
        }
        if queue.down.is_none()
            && let Some(next) = queue.behind.get_mut(path).and_then(VecDeque::pop_front)
        {
            return Some(next);
        }
        queue.busy = queue.busy.saturating_sub(1);
        self.busy = self.busy.saturating_sub(1);
        // Where the source is down, those behind wait with all others.
        for left in queue.behind.remove(path).into_iter().flatten() {
            queue.taken.remove(&left);
            queue.back_to(left);
        }
        None
    }

    /// What is from here on may be open again.
    pub(super) fn again_from(&mut self, first: NotificationSeq) {
        self.queues.values_mut().for_each(|queue| queue.back_to(first));
    }

    /// How often the host panicked at it.
    pub(super) fn panics(&self, key: &Key, seq: NotificationSeq) -> u32 {
        self.queues.get(key).and_then(|queue| queue.later.get(&seq)).map_or(0, |later| later.panics)
    }

    /// Whether the source did not answer the last time.
    pub(super) fn is_probing(&self, key: &Key) -> bool {
        self.queues.get(key).is_some_and(|queue| queue.probing)
    }

    /// When [`Places::wake`] is to be called. A clock that was turned back must not let what came due before that keep the alarm from ever ringing.
    pub(super) fn next_wake(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.asleep = self.asleep.min(now);
        let of = |queue: &Queue| queue.down.into_iter().chain(queue.later.values().map(|later| later.until)).collect::<Vec<_>>();
        self.queues.values().flat_map(of).filter(|until| *until > self.asleep).min()
    }

    /// Lets go on what is due.
    pub(super) fn wake(&mut self, now: Timestamp) {
        self.asleep = now;
        for queue in self.queues.values_mut() {
            if queue.down.is_some_and(|until| until <= now) {
                queue.down = None;
                queue.dry = false;
            }
            let due = queue.later.iter().find(|(seq, later)| later.until <= now && !queue.taken.contains(seq));
            if let Some(seq) = due.map(|(seq, _)| *seq) {
                queue.back_to(seq);
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

    fn seq(n: u64) -> NotificationSeq {
        NotificationSeq::new(n)
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::default() + Duration::from_secs(seconds)
    }

    /// The ledger of these tests: number, source and path of what is not resolved.
    type Ledger = BTreeMap<u64, (usize, String)>;

    /// Begins all that there is room for.
    fn fill(places: &mut Places, ledger: &Ledger, now: Timestamp) -> Vec<(Key, NotificationSeq, String)> {
        let mut begun = Vec::new();
        while let Some((of, after, room)) = places.next() {
            let open = ledger.iter().filter(|(n, (source, _))| key(*source) == of && **n > after.get());
            let page: Vec<(NotificationSeq, &str)> = open.take(room).map(|(n, (_, path))| (seq(*n), path.as_str())).collect();
            for index in places.page(&of, &page, now) {
                begun.push((of.clone(), page[index].0, page[index].1.to_owned()));
            }
        }
        begun
    }

    fn ledger(all: impl IntoIterator<Item = (usize, &'static str)>) -> Ledger {
        (1..).zip(all).map(|(n, (source, path))| (n, (source, path.to_owned()))).collect()
    }

    #[test]
    fn sources_that_hang_leave_places_to_the_others() {
        let queue = ledger((0..60).map(|n| (usize::from(n >= 30), "")));
        let mut places = Places::new(16);
        places.news(vec![key(0)]);
        assert_eq!(fill(&mut places, &queue, at(0)).len(), 8);
        places.news(vec![key(1)]);
        assert_eq!(fill(&mut places, &queue, at(0)).len(), 4);
        // One that did not answer is asked by one alone, until it does.
        for n in 1..=8 {
            assert_eq!(places.ended(&key(0), seq(n), "", End::Down(at(10)), at(1)), None);
        }
        assert!(fill(&mut places, &queue, at(2)).iter().all(|(of, ..)| *of == key(1)));
        assert_eq!(places.next_wake(at(2)), Some(at(10)));
        places.wake(at(10));
        let begun = fill(&mut places, &queue, at(10));
        assert_eq!(begun, [(key(0), seq(1), String::new())]);
        places.ended(&key(0), seq(1), "", End::Done, at(11));
        let queue: Ledger = queue.into_iter().filter(|(n, _)| *n > 1).collect();
        assert!(fill(&mut places, &queue, at(11)).len() > 1);
    }

    #[test]
    fn a_clock_that_is_turned_back_does_not_silence_the_alarm() {
        let queue = ledger([(0, "")]);
        let mut places = Places::new(4);
        places.news(vec![key(0)]);
        places.wake(at(600));
        assert_eq!(fill(&mut places, &queue, at(600)).len(), 1);
        // The clock is right again, and the source does not answer.
        places.ended(&key(0), seq(1), "", End::Down(at(20)), at(10));
        assert_eq!(places.next_wake(at(10)), Some(at(20)));
        places.wake(at(20));
        assert_eq!(fill(&mut places, &queue, at(20)).len(), 1);
    }

    #[test]
    fn a_hot_resource_takes_one_place_and_keeps_its_order() {
        let queue = ledger((0..20).map(|n| (0, if n % 2 == 0 { "/Patient/hot" } else { "" })));
        let mut places = Places::new(8);
        places.news(vec![key(0)]);
        let begun = fill(&mut places, &queue, at(0));
        assert_eq!(begun.iter().filter(|(.., path)| !path.is_empty()).count(), 1);
        assert_eq!(places.ended(&key(0), seq(1), "/Patient/hot", End::Done, at(0)), Some(seq(3)));
        assert_eq!(places.ended(&key(0), seq(3), "/Patient/hot", End::Later, at(0)), Some(seq(5)));
    }

    proptest! {
        #[test]
        fn everything_is_begun_until_it_is_done_and_places_are_kept(
            queue in proptest::collection::vec((0..4_usize, 0..3_usize), 1..80), ends in proptest::collection::vec(0..10_u8, 0..200), most in 1..9_usize
        ) {
            let paths = ["", "/Task/1", "/Task/2"];
            let mut left = ledger(queue.into_iter().map(|(source, path)| (source, paths[path])));
            let mut places = Places::new(most);
            places.news((0..4).map(key).collect());
            let mut work: VecDeque<(Key, NotificationSeq, String)> = VecDeque::new();
            let mut now = at(1);
            for end in ends.into_iter().chain(std::iter::repeat_n(0, 1_000)) {
                for begun in fill(&mut places, &left, now) {
                    prop_assert!(!work.iter().any(|(_, seq, _)| *seq == begun.1), "twice at a time");
                    prop_assert!(begun.2.is_empty() || !work.iter().any(|(of, _, path)| *of == begun.0 && *path == begun.2));
                    work.push_back(begun);
                }
                prop_assert!(work.len() <= most);
                let Some((of, seq, path)) = work.pop_front() else {
                    let Some(wake) = places.next_wake(now) else { break };
                    now = now.max(wake);
                    places.wake(now);
                    continue;
                };
                let end = match end {
                    1 => End::Later,
                    2 => End::Again,
                    3 => End::Down(now + Duration::from_secs(5)),
                    _ => End::Done,
                };
                if end == End::Done {
                    left.remove(&seq.get());
                }
                if let Some(next) = places.ended(&of, seq, &path, end, now) {
                    work.push_back((of, next, path));
                }
            }
            prop_assert!(left.is_empty() && places.busy == 0, "{left:?}");
        }
    }
}
