//! When a cron expression comes due, in a time zone with its changes of the clock.
//!
//! The expression is read on the wall clock, then put on the time line, so that each reading of the clock fires once:
//! - a reading that the clock skips (spring) fires at the first instant after the gap, once however many were skipped;
//! - a reading that the clock shows twice (autumn) fires the first time only. An expression that fires every few minutes
//!   therefore rests for the repeated hour: the price of one rule that suits daily jobs, which are what bots have.

use std::str::FromStr;

use chrono::{DateTime, Days, LocalResult, NaiveDate, NaiveDateTime, Offset, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use hob_model::Timestamp;

/// A cron expression with seconds (`sec min hour day month weekday [year]`) and the zone in which it is read.
#[derive(Debug, Clone)]
pub struct Schedule {
    fields: cron::Schedule,
    zone: Tz,
}

/// An expression that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{expression}` is not a cron expression of six or seven fields, seconds first: {reason}")]
pub struct BadSchedule {
    /// As written.
    pub expression: String,
    /// The parser's words.
    pub reason: String,
}

impl Schedule {
    /// Reads `expression`.
    ///
    /// # Errors
    /// [`BadSchedule`] where the expression breaks the grammar.
    pub fn parse(expression: &str, zone: Tz) -> Result<Self, BadSchedule> {
        let fields = cron::Schedule::from_str(expression)
            .map_err(|error| BadSchedule { expression: expression.to_owned(), reason: error.to_string() })?;
        Ok(Self { fields, zone })
    }

    /// The expression, as written.
    #[must_use]
    pub fn expression(&self) -> &str {
        self.fields.source()
    }

    /// The zone.
    #[must_use]
    pub const fn zone(&self) -> Tz {
        self.zone
    }

    /// The first instant after `after` at which it comes due; `None` where there is none (the parser's years end in 2100).
    #[must_use]
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        // A reading at or before the one that the clock shows at `after` has fired by then.
        let from = within_years(self.reading(after).with_nanosecond(0)?);
        self.fields.after(&from.and_utc()).filter_map(|reading| self.instant(reading)).find(|at| *at > after)
    }

    /// The last instant at or before `at` at which it came due.
    #[must_use]
    pub fn last_until(&self, at: Timestamp) -> Option<Timestamp> {
        // Shortly after the clock was set back it shows less than it has shown: begin at the most that it has shown.
        let today = self.reading(at);
        let day = TimeDelta::days(1);
        let kept = Timestamp::from_utc(at.to_utc().checked_sub_signed(day)?);
        let shown = today.max(self.reading(kept).checked_add_signed(day)?);
        let from = shown.checked_add_signed(TimeDelta::seconds(1))?.with_nanosecond(0)?;
        self.fields.after(&from.and_utc()).rev().filter_map(|reading| self.instant(reading)).find(|found| *found <= at)
    }

    /// What the zone's clock shows.
    fn reading(&self, at: Timestamp) -> NaiveDateTime {
        let utc = at.to_utc();
        let offset = self.zone.offset_from_utc_datetime(&utc.naive_utc()).fix();
        // Only at the very ends of chrono's range does the sum leave it.
        utc.naive_utc().checked_add_offset(offset).unwrap_or(utc.naive_utc())
    }

    /// Where a reading lies on the time line, by the rules above.
    fn instant(&self, reading: DateTime<Utc>) -> Option<Timestamp> {
        let naive = reading.naive_utc();
        let at = match self.zone.from_local_datetime(&naive) {
            LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => at.to_utc(),
            LocalResult::None => self.after_gap(naive)?,
        };
        Some(Timestamp::from_utc(at))
    }

    /// The first instant after the gap that `naive` lies in: where the offset changes, found by halving.
    fn after_gap(&self, naive: NaiveDateTime) -> Option<DateTime<Utc>> {
        // Two days cover any offset and the longest gap, which was a day (a zone that crossed the date line).
        let mut before = naive.checked_sub_days(Days::new(2))?.and_utc().timestamp();
        let mut after = naive.checked_add_days(Days::new(2))?.and_utc().timestamp();
        let shows = |seconds: i64| -> Option<NaiveDateTime> {
            Some(self.reading(Timestamp::from_utc(DateTime::from_timestamp(seconds, 0)?)))
        };
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            if shows(middle)? > naive { after = middle } else { before = middle }
        }
        DateTime::from_timestamp(after, 0)
    }
}

/// The nearest reading to `reading` that the parser can count from: it knows the years 1970 to 2100, and panics at the ends of
/// chrono's.
fn within_years(reading: NaiveDateTime) -> NaiveDateTime {
    let (first, last) = (NaiveDate::from_ymd_opt(1969, 12, 31), NaiveDate::from_ymd_opt(2101, 1, 1));
    let (Some(first), Some(last)) = (first, last) else {
        return reading;
    };
    reading.clamp(first.into(), last.into())
}

#[cfg(test)]
mod tests;
