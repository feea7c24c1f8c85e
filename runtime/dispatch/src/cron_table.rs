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
    pub fn set(
        &mut self,
        tenant: &TenantId,
        bot: &BotName,
        schedule: Schedule,
        mark: Timestamp,
    ) -> CronKey {
        let key = CronKey {
            tenant: tenant.clone(),
            bot: bot.clone(),
            expression: schedule.expression().to_owned(),
            zone: schedule.zone().name().to_owned(),
        };
        let next = schedule.next_after(mark);
        self.rows.insert(
            key.clone(),
            Row {
                schedule,
                mark,
                next,
            },
        );
        key
    }

    /// Forgets a bot's triggers.
    pub fn remove(&mut self, tenant: &TenantId, bot: &BotName) {
        self.rows
            .retain(|key, _| (&key.tenant, &key.bot) != (tenant, bot));
    }

    /// What is due at `now`, in the order of keys. The same again until [`CronTable::fired`].
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Vec<CronDue> {
        let due = |(key, row): (&CronKey, &Row)| {
            let first = row.next.filter(|next| *next <= now)?;
            let at = row.schedule.last_until(now).unwrap_or(first).max(first);
            Some(CronDue {
                key: key.clone(),
                at,
            })
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
