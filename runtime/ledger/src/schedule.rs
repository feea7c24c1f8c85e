//! Timers and cron: what comes due.

use hob_model::{BotName, EventId, LaneKey, RunId, TenantId, Timestamp};

/// A timer: one for each key of a bot's lane.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerKey {
    /// The clinic.
    pub tenant: TenantId,
    /// The bot.
    pub bot: BotName,
    /// The lane of the run that set it.
    pub lane: LaneKey,
    /// The key that the run gave it.
    pub key: String,
}

impl TimerKey {
    /// The event of its firing at `due`, when `set_by` had set it: the same, however often it is looked at.
    #[must_use]
    pub fn event_id(&self, due: Timestamp, set_by: RunId) -> EventId {
        EventId::of_parts(&[
            b"timer",
            self.tenant.as_str().as_bytes(),
            self.bot.as_str().as_bytes(),
            self.lane.as_str().as_bytes(),
            self.key.as_bytes(),
            &due.micros().to_be_bytes(),
            // Without it, a timer set again for the same instant by a later run would be taken for one that has fired.
            set_by.as_bytes(),
        ])
    }
}

/// One cron trigger of one bot; another expression or zone is another trigger.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CronKey {
    /// The clinic.
    pub tenant: TenantId,
    /// The bot.
    pub bot: BotName,
    /// The expression, as written.
    pub schedule: String,
    /// The zone's IANA name.
    pub zone: String,
}

impl CronKey {
    /// The event of its instant `at`.
    #[must_use]
    pub fn event_id(&self, at: Timestamp) -> EventId {
        EventId::of_parts(&[
            b"cron",
            self.tenant.as_str().as_bytes(),
            self.bot.as_str().as_bytes(),
            self.schedule.as_bytes(),
            self.zone.as_bytes(),
            &at.micros().to_be_bytes(),
        ])
    }
}
