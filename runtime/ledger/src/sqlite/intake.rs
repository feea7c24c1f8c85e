//! Notifications in, and what waits or died of them.

use hob_model::TenantId;
use rusqlite::{Row, params};

use super::cell::{Cells, Db};
use super::column::{At, Count, at, change, count, first, limit, maybe, rows, tenants, text};
use super::fault::Res;
use crate::{DeadNotification, DeadReason, Epoch, LedgerError, NewNotification, NotificationSeq, StoredNotification, Verdict};

pub(super) fn claim(db: &Db<'_>) -> Res<Epoch> {
    let epoch: i64 = db.query_row("UPDATE lease SET epoch = epoch + 1 RETURNING epoch", [], |row| row.get(0))?;
    Ok(Epoch::new(u64::try_from(epoch).unwrap_or(0)))
}

pub(super) fn accept(db: &Db<'_>, batch: &[NewNotification]) -> Res<Vec<NotificationSeq>> {
    let mut insert = db.prepare_cached(
        "INSERT INTO notifications
           (tenant, source, subscription, received, method, path, headers, format, body, size, state, code, message)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?;
    let mut seqs = Vec::with_capacity(batch.len());
    for new in batch {
        let cells = db.cells(&new.tenant, TABLE)?;
        let (state, reason) = match &new.verdict {
            Verdict::Usable => ("open", None),
            Verdict::Control => ("control", None),
            Verdict::Dead(reason) => ("dead", Some(reason)),
        };
        let kept = if reason.is_some() { new.body.len().min(NewNotification::DEAD_BODY) } else { new.body.len() };
        let seq = insert.insert(params![
            new.tenant.as_str(),
            new.source.as_str(),
            new.subscription.as_ref().map(AsRef::<str>::as_ref),
            At(new.received),
            new.method,
            cells.bytes_in("path", new.path.as_bytes())?,
            cells.json_in("headers", &new.headers)?,
            new.format,
            cells.bytes_in("body", &new.body[..kept])?,
            Count(new.size.max(new.body.len() as u64)),
            state,
            reason.map(|r| &r.code),
            reason.map(|r| cells.bytes_in("message", r.message.as_bytes())).transpose()?,
        ])?;
        seqs.push(NotificationSeq::new(u64::try_from(seq).unwrap_or(0)));
    }
    Ok(seqs)
}

const TABLE: &str = "notifications";
const COLUMNS: &str = "seq, tenant, source, subscription, received, method, path, headers, format, body, size, code, message";

fn notification(cells: &Cells<'_>, row: &Row<'_>, verdict: Verdict) -> Res<NewNotification> {
    Ok(NewNotification {
        tenant: text(row, "tenant")?,
        source: text(row, "source")?,
        subscription: maybe(row, "subscription")?,
        received: at(row, "received")?,
        method: row.get("method")?,
        path: cells.text_out(row, "path")?,
        headers: cells.json_out(row, "headers")?,
        format: row.get("format")?,
        body: cells.bytes_out(row, "body")?,
        size: count(row, "size")?,
        verdict,
    })
}

/// Bytes of bodies after which a tenant's page ends.
const PAGE_BYTES: usize = 16 * 1024 * 1024;

pub(super) fn unresolved(db: &Db<'_>, after: NotificationSeq, most: usize) -> Res<Vec<StoredNotification>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM notifications INDEXED BY notifications_open
         WHERE state = 'open' AND tenant = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3"
    );
    let mut found = Vec::new();
    // A tenant's page may end early: what other tenants have beyond that end waits, so that a cursor passes nothing over.
    let mut end = NotificationSeq::new(u64::MAX);
    for tenant in tenants(db, "notifications", "notifications_open", "state = 'open'")? {
        let cells = db.cells(&tenant, TABLE)?;
        let mut statement = db.prepare_cached(&sql)?;
        let mut rows = statement.query(params![tenant, Count(after.get()), limit(most)])?;
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            let seq = NotificationSeq::new(count(row, "seq")?);
            let notification = notification(&cells, row, Verdict::Usable)?;
            bytes += notification.body.len();
            found.push(StoredNotification { seq, notification });
            if bytes >= PAGE_BYTES {
                end = end.min(seq);
                break;
            }
        }
    }
    found.retain(|stored| stored.seq <= end);
    found.sort_by_key(|stored| stored.seq);
    found.truncate(most);
    Ok(found)
}

pub(super) fn bury(db: &Db<'_>, tenant: &TenantId, seq: NotificationSeq, reason: &DeadReason) -> Res<()> {
    let cells = db.cells(tenant, TABLE)?;
    let of = params![tenant.as_str(), Count(seq.get())];
    let body =
        first(db, "SELECT body FROM notifications WHERE tenant = ?1 AND seq = ?2", of, |row| cells.bytes_out(row, "body"))?;
    let mut body = body.ok_or(LedgerError::NotFound { what: "notification" })?;
    body.truncate(NewNotification::DEAD_BODY);
    change(
        db,
        "UPDATE notifications SET state = 'dead', code = ?3, message = ?4, body = ?5 WHERE tenant = ?1 AND seq = ?2",
        params![
            tenant.as_str(),
            Count(seq.get()),
            reason.code,
            cells.bytes_in("message", reason.message.as_bytes())?,
            cells.bytes_in("body", &body)?
        ],
    )?;
    Ok(())
}

pub(super) fn dead(db: &Db<'_>, tenant: &TenantId, before: Option<NotificationSeq>, most: usize) -> Res<Vec<DeadNotification>> {
    let cells = db.cells(tenant, TABLE)?;
    let before = before.map_or(i64::MAX, |seq| i64::try_from(seq.get()).unwrap_or(i64::MAX));
    let sql = format!(
        "SELECT {COLUMNS} FROM notifications INDEXED BY notifications_dead
         WHERE state = 'dead' AND tenant = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3"
    );
    rows(db, &sql, params![tenant.as_str(), before, limit(most)], |row| {
        let reason = DeadReason { code: row.get("code")?, message: cells.text_out(row, "message")? };
        let seq = NotificationSeq::new(count(row, "seq")?);
        Ok(DeadNotification { seq, notification: notification(&cells, row, Verdict::Dead(reason.clone()))?, reason })
    })
}
