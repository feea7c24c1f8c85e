//! The rules of the clock, on days when it was changed.

use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn schedule(expression: &str, zone: Tz) -> Schedule {
    Schedule::parse(expression, zone).unwrap()
}

/// The instants after `from` and up to `to`.
fn fires(schedule: &Schedule, from: &str, to: &str) -> Vec<String> {
    let next = |last: &Timestamp| schedule.next_after(*last);
    let all = std::iter::successors(schedule.next_after(at(from)), next);
    all.take_while(|found| *found <= at(to)).map(|found| found.to_string()).collect()
}

#[test]
fn an_ordinary_day_is_read_in_the_zone() {
    let daily = schedule("0 0 9 * * *", Tz::America__New_York);
    assert_eq!(daily.next_after(at("2026-11-22T13:59:59Z")), Some(at("2026-11-22T14:00:00Z")));
    assert_eq!(daily.next_after(at("2026-11-22T14:00:00Z")), Some(at("2026-11-23T14:00:00Z")));
    assert_eq!(daily.last_until(at("2026-11-22T14:00:00Z")), Some(at("2026-11-22T14:00:00Z")));
    assert_eq!(daily.last_until(at("2026-11-22T13:59:59.5Z")), Some(at("2026-11-21T14:00:00Z")));
}

/// New York, 2026-03-08: from 02:00 EST straight to 03:00 EDT, at 07:00 UTC.
#[test]
fn a_skipped_reading_fires_at_the_first_instant_after_the_gap() {
    let daily = schedule("0 30 2 * * *", Tz::America__New_York);
    assert_eq!(
        fires(&daily, "2026-03-07T12:00:00Z", "2026-03-10T00:00:00Z"),
        ["2026-03-08T07:00:00.000000Z", "2026-03-09T06:30:00.000000Z"]
    );
    let often = schedule("0 */20 * * * *", Tz::America__New_York);
    assert_eq!(
        fires(&often, "2026-03-08T06:30:00Z", "2026-03-08T07:30:00Z"),
        ["2026-03-08T06:40:00.000000Z", "2026-03-08T07:00:00.000000Z", "2026-03-08T07:20:00.000000Z"],
        "the skipped ones and the one at the end of the gap are one"
    );
}

/// New York, 2026-11-01: 02:00 EDT is 01:00 EST again, at 06:00 UTC.
#[test]
fn a_repeated_reading_fires_the_first_time() {
    let daily = schedule("0 30 1 * * *", Tz::America__New_York);
    assert_eq!(
        fires(&daily, "2026-10-31T12:00:00Z", "2026-11-03T00:00:00Z"),
        ["2026-11-01T05:30:00.000000Z", "2026-11-02T06:30:00.000000Z"]
    );
    assert_eq!(daily.last_until(at("2026-11-01T06:10:00Z")), Some(at("2026-11-01T05:30:00Z")));
    let often = schedule("0 */30 * * * *", Tz::America__New_York);
    assert_eq!(
        fires(&often, "2026-11-01T05:00:00Z", "2026-11-01T07:30:00Z"),
        ["2026-11-01T05:30:00.000000Z", "2026-11-01T07:00:00.000000Z", "2026-11-01T07:30:00.000000Z"],
        "it rests for the repeated hour"
    );
}

/// Samoa had no 2011-12-30: it went over the date line at 10:00 UTC.
#[test]
fn a_skipped_day_is_a_gap() {
    let daily = schedule("0 0 12 * * *", Tz::Pacific__Apia);
    assert_eq!(
        fires(&daily, "2011-12-29T00:00:00Z", "2011-12-31T12:00:00Z"),
        ["2011-12-29T22:00:00.000000Z", "2011-12-30T10:00:00.000000Z", "2011-12-30T22:00:00.000000Z"]
    );
}

#[test]
fn what_never_comes_is_none_and_what_cannot_be_read_says_why() {
    let never = schedule("0 0 0 30 2 *", Tz::UTC);
    assert_eq!(never.next_after(at("2026-01-01T00:00:00Z")), None);
    assert_eq!(never.last_until(at("2026-01-01T00:00:00Z")), None);
    assert_eq!(schedule("0 0 0 * * *", Tz::UTC).next_after(Timestamp::from_micros(i64::MAX)), None);
    assert_eq!(schedule("0 0 0 * * *", Tz::UTC).last_until(Timestamp::from_micros(i64::MIN)), None);
    let error = Schedule::parse("0 9 * *", Tz::UTC).unwrap_err();
    assert!(error.to_string().contains("`0 9 * *`"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Both ways along the time line, they name the same instants.
    #[test]
    fn next_and_last_agree(
        seconds in 1_300_000_000_i64..2_000_000_000,
        nanos in 0_i64..1_000_000,
        which in 0_usize..5,
        zone in prop::sample::select(vec![
            Tz::UTC, Tz::America__New_York, Tz::America__St_Johns, Tz::Australia__Lord_Howe, Tz::Pacific__Apia, Tz::Asia__Kathmandu,
        ]),
    ) {
        let expression = ["0 30 1 * * *", "0 30 2 * * *", "0 */20 * * * *", "7 0 0 * * Sun", "0 0 12 1 */3 *"][which];
        let schedule = schedule(expression, zone);
        let now = Timestamp::from_micros(seconds * 1_000_000 + nanos);
        let next = schedule.next_after(now).unwrap();
        let last = schedule.last_until(now).unwrap();
        prop_assert!(last <= now && now < next);
        prop_assert_eq!(schedule.next_after(last), Some(next), "nothing lies between");
        prop_assert_eq!(schedule.last_until(next), Some(next));
        prop_assert_eq!(schedule.last_until(Timestamp::from_micros(next.micros() - 1)), Some(last));
    }

    #[test]
    fn parsing_never_panics(expression in ".*") {
        let _ = Schedule::parse(&expression, Tz::UTC);
    }
}
