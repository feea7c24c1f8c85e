//! Timers that runs set, on their way to be runs themselves.

use bytes::Bytes;
use hob_model::{BotName, Cause, Digest, Event, LaneKey, Payload, RunId, SourceId, TenantId, Timestamp};
use rusqlite::params;

use super::cell::{Db, Name};
use super::column::{At, at, change, count, first, limit, maybe, rows, text};
use super::fair::shared;
use super::fault::Res;
use super::resolve::add_event;
use crate::{NewEvent, NewRun, Opening, RunHead, TimerKey};

/// A bot in service.
struct Live {
    tenant: TenantId,
    bot: BotName,
    release: Digest,
}

/// The deployments in service are few: they are gone through at each look, and of each bot the index gives what is due.
fn live(db: &Db<'_>) -> Res<Vec<Live>> {
    rows(db, "SELECT tenant, bot, release FROM deployments WHERE active ORDER BY tenant, bot", [], |row| {
        Ok(Live { tenant: text(row, "tenant")?, bot: text(row, "bot")?, release: text(row, "release")? })
    })
}

pub(super) fn next(db: &Db<'_>) -> Res<Option<Timestamp>> {
    let mut soonest = None;
    for Live { tenant, bot, .. } in live(db)? {
        let sql = "SELECT min(due) AS due FROM timers WHERE tenant = ?1 AND bot = ?2 HAVING min(due) IS NOT NULL";
        let due = first(db, sql, params![tenant.as_str(), bot.as_str()], |row| Ok(at(row, "due")?))?;
        soonest = [soonest, due].into_iter().flatten().min();
    }
    Ok(soonest)
}

pub(super) fn fire(db: &Db<'_>, now: Timestamp, most: usize) -> Res<Vec<RunHead>> {
    let bots = live(db)?;
    let mut due = Vec::new();
    for bot in &bots {
        due.push(rows(
            db,
            "SELECT rowid AS id, due FROM timers WHERE tenant = ?1 AND bot = ?2 AND due <= ?3 ORDER BY due LIMIT ?4",
            params![bot.tenant.as_str(), bot.bot.as_str(), At(now), limit(most)],
            |row| Ok((at(row, "due")?, (bot, count(row, "id")?))),
        )?);
    }
    let mut heads = Vec::new();
    for (bot, id) in shared(due, most) {
        heads.extend(one(db, bot, id, now)?);
    }
    Ok(heads)
}

struct Timer {
    lane: LaneKey,
    key: String,
    due: Timestamp,
    set_by: RunId,
    source: Option<SourceId>,
    hop: u16,
    payload: Bytes,
}

fn one(db: &Db<'_>, live: &Live, id: u64, now: Timestamp) -> Res<Option<RunHead>> {
    let of = params![super::column::Count(id)];
    let cells = db.cells(&live.tenant, "timers")?;
    let timer = first(db, "SELECT lane, key, due, set_by, source, hop, payload FROM timers WHERE rowid = ?1", of, |row| {
        Ok(Timer {
            lane: cells.name_out(Name::Lane, row, "lane")?,
            key: cells.name_out(Name::Timer, row, "key")?,
            due: at(row, "due")?,
            set_by: text(row, "set_by")?,
            source: maybe(row, "source")?,
            hop: row.get("hop")?,
            payload: cells.bytes_out(row, "payload")?,
        })
    })?;
    let Some(Timer { lane, key, due, set_by, source, hop, payload }) = timer else { return Ok(None) };
    change(db, "DELETE FROM timers WHERE rowid = ?1", of)?;
    let Live { tenant, bot, release } = live;
    let name = TimerKey { tenant: tenant.clone(), bot: bot.clone(), lane: lane.clone(), key: key.clone() };
    let event = Event {
        id: name.event_id(due, set_by),
        tenant: tenant.clone(),
        source,
        cause: Cause::Timer { key: key.clone(), due, set_by },
        occurred: Some(due),
        received: now,
        hop,
    };
    let run = NewRun { bot: bot.clone(), release: *release, lane, opening: Opening::Pending, supersedes_earlier: false };
    let payload = Payload { content_type: "application/json".to_owned(), bytes: payload };
    let queued = add_event(db, &NewEvent { event, payload, runs: vec![run] }, Some(&key))?;
    Ok(queued.heads.into_iter().next())
}
