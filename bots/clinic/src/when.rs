//! FHIR dates, dateTimes and Periods, taken at their word: a month is all its days, and an instant is a day only somewhere.
//!
//! Two questions, and no third: does a Period hold for certain (a licence must), or may it hold (an absence, an address).

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Utc};
use serde_json::Value;

/// A FHIR date or dateTime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// With a time and an offset.
    Instant(DateTime<Utc>),
    /// A day, or the days that a year or month spans: first and last.
    Days(NaiveDate, NaiveDate),
}

impl When {
    /// Reads a FHIR date or dateTime; none if it is neither (a dateTime without an offset is not one).
    pub(crate) fn parse(value: &str) -> Option<Self> {
        if value.contains('T') {
            return DateTime::parse_from_rfc3339(value).ok().map(|at| Self::Instant(at.with_timezone(&Utc)));
        }
        let number = |part: Option<&str>, width: usize| -> Option<u32> {
            let part = part?;
            (part.len() == width && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok()).flatten()
        };
        let mut parts = value.split('-');
        let year = i32::try_from(number(parts.next(), 4)?).ok()?;
        let (month, day) = (parts.next(), parts.next());
        if parts.next().is_some() {
            return None;
        }
        match (month, day) {
            (None, None) => Some(Self::Days(NaiveDate::from_ymd_opt(year, 1, 1)?, NaiveDate::from_ymd_opt(year, 12, 31)?)),
            (month, None) => {
                let first = NaiveDate::from_ymd_opt(year, number(month, 2)?, 1)?;
                Some(Self::Days(first, first.checked_add_months(Months::new(1))?.checked_sub_days(Days::new(1))?))
            }
            (month, day) => {
                let date = NaiveDate::from_ymd_opt(year, number(month, 2)?, number(day, 2)?)?;
                Some(Self::Days(date, date))
            }
        }
    }

    /// The first day that it may mean, anywhere on earth (a zone is at most 14 hours from UTC).
    pub(crate) fn first_day(self) -> NaiveDate {
        match self {
            Self::Instant(at) => (at - chrono::TimeDelta::hours(12)).date_naive(),
            Self::Days(first, _) => first,
        }
    }

    /// The last day that it may mean, anywhere on earth.
    pub(crate) fn last_day(self) -> NaiveDate {
        match self {
            Self::Instant(at) => (at + chrono::TimeDelta::hours(14)).date_naive(),
            Self::Days(_, last) => last,
        }
    }
}

/// Whether a Period is certain to hold from `first` to `last` (days included). Open ends hold; what cannot be read does not.
pub(crate) fn period_covers(period: Option<&Value>, first: NaiveDate, last: NaiveDate) -> bool {
    let Some(period) = period else { return true };
    if !period.is_object() {
        return false;
    }
    let starts = match period.get("start") {
        None => true,
        // The last day that the start may mean must not be after the first day of the work.
        Some(start) => start.as_str().and_then(When::parse).is_some_and(|w| certain_start(w) <= first),
    };
    let ends = match period.get("end") {
        None => true,
        Some(end) => end.as_str().and_then(When::parse).is_some_and(|w| certain_end(w) >= last),
    };
    starts && ends
}

/// A date as a start means that whole day; a year or month starts with its first day. An instant holds from the day after the last
/// day on which it may fall.
fn certain_start(when: When) -> NaiveDate {
    match when {
        When::Days(first, _) => first,
        When::Instant(_) => when.last_day(),
    }
}

/// A date as an end includes that day. An instant is certain only for the day before the first on which it may fall.
fn certain_end(when: When) -> NaiveDate {
    match when {
        When::Days(_, last) => last,
        When::Instant(_) => when.first_day().pred_opt().unwrap_or(NaiveDate::MIN),
    }
}

/// Whether a Period may hold on some day between `first` and `last`; what cannot be read may.
pub(crate) fn period_touches(period: Option<&Value>, first: NaiveDate, last: NaiveDate) -> bool {
    let bound = |key| period.and_then(|p| p.get(key)).and_then(Value::as_str).and_then(When::parse);
    bound("start").is_none_or(|w| w.first_day() <= last) && bound("end").is_none_or(|w| w.last_day() >= first)
}

/// Whole years between a birth date and a day.
pub(crate) fn age(born: NaiveDate, on: NaiveDate) -> i32 {
    let before = (on.month(), on.day()) < (born.month(), born.day());
    on.year() - born.year() - i32::from(before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn partial_dates_span_their_days() {
        assert_eq!(When::parse("2024-02"), Some(When::Days(day("2024-02-01"), day("2024-02-29"))));
        assert_eq!(When::parse("2024"), Some(When::Days(day("2024-01-01"), day("2024-12-31"))));
        assert_eq!(When::parse("2024-2-1"), None);
        assert_eq!(When::parse("2024-02-01T10:00:00"), None);
        assert_eq!(When::parse("soon"), None);
    }

    #[test]
    fn a_period_is_taken_at_its_narrowest() {
        let period = json!({ "start": "2026-01-01", "end": "2026-11-22" });
        assert!(period_covers(Some(&period), day("2026-01-01"), day("2026-11-22")));
        assert!(!period_covers(Some(&period), day("2026-01-01"), day("2026-11-23")));
        let instant = json!({ "end": "2026-11-22T00:00:00Z" });
        assert!(!period_covers(Some(&instant), day("2026-11-01"), day("2026-11-22")));
        assert!(period_covers(Some(&instant), day("2026-11-01"), day("2026-11-20")));
        assert!(!period_covers(Some(&json!({ "end": "unknown" })), day("2026-01-01"), day("2026-01-01")));
    }

    #[test]
    fn birthdays() {
        assert_eq!(age(day("2008-11-23"), day("2026-11-22")), 17);
        assert_eq!(age(day("2008-11-22"), day("2026-11-22")), 18);
        assert_eq!(age(day("2008-02-29"), day("2026-02-28")), 17);
    }
}
