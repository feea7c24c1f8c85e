//! Which cron expressions of which bots are due.
//!
//! The table holds a mark for each: the last instant that the ledger has taken. It moves a mark only when told so, so that
//! a crash or a failed write between due and taken loses nothing; an instant told twice is the same event. Of what was missed
//! while nobody looked only the latest is due, late: a bot that was off for a week wants one reminder, not seven.

use std::collections::BTreeMap;

use hob_model::{BotName, TenantId, Timestamp};

use crate::cron::Schedule;

/// One cron trigger of one bot. Schedule and zone as text, so that a changed expression is another trigger.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CronKey {
    /// The clinic.
    pub tenant: TenantId,
    /// The bot.
    pub bot: BotName,
    /// The expression, as written.
    pub expression: String,
    /// The zone's IANA name.
    pub zone: String,
}

/// A trigger that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronDue {
    /// Which.
    pub key: CronKey,
    /// The instant that its expression names; the latest where several were missed.
    pub at: Timestamp,
}

#[derive(Debug)]
struct Row {
    schedule: Schedule,
    mark: Timestamp,
    next: Option<Timestamp>,
}

/// The cron triggers of all live bots.
#[derive(Debug, Default)]
pub struct CronTable {
    rows: BTreeMap<CronKey, Row>,
}

impl CronTable {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a trigger, or moves its mark. `mark` is the last instant that the ledger has taken; for a new trigger, its deploy.
    pub fn set(&mut self, tenant: &TenantId, bot: &BotName, schedule: Schedule, mark: Timestamp) -> CronKey {
        let key = CronKey {
            tenant: tenant.clone(),
            bot: bot.clone(),
            expression: schedule.expression().to_owned(),
            zone: schedule.zone().name().to_owned(),
        };
        let next = schedule.next_after(mark);
        self.rows.insert(key.clone(), Row { schedule, mark, next });
        key
    }

    /// Forgets a bot's triggers.
    pub fn remove(&mut self, tenant: &TenantId, bot: &BotName) {
        self.rows.retain(|key, _| (&key.tenant, &key.bot) != (tenant, bot));
    }

    /// What is due at `now`, in the order of keys. The same again until [`CronTable::fired`].
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Vec<CronDue> {
        let due = |(key, row): (&CronKey, &Row)| {
            let first = row.next.filter(|next| *next <= now)?;
            let at = row.schedule.last_until(now).unwrap_or(first).max(first);
            Some(CronDue { key: key.clone(), at })
        };
        self.rows.iter().filter_map(due).collect()
    }

    /// The ledger has taken this trigger's instant `at`. Marks never move back; an unknown key is none of ours any more.
    pub fn fired(&mut self, key: &CronKey, at: Timestamp) {
        if let Some(row) = self.rows.get_mut(key).filter(|row| at > row.mark) {
            row.mark = at;
            row.next = row.schedule.next_after(at);
        }
    }

    /// The instant at which the next trigger comes due, or came.
    #[must_use]
    pub fn next(&self) -> Option<Timestamp> {
        self.rows.values().filter_map(|row| row.next).min()
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn table() -> (CronTable, CronKey) {
        let mut table = CronTable::new();
        let daily = Schedule::parse("0 0 9 * * *", Tz::UTC).unwrap();
        let key = table.set(&"a".parse().unwrap(), &"reminder".parse().unwrap(), daily, at("2026-11-01T12:00:00Z"));
        (table, key)
    }

    #[test]
    fn of_what_was_missed_the_latest_is_due_until_it_is_taken() {
        let (mut table, key) = table();
        assert_eq!(table.next(), Some(at("2026-11-02T09:00:00Z")));
        assert!(table.due(at("2026-11-02T08:59:59Z")).is_empty());
        let late = at("2026-11-05T10:00:00Z");
        let due = vec![CronDue { key: key.clone(), at: at("2026-11-05T09:00:00Z") }];
        assert_eq!(table.due(late), due);
        assert_eq!(table.due(late), due, "nothing is lost if it could not be written");
        table.fired(&key, due[0].at);
        assert!(table.due(late).is_empty());
        assert_eq!(table.next(), Some(at("2026-11-06T09:00:00Z")));
        table.fired(&key, at("2026-11-03T09:00:00Z"));
        assert_eq!(table.next(), Some(at("2026-11-06T09:00:00Z")), "marks do not move back");
    }

    proptest::proptest! {
        /// A clock that is turned forward and back, and a host that starts anew at any time with the marks of its ledger: every instant fires once at
        /// most, in order, and after each look the latest that had come by then has fired.
        #[test]
        fn each_instant_fires_once_however_the_clock_is_turned(steps in proptest::collection::vec((-200_i64..400, proptest::bool::ANY), 1..60)) {
            const MINUTE: i64 = 60_000_000;
            let begin = at("2026-10-31T23:30:00Z");
            let hourly = || Schedule::parse("0 0 * * * *", Tz::UTC).unwrap();
            let fresh = |mark| {
                let mut table = CronTable::new();
                let key = table.set(&"a".parse().unwrap(), &"b".parse().unwrap(), hourly(), mark);
                (table, key)
            };
            let (mut table, key) = fresh(begin);
            let (mut now, mut mark, mut latest) = (begin.micros(), begin, begin.micros());
            for (minutes, restarts) in steps {
                now += minutes * MINUTE;
                latest = latest.max(now);
                if restarts {
                    (table, _) = fresh(mark);
                }
                for due in table.due(Timestamp::from_micros(now)) {
                    proptest::prop_assert!(due.at > mark && due.at.micros() <= now);
                    mark = due.at;
                    table.fired(&key, due.at);
                }
                // Begins at half past: whole hours since the epoch are the instants.
                let came = latest / (60 * MINUTE) * 60 * MINUTE;
                proptest::prop_assert_eq!(mark.micros(), came.max(begin.micros()));
            }
        }
    }

    #[test]
    fn a_bot_that_is_removed_is_due_no_more() {
        let (mut table, key) = table();
        table.remove(&"b".parse().unwrap(), &key.bot);
        assert!(table.next().is_some());
        table.remove(&key.tenant, &key.bot);
        assert_eq!((table.next(), table.due(at("2027-01-01T00:00:00Z"))), (None, vec![]));
    }
}
