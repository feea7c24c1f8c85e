//! A run's life after it was made: load, record, fail, supersede, retry. Its good end is in `finish`.

use hob_model::{
    Attempt, BotName, Digest, Failure, FailureKind, Journal, LaneKey, LogLevel, LogLine, RunState, TenantId, Timestamp,
};
use rusqlite::{Row, params};

use super::cell::{Cells, Db, Name};
use super::column::{At, Count, at, change, first, limit, maybe, maybe_at, rows, text};
use super::fault::Res;
use super::resolve::{HEAD, head};
use super::{ask, fence};
use crate::{FenceUse, LedgerError, Next, REQUEST_UNKNOWN, Recorded, RunHead, RunKey, RunRecord, RunSeq, Tried};

pub(super) fn open_runs(db: &Db<'_>, tenant: &TenantId, bot: &BotName, after: RunSeq, most: usize) -> Res<Vec<RunHead>> {
    let sql = format!(
        "SELECT {HEAD} FROM runs INDEXED BY runs_open WHERE tenant = ?1 AND bot = ?2 AND seq > ?3
         AND (state IN ('pending', 'recorded') OR held) ORDER BY seq LIMIT ?4"
    );
    let cells = db.cells(tenant, "runs")?;
    rows(db, &sql, params![tenant.as_str(), bot.as_str(), Count(after.get()), limit(most)], |row| head(&cells, row, tenant))
}

pub(super) fn open_in_lane(
    db: &Db<'_>,
    tenant: &TenantId,
    bot: &BotName,
    lane: &LaneKey,
    after: RunSeq,
    most: usize,
) -> Res<Vec<RunHead>> {
    let sql = format!(
        "SELECT {HEAD} FROM runs INDEXED BY runs_lane WHERE tenant = ?1 AND bot = ?2 AND lane = ?3 AND seq > ?4
         AND (state IN ('pending', 'recorded') OR held) ORDER BY seq LIMIT ?5"
    );
    let cells = db.cells(tenant, "runs")?;
    let lane = cells.name_in(Name::Lane, lane.as_str())?;
    let of = params![tenant.as_str(), bot.as_str(), lane, Count(after.get()), limit(most)];
    rows(db, &sql, of, |row| head(&cells, row, tenant))
}

pub(super) fn one(db: &Db<'_>, key: &RunKey) -> Res<RunHead> {
    let sql = format!("SELECT {HEAD} FROM runs WHERE tenant = ?1 AND run = ?2");
    let cells = db.cells(&key.tenant, "runs")?;
    first(db, &sql, params![key.tenant.as_str(), key.run.to_string()], |row| head(&cells, row, &key.tenant))?
        .ok_or_else(|| LedgerError::NotFound { what: "run" }.into())
}

/// An attempt; `cells` are those of the tenant's attempts.
pub(super) fn attempt(cells: &Cells<'_>, row: &Row<'_>) -> Res<Attempt> {
    let started = at(row, "started")?;
    Ok(Attempt {
        number: row.get("number")?,
        started,
        ended: maybe_at(row, "ended")?.unwrap_or(started),
        failure: cells.json_maybe(row, "failure")?,
    })
}

pub(super) fn load(db: &Db<'_>, key: &RunKey) -> Res<RunRecord> {
    let head = one(db, key)?;
    let of = params![key.tenant.as_str(), key.run.to_string()];
    let cells = db.cells(&key.tenant, "events")?;
    let record = first(
        db,
        "SELECT r.release, e.body, e.content_type, e.payload FROM runs r
           JOIN events e ON e.tenant = r.tenant AND e.event = r.event WHERE r.tenant = ?1 AND r.run = ?2",
        of,
        |row| {
            let payload = hob_model::Payload { content_type: row.get("content_type")?, bytes: cells.bytes_out(row, "payload")? };
            Ok((text(row, "release")?, cells.json_out(row, "body")?, payload))
        },
    )?;
    let Some((release, event, payload)) = record else {
        return Err(LedgerError::Corrupt { what: "a run without its event".to_owned() }.into());
    };
    let cells = db.cells(&key.tenant, "attempts")?;
    let attempts = rows(
        db,
        "SELECT number, started, ended, failure FROM attempts WHERE tenant = ?1 AND run = ?2 ORDER BY number",
        of,
        |row| attempt(&cells, row),
    )?;
    let recorded = if head.state == RunState::Recorded { recorded(db, key)? } else { None };
    Ok(RunRecord { head, event, payload, release, attempts, recorded })
}

const RECORDED: &str = "recorded";

pub(super) fn recorded(db: &Db<'_>, key: &RunKey) -> Res<Option<Recorded>> {
    let cells = db.cells(&key.tenant, RECORDED)?;
    first(
        db,
        "SELECT attempt, release, effects, bundle, fence_slot, fence_reference, fence_version, result_type, result
         FROM recorded WHERE tenant = ?1 AND run = ?2",
        params![key.tenant.as_str(), key.run.to_string()],
        |row| {
            let slot: Option<u32> = row.get("fence_slot")?;
            let reference = maybe(row, "fence_reference")?;
            let version = maybe(row, "fence_version")?;
            let content_type: Option<String> = row.get("result_type")?;
            let result = match content_type {
                Some(content_type) => Some(hob_model::Payload { content_type, bytes: cells.bytes_out(row, "result")? }),
                None => None,
            };
            Ok(Recorded {
                attempt: row.get("attempt")?,
                release: text(row, "release")?,
                effects: cells.json_out(row, "effects")?,
                bundle: cells.bytes_out(row, "bundle")?,
                fence: slot.zip(reference).map(|(slot, reference)| FenceUse { slot, reference, version }),
                result,
            })
        },
    )
}

pub(super) fn must_be_open(head: &RunHead) -> Res<()> {
    if head.state.is_open() { Ok(()) } else { Err(LedgerError::RunIs { state: head.state, needs: "open" }.into()) }
}

pub(super) fn record(db: &Db<'_>, key: &RunKey, recorded: &Recorded, journal: Journal) -> Res<()> {
    let head = one(db, key)?;
    must_be_open(&head)?;
    if let Some(fence) = &recorded.fence {
        let source = head.source.as_ref().ok_or(LedgerError::NotFound { what: "source of the run" })?;
        fence::hold(db, key, source, fence)?;
    }
    let started = journal.started;
    put_recorded(db, key, recorded, true)?;
    let told = Told { release: &recorded.release, failure: None, journal: Some(journal) };
    put_attempt(db, &head, recorded.attempt, started, None, told)?;
    change(
        db,
        "UPDATE runs SET state = 'recorded', attempts = max(attempts, ?3), not_before = NULL WHERE tenant = ?1 AND run = ?2",
        params![key.tenant.as_str(), key.run.to_string(), recorded.attempt],
    )?;
    Ok(())
}

pub(super) fn put_recorded(db: &Db<'_>, key: &RunKey, recorded: &Recorded, live: bool) -> Res<()> {
    let cells = db.cells(&key.tenant, RECORDED)?;
    let fence = recorded.fence.as_ref();
    let result = recorded.result.as_ref();
    change(
        db,
        "INSERT OR REPLACE INTO recorded (tenant, run, live, attempt, release, effects, bundle, fence_slot, fence_reference,
           fence_version, result_type, result) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        params![
            key.tenant.as_str(),
            key.run.to_string(),
            live,
            recorded.attempt,
            recorded.release.to_string(),
            cells.json_in("effects", &recorded.effects)?,
            cells.bytes_in("bundle", &recorded.bundle)?,
            fence.map(|f| f.slot),
            fence.map(|f| f.reference.to_string()),
            fence.and_then(|f| f.version.as_ref()).map(AsRef::<str>::as_ref),
            result.map(|r| &r.content_type),
            result.map(|r| cells.bytes_in("result", &r.bytes)).transpose()?,
        ],
    )?;
    Ok(())
}

/// What is told of an attempt, beside when it was.
pub(super) struct Told<'a> {
    pub(super) release: &'a Digest,
    pub(super) failure: Option<&'a Failure>,
    /// What it asked, was told and said; `None` leaves what is there.
    pub(super) journal: Option<Journal>,
}

/// Keeps an attempt; a later call with the same number tells more of it.
pub(super) fn put_attempt(
    db: &Db<'_>,
    head: &RunHead,
    number: u32,
    started: Timestamp,
    ended: Option<Timestamp>,
    tried: Told<'_>,
) -> Res<()> {
    let Told { release, failure, journal } = tried;
    let cells = db.cells(&head.key.tenant, "attempts")?;
    let (lines, journal) = match journal {
        Some(mut journal) => (Some(std::mem::take(&mut journal.log)), Some(cells.json_in("journal", &journal)?)),
        None => (None, None),
    };
    change(
        db,
        "INSERT INTO attempts (tenant, run, number, release, started, ended, failure, journal) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (tenant, run, number) DO UPDATE SET release = excluded.release, started = excluded.started,
           ended = excluded.ended, failure = excluded.failure, journal = coalesce(excluded.journal, attempts.journal)",
        params![
            head.key.tenant.as_str(),
            head.key.run.to_string(),
            number,
            release.to_string(),
            At(started),
            ended.map(At),
            failure.map(|failure| cells.json_in("failure", failure)).transpose()?,
            journal
        ],
    )?;
    lines.map_or(Ok(()), |lines| put_lines(db, head, number, ended.unwrap_or(started), lines))
}

/// An attempt's log lines, which stand in a table of their own and only there.
fn put_lines(db: &Db<'_>, head: &RunHead, number: u32, at: Timestamp, lines: Vec<LogLine>) -> Res<()> {
    let (tenant, run) = (head.key.tenant.as_str(), head.key.run.to_string());
    let cells = db.cells(tenant, "logs")?;
    change(db, "DELETE FROM logs WHERE tenant = ?1 AND run = ?2 AND attempt = ?3", params![tenant, run, number])?;
    for line in lines {
        change(
            db,
            "INSERT INTO logs (tenant, bot, run, attempt, at, level, text) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                tenant,
                head.bot.as_str(),
                run,
                number,
                At(at),
                level_in(line.level),
                cells.bytes_in("text", line.text.as_bytes())?
            ],
        )?;
    }
    Ok(())
}

const LEVELS: [(LogLevel, &str); 4] =
    [(LogLevel::Debug, "debug"), (LogLevel::Info, "info"), (LogLevel::Warn, "warn"), (LogLevel::Error, "error")];

fn level_in(level: LogLevel) -> &'static str {
    LEVELS.iter().find(|(of, _)| *of == level).map_or("info", |(_, word)| word)
}

pub(super) fn level_out(word: &str) -> LogLevel {
    LEVELS.iter().find(|(_, of)| *of == word).map_or(LogLevel::Info, |(level, _)| *level)
}

/// Whether this very attempt was told already. The start tells it from another one that was given the same number.
fn ended_already(db: &Db<'_>, key: &RunKey, attempt: &Attempt) -> Res<bool> {
    let found = first(
        db,
        "SELECT 1 FROM attempts WHERE tenant = ?1 AND run = ?2 AND number = ?3 AND started = ?4 AND ended IS NOT NULL",
        params![key.tenant.as_str(), key.run.to_string(), attempt.number, At(attempt.started)],
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}

pub(super) fn fail(db: &Db<'_>, key: &RunKey, tried: Tried, next: Next, hold: bool) -> Res<()> {
    let head = one(db, key)?;
    let Tried { attempt, release, journal } = tried;
    let repeat = ended_already(db, key, &attempt)?;
    let state = match next {
        Next::Again { .. } => RunState::Pending,
        Next::Resend { .. } => head.state,
        Next::Dead | Next::DeadUnsure => RunState::Dead,
        Next::Rejected => RunState::Rejected,
    };
    if repeat && head.state == state && !state.is_open() {
        return Ok(());
    }
    must_be_open(&head)?;
    let told = Told { release: &release, failure: attempt.failure.as_ref(), journal };
    put_attempt(db, &head, attempt.number, attempt.started, Some(attempt.ended), told)?;
    let cells = db.cells(&key.tenant, "runs")?;
    let conflict = attempt.failure.as_ref().is_some_and(|f| f.kind == FailureKind::Conflict);
    let not_before = match next {
        Next::Again { at } | Next::Resend { at } => Some(At(at)),
        _ => None,
    };
    change(
        db,
        "UPDATE runs SET state = ?3, not_before = ?4, attempts = max(attempts, ?5), failures = failures + ?6,
           conflicts = conflicts + ?7, ended = ?8, failure = ?9, code = ?10, held = ?11 WHERE tenant = ?1 AND run = ?2",
        params![
            key.tenant.as_str(),
            key.run.to_string(),
            state.as_str(),
            not_before,
            attempt.number,
            u32::from(!repeat && !conflict),
            u32::from(!repeat && conflict),
            (!state.is_open()).then_some(At(attempt.ended)),
            attempt.failure.as_ref().map(|failure| cells.json_in("failure", failure)).transpose()?,
            attempt.failure.as_ref().filter(|_| state == RunState::Dead).map(hob_model::Failure::word),
            hold && state == RunState::Dead,
        ],
    )?;
    let of = params![key.tenant.as_str(), key.run.to_string()];
    match next {
        Next::Resend { .. } | Next::DeadUnsure => return Ok(()),
        Next::Again { .. } => change(db, "DELETE FROM recorded WHERE tenant = ?1 AND run = ?2", of)?,
        Next::Dead | Next::Rejected => change(db, "UPDATE recorded SET live = 0 WHERE tenant = ?1 AND run = ?2", of)?,
    };
    fence::free_all(db, key)
}

pub(super) fn supersede(db: &Db<'_>, key: &RunKey, at: Timestamp) -> Res<()> {
    let head = one(db, key)?;
    match head.state {
        RunState::Superseded => return Ok(()),
        RunState::Pending => {}
        state => return Err(LedgerError::RunIs { state, needs: "pending" }.into()),
    }
    change(
        db,
        "UPDATE runs SET state = 'superseded', ended = ?3, not_before = NULL WHERE tenant = ?1 AND run = ?2",
        params![key.tenant.as_str(), key.run.to_string(), At(at)],
    )?;
    fence::free_all(db, key)
}

pub(super) fn retry(db: &Db<'_>, key: &RunKey) -> Res<RunHead> {
    let state = one(db, key)?.state;
    if state.is_open() || state == RunState::Done {
        return Err(LedgerError::RunIs { state, needs: "dead, rejected, superseded or late" }.into());
    }
    let of = params![key.tenant.as_str(), key.run.to_string()];
    // Only who was told that nobody knows can have looked.
    let code =
        first(db, "SELECT code FROM runs WHERE tenant = ?1 AND run = ?2", of, |row| Ok(row.get::<_, Option<String>>("code")?))?;
    if code.flatten().as_deref() == Some(REQUEST_UNKNOWN) {
        ask::forget_unanswered(db, key)?;
    }
    change(db, "DELETE FROM recorded WHERE tenant = ?1 AND run = ?2 AND live = 0", of)?;
    change(
        db,
        "UPDATE runs SET failures = 0, conflicts = 0, not_before = NULL, ended = NULL, failure = NULL, code = NULL, held = 0,
           state = iif(EXISTS (SELECT 1 FROM recorded c WHERE c.tenant = ?1 AND c.run = ?2), 'recorded', 'pending')
         WHERE tenant = ?1 AND run = ?2",
        of,
    )?;
    one(db, key)
}

pub(super) fn give_up(db: &Db<'_>, key: &RunKey) -> Res<()> {
    let state = one(db, key)?.state;
    if state != RunState::Dead {
        return Err(LedgerError::RunIs { state, needs: "dead" }.into());
    }
    change(
        db,
        "UPDATE runs SET held = 0 WHERE tenant = ?1 AND run = ?2 AND held",
        params![key.tenant.as_str(), key.run.to_string()],
    )?;
    Ok(())
}
