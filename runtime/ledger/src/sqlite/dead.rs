//! Dead letters: found by bot, source, reason and time, and opened again.

use std::collections::BTreeMap;

use hob_model::TenantId;
use rusqlite::{Row, ToSql, params};

use super::cell::{Cells, Db};
use super::column::{At, Count, change, count, first, limit, rows, text};
use super::fault::Res;
use super::intake::{TABLE, notification};
use super::query::{ROW, run_row};
use super::run;
use crate::{DeadFilter, DeadKind, DeadNotification, DeadReason, NotificationSeq, RunHead, RunKey, RunRow, RunSeq, Verdict};

/// What a filter asks of runs and requests, which have a bot and an end.
pub(super) const MATCHES: &str = "tenant = :tenant AND (:bot IS NULL OR bot = :bot) AND (:source IS NULL OR source = :source)
  AND (:code IS NULL OR code = :code) AND (:since IS NULL OR ended >= :since) AND (:until IS NULL OR ended < :until)";

/// What it asks of notifications, which have neither: no notification is of a bot.
const NOTIFIED: &str = "tenant = :tenant AND :bot IS NULL AND (:source IS NULL OR source = :source)
  AND (:code IS NULL OR code = :code) AND (:since IS NULL OR received >= :since) AND (:until IS NULL OR received < :until)";

/// Parameters by name.
pub(super) struct Bound(Vec<(&'static str, Box<dyn ToSql>)>);

impl Bound {
    pub(super) fn and(mut self, name: &'static str, value: impl ToSql + 'static) -> Self {
        self.0.push((name, Box::new(value)));
        self
    }

    pub(super) fn all(&self) -> Vec<(&str, &dyn ToSql)> {
        self.0.iter().map(|(name, value)| (*name, value.as_ref())).collect()
    }
}

/// The parameters of [`MATCHES`] and [`NOTIFIED`].
pub(super) fn bound(tenant: &TenantId, filter: &DeadFilter) -> Bound {
    let DeadFilter { bot, source, code, since, until } = filter;
    Bound(Vec::new())
        .and(":tenant", tenant.to_string())
        .and(":bot", bot.as_ref().map(ToString::to_string))
        .and(":source", source.as_ref().map(ToString::to_string))
        .and(":code", code.clone())
        .and(":since", since.map(At))
        .and(":until", until.map(At))
}

pub(super) fn counts(db: &Db<'_>, tenant: &TenantId, kind: DeadKind, filter: &DeadFilter) -> Res<BTreeMap<String, u64>> {
    let (table, matches) = match kind {
        DeadKind::Run => ("runs INDEXED BY runs_dead", MATCHES),
        DeadKind::Notification => ("notifications INDEXED BY notifications_dead", NOTIFIED),
        DeadKind::Request => ("outbox INDEXED BY outbox_dead", MATCHES),
    };
    let sql = format!(
        "SELECT coalesce(code, 'other') AS code, count(*) AS n FROM {table} WHERE state = 'dead' AND {matches} GROUP BY 1"
    );
    let found =
        rows(db, &sql, bound(tenant, filter).all().as_slice(), |row| Ok((row.get::<_, String>("code")?, count(row, "n")?)))?;
    Ok(found.into_iter().collect())
}

pub(super) fn runs(db: &Db<'_>, tenant: &TenantId, filter: &DeadFilter, before: Option<RunSeq>, most: usize) -> Res<Vec<RunRow>> {
    let sql =
        format!("{ROW} INDEXED BY runs_dead WHERE state = 'dead' AND {MATCHES} AND seq < :before ORDER BY seq DESC LIMIT :limit");
    let before = Count(before.map_or(u64::MAX, RunSeq::get));
    let (cells, of) = (db.cells(tenant, "runs")?, bound(tenant, filter).and(":before", before).and(":limit", limit(most)));
    rows(db, &sql, of.all().as_slice(), |row| run_row(&cells, row))
}

pub(super) fn retry(db: &Db<'_>, tenant: &TenantId, filter: &DeadFilter, after: RunSeq, most: usize) -> Res<Vec<RunHead>> {
    let sql = format!(
        "SELECT run FROM runs INDEXED BY runs_dead WHERE state = 'dead' AND {MATCHES} AND seq > :after ORDER BY seq LIMIT :limit"
    );
    let of = bound(tenant, filter).and(":after", Count(after.get())).and(":limit", limit(most));
    let dead = rows(db, &sql, of.all().as_slice(), |row| Ok(RunKey { tenant: tenant.clone(), run: text(row, "run")? }))?;
    dead.iter().map(|key| run::retry(db, key)).collect()
}

const LISTED: &str =
    "SELECT seq, tenant, source, subscription, received, method, path, headers, format, size, code, message, cut";

fn letter(cells: &Cells<'_>, row: &Row<'_>) -> Res<DeadNotification> {
    let reason = DeadReason { code: row.get("code")?, message: cells.text_out(row, "message")? };
    Ok(DeadNotification {
        seq: NotificationSeq::new(count(row, "seq")?),
        notification: notification(cells, row, Verdict::Dead(reason.clone()))?,
        reason,
        cut: row.get("cut")?,
    })
}

pub(super) fn notifications(
    db: &Db<'_>,
    tenant: &TenantId,
    filter: &DeadFilter,
    before: Option<NotificationSeq>,
    most: usize,
) -> Res<Vec<DeadNotification>> {
    let sql = format!(
        "{LISTED}, NULL AS body FROM notifications INDEXED BY notifications_dead
         WHERE state = 'dead' AND {NOTIFIED} AND seq < :before ORDER BY seq DESC LIMIT :limit"
    );
    let before = Count(before.map_or(u64::MAX, NotificationSeq::get));
    let (cells, of) = (db.cells(tenant, TABLE)?, bound(tenant, filter).and(":before", before).and(":limit", limit(most)));
    rows(db, &sql, of.all().as_slice(), |row| letter(&cells, row))
}

pub(super) fn notification_whole(db: &Db<'_>, tenant: &TenantId, seq: NotificationSeq) -> Res<Option<DeadNotification>> {
    let sql = format!("{LISTED}, body FROM notifications WHERE tenant = ?1 AND seq = ?2 AND state = 'dead'");
    let cells = db.cells(tenant, TABLE)?;
    first(db, &sql, params![tenant.as_str(), Count(seq.get())], |row| letter(&cells, row))
}

pub(super) fn reopen(db: &Db<'_>, tenant: &TenantId, seqs: &[NotificationSeq]) -> Res<u64> {
    let mut moved = 0;
    for seq in seqs {
        moved += change(
            db,
            "UPDATE notifications SET state = 'open', code = NULL, message = NULL
             WHERE tenant = ?1 AND seq = ?2 AND state = 'dead' AND NOT cut",
            params![tenant.as_str(), Count(seq.get())],
        )?;
    }
    Ok(moved as u64)
}
