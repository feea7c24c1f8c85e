//! Marks of sweeps.

use hob_model::{SourceId, TenantId};
use rusqlite::params;

use super::cell::Db;
use super::column::{At, at, change, rows, text};
use super::fault::Res;
use crate::SweepMark;

pub(super) fn put(db: &Db<'_>, mark: &SweepMark) -> Res<()> {
    change(
        db,
        "INSERT INTO sweeps (tenant, source, type, seen, looked) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (tenant, source, type) DO UPDATE SET seen = excluded.seen, looked = excluded.looked",
        params![mark.tenant.as_str(), mark.source.as_str(), mark.resource_type.as_str(), At(mark.seen), At(mark.looked)],
    )?;
    Ok(())
}

pub(super) fn all(db: &Db<'_>, tenant: &TenantId, source: &SourceId) -> Res<Vec<SweepMark>> {
    let sql = "SELECT type, seen, looked FROM sweeps WHERE tenant = ?1 AND source = ?2 ORDER BY type";
    rows(db, sql, params![tenant.as_str(), source.as_str()], |row| {
        Ok(SweepMark {
            tenant: tenant.clone(),
            source: source.clone(),
            resource_type: text(row, "type")?,
            seen: at(row, "seen")?,
            looked: at(row, "looked")?,
        })
    })
}
