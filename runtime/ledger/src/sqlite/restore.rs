//! Restore: a backup becomes a ledger again, in a place where none is.
//!
//! A backup knows nothing of what happened after it. The host that wrote on has run changes and fired timers whose effects stand on
//! the servers; their fences have moved on, so that they stop two copies of one transaction and not a run that is made afresh.
//! Hence somebody must choose, see [`RestoreFrom`]: to run nothing of it again, or all of it.

use std::path::Path;

use hob_model::{Failure, FailureKind, TenantId, Timestamp};
use rusqlite::{Connection, params};

use super::cell::Db;
use super::column::{At, change, rows, text};
use super::fault::Res;
use super::open::{self, beside};
use super::vault::{Masters, Vault};
use super::{backup, schema, timers};
use crate::{LedgerError, MasterKey, MasterKeyId, RestoreFrom, Restored, Result};

/// Timers that are taken at once.
const TIMERS: usize = 500;

/// Makes the ledger `path` of the backup `from_file`, which stays as it is. `path` must not exist.
///
/// # Errors
/// [`LedgerError::InUse`] where a host works there, [`LedgerError::WrongKey`] where `key` is not the one that the backup needs,
/// [`LedgerError::Corrupt`] where the file is no whole backup, [`LedgerError::Storage`] where `path` is there or cannot be written. Nothing
/// is left behind then.
pub fn restore(from_file: &Path, path: &Path, key: MasterKey, from: RestoreFrom) -> Result<Restored> {
    let told = |fault: super::fault::Fault| fault.told("restore");
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| told(backup::file(folder, "cannot be made")(error)))?;
    }
    let lock = open::lock(path)?;
    if path.exists() {
        return Err(told(backup::file(path, "is there already")(std::io::ErrorKind::AlreadyExists.into())));
    }
    let part = beside(path, ".restoring");
    let done = copy(from_file, &part, key, from).and_then(|restored| {
        std::fs::rename(&part, path).map_err(backup::file(path, "cannot be put in place"))?;
        backup::settle_folder(path)?;
        Ok(restored)
    });
    if done.is_err() {
        drop(std::fs::remove_file(&part));
    }
    drop(lock);
    done.map_err(told)
}

fn copy(from_file: &Path, part: &Path, key: MasterKey, from: RestoreFrom) -> Res<Restored> {
    let mut source = std::fs::File::open(from_file).map_err(backup::file(from_file, "cannot be read"))?;
    let mut target = open::private().truncate(true).open(part).map_err(backup::file(part, "cannot be made"))?;
    std::io::copy(&mut source, &mut target).map_err(backup::file(part, "cannot be written"))?;
    drop(target);
    let mut db = Connection::open(part)?;
    db.pragma_update(None, "synchronous", "FULL")?;
    let manifest = backup::manifest(&db)?;
    if manifest.master_key != key.id().as_str() {
        let needs = MasterKeyId::stored(manifest.master_key);
        return Err(LedgerError::WrongKey { path: from_file.to_owned(), needs, given: key.id() }.into());
    }
    backup::sound(&db)?;
    schema::migrate(&mut db, part, schema::MIGRATIONS)?;
    let vault = Vault::new(Masters::new(key), true);
    let tx = db.transaction()?;
    let keyed = Db::new(&tx, &vault);
    let mut restored = Restored { manifest, runs: 0, notifications: 0, requests: 0 };
    if let RestoreFrom::Now(now) = from {
        settle(&keyed, now, &mut restored)?;
    }
    // The next claim gives an epoch that the other history may have given too: no file has both.
    tx.execute("DELETE FROM manifest", [])?;
    tx.commit()?;
    db.close().map_err(|(_, error)| error)?;
    Ok(restored)
}

/// Nothing from before `now` is run: what is open ends as a dead letter, and triggers begin now.
fn settle(db: &Db<'_>, now: Timestamp, restored: &mut Restored) -> Res<()> {
    while !timers::fire(db, now, TIMERS)?.is_empty() {}
    let why = "the ledger was restored from a backup: what was open in it may have been done since";
    let failure = Failure { kind: FailureKind::Fatal, code: "restored".to_owned(), message: why.to_owned(), retry_after: None };
    let tenants: Vec<TenantId> = rows(db, "SELECT DISTINCT tenant FROM data_keys", [], |row| Ok(text(row, "tenant")?))?;
    for tenant in tenants {
        let of = tenant.as_str();
        let told = db.cells(&tenant, "runs")?.json_in("failure", &failure)?;
        restored.runs += change(
            db,
            "UPDATE runs SET state = 'dead', ended = ?2, not_before = NULL, failure = ?3, code = ?4
             WHERE tenant = ?1 AND state IN ('pending', 'recorded')",
            params![of, At(now), told, failure.word()],
        )?;
        let told = db.cells(&tenant, "notifications")?.bytes_in("message", why.as_bytes())?;
        restored.notifications += change(
            db,
            "UPDATE notifications SET state = 'dead', code = 'restored', message = ?2 WHERE tenant = ?1 AND state = 'open'",
            params![of, told],
        )?;
        let told = db.cells(&tenant, "outbox")?.bytes_in("message", why.as_bytes())?;
        restored.requests += change(
            db,
            "UPDATE outbox SET state = 'dead', ended = ?2, code = 'restored', message = ?3
             WHERE tenant = ?1 AND state IN ('waiting', 'sending')",
            params![of, At(now), told],
        )?;
    }
    // Their fences have moved on: whether they happened can no longer be read there. A retry is a run afresh.
    change(db, "UPDATE recorded SET live = 0", [])?;
    change(db, "UPDATE fences SET held_by = NULL", [])?;
    change(db, "UPDATE cron_marks SET at = max(at, ?1)", [At(now)])?;
    change(db, "UPDATE deployments SET deployed = max(deployed, ?1)", [At(now)])?;
    change(db, "UPDATE subscriptions SET since = max(coalesce(since, ?1), ?1)", [At(now)])?;
    Ok(())
}
