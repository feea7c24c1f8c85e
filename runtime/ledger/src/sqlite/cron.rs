//! Cron triggers: which of their instants have fired.

use hob_model::Timestamp;
use rusqlite::params;

use super::cell::Db;
use super::column::{At, at, change, first};
use super::fault::Res;
use super::resolve::add_event;
use crate::{CronKey, NewEvent, Queued};

pub(super) fn mark(db: &Db<'_>, key: &CronKey) -> Res<Option<Timestamp>> {
    first(
        db,
        "SELECT at FROM cron_marks WHERE tenant = ?1 AND bot = ?2 AND schedule = ?3 AND zone = ?4",
        params![key.tenant.as_str(), key.bot.as_str(), key.schedule, key.zone],
        |row| Ok(at(row, "at")?),
    )
}

pub(super) fn fire(db: &Db<'_>, key: &CronKey, instant: Timestamp, event: &NewEvent) -> Res<Queued> {
    let moved = change(
        db,
        "INSERT INTO cron_marks (tenant, bot, schedule, zone, at) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (tenant, bot, schedule, zone) DO UPDATE SET at = excluded.at WHERE excluded.at > cron_marks.at",
        params![key.tenant.as_str(), key.bot.as_str(), key.schedule, key.zone, At(instant)],
    )?;
    if moved == 0 { Ok(Queued::default()) } else { add_event(db, event, None) }
}
