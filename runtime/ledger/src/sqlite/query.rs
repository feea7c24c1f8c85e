//! What operators ask.

use std::collections::BTreeMap;
use std::path::Path;

use hob_model::{BotName, Journal, LogLine, Reference, RunState, TenantId, VersionId};
use rusqlite::{Row, params};

use super::cell::{Cells, Db, Name};
use super::column::{At, Count, at, count, first, limit, maybe, maybe_at, rows, text};
use super::fault::Res;
use super::{open, run};
use crate::{LedgerError, LogFilter, LogRow, LogSeq, RunDetail, RunFilter, RunKey, RunRow, RunSeq, Stats, StoredAttempt, Wrote};

pub(super) const ROW: &str = "SELECT seq, run, bot, state, trigger, resource, version, received, ended, attempts, failure,
       iif(held, (SELECT count(*) FROM runs b INDEXED BY runs_lane WHERE b.tenant = runs.tenant AND b.bot = runs.bot
                    AND b.lane = runs.lane AND b.seq > runs.seq AND (b.state IN ('pending', 'recorded') OR b.held)), NULL) AS holds
     FROM runs";

pub(super) fn run_row(cells: &Cells<'_>, row: &Row<'_>) -> Res<RunRow> {
    let resource: Option<Reference> = cells.name_maybe(Name::Resource, row, "resource")?;
    Ok(RunRow {
        seq: RunSeq::new(count(row, "seq")?),
        run: text(row, "run")?,
        bot: text(row, "bot")?,
        state: text(row, "state")?,
        holds: row.get::<_, Option<Count>>("holds")?.map(|n| n.0),
        trigger: row.get("trigger")?,
        subject: resource.zip(maybe(row, "version")?),
        received: at(row, "received")?,
        ended: maybe_at(row, "ended")?,
        attempts: row.get("attempts")?,
        failure: cells.json_maybe(row, "failure")?,
    })
}

pub(super) fn runs(db: &Db<'_>, tenant: &TenantId, filter: &RunFilter) -> Res<Vec<RunRow>> {
    let (index, of_state) = if filter.state.is_some() { ("runs_state", "state = ?2") } else { ("runs_tenant", "?2 IS NULL") };
    let sql = format!(
        "{ROW} INDEXED BY {index} WHERE tenant = ?1 AND {of_state} AND (?3 IS NULL OR bot = ?3) AND (?4 IS NULL OR received >= ?4)
         AND (?5 IS NULL OR seq < ?5) ORDER BY seq DESC LIMIT ?6"
    );
    let of = params![
        tenant.as_str(),
        filter.state.map(RunState::as_str),
        filter.bot.as_ref().map(AsRef::<str>::as_ref),
        filter.since.map(At),
        filter.before.map(|seq| Count(seq.get())),
        limit(filter.limit)
    ];
    let cells = db.cells(tenant, "runs")?;
    rows(db, &sql, of, |row| run_row(&cells, row))
}

pub(super) fn run_counts(db: &Db<'_>, tenant: &TenantId, bot: Option<&BotName>) -> Res<BTreeMap<RunState, u64>> {
    let found = rows(
        db,
        "SELECT state, count(*) AS n FROM runs INDEXED BY runs_state WHERE tenant = ?1 AND (?2 IS NULL OR bot = ?2) GROUP BY state",
        params![tenant.as_str(), bot.map(AsRef::<str>::as_ref)],
        |row| Ok((text(row, "state")?, count(row, "n")?)),
    )?;
    Ok(found.into_iter().collect())
}

pub(super) fn show(db: &Db<'_>, key: &RunKey) -> Res<RunDetail> {
    let of = params![key.tenant.as_str(), key.run.to_string()];
    let cells = db.cells(&key.tenant, "runs")?;
    let row = first(db, &format!("{ROW} WHERE tenant = ?1 AND run = ?2"), of, |row| run_row(&cells, row))?;
    let row = row.ok_or(LedgerError::NotFound { what: "run" })?;
    let mut record = run::load(db, key)?;
    record.recorded = run::recorded(db, key)?;
    let cells = db.cells(&key.tenant, "attempts")?;
    let mut attempts = rows(
        db,
        "SELECT number, release, started, ended, failure, journal FROM attempts WHERE tenant = ?1 AND run = ?2 ORDER BY number",
        of,
        |row| {
            let attempt = run::attempt(&cells, row)?;
            Ok(StoredAttempt { attempt, release: text(row, "release")?, journal: cells.json_maybe(row, "journal")? })
        },
    )?;
    let every = LogFilter { run: Some(key.run), after: Some(LogSeq::ZERO), limit: usize::MAX, bot: None };
    let mut lines: BTreeMap<u32, Vec<LogLine>> = BTreeMap::new();
    for line in logs(db, &key.tenant, &every)? {
        lines.entry(line.attempt).or_default().push(line.line);
    }
    for stored in &mut attempts {
        let log = lines.remove(&stored.attempt.number);
        if let (Some(Journal { log: kept, .. }), Some(log)) = (&mut stored.journal, log) {
            *kept = log;
        }
    }
    let cells = db.cells(&key.tenant, "recorded")?;
    let ends = first(db, "SELECT wrote, urns FROM recorded WHERE tenant = ?1 AND run = ?2", of, |row| {
        let wrote: Option<Vec<(Reference, VersionId)>> = cells.json_maybe(row, "wrote")?;
        let wrote = wrote.unwrap_or_default().into_iter().map(|(reference, version)| Wrote { reference, version });
        Ok((wrote.collect(), cells.json_maybe(row, "urns")?.unwrap_or_default()))
    })?;
    let (wrote, references) = ends.unwrap_or_default();
    let result = record.recorded.as_ref().and_then(|r| r.result.clone());
    Ok(RunDetail { row, record, attempts, wrote, references, result })
}

pub(super) fn logs(db: &Db<'_>, tenant: &TenantId, filter: &LogFilter) -> Res<Vec<LogRow>> {
    // Without a cursor the newest lines are wanted: read backwards, then turned round.
    let (after, order) = match filter.after {
        Some(after) => (after, "ASC"),
        None => (LogSeq::ZERO, "DESC"),
    };
    let (index, of_run) = if filter.run.is_some() { ("logs_run", "run = ?3") } else { ("logs_tenant", "?3 IS NULL") };
    let sql = format!(
        "SELECT seq, at, bot, run, attempt, level, text FROM logs INDEXED BY {index}
         WHERE tenant = ?1 AND seq > ?2 AND {of_run} AND (?4 IS NULL OR bot = ?4) ORDER BY seq {order} LIMIT ?5"
    );
    let of = params![
        tenant.as_str(),
        Count(after.get()),
        filter.run.map(|run| run.to_string()),
        filter.bot.as_ref().map(AsRef::<str>::as_ref),
        limit(filter.limit)
    ];
    let cells = db.cells(tenant, "logs")?;
    let mut found = rows(db, &sql, of, |row| {
        let level: String = row.get("level")?;
        Ok(LogRow {
            seq: LogSeq::new(count(row, "seq")?),
            at: at(row, "at")?,
            bot: text(row, "bot")?,
            run: text(row, "run")?,
            attempt: row.get("attempt")?,
            line: LogLine { level: run::level_out(&level), text: cells.text_out(row, "text")? },
        })
    })?;
    if filter.after.is_none() {
        found.reverse();
    }
    Ok(found)
}

/// All of [`Stats`] but what the writer counts.
pub(super) fn stats(db: &Db<'_>, path: &Path) -> Res<Stats> {
    let number = |sql: &str| first(db, sql, [], |row| Ok(count(row, "n")?)).map(Option::unwrap_or_default);
    let runs = rows(db, "SELECT state, count(*) AS n FROM runs INDEXED BY runs_state GROUP BY state", [], |row| {
        Ok((text(row, "state")?, count(row, "n")?))
    })?;
    let size = |suffix: &str| std::fs::metadata(open::beside(path, suffix)).map_or(0, |meta| meta.len());
    Ok(Stats {
        runs: runs.into_iter().collect(),
        unresolved: number("SELECT count(*) AS n FROM notifications WHERE state = 'open'")?,
        dead_notifications: number("SELECT count(*) AS n FROM notifications WHERE state = 'dead'")?,
        outbox: number("SELECT count(*) AS n FROM outbox WHERE state = 'waiting'")?
            + number("SELECT count(*) AS n FROM outbox WHERE state = 'sending'")?,
        dead_requests: number("SELECT count(*) AS n FROM outbox WHERE state = 'dead'")?,
        timers: number("SELECT count(*) AS n FROM timers")?,
        bytes: size("") + size("-wal"),
        commits: 0,
        writes: 0,
    })
}
