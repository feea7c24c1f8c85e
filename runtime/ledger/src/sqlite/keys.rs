//! Rotation: new keys at once, older values written anew in small steps.

use hob_model::{TenantId, Timestamp};
use rusqlite::params;
use rusqlite::types::{Value, ValueRef};

use super::cell::{Cells, Db, SEALED, SealedTable};
use super::column::{change, first, maybe_at, rows, text};
use super::fault::{Fault, Res};
use super::open::master_of;
use super::rewrite::{self, Column};
use super::vault::{NAMES, generation};
use crate::{KeyReport, LedgerError, TenantKeyInfo};

pub(super) fn report(db: &Db<'_>) -> Res<KeyReport> {
    let found: Vec<(TenantId, u32, Option<Timestamp>)> = rows(
        db,
        "SELECT tenant, generation, created FROM data_keys WHERE generation > ?1 ORDER BY tenant, generation DESC",
        [NAMES],
        |row| Ok((text(row, "tenant")?, row.get("generation")?, maybe_at(row, "created")?)),
    )?;
    let mut tenants: Vec<TenantKeyInfo> = Vec::new();
    for (tenant, generation, created) in found {
        match tenants.last_mut() {
            Some(known) if known.tenant == tenant => known.older.push(generation),
            _ => tenants.push(TenantKeyInfo { tenant, generation, older: Vec::new(), created }),
        }
    }
    let master = master_of(db)?.ok_or(Fault::Key)?;
    Ok(KeyReport { master, tenants, resealed_percent: percent(db)? })
}

/// Tables whose values are written anew, in the order of the steps.
fn steps() -> Vec<&'static SealedTable> {
    SEALED.iter().filter(|table| rewrite::has_rowid(table)).collect()
}

/// The step that a reseal is at and the rowid it has come to; `None` where none is under way.
fn cursor(db: &Db<'_>) -> Res<Option<(u32, i64)>> {
    first(db, "SELECT step, after FROM reseal", [], |row| Ok((row.get("step")?, row.get("after")?)))
}

fn percent(db: &Db<'_>) -> Res<Option<u8>> {
    let Some((step, after)) = cursor(db)? else { return Ok(None) };
    let (mut done, mut all) = (0, 0);
    for (at, table) in (0..).zip(steps()) {
        let last: Option<i64> = db.query_row(&format!("SELECT max(rowid) FROM {}", table.table), [], |row| row.get(0))?;
        let last = last.unwrap_or(0);
        all += last;
        done += match at.cmp(&step) {
            std::cmp::Ordering::Less => last,
            std::cmp::Ordering::Equal => after.min(last),
            std::cmp::Ordering::Greater => 0,
        };
    }
    Ok(Some(u8::try_from((done * 100).checked_div(all).unwrap_or(99)).unwrap_or(99).min(99)))
}

pub(super) fn rotate(db: &Db<'_>, tenant: Option<&TenantId>, now: Timestamp) -> Res<()> {
    let sql = "SELECT tenant, max(generation) AS newest FROM data_keys WHERE ?1 IS NULL OR tenant = ?1 GROUP BY tenant";
    let of = tenant.map(AsRef::<str>::as_ref);
    let found: Vec<(String, u32)> = rows(db, sql, [of], |row| Ok((row.get("tenant")?, row.get("newest")?)))?;
    if found.is_empty() && tenant.is_some() {
        return Err(LedgerError::NotFound { what: "tenant with keys" }.into());
    }
    for (tenant, newest) in found {
        let vault = db.vault();
        vault.put(db, &tenant, newest + 1, &vault.bytes::<32>(), Some(now.micros()))?;
        vault.changed(&tenant);
    }
    change(db, "INSERT OR REPLACE INTO reseal (one, step, after) VALUES (1, 0, 0)", [])?;
    Ok(())
}

pub(super) fn reseal(db: &Db<'_>, most: usize) -> Res<bool> {
    let Some((step, after)) = cursor(db)? else { return Ok(false) };
    let Some(table) = usize::try_from(step).ok().and_then(|step| steps().get(step).copied()) else {
        retire(db)?;
        return Ok(false);
    };
    let (last, looked) = rewrite::stretch(db, table, after, most, anew)?;
    let next = if looked < most { (step + 1, 0) } else { (step, last) };
    change(db, "UPDATE reseal SET step = ?1, after = ?2", params![next.0, next.1])?;
    Ok(true)
}

/// A value under the newest key; `None` where it is already.
fn anew(cells: &Cells<'_>, column: Column, value: ValueRef<'_>) -> Res<Option<Value>> {
    let (Column::Value(column), ValueRef::Blob(sealed)) = (column, value) else { return Ok(None) };
    if generation(sealed) == Some(cells.newest()) {
        return Ok(None);
    }
    Ok(Some(Value::Blob(cells.bytes_in(column, &cells.open_bytes(sealed, column)?)?)))
}

/// Everything is under the newest keys: the older ones go.
fn retire(db: &Db<'_>) -> Res<()> {
    let old: Vec<String> = rows(
        db,
        "DELETE FROM data_keys WHERE generation > ?1 AND generation < (
           SELECT max(n.generation) FROM data_keys n WHERE n.tenant = data_keys.tenant) RETURNING tenant",
        [NAMES],
        |row| Ok(row.get(0)?),
    )?;
    for tenant in old {
        db.vault().changed(&tenant);
    }
    change(db, "DELETE FROM reseal", [])?;
    Ok(())
}

/// Puts the data keys under the master key of this name, which the vault knows.
pub(super) fn rotate_master(db: &Db<'_>, to: &str) -> Res<()> {
    db.vault().rewrap(db, to)
}
