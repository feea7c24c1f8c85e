//! Pruning: small stretches in the order of seqs, so that no index is needed for it and no accept waits long behind it.

use hob_model::{Reference, RunId, RunState, SourceId, TenantId, Timestamp, VersionId};
use rusqlite::params;

use super::cell::{Db, Name};
use super::column::{At, Count, at, change, count, first, limit, maybe, maybe_at, rows, text};
use super::fault::Res;
use crate::{NotificationSeq, PruneCursor, PruneRules, Pruned, RunSeq};

/// How far a server's clock may be from the host's, in microseconds: a mark that is so much newer than a write has passed it.
const SKEW: i64 = 24 * 60 * 60 * 1_000_000;

pub(super) fn prune(db: &Db<'_>, rules: &PruneRules, from: PruneCursor, most: usize) -> Res<Pruned> {
    let (mut notifications, mut runs) = (0, 0);
    let mut next = PruneCursor { notifications: None, runs: None };
    if let Some(after) = from.notifications {
        (next.notifications, notifications) = prune_notifications(db, rules, after, most)?;
    }
    if let Some(after) = from.runs {
        (next.runs, runs) = prune_runs(db, rules, after, most)?;
    }
    Ok(Pruned { runs, notifications, next })
}

fn prune_notifications(
    db: &Db<'_>,
    rules: &PruneRules,
    after: NotificationSeq,
    most: usize,
) -> Res<(Option<NotificationSeq>, usize)> {
    let sql = "SELECT seq, state, received FROM notifications WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    let found: Vec<(u64, String, Timestamp)> = rows(db, sql, params![Count(after.get()), limit(most)], |row| {
        Ok((count(row, "seq")?, row.get("state")?, at(row, "received")?))
    })?;
    let mut gone = 0;
    for (seq, state, received) in &found {
        // Seqs and times grow together but for what clocks do: the rest of the table is younger.
        if *received >= rules.ended.max(rules.dead) {
            return Ok((None, gone));
        }
        let limit = match state.as_str() {
            "resolved" | "control" => rules.ended,
            "dead" => rules.dead,
            _ => continue,
        };
        if *received < limit {
            gone += change(db, "DELETE FROM notifications WHERE seq = ?1", [Count(*seq)])?;
        }
    }
    let last = found.last().filter(|_| found.len() == most).map(|(seq, ..)| NotificationSeq::new(*seq));
    Ok((last, gone))
}

/// A run that may be pruned.
struct Old {
    tenant: TenantId,
    run: RunId,
    event: String,
    source: Option<SourceId>,
    state: RunState,
    /// A dead letter that holds its lane: it is open for all that others know.
    held: bool,
    received: Timestamp,
    ended: Option<Timestamp>,
}

fn prune_runs(db: &Db<'_>, rules: &PruneRules, after: RunSeq, most: usize) -> Res<(Option<RunSeq>, usize)> {
    let sql =
        "SELECT seq, tenant, run, event, source, state, held, received, ended FROM runs WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    let found: Vec<(RunSeq, Old)> = rows(db, sql, params![Count(after.get()), limit(most)], |row| {
        let old = Old {
            tenant: text(row, "tenant")?,
            run: text(row, "run")?,
            event: row.get("event")?,
            source: maybe(row, "source")?,
            state: text(row, "state")?,
            held: row.get("held")?,
            received: at(row, "received")?,
            ended: maybe_at(row, "ended")?,
        };
        Ok((RunSeq::new(count(row, "seq")?), old))
    })?;
    let mut gone = 0;
    for (_, old) in &found {
        if old.received >= rules.ended.max(rules.dead) {
            return Ok((None, gone));
        }
        let limit = if old.state == RunState::Dead { rules.dead } else { rules.ended };
        let is_over = !old.state.is_open() && !old.held && old.ended.is_some_and(|ended| ended < limit);
        if is_over && !is_needed(db, old, rules)? {
            forget(db, old)?;
            gone += 1;
        }
    }
    let last = found.last().filter(|_| found.len() == most).map(|(seq, _)| *seq);
    Ok((last, gone))
}

/// Whether something that is not over still needs the run.
fn is_needed(db: &Db<'_>, old: &Old, rules: &PruneRules) -> Res<bool> {
    let holds_fence = first(
        db,
        "SELECT 1 FROM fences WHERE tenant = ?1 AND source = ?3 AND held_by = ?2",
        params![old.tenant.as_str(), old.run.to_string(), old.source.as_ref().map(AsRef::<str>::as_ref)],
        |_| Ok(()),
    )?;
    let sends = first(
        db,
        "SELECT 1 FROM outbox WHERE tenant = ?1 AND run = ?2
           AND (state IN ('waiting', 'sending') OR (state = 'dead' AND ended >= ?3))",
        params![old.tenant.as_str(), old.run.to_string(), At(rules.dead)],
        |_| Ok(()),
    )?;
    if holds_fence.is_some() || sends.is_some() {
        return Ok(true);
    }
    for (reference, version) in wrote(db, old)? {
        if guards(db, old, &reference, &version)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn wrote(db: &Db<'_>, old: &Old) -> Res<Vec<(Reference, VersionId)>> {
    let cells = db.cells(&old.tenant, "recorded")?;
    let found = first(
        db,
        "SELECT wrote FROM recorded WHERE tenant = ?1 AND run = ?2",
        params![old.tenant.as_str(), old.run.to_string()],
        |row| cells.json_maybe(row, "wrote"),
    )?;
    Ok(found.flatten().unwrap_or_default())
}

/// Whether the loop guard may still be asked for a version that the run wrote: until the resource's mark has come to it. A resource
/// without a mark is one that no bot was told of in all that time.
fn guards(db: &Db<'_>, old: &Old, reference: &Reference, version: &VersionId) -> Res<bool> {
    let (Some(source), Some(ended)) = (&old.source, old.ended) else { return Ok(false) };
    let name = db.cells(&old.tenant, "marks")?.name_in(Name::Resource, &reference.to_string())?;
    let mark: Option<(VersionId, Option<Timestamp>)> = first(
        db,
        "SELECT version, occurred FROM marks WHERE tenant = ?1 AND source = ?2 AND resource = ?3",
        params![old.tenant.as_str(), source.as_str(), name],
        |row| Ok((text(row, "version")?, maybe_at(row, "occurred")?)),
    )?;
    let Some((seen, occurred)) = mark else { return Ok(false) };
    let passed = seen == *version
        || matches!((seen.number(), version.number()), (Some(seen), Some(wrote)) if seen >= wrote)
        || occurred.is_some_and(|at| at.micros() > ended.micros().saturating_add(SKEW));
    Ok(!passed)
}

fn forget(db: &Db<'_>, old: &Old) -> Res<()> {
    if let Some(source) = &old.source {
        for (reference, version) in wrote(db, old)? {
            let name = db.cells(&old.tenant, "own_writes")?.name_in(Name::Resource, &reference.to_string())?;
            change(
                db,
                "DELETE FROM own_writes WHERE tenant = ?1 AND source = ?2 AND resource = ?3 AND version = ?4 AND run = ?5",
                params![old.tenant.as_str(), source.as_str(), name, version.as_str(), old.run.to_string()],
            )?;
        }
    }
    let of = params![old.tenant.as_str(), old.run.to_string()];
    for table in ["recorded", "asks", "attempts", "logs", "outbox", "observed", "runs"] {
        change(db, &format!("DELETE FROM {table} WHERE tenant = ?1 AND run = ?2"), of)?;
    }
    change(
        db,
        "DELETE FROM events WHERE tenant = ?1 AND event = ?2
           AND NOT EXISTS (SELECT 1 FROM runs INDEXED BY runs_event WHERE tenant = ?1 AND event = ?2)",
        params![old.tenant.as_str(), old.event],
    )?;
    Ok(())
}
