//! Fences: who holds which.

use hob_model::{Reference, SourceId, TenantId, VersionId};
use rusqlite::{Row, params};

use super::cell::Db;
use super::column::{change, maybe, rows, text};
use super::fault::Res;
use crate::{Fence, FenceKey, FenceUse, LedgerError, RunKey};

const COLUMNS: &str = "slot, reference, version, held_by";

fn fence(row: &Row<'_>, tenant: &TenantId, source: &SourceId) -> Res<Fence> {
    Ok(Fence {
        key: FenceKey { tenant: tenant.clone(), source: source.clone(), slot: row.get("slot")? },
        reference: text(row, "reference")?,
        version: maybe(row, "version")?,
        held_by: maybe(row, "held_by")?,
    })
}

pub(super) fn all(db: &Db<'_>, tenant: &TenantId, source: &SourceId) -> Res<Vec<Fence>> {
    let sql = format!("SELECT {COLUMNS} FROM fences WHERE tenant = ?1 AND source = ?2 ORDER BY slot");
    rows(db, &sql, params![tenant.as_str(), source.as_str()], |row| fence(row, tenant, source))
}

pub(super) fn put(db: &Db<'_>, key: &FenceKey, reference: &Reference, version: Option<&VersionId>) -> Res<()> {
    change(
        db,
        "INSERT INTO fences (tenant, source, slot, reference, version) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (tenant, source, slot) DO UPDATE SET reference = excluded.reference, version = excluded.version",
        params![key.tenant.as_str(), key.source.as_str(), key.slot, reference.to_string(), version.map(AsRef::<str>::as_ref)],
    )?;
    Ok(())
}

/// Gives a run the fence that its transaction moves, and frees what else it held there: that was of an attempt that came to nothing.
pub(super) fn hold(db: &Db<'_>, key: &RunKey, source: &SourceId, fence: &FenceUse) -> Res<()> {
    let (tenant, run) = (key.tenant.as_str(), key.run.to_string());
    change(
        db,
        "UPDATE fences SET held_by = NULL WHERE tenant = ?1 AND source = ?2 AND held_by = ?3 AND slot <> ?4",
        params![tenant, source.as_str(), run, fence.slot],
    )?;
    let held = change(
        db,
        "UPDATE fences SET held_by = ?3 WHERE tenant = ?1 AND source = ?2 AND slot = ?4 AND reference = ?5 AND version IS ?6
           AND (held_by IS NULL OR held_by = ?3)",
        params![
            tenant,
            source.as_str(),
            run,
            fence.slot,
            fence.reference.to_string(),
            fence.version.as_ref().map(AsRef::<str>::as_ref)
        ],
    )?;
    if held == 0 { Err(LedgerError::FenceTaken { slot: fence.slot }.into()) } else { Ok(()) }
}

/// Frees what a run holds at the source that it works on.
pub(super) fn free_all(db: &Db<'_>, key: &RunKey) -> Res<()> {
    change(
        db,
        "UPDATE fences SET held_by = NULL WHERE tenant = ?1 AND held_by = ?2
           AND source = (SELECT source FROM runs WHERE tenant = ?1 AND run = ?2)",
        params![key.tenant.as_str(), key.run.to_string()],
    )?;
    Ok(())
}

/// Frees the fence that a run holds, at the version that it has now. It holds one at most.
pub(super) fn moved(db: &Db<'_>, key: &RunKey, source: &SourceId, version: &VersionId) -> Res<()> {
    change(
        db,
        "UPDATE fences SET version = ?4, held_by = NULL WHERE tenant = ?1 AND source = ?2 AND held_by = ?3",
        params![key.tenant.as_str(), source.as_str(), key.run.to_string(), version.as_str()],
    )?;
    Ok(())
}
