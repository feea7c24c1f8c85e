//! Dates and times as ranges, by <https://hl7.org/fhir/R4/search.html#date>.
//!
//! Every date is the range that its precision leaves open: `2020-01` is the month, `10:30Z` the minute. Nanoseconds since
//! 1970 in 128 bits hold every year that FHIR can write. Without an offset a time is taken as UTC.

use chrono::NaiveDate;
use serde_json::Value;

use crate::element::{ElementType, items, string};
use crate::prefix::Prefix;

const SECOND: i128 = 1_000_000_000;
const DAY: i128 = 86_400 * SECOND;

/// A half-open range of time, in nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    start: i128,
    end: i128,
}

/// The whole of time, for a Period that is open on a side.
const EVER: Span = Span { start: i128::MIN, end: i128::MAX };

/// A date in criteria.
pub(crate) struct DateValue {
    prefix: Prefix,
    span: Span,
}

impl DateValue {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (prefix, date) = Prefix::split(text);
        let span = parse(date, true).ok_or(
            "it needs a date: yyyy, yyyy-mm, yyyy-mm-dd or yyyy-mm-ddThh:mm[:ss[.f]] with Z or an offset \
             (write its + as %2B), after an optional prefix such as ge",
        )?;
        Ok(Self { prefix, span })
    }

    pub(crate) fn matches(&self, element: &Value, kind: &ElementType) -> bool {
        span(element, kind).is_some_and(|target| compare(self.prefix, self.span, target))
    }
}

/// The time that an element covers.
fn span(element: &Value, kind: &ElementType) -> Option<Span> {
    match kind {
        ElementType::Date => element.as_str().and_then(|text| parse(text, false)),
        ElementType::Period => period(element),
        ElementType::Timing => timing(element),
        _ => None,
    }
}

/// Where the time begins that an element covers, in nanoseconds since 1970.
pub(crate) fn begins(element: &Value, kind: &ElementType) -> Option<i128> {
    span(element, kind).map(|span| span.start)
}

fn compare(prefix: Prefix, search: Span, target: Span) -> bool {
    let contains = search.start <= target.start && target.end <= search.end;
    match prefix {
        Prefix::Equal => contains,
        Prefix::NotEqual => !contains,
        Prefix::Greater => target.end > search.end,
        Prefix::Less => target.start < search.start,
        Prefix::GreaterOrEqual => contains || target.end > search.end,
        Prefix::LessOrEqual => contains || target.start < search.start,
        Prefix::StartsAfter => target.start >= search.end,
        Prefix::EndsBefore => target.end <= search.start,
        // The specification suggests a tenth of the time until now, but leaves it open. Without a clock: as much as the
        // value's own precision, on each side.
        Prefix::Approximately => {
            let slack = search.end - search.start;
            target.start < search.end + slack && target.end > search.start - slack
        }
    }
}

/// The outer limits; a missing start or end is open.
fn period(element: &Value) -> Option<Span> {
    let side = |key| string(element, key).map(|text| parse(text, false));
    match (side("start"), side("end")) {
        // A date that cannot be read says nothing, so it must not read as "open".
        (Some(None), _) | (_, Some(None)) | (None, None) => None,
        (start, end) => Some(Span { start: start.flatten().unwrap_or(EVER).start, end: end.flatten().unwrap_or(EVER).end }),
    }
}

/// The outer limits of all events and of the bounds; how it repeats in between is not looked at.
fn timing(element: &Value) -> Option<Span> {
    let events = items(element, "event").iter().filter_map(|event| parse(event.as_str()?, false));
    let bounds = element.get("repeat").and_then(|repeat| period(repeat.get("boundsPeriod")?));
    events.chain(bounds).reduce(|a, b| Span { start: a.start.min(b.start), end: a.end.max(b.end) })
}

/// Reads a FHIR date, dateTime or instant. Criteria may leave out the seconds and the offset.
fn parse(text: &str, lenient: bool) -> Option<Span> {
    let (date, time) = text.split_once('T').map_or((text, None), |(date, time)| (date, Some(time)));
    let mut fields = date.split('-');
    let year = i32::try_from(digits(fields.next()?, 4)?).ok()?;
    let month = fields.next().map(|m| digits(m, 2));
    let day = fields.next().map(|d| digits(d, 2));
    if fields.next().is_some() {
        return None;
    }
    match (month, day, time) {
        (None, None, None) => Some(Span { start: midnight(year, 1, 1)?, end: midnight(year + 1, 1, 1)? }),
        (Some(month), None, None) => {
            let month = month?;
            let (next_year, next) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
            Some(Span { start: midnight(year, month, 1)?, end: midnight(next_year, next, 1)? })
        }
        (Some(month), Some(day), time) => {
            let start = midnight(year, month?, day?)?;
            match time {
                None => Some(Span { start, end: start + DAY }),
                Some(time) => {
                    let (offset, width) = time_of_day(time, lenient)?;
                    Some(Span { start: start + offset, end: start + offset + width })
                }
            }
        }
        _ => None,
    }
}

fn midnight(year: i32, month: u32, day: u32) -> Option<i128> {
    let date = NaiveDate::from_ymd_opt(year, month, day)?;
    Some(i128::from(date.signed_duration_since(NaiveDate::default()).num_days()) * DAY)
}

/// Nanoseconds from the date's UTC midnight, and how long the precision leaves open.
fn time_of_day(text: &str, lenient: bool) -> Option<(i128, i128)> {
    let zone_at = text.find(['Z', '+', '-']).unwrap_or(text.len());
    let (clock, zone) = text.split_at(zone_at);
    let mut fields = clock.split(':');
    let (hour, minute) = (digits(fields.next()?, 2)?, digits(fields.next()?, 2)?);
    let second = fields.next();
    // 60 is a leap second.
    if hour > 23 || minute > 59 || fields.next().is_some() || (second.is_none() && !lenient) {
        return None;
    }
    let (second, width) = match second {
        None => (0, 60 * SECOND),
        Some(text) => {
            let (whole, fraction) = text.split_once('.').map_or((text, None), |(w, f)| (w, Some(f)));
            let whole = digits(whole, 2).filter(|s| *s <= 60)?;
            let (part, width) = fraction.map_or(Some((0, SECOND)), nanoseconds)?;
            (i128::from(whole) * SECOND + part, width)
        }
    };
    let minutes = i128::from(hour) * 60 + i128::from(minute) - zone_minutes(zone, lenient)?;
    Some((minutes * 60 * SECOND + second, width))
}

fn zone_minutes(zone: &str, lenient: bool) -> Option<i128> {
    let sign = match zone.as_bytes().first() {
        None => return lenient.then_some(0),
        Some(b'Z') => return (zone.len() == 1).then_some(0),
        Some(b'-') => -1,
        Some(_) => 1,
    };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    (hours <= 14 && minutes <= 59).then(|| sign * (i128::from(hours) * 60 + i128::from(minutes)))
}

/// The part of a second after the point, and the width of its last digit; digits past nanoseconds are dropped.
fn nanoseconds(fraction: &str) -> Option<(i128, i128)> {
    if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let kept = fraction.get(..9).unwrap_or(fraction);
    let width = (kept.len()..9).fold(1, |width, _| width * 10);
    Some((kept.parse::<i128>().ok()? * width, width))
}

fn digits(text: &str, count: usize) -> Option<u32> {
    (text.len() == count && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn date(search: &str, target: &str) -> bool {
        DateValue::parse(search).unwrap().matches(&json!(target), &ElementType::Date)
    }

    #[test]
    fn the_examples_of_the_specification() {
        // "2013-01-14T00:00 matches ..., and not 2013-01-13T23:59Z or ..."
        assert!(date("eq2013-01-14", "2013-01-14T00:00:00Z"));
        assert!(date("eq2013-01-14", "2013-01-14T10:00:00Z"));
        assert!(!date("eq2013-01-14", "2013-01-15T00:00:00Z"));
        assert!(date("ne2013-01-14", "2013-01-15T00:00:00Z"));
        assert!(!date("ne2013-01-14", "2013-01-14T00:00:00Z"));
        assert!(date("lt2013-01-14T10:00", "2013-01-14"), "the day includes the part before 10:00");
        assert!(date("gt2013-01-14T10:00", "2013-01-14"), "and the part after it");
        assert!(date("ge2013-03-14", "2013-03-14T08:00:00Z"));
        assert!(date("ge2013-03-14", "2013-03-21"));
        assert!(!date("ge2013-03-14", "2013-03-13"));
        assert!(date("le2013-03-14", "2013-03-14"));
        assert!(date("sa2013-03-14", "2013-03-15"));
        assert!(!date("sa2013-03-14", "2013-03-14T23:00:00Z"));
        assert!(date("eb2013-03-14", "2013-03-13"));
        assert!(date("ap2013-03-14", "2013-03-14"));
        assert!(date("ap2013-03-14", "2013-03-15"));
        assert!(!date("ap2013-03-14", "2013-04-01"));
    }

    #[test]
    fn periods_that_are_open_reach_as_far_as_time() {
        let period = |search: &str, value: Value| DateValue::parse(search).unwrap().matches(&value, &ElementType::Period);
        assert!(period("ge2013-03-14", json!({"start": "2013-01-21"})));
        assert!(period("gt2050", json!({"start": "2013-01-21"})));
        assert!(!period("sa2013-03-14", json!({"start": "2013-01-21"})));
        assert!(period("eb2013-03-14", json!({"end": "2013-01-21"})));
        assert!(!period("2013", json!({"start": "2013-01-21"})));
        assert!(period("2013", json!({"start": "2013-01-21", "end": "2013-12-31"})), "the end's day belongs to it");
        assert!(!period("ne2013", json!({"start": "soon"})), "what cannot be read is no date");
        assert!(!period("ne2013", json!({})));
    }

    #[test]
    fn timings_are_judged_by_their_outer_limits() {
        let timing = |search: &str, value: Value| DateValue::parse(search).unwrap().matches(&value, &ElementType::Timing);
        let value = json!({"event": ["2020-01-05", "2020-03-01"], "repeat": {"boundsPeriod": {"start": "2020-01-01", "end": "2020-02-01"}}});
        assert!(timing("2020", value.clone()));
        assert!(!timing("2020-01", value.clone()));
        assert!(timing("lt2020-01-02", value));
        assert!(!timing("ne2020", json!({"code": {"text": "BID"}})));
    }

    #[test]
    fn zones_and_precision() {
        assert!(date("2020-01-01T10:00:00%2B01:00".replace("%2B", "+").as_str(), "2020-01-01T09:00:00Z"));
        assert!(date("2020-01-01", "2020-01-02T01:30:00+02:00"), "23:30 UTC the day before");
        assert!(date("2020-01-01T10:00:00Z", "2020-01-01T10:00:00.250Z"), "the second holds the quarter");
        assert!(!date("2020-01-01T10:00:00.25Z", "2020-01-01T10:00:00Z"));
        assert!(date("2020-01-01T10:00:00.250Z", "2020-01-01T10:00:00.250Z"));
        assert!(date("9999", "9999-12-31"));
        for bad in [
            "",
            "20",
            "2020-13",
            "2020-02-30",
            "2020-01-01T10",
            "2020-01-01 10:00",
            "2020-1-1",
            "2020-01-01T10:00 01:00",
            "today",
            "2020-01-01T25:00Z",
        ] {
            assert!(DateValue::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn equal_and_not_equal_divide_all_dates(a in "20[0-2][0-9](-0[1-9](-[0-2][1-8])?)?", b in "20[0-2][0-9]-0[1-9]-[0-2][1-8]") {
            prop_assert_ne!(date(&format!("eq{a}"), &b), date(&format!("ne{a}"), &b));
            let ge = date(&format!("eq{a}"), &b) || date(&format!("gt{a}"), &b);
            prop_assert_eq!(date(&format!("ge{a}"), &b), ge);
            let (after, before) = (date(&format!("sa{a}"), &b), date(&format!("eb{a}"), &b));
            prop_assert!(!(after && before));
        }

        #[test]
        fn never_panics(text in "\\PC{0,30}|[0-9T:.Z+-]{0,30}") {
            let _ = DateValue::parse(&text);
            let _ = parse(&text, false);
        }
    }
}
