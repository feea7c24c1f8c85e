//! The good end of a run: everything that it decided takes effect in one commit.

use hob_model::{RunState, TimerOp, Timestamp};
use rusqlite::params;

use super::cell::{Db, Name};
use super::column::{At, change, rows, text};
use super::fault::Res;
use super::{fence, run};
use crate::{Finish, LedgerError, OutboxKey, RunHead, RunKey};

pub(super) fn finish(db: &Db<'_>, key: &RunKey, finish: Finish) -> Res<Vec<RunKey>> {
    let head = run::one(db, key)?;
    match head.state {
        RunState::Done => return Ok(Vec::new()),
        state if state.is_open() => {}
        state => return Err(LedgerError::RunIs { state, needs: "open" }.into()),
    }
    let Finish { tried, recorded, wrote, references, timers, outbox, fence } = finish;
    let attempt = &tried.attempt;
    let ended = attempt.ended;
    let (tenant, id) = (key.tenant.as_str(), key.run.to_string());
    let told = run::Told { release: &tried.release, failure: None, journal: tried.journal };
    run::put_attempt(db, &head, attempt.number, attempt.started, Some(ended), told)?;
    change(
        db,
        "UPDATE runs SET state = 'done', ended = ?3, attempts = max(attempts, ?4), not_before = NULL, failure = NULL
         WHERE tenant = ?1 AND run = ?2",
        params![tenant, id, At(ended), attempt.number],
    )?;
    if let Some(recorded) = &recorded {
        run::put_recorded(db, key, recorded, false)?;
    }
    let cells = db.cells(&key.tenant, "recorded")?;
    change(
        db,
        "UPDATE recorded SET live = 0, wrote = ?3, urns = ?4 WHERE tenant = ?1 AND run = ?2",
        params![
            tenant,
            id,
            cells.json_in("wrote", &wrote.iter().map(|w| (w.reference.to_string(), w.version.as_str())).collect::<Vec<_>>())?,
            cells.json_in("urns", &references)?
        ],
    )?;
    if let (Some(source), Some(version)) = (&head.source, &fence) {
        fence::moved(db, key, source, version)?;
    } else {
        fence::free_all(db, key)?;
    }
    if let Some(source) = &head.source {
        for written in &wrote {
            change(
                db,
                "INSERT INTO own_writes (tenant, source, resource, version, bot, hop, run)
                 SELECT ?1, ?2, ?3, ?4, bot, hop, run FROM runs WHERE tenant = ?1 AND run = ?5
                 ON CONFLICT (tenant, source, resource, version) DO NOTHING",
                params![
                    tenant,
                    source.as_str(),
                    cells.name_in(Name::Resource, &written.reference.to_string())?,
                    written.version.as_str(),
                    id
                ],
            )?;
        }
    }
    let mut taken_back = Vec::new();
    for timer in timers {
        taken_back.extend(apply(db, &head, &timer, ended)?);
    }
    let cells = db.cells(&key.tenant, "outbox")?;
    for item in outbox {
        let name = OutboxKey { tenant: key.tenant.clone(), run: key.run, key: item.key.clone() };
        change(
            db,
            "INSERT INTO outbox (tenant, run, key, bot, lane, source, hop, item, idempotency, state, due, staged, host)
             SELECT tenant, run, ?3, bot, lane, source, hop, ?4, ?5, 'waiting', ?6, ?6, ?7 FROM runs WHERE tenant = ?1 AND run = ?2
             ON CONFLICT (tenant, run, key) DO NOTHING",
            params![
                tenant,
                id,
                cells.name_in(Name::Outbox, &item.key)?,
                cells.json_in("item", &item)?,
                name.idempotency_key(),
                At(ended),
                crate::outbox::host_of(&item.url)
            ],
        )?;
    }
    Ok(taken_back)
}

/// Sets, moves or takes back a timer. Either way a firing that has not ended is taken back: it was of the timer before.
fn apply(db: &Db<'_>, head: &RunHead, timer: &TimerOp, now: Timestamp) -> Res<Vec<RunKey>> {
    let (tenant, bot, lane) = (head.key.tenant.as_str(), head.bot.as_str(), head.lane.as_str());
    let cells = db.cells(tenant, "timers")?;
    let key = match timer {
        TimerOp::Set { key, .. } | TimerOp::Cancel { key } => cells.name_in(Name::Timer, key)?,
    };
    let lane = cells.name_in(Name::Lane, lane)?;
    match timer {
        TimerOp::Set { at, payload, .. } => change(
            db,
            "INSERT OR REPLACE INTO timers (tenant, bot, lane, key, due, set_by, source, hop, payload)
             SELECT tenant, bot, lane, ?3, ?4, run, source, hop, ?5 FROM runs WHERE tenant = ?1 AND run = ?2",
            params![tenant, head.key.run.to_string(), key, At(*at), cells.json_in("payload", payload)?],
        )?,
        TimerOp::Cancel { .. } => change(
            db,
            "DELETE FROM timers WHERE tenant = ?1 AND bot = ?2 AND lane = ?3 AND key = ?4",
            params![tenant, bot, lane, key],
        )?,
    };
    rows(
        db,
        "UPDATE runs SET state = 'superseded', ended = ?5, not_before = NULL WHERE tenant = ?1 AND bot = ?2 AND lane = ?3 AND timer = ?4
           AND state = 'pending' RETURNING run",
        params![tenant, bot, lane, key, At(now)],
        |row| Ok(RunKey { tenant: head.key.tenant.clone(), run: text(row, "run")? }),
    )
}
