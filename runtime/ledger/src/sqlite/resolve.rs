//! Changes and other events in, with their runs; marks; own writes.

use hob_model::{Cause, ChangeKey, Event, ResourceKey, RunId, RunState};
use rusqlite::{Row, params};

use super::cell::{Cells, Db, Name};
use super::column::{At, Count, change, count, first, maybe, maybe_at, rows, text};
use super::fault::Res;
use crate::{NewEvent, NewRun, Opening, OwnWrite, Queued, Resolution, ResourceMark, RunHead, RunKey, RunSeq};

pub(super) fn mark(db: &Db<'_>, key: &ResourceKey) -> Res<Option<ResourceMark>> {
    let cells = db.cells(&key.tenant, "marks")?;
    first(
        db,
        "SELECT version, ordinal, deleted, occurred FROM marks WHERE tenant = ?1 AND source = ?2 AND resource = ?3",
        params![key.tenant.as_str(), key.source.as_str(), cells.name_in(Name::Resource, &key.resource.to_string())?],
        |row| {
            Ok(ResourceMark {
                version: text(row, "version")?,
                ordinal: count(row, "ordinal")?,
                deleted: row.get("deleted")?,
                occurred: maybe_at(row, "occurred")?,
            })
        },
    )
}

fn move_mark(db: &Db<'_>, key: &ResourceKey, mark: &ResourceMark) -> Res<()> {
    let cells = db.cells(&key.tenant, "marks")?;
    change(
        db,
        "INSERT INTO marks (tenant, source, resource, version, ordinal, deleted, occurred) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (tenant, source, resource) DO UPDATE SET version = excluded.version, ordinal = excluded.ordinal,
           deleted = excluded.deleted, occurred = excluded.occurred WHERE excluded.ordinal > marks.ordinal",
        params![
            key.tenant.as_str(),
            key.source.as_str(),
            cells.name_in(Name::Resource, &key.resource.to_string())?,
            mark.version.as_str(),
            Count(mark.ordinal),
            mark.deleted,
            mark.occurred.map(At)
        ],
    )?;
    Ok(())
}

pub(super) fn resolve(db: &Db<'_>, resolution: Resolution) -> Res<Queued> {
    let Resolution { tenant, notifications, changes, seen } = resolution;
    let mut queued = Queued::default();
    for resolved in changes {
        if let Some((key, mark)) = resolved.mark() {
            move_mark(db, &key, &mark)?;
        }
        insert_event(db, &resolved.into_event(), None, &mut queued)?;
    }
    for seq in notifications {
        change(
            db,
            "UPDATE notifications SET state = 'resolved' WHERE tenant = ?1 AND seq = ?2 AND state = 'open'",
            params![tenant.as_str(), Count(seq.get())],
        )?;
    }
    for event in seen {
        change(
            db,
            "UPDATE subscriptions SET last_event = max(coalesce(last_event, 0), ?4)
             WHERE tenant = ?1 AND source = ?2 AND key = ?3",
            params![tenant.as_str(), event.source.as_str(), event.subscription.as_str(), Count(event.number)],
        )?;
    }
    Ok(settled(queued))
}

pub(super) fn add_event(db: &Db<'_>, event: &NewEvent, timer: Option<&str>) -> Res<Queued> {
    let mut queued = Queued::default();
    insert_event(db, event, timer, &mut queued)?;
    Ok(settled(queued))
}

/// A run that was made and superseded in the same call is no head.
fn settled(mut queued: Queued) -> Queued {
    let Queued { heads, superseded } = &mut queued;
    heads.retain(|head| !superseded.contains(&head.key));
    queued
}

fn insert_event(db: &Db<'_>, new: &NewEvent, timer: Option<&str>, queued: &mut Queued) -> Res<()> {
    if new.runs.is_empty() {
        return Ok(());
    }
    let event = &new.event;
    let cells = db.cells(&event.tenant, "events")?;
    change(
        db,
        "INSERT INTO events (tenant, event, body, content_type, payload) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (tenant, event) DO NOTHING",
        params![
            event.tenant.as_str(),
            event.id.to_string(),
            cells.json_in("body", event)?,
            new.payload.content_type,
            cells.bytes_in("payload", &new.payload.bytes)?
        ],
    )?;
    for run in &new.runs {
        if let Some(head) = insert_run(db, event, run, timer)?
            && run.opening == Opening::Pending
        {
            if run.supersedes_earlier {
                supersede_earlier(db, event, &head, queued)?;
            }
            queued.heads.push(head);
        }
    }
    Ok(())
}

/// Gives the head of the run, where there was none.
fn insert_run(db: &Db<'_>, event: &Event, new: &NewRun, timer: Option<&str>) -> Res<Option<RunHead>> {
    let run = RunId::new(&event.tenant, &new.bot, event.id);
    let cells = db.cells(&event.tenant, "runs")?;
    let (resource, version) = match &event.cause {
        Cause::Change { key, .. } => (Some(key.resource.resource.clone()), Some(key.version.as_str())),
        _ => (None, None),
    };
    let state = new.opening.state();
    let dead = match &new.opening {
        Opening::Dead(failure) => Some(failure),
        _ => None,
    };
    let made = change(
        db,
        "INSERT INTO runs (tenant, run, bot, event, release, source, lane, resource, version, trigger, timer, hop, received,
           state, ended, failure, code)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
         ON CONFLICT (tenant, run) DO NOTHING",
        params![
            event.tenant.as_str(),
            run.to_string(),
            new.bot.as_str(),
            event.id.to_string(),
            new.release.to_string(),
            event.source.as_ref().map(AsRef::<str>::as_ref),
            cells.name_in(Name::Lane, new.lane.as_str())?,
            resource.as_ref().map(|resource| cells.name_in(Name::Resource, &resource.to_string())).transpose()?,
            version,
            event.cause.word(),
            timer.map(|key| cells.name_in(Name::Timer, key)).transpose()?,
            event.hop,
            At(event.received),
            state.as_str(),
            (!state.is_open()).then_some(At(event.received)),
            dead.map(|failure| cells.json_in("failure", failure)).transpose()?,
            dead.map(hob_model::Failure::word),
        ],
    )?;
    Ok((made == 1).then(|| RunHead {
        seq: RunSeq::new(u64::try_from(db.last_insert_rowid()).unwrap_or(0)),
        key: RunKey { tenant: event.tenant.clone(), run },
        bot: new.bot.clone(),
        source: event.source.clone(),
        resource,
        lane: new.lane.clone(),
        state,
        held: false,
        not_before: None,
        failures: 0,
        conflicts: 0,
        attempt: 0,
    }))
}

fn supersede_earlier(db: &Db<'_>, event: &Event, newer: &RunHead, queued: &mut Queued) -> Res<()> {
    let (Some(source), Some(resource)) = (&newer.source, &newer.resource) else { return Ok(()) };
    let cells = db.cells(&event.tenant, "runs")?;
    let over = rows(
        db,
        "UPDATE runs SET state = ?1, ended = ?2, not_before = NULL WHERE tenant = ?3 AND bot = ?4 AND source = ?5 AND resource = ?6
           AND state = 'pending' AND seq < ?7 RETURNING run",
        params![
            RunState::Superseded.as_str(),
            At(event.received),
            event.tenant.as_str(),
            newer.bot.as_str(),
            source.as_str(),
            cells.name_in(Name::Resource, &resource.to_string())?,
            Count(newer.seq.get())
        ],
        |row: &Row<'_>| Ok(RunKey { tenant: event.tenant.clone(), run: text(row, "run")? }),
    )?;
    queued.superseded.extend(over);
    Ok(())
}

pub(super) fn wrote(db: &Db<'_>, key: &ChangeKey) -> Res<Option<OwnWrite>> {
    let cells = db.cells(&key.resource.tenant, "own_writes")?;
    first(
        db,
        "SELECT bot, hop, run FROM own_writes WHERE tenant = ?1 AND source = ?2 AND resource = ?3 AND version = ?4",
        params![
            key.resource.tenant.as_str(),
            key.resource.source.as_str(),
            cells.name_in(Name::Resource, &key.resource.resource.to_string())?,
            key.version.as_str()
        ],
        |row| Ok(OwnWrite { bot: text(row, "bot")?, hop: row.get("hop")?, run: text(row, "run")? }),
    )
}

/// The columns of a head.
pub(super) const HEAD: &str = "seq, run, bot, source, resource, lane, state, held, not_before, failures, conflicts, attempts";

/// A head; `cells` are those of the tenant's runs.
pub(super) fn head(cells: &Cells<'_>, row: &Row<'_>, tenant: &hob_model::TenantId) -> Res<RunHead> {
    Ok(RunHead {
        seq: RunSeq::new(count(row, "seq")?),
        key: RunKey { tenant: tenant.clone(), run: text(row, "run")? },
        bot: text(row, "bot")?,
        source: maybe(row, "source")?,
        resource: cells.name_maybe(Name::Resource, row, "resource")?,
        lane: cells.name_out(Name::Lane, row, "lane")?,
        state: text(row, "state")?,
        held: row.get("held")?,
        not_before: maybe_at(row, "not_before")?,
        failures: row.get("failures")?,
        conflicts: row.get("conflicts")?,
        attempt: row.get("attempts")?,
    })
}
