//! Notifications in, and what waits or died of them.

use hob_model::{SourceId, TenantId};
use rusqlite::{Row, params};

use super::cell::{Cells, Db};
use super::column::{At, Count, at, change, count, first, limit, maybe, tenants, text};
use super::fault::Res;
use crate::{DeadReason, Epoch, LedgerError, NewNotification, NotificationSeq, StoredNotification, Verdict};

pub(super) fn claim(db: &Db<'_>) -> Res<Epoch> {
    let epoch: i64 = db.query_row("UPDATE lease SET epoch = epoch + 1 RETURNING epoch", [], |row| row.get(0))?;
    Ok(Epoch::new(u64::try_from(epoch).unwrap_or(0)))
}

pub(super) fn accept(db: &Db<'_>, batch: &[NewNotification]) -> Res<Vec<NotificationSeq>> {
    let mut insert = db.prepare_cached(
        "INSERT INTO notifications
           (tenant, source, subscription, received, method, path, headers, format, body, size, state, code, message, cut)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )?;
    let mut seqs = Vec::with_capacity(batch.len());
    for new in batch {
        let cells = db.cells(&new.tenant, TABLE)?;
        let (state, reason) = match &new.verdict {
            Verdict::Usable => ("open", None),
            Verdict::Control => ("control", None),
            Verdict::Dead(reason) => ("dead", Some(reason)),
        };
        let seq = insert.insert(params![
            new.tenant.as_str(),
            new.source.as_str(),
            new.subscription.as_ref().map(AsRef::<str>::as_ref),
            At(new.received),
            new.method,
            cells.bytes_in("path", new.path.as_bytes())?,
            cells.json_in("headers", &new.headers)?,
            new.format,
            cells.bytes_in("body", &new.body)?,
            Count(new.size.max(new.body.len() as u64)),
            state,
            reason.map(|r| &r.code),
            reason.map(|r| cells.bytes_in("message", r.message.as_bytes())).transpose()?,
            new.is_cut(),
        ])?;
        seqs.push(NotificationSeq::new(u64::try_from(seq).unwrap_or(0)));
    }
    Ok(seqs)
}

pub(super) const TABLE: &str = "notifications";
const COLUMNS: &str = "seq, tenant, source, subscription, received, method, path, headers, format, body, size";

pub(super) fn notification(cells: &Cells<'_>, row: &Row<'_>, verdict: Verdict) -> Res<NewNotification> {
    Ok(NewNotification {
        tenant: text(row, "tenant")?,
        source: text(row, "source")?,
        subscription: maybe(row, "subscription")?,
        received: at(row, "received")?,
        method: row.get("method")?,
        path: cells.text_out(row, "path")?,
        headers: cells.json_out(row, "headers")?,
        format: row.get("format")?,
        body: cells.bytes_maybe(row, "body")?.unwrap_or_default(),
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
        let (page, whole) = page(db, &tenant, &sql, params![tenant, Count(after.get()), limit(most)])?;
        if let (false, Some(last)) = (whole, page.last()) {
            end = end.min(last.seq);
        }
        found.extend(page);
    }
    found.retain(|stored| stored.seq <= end);
    found.sort_by_key(|stored| stored.seq);
    found.truncate(most);
    Ok(found)
}

/// The rows of a query until they are enough; whether these are all.
fn page(db: &Db<'_>, tenant: impl AsRef<str>, sql: &str, of: impl rusqlite::Params) -> Res<(Vec<StoredNotification>, bool)> {
    let cells = db.cells(tenant, TABLE)?;
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(of)?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let seq = NotificationSeq::new(count(row, "seq")?);
        let notification = notification(&cells, row, Verdict::Usable)?;
        bytes += notification.body.len();
        found.push(StoredNotification { seq, notification });
        if bytes >= PAGE_BYTES {
            return Ok((found, false));
        }
    }
    Ok((found, true))
}

/// Found by leaps through the index, whatever waits in it.
pub(super) fn unresolved_sources(db: &Db<'_>) -> Res<Vec<(TenantId, SourceId)>> {
    let sql = "SELECT tenant, source FROM notifications INDEXED BY notifications_open_of
               WHERE state = 'open' AND (tenant, source) > (?1, ?2) ORDER BY tenant, source LIMIT 1";
    let mut found: Vec<(TenantId, SourceId)> = Vec::new();
    loop {
        let (tenant, source) = found.last().map_or(("", ""), |(tenant, source)| (tenant.as_str(), source.as_str()));
        match first(db, sql, params![tenant, source], |row| Ok((text(row, "tenant")?, text(row, "source")?)))? {
            Some(next) => found.push(next),
            None => return Ok(found),
        }
    }
}

pub(super) fn unresolved_of(
    db: &Db<'_>,
    tenant: &TenantId,
    source: &SourceId,
    after: NotificationSeq,
    most: usize,
) -> Res<Vec<StoredNotification>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM notifications INDEXED BY notifications_open_of
         WHERE state = 'open' AND tenant = ?1 AND source = ?2 AND seq > ?3 ORDER BY seq LIMIT ?4"
    );
    Ok(page(db, tenant, &sql, params![tenant.as_str(), source.as_str(), Count(after.get()), limit(most)])?.0)
}

pub(super) fn bury(db: &Db<'_>, tenant: &TenantId, seq: NotificationSeq, reason: &DeadReason) -> Res<()> {
    let message = db.cells(tenant, TABLE)?.bytes_in("message", reason.message.as_bytes())?;
    let buried = change(
        db,
        "UPDATE notifications SET state = 'dead', code = ?3, message = ?4 WHERE tenant = ?1 AND seq = ?2",
        params![tenant.as_str(), Count(seq.get()), reason.code, message],
    )?;
    if buried == 0 { Err(LedgerError::NotFound { what: "notification" }.into()) } else { Ok(()) }
}
