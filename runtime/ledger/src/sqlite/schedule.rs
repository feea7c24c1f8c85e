//! What comes due: timers, cron, the outbox.

use hob_model::{Cause, Event, Payload, SourceId, Timestamp};
use rusqlite::params;

use super::cell::{Db, Name};
use super::column::{At, at, change, first, limit, maybe, rows, tenants, text};
use super::fault::Res;
use super::resolve::add_event;
use crate::{CronKey, DueOutbox, DueTimer, LedgerError, NewEvent, NewRun, Opening, OutboxKey, Queued, RunHead, TimerKey};

/// The bot of the timer is in service.
const LIVE: &str = "EXISTS (SELECT 1 FROM deployments d WHERE d.tenant = t.tenant AND d.bot = t.bot AND d.active)";

pub(super) fn due_timers(db: &Db<'_>, now: Timestamp, most: usize) -> Res<Vec<DueTimer>> {
    let sql = format!(
        "SELECT tenant, bot, lane, key, due, set_by, source FROM timers t
         WHERE tenant = ?1 AND due <= ?2 AND {LIVE} ORDER BY due LIMIT ?3"
    );
    let mut found = Vec::new();
    for tenant in tenants(db, "timers", "timers_due", "TRUE")? {
        let cells = db.cells(&tenant, "timers")?;
        found.extend(rows(db, &sql, params![tenant, At(now), limit(most)], |row| {
            let key = TimerKey {
                tenant: text(row, "tenant")?,
                bot: text(row, "bot")?,
                lane: cells.name_out(Name::Lane, row, "lane")?,
                key: cells.name_out(Name::Timer, row, "key")?,
            };
            Ok(DueTimer { key, due: at(row, "due")?, set_by: text(row, "set_by")?, source: maybe(row, "source")? })
        })?);
    }
    found.sort_by(|a, b| (a.due, &a.key).cmp(&(b.due, &b.key)));
    found.truncate(most);
    Ok(found)
}

pub(super) fn next_timer(db: &Db<'_>) -> Res<Option<Timestamp>> {
    let sql = format!("SELECT due FROM timers t WHERE tenant = ?1 AND {LIVE} ORDER BY due LIMIT 1");
    earliest(db, "timers", "timers_due", "TRUE", &sql)
}

fn earliest(db: &Db<'_>, table: &str, index: &str, condition: &str, sql: &str) -> Res<Option<Timestamp>> {
    let mut soonest = None;
    for tenant in tenants(db, table, index, condition)? {
        let due = first(db, sql, params![tenant], |row| Ok(at(row, "due")?))?;
        soonest = [soonest, due].into_iter().flatten().min();
    }
    Ok(soonest)
}

pub(super) fn fire_timer(db: &Db<'_>, timer: &DueTimer, now: Timestamp) -> Res<Option<RunHead>> {
    let TimerKey { tenant, bot, lane, key } = &timer.key;
    let release = first(
        db,
        "SELECT release FROM deployments WHERE tenant = ?1 AND bot = ?2 AND active",
        params![tenant.as_str(), bot.as_str()],
        |row| Ok(text(row, "release")?),
    )?;
    let Some(release) = release else { return Ok(None) };
    let cells = db.cells(tenant, "timers")?;
    let taken = first(
        db,
        "DELETE FROM timers WHERE tenant = ?1 AND bot = ?2 AND lane = ?3 AND key = ?4 AND due = ?5 AND set_by = ?6
         RETURNING source, hop, payload",
        params![
            tenant.as_str(),
            bot.as_str(),
            cells.name_in(Name::Lane, lane.as_str())?,
            cells.name_in(Name::Timer, key)?,
            At(timer.due),
            timer.set_by.to_string()
        ],
        |row| Ok((maybe::<SourceId>(row, "source")?, row.get("hop")?, cells.bytes_out(row, "payload")?)),
    )?;
    let Some((source, hop, bytes)) = taken else { return Ok(None) };
    let event = Event {
        id: timer.key.event_id(timer.due, timer.set_by),
        tenant: tenant.clone(),
        source,
        cause: Cause::Timer { key: key.clone(), due: timer.due, set_by: timer.set_by },
        occurred: Some(timer.due),
        received: now,
        hop,
    };
    let run = NewRun { bot: bot.clone(), release, lane: lane.clone(), opening: Opening::Pending, supersedes_earlier: false };
    let payload = Payload { content_type: "application/json".to_owned(), bytes };
    let queued = add_event(db, &NewEvent { event, payload, runs: vec![run] }, Some(key))?;
    Ok(queued.heads.into_iter().next())
}

pub(super) fn cron_mark(db: &Db<'_>, key: &CronKey) -> Res<Option<Timestamp>> {
    first(
        db,
        "SELECT at FROM cron_marks WHERE tenant = ?1 AND bot = ?2 AND schedule = ?3 AND zone = ?4",
        params![key.tenant.as_str(), key.bot.as_str(), key.schedule, key.zone],
        |row| Ok(at(row, "at")?),
    )
}

pub(super) fn fire_cron(db: &Db<'_>, key: &CronKey, instant: Timestamp, event: &NewEvent) -> Res<Queued> {
    let moved = change(
        db,
        "INSERT INTO cron_marks (tenant, bot, schedule, zone, at) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (tenant, bot, schedule, zone) DO UPDATE SET at = excluded.at WHERE excluded.at > cron_marks.at",
        params![key.tenant.as_str(), key.bot.as_str(), key.schedule, key.zone, At(instant)],
    )?;
    if moved == 0 { Ok(Queued::default()) } else { add_event(db, event, None) }
}

pub(super) fn due_outbox(db: &Db<'_>, now: Timestamp, most: usize) -> Res<Vec<DueOutbox>> {
    let mut found = Vec::new();
    for tenant in tenants(db, "outbox", "outbox_due", "state = 'waiting'")? {
        let cells = db.cells(&tenant, "outbox")?;
        found.extend(rows(
            db,
            "SELECT tenant, run, key, bot, lane, source, hop, item, idempotency, attempts, staged FROM outbox
             WHERE state = 'waiting' AND tenant = ?1 AND due <= ?2 ORDER BY due LIMIT ?3",
            params![tenant, At(now), limit(most)],
            |row| {
                Ok(DueOutbox {
                    key: OutboxKey {
                        tenant: text(row, "tenant")?,
                        run: text(row, "run")?,
                        key: cells.name_out(Name::Outbox, row, "key")?,
                    },
                    bot: text(row, "bot")?,
                    lane: cells.name_out(Name::Lane, row, "lane")?,
                    source: maybe(row, "source")?,
                    hop: row.get("hop")?,
                    item: cells.json_out(row, "item")?,
                    idempotency_key: row.get("idempotency")?,
                    attempts: row.get("attempts")?,
                    staged: at(row, "staged")?,
                })
            },
        )?);
    }
    found.sort_by(|a, b| (a.staged, &a.key).cmp(&(b.staged, &b.key)));
    found.truncate(most);
    Ok(found)
}

pub(super) fn next_outbox(db: &Db<'_>) -> Res<Option<Timestamp>> {
    let sql = "SELECT due FROM outbox WHERE state = 'waiting' AND tenant = ?1 ORDER BY due LIMIT 1";
    earliest(db, "outbox", "outbox_due", "state = 'waiting'", sql)
}

pub(super) fn outbox_again(db: &Db<'_>, key: &OutboxKey, due: Timestamp) -> Res<()> {
    let name = db.cells(&key.tenant, "outbox")?.name_in(Name::Outbox, &key.key)?;
    let moved = change(
        db,
        "UPDATE outbox SET attempts = attempts + 1, due = ?4 WHERE tenant = ?1 AND run = ?2 AND key = ?3 AND state = 'waiting'",
        params![key.tenant.as_str(), key.run.to_string(), name, At(due)],
    )?;
    found(moved)
}

pub(super) fn outbox_done(db: &Db<'_>, key: &OutboxKey, reply: Option<&NewEvent>) -> Res<Queued> {
    let name = db.cells(&key.tenant, "outbox")?.name_in(Name::Outbox, &key.key)?;
    let ended = change(
        db,
        "UPDATE outbox SET attempts = attempts + (state = 'waiting'), state = 'done'
         WHERE tenant = ?1 AND run = ?2 AND key = ?3",
        params![key.tenant.as_str(), key.run.to_string(), name],
    )?;
    found(ended)?;
    reply.map_or_else(|| Ok(Queued::default()), |event| add_event(db, event, None))
}

fn found(changed: usize) -> Res<()> {
    if changed == 0 { Err(LedgerError::NotFound { what: "outbox request" }.into()) } else { Ok(()) }
}
