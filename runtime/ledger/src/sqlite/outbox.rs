//! Requests of the outbox, from waiting through sending to answered or given up.

use hob_model::{TenantId, Timestamp};
use rusqlite::{Row, params};

use super::cell::{Cells, Db, Name};
use super::column::{At, Count, at, change, count, first, limit, maybe, rows, text};
use super::dead::{MATCHES, bound};
use super::fair::shared;
use super::fault::Res;
use super::resolve::add_event;
use crate::{DeadFilter, DeadReason, DeadRequest, DueOutbox, LedgerError, NewEvent, OutboxKey, OutboxSeq, Queued};

/// The requests of one bot to one host.
#[derive(Default)]
struct Queue {
    tenant: String,
    bot: String,
    host: String,
}

/// The queues that hold anything, found by leaps through the index.
fn queues(db: &Db<'_>) -> Res<Vec<Queue>> {
    let mut found: Vec<Queue> = Vec::new();
    let start = Queue::default();
    loop {
        let Queue { tenant, bot, host } = found.last().unwrap_or(&start);
        let next = first(
            db,
            "SELECT tenant, bot, host FROM outbox INDEXED BY outbox_due
             WHERE state = 'waiting' AND (tenant, bot, host) > (?1, ?2, ?3) ORDER BY tenant, bot, host LIMIT 1",
            params![tenant, bot, host],
            |row| Ok(Queue { tenant: row.get("tenant")?, bot: row.get("bot")?, host: row.get("host")? }),
        )?;
        match next {
            Some(queue) => found.push(queue),
            None => return Ok(found),
        }
    }
}

/// How many of a queue may be begun.
fn room(db: &Db<'_>, queue: &Queue, share: usize) -> Res<usize> {
    let sending = first(
        db,
        "SELECT count(*) AS n FROM outbox INDEXED BY outbox_sending WHERE state = 'sending' AND tenant = ?1 AND bot = ?2 AND host = ?3",
        params![queue.tenant, queue.bot, queue.host],
        |row| Ok(count(row, "n")?),
    )?;
    Ok(share.saturating_sub(usize::try_from(sending.unwrap_or(0)).unwrap_or(usize::MAX)))
}

pub(super) fn begin(db: &Db<'_>, now: Timestamp, share: usize, most: usize) -> Res<Vec<DueOutbox>> {
    let mut due = Vec::new();
    for queue in queues(db)? {
        let room = room(db, &queue, share)?;
        due.push(rows(
            db,
            "SELECT seq, due FROM outbox INDEXED BY outbox_due WHERE state = 'waiting' AND tenant = ?1 AND bot = ?2 AND host = ?3
               AND due <= ?4 ORDER BY due, seq LIMIT ?5",
            params![queue.tenant, queue.bot, queue.host, At(now), limit(room)],
            |row| Ok((at(row, "due")?, count(row, "seq")?)),
        )?);
    }
    let mut begun = Vec::new();
    for seq in shared(due, most) {
        change(db, "UPDATE outbox SET state = 'sending' WHERE seq = ?1", params![Count(seq)])?;
        begun.extend(first(db, &format!("{ITEM} WHERE seq = ?1"), params![Count(seq)], |row| item(db, row))?);
    }
    Ok(begun)
}

const ITEM: &str = "SELECT tenant, run, key, bot, lane, source, hop, item, idempotency, attempts, round, staged FROM outbox";

const TABLE: &str = "outbox";

fn key(cells: &Cells<'_>, row: &Row<'_>) -> Res<OutboxKey> {
    Ok(OutboxKey { tenant: text(row, "tenant")?, run: text(row, "run")?, key: cells.name_out(Name::Outbox, row, "key")? })
}

/// What is found by its key on disk.
fn name(db: &Db<'_>, key: &OutboxKey) -> Res<String> {
    db.cells(&key.tenant, TABLE)?.name_in(Name::Outbox, &key.key)
}

fn message(db: &Db<'_>, key: &OutboxKey, reason: &DeadReason) -> Res<Vec<u8>> {
    db.cells(&key.tenant, TABLE)?.bytes_in("message", reason.message.as_bytes())
}

fn item(db: &Db<'_>, row: &Row<'_>) -> Res<DueOutbox> {
    let cells = db.cells(row.get::<_, String>("tenant")?, TABLE)?;
    Ok(DueOutbox {
        key: key(&cells, row)?,
        bot: text(row, "bot")?,
        lane: cells.name_out(Name::Lane, row, "lane")?,
        source: maybe(row, "source")?,
        hop: row.get("hop")?,
        item: cells.json_out(row, "item")?,
        idempotency_key: row.get("idempotency")?,
        attempts: row.get("attempts")?,
        round: row.get("round")?,
        staged: at(row, "staged")?,
    })
}

pub(super) fn sending(db: &Db<'_>) -> Res<Vec<DueOutbox>> {
    rows(db, &format!("{ITEM} INDEXED BY outbox_sending WHERE state = 'sending'"), [], |row| item(db, row))
}

pub(super) fn next(db: &Db<'_>, share: usize) -> Res<Option<Timestamp>> {
    let mut soonest = None;
    for queue in queues(db)? {
        if room(db, &queue, share)? == 0 {
            continue;
        }
        let due = first(
            db,
            "SELECT due FROM outbox INDEXED BY outbox_due WHERE state = 'waiting' AND tenant = ?1 AND bot = ?2 AND host = ?3
             ORDER BY due LIMIT 1",
            params![queue.tenant, queue.bot, queue.host],
            |row| Ok(at(row, "due")?),
        )?;
        soonest = [soonest, due].into_iter().flatten().min();
    }
    Ok(soonest)
}

pub(super) fn again(db: &Db<'_>, key: &OutboxKey, due: Timestamp, reason: &DeadReason) -> Res<()> {
    let moved = change(
        db,
        "UPDATE outbox SET state = 'waiting', attempts = attempts + 1, due = ?4, code = ?5, message = ?6
         WHERE tenant = ?1 AND run = ?2 AND key = ?3 AND state = 'sending'",
        params![key.tenant.as_str(), key.run.to_string(), name(db, key)?, At(due), reason.code, message(db, key, reason)?],
    )?;
    if moved == 0 { known(db, key) } else { Ok(()) }
}

pub(super) fn done(db: &Db<'_>, key: &OutboxKey, reply: Option<&NewEvent>) -> Res<Queued> {
    change(
        db,
        "UPDATE outbox SET attempts = attempts + 1, state = 'done', code = NULL, message = NULL
         WHERE tenant = ?1 AND run = ?2 AND key = ?3 AND state IN ('waiting', 'sending')",
        params![key.tenant.as_str(), key.run.to_string(), name(db, key)?],
    )?;
    known(db, key)?;
    reply.map_or_else(|| Ok(Queued::default()), |event| add_event(db, event, None))
}

pub(super) fn dead(db: &Db<'_>, key: &OutboxKey, at: Timestamp, reason: &DeadReason, reply: Option<&NewEvent>) -> Res<Queued> {
    change(
        db,
        "UPDATE outbox SET attempts = attempts + 1, state = 'dead', ended = ?4, code = ?5, message = ?6
         WHERE tenant = ?1 AND run = ?2 AND key = ?3 AND state IN ('waiting', 'sending')",
        params![key.tenant.as_str(), key.run.to_string(), name(db, key)?, At(at), reason.code, message(db, key, reason)?],
    )?;
    known(db, key)?;
    reply.map_or_else(|| Ok(Queued::default()), |event| add_event(db, event, None))
}

fn known(db: &Db<'_>, key: &OutboxKey) -> Res<()> {
    let sql = "SELECT 1 FROM outbox WHERE tenant = ?1 AND run = ?2 AND key = ?3";
    let found = first(db, sql, params![key.tenant.as_str(), key.run.to_string(), name(db, key)?], |_| Ok(()))?;
    found.ok_or_else(|| LedgerError::NotFound { what: "outbox request" }.into())
}

pub(super) fn list(
    db: &Db<'_>,
    tenant: &TenantId,
    filter: &DeadFilter,
    before: Option<OutboxSeq>,
    most: usize,
) -> Res<Vec<DeadRequest>> {
    let sql = format!(
        "SELECT seq, tenant, run, key, bot, source, host, item, staged, ended, attempts, code, message FROM outbox
         INDEXED BY outbox_dead WHERE state = 'dead' AND {MATCHES} AND seq < :before ORDER BY seq DESC LIMIT :limit"
    );
    let before = Count(before.map_or(u64::MAX, OutboxSeq::get));
    let (cells, of) = (db.cells(tenant, TABLE)?, bound(tenant, filter).and(":before", before).and(":limit", limit(most)));
    rows(db, &sql, of.all().as_slice(), |row| {
        let request: hob_model::OutboxItem = cells.json_out(row, "item")?;
        Ok(DeadRequest {
            seq: OutboxSeq::new(count(row, "seq")?),
            key: key(&cells, row)?,
            bot: text(row, "bot")?,
            source: maybe(row, "source")?,
            host: row.get("host")?,
            method: request.method,
            staged: at(row, "staged")?,
            ended: at(row, "ended")?,
            attempts: row.get("attempts")?,
            reason: DeadReason { code: row.get("code")?, message: cells.text_out(row, "message")? },
        })
    })
}

pub(super) fn retry(db: &Db<'_>, keys: &[OutboxKey], at: Timestamp) -> Res<u64> {
    let mut moved = 0;
    for key in keys {
        moved += change(
            db,
            "UPDATE outbox SET state = 'waiting', attempts = 0, round = round + 1, due = ?4, ended = NULL, code = NULL, message = NULL
             WHERE tenant = ?1 AND run = ?2 AND key = ?3 AND state = 'dead'",
            params![key.tenant.as_str(), key.run.to_string(), name(db, key)?, At(at)],
        )?;
    }
    Ok(moved as u64)
}
