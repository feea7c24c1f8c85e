//! From when a source is looked at, and how its pages are gone through: pure.
//!
//! What the overlap must cover, all by the source's clock:
//! - A transaction gets its times when it begins and is seen when it commits: what is seen later than something newer is as old as the longest
//!   transaction.
//! - Several machines behind one address have several clocks, and `Date` is in whole seconds, as `_since` is for some servers.
//! - The look itself takes time: that is measured and taken off.
//!
//! A clock that was turned back between two looks is not a matter of the overlap: the host's own clock tells by how much ([`turned_back`]), and the
//! look goes back by as much. Both clocks turned back together, by more than the overlap, cannot be told.
//!
//! HAPI bears no time on deletes, but filters them by time, so the window holds for them too. Its type history shows what was created and
//! deleted at once, of which it sends nothing.

use std::time::Duration;

use hob_model::Timestamp;

/// When the last look was, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Last {
    pub(crate) seen: Timestamp,
    pub(crate) looked: Timestamp,
}

/// Whole seconds in `Date`, and the time that an answer takes.
const TOLERANCE: Duration = Duration::from_secs(2);

/// By how much the source's clock went on less than the host's since the last look.
pub(crate) fn turned_back(last: Last, date: Timestamp, now: Timestamp) -> Duration {
    let host = now.micros().saturating_sub(last.looked.micros());
    let source = date.micros().saturating_sub(last.seen.micros());
    let behind = Duration::from_micros(u64::try_from(host.saturating_sub(source)).unwrap_or(0));
    if behind > TOLERANCE { behind } else { Duration::ZERO }
}

/// From when to look. Never before `begin`, when the first bot that wants the type began; `None` is from the first version of all.
pub(crate) fn since(last: Option<Last>, begin: Option<Timestamp>, overlap: Duration, turned_back: Duration) -> Option<Timestamp> {
    last.map(|last| last.seen - overlap - turned_back).max(begin)
}

/// How far a look has seen: the source's clock when it was asked. `newest` stands in where its answers bear no `Date`.
pub(crate) fn seen(date: Option<Timestamp>, newest: Option<Timestamp>, took: Duration) -> Option<Timestamp> {
    date.or(newest).map(|at| at - took)
}

/// The search that stands in for a history, newest first.
pub(crate) fn query(since: Option<Timestamp>, upto: Option<Timestamp>, count: u32) -> String {
    let since = since.map(|at| format!("_lastUpdated=ge{at}&")).unwrap_or_default();
    let upto = upto.map(|at| format!("_lastUpdated=le{at}&")).unwrap_or_default();
    format!("{since}{upto}_sort=-_lastUpdated&_count={count}")
}

/// The upper bound of the next search, where the page allows to go on by time.
///
/// Pages by offset shift when something is deleted between them, and pass something over; a bound by time does not. It needs a page that is sorted, and
/// times that go on; where many have one time, the server's link must do. Servers that keep finer times than they show are given a second.
pub(crate) fn upto(page: &[Option<Timestamp>], was: Option<Timestamp>) -> Option<Timestamp> {
    let times: Vec<Timestamp> = page.iter().copied().collect::<Option<_>>()?;
    let oldest = *times.last()?;
    let bound = oldest + Duration::from_secs(1);
    let sorted = times.is_sorted_by(|newer, older| newer >= older);
    (sorted && was.is_none_or(|was| bound < was)).then_some(bound)
}

/// Whether a count of events tells that some were missed, or that the source began to count again: it then has forgotten what it was to send.
pub(crate) fn is_gap(last: Option<u64>, number: u64) -> bool {
    let last = last.unwrap_or(0);
    number > last.saturating_add(1) || (number <= 1 && last > 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::default() + Duration::from_secs(seconds)
    }

    #[test]
    fn looks_overlap_and_never_go_back_before_the_bot() {
        let last = Some(Last { seen: at(100), looked: at(500) });
        let ten = Duration::from_secs(10);
        assert_eq!(since(last, Some(at(20)), ten, Duration::ZERO), Some(at(90)));
        assert_eq!(since(last, Some(at(95)), ten, Duration::ZERO), Some(at(95)));
        assert_eq!(since(last, None, ten, Duration::from_secs(60)), Some(at(30)));
        assert_eq!(since(None, Some(at(20)), ten, Duration::ZERO), Some(at(20)));
        assert_eq!(since(None, None, ten, Duration::ZERO), None);
        assert_eq!(seen(Some(at(100)), Some(at(400)), ten), Some(at(90)));
        assert_eq!(seen(None, None, ten), None);
    }

    #[test]
    fn gaps_are_what_was_jumped_over_and_what_begins_again() {
        assert!(!is_gap(None, 1) && !is_gap(Some(4), 5) && !is_gap(Some(4), 3) && !is_gap(Some(1), 1) && !is_gap(None, 0));
        assert!(is_gap(None, 2) && is_gap(Some(4), 6) && is_gap(Some(4), 1) && is_gap(Some(4), 0));
    }

    #[test]
    fn a_page_that_is_not_sorted_or_has_one_time_gives_no_bound() {
        assert_eq!(upto(&[Some(at(9)), Some(at(7))], None), Some(at(8)));
        assert_eq!(upto(&[Some(at(7)), Some(at(9))], None), None);
        assert_eq!(upto(&[Some(at(7)), Some(at(7))], Some(at(8))), None);
        assert_eq!(upto(&[Some(at(7)), None], None), None);
        assert_eq!(upto(&[], None), None);
    }

    proptest! {
        /// Whenever between two looks the source's clock was turned back, the second look begins before all that came after the first.
        #[test]
        fn a_clock_that_was_turned_back_hides_nothing(
            first in 10_000..20_000_u64, host in 10_000..20_000_u64, between in 1..5_000_u64, back in 0..9_000_u64,
            stepped in 0..5_000_u64, came in 0..5_000_u64, overlap in 5..60_u64
        ) {
            let last = Last { seen: at(first), looked: at(host) };
            let turned = turned_back(last, at(first + between - back), at(host + between));
            let after_the_step = came.min(between) >= stepped.min(between);
            let change = at(first + came.min(between) - if after_the_step { back } else { 0 });
            let from = since(Some(last), None, Duration::from_secs(overlap), turned).unwrap();
            prop_assert!(from <= change, "{from} {change}");
        }

        #[test]
        fn going_on_by_time_passes_nothing_over(mut times in proptest::collection::vec(0..50_u64, 0..120), size in 1..10_usize, gone in 0..120_usize) {
            times.sort_unstable_by(|a, b| b.cmp(a));
            let all: Vec<(usize, u64)> = times.into_iter().enumerate().collect();
            let (mut seen, mut bound, mut offset) = (std::collections::BTreeSet::new(), None::<Timestamp>, 0);
            let mut server = all.clone();
            for turn in 0..1_000 {
                let found: Vec<_> = server.iter().filter(|(_, time)| bound.is_none_or(|bound| at(*time) <= bound)).copied().collect();
                let page: Vec<_> = found.iter().skip(offset).take(size).copied().collect();
                seen.extend(page.iter().copied());
                if found.len() <= offset + page.len() {
                    break;
                }
                let next = upto(&page.iter().map(|(_, time)| Some(at(*time))).collect::<Vec<_>>(), bound);
                match next {
                    Some(next) => (bound, offset) = (Some(next), 0),
                    None => offset += size,
                }
                // One that was seen is deleted between two pages: by offset alone, one that was not seen would take its place.
                if turn == 0 && next.is_some() && let Some(first) = page.get(gone % size) {
                    server.retain(|one| one != first);
                }
            }
            prop_assert_eq!(seen.len(), all.len());
        }
    }
}
