//! Backup: one consistent file, written beside a ledger in use.
//!
//! `VACUUM INTO` on a connection of its own: it reads one snapshot, however much is written meanwhile. SQLite's online backup API would
//! begin anew whenever another connection commits, and on a busy ledger never end. The file holds only what is in use, and the
//! values in it are as encrypted as in the ledger.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::cell::Db;
use super::column::{count, first};
use super::fault::{Fault, Res};
use super::open::{beside, private};
use super::vault::Vault;
use super::{keys, reader};
use crate::{BackupNote, LedgerError, Manifest};

pub(super) fn backup(ledger: &Path, to: &Path, vault: &Vault, note: BackupNote) -> Res<Manifest> {
    if to.exists() {
        return Err(file(to, "is there already")(std::io::ErrorKind::AlreadyExists.into()));
    }
    let part = beside(to, ".part");
    let done = write(ledger, &part, vault, note).and_then(|manifest| {
        std::fs::rename(&part, to).map_err(file(to, "cannot be put in place"))?;
        settle_folder(to)?;
        Ok(manifest)
    });
    if done.is_err() {
        // Half a backup is none; where it cannot be removed the next one does.
        drop(std::fs::remove_file(&part));
    }
    done
}

fn write(ledger: &Path, part: &Path, vault: &Vault, note: BackupNote) -> Res<Manifest> {
    // SQLite writes into an empty file that is there, and keeps its mode: nobody else reads a backup.
    private().truncate(true).open(part).map_err(file(part, "cannot be made"))?;
    reader::open(ledger)?.execute("VACUUM INTO ?1", [part.to_str().ok_or_else(|| unspeakable(part))?])?;
    let copy = Connection::open(part)?;
    copy.pragma_update(None, "journal_mode", "DELETE")?;
    copy.pragma_update(None, "synchronous", "FULL")?;
    // Of the copy, not of the ledger, which has gone on.
    let report = keys::report(&Db::new(&copy, vault))?;
    let manifest = Manifest {
        host_id: note.host_id,
        made: note.made,
        schema: copy.pragma_query_value(None, "user_version", |row| row.get(0))?,
        epoch: first(&copy, "SELECT epoch FROM lease", [], |row| Ok(count(row, "epoch")?))?.unwrap_or_default(),
        master_key: report.master.to_string(),
        data_keys: report.tenants,
    };
    let body = serde_json::to_string(&manifest).map_err(|_| Fault::Json)?;
    copy.execute("INSERT OR REPLACE INTO manifest (one, body) VALUES (1, ?1)", [body])?;
    sound(&copy)?;
    copy.close().map_err(|(_, error)| error)?;
    File::open(part).and_then(|file| file.sync_all()).map_err(file(part, "cannot be brought to disk"))?;
    Ok(manifest)
}

/// What a backup says of itself.
pub(super) fn manifest(db: &Connection) -> Res<Manifest> {
    let none = || LedgerError::Corrupt { what: "the file is no backup of a ledger: it has no manifest".to_owned() };
    let tables: u32 = db.query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'manifest'", [], |row| row.get(0))?;
    if tables == 0 {
        return Err(none().into());
    }
    let body: Option<String> = first(db, "SELECT body FROM manifest", [], |row| Ok(row.get("body")?))?;
    serde_json::from_str(&body.ok_or_else(none)?).map_err(|_| Fault::Json)
}

/// An error where SQLite finds damage.
pub(super) fn sound(db: &Connection) -> Res<()> {
    let found: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(LedgerError::Corrupt { what: "SQLite's quick_check finds damage".to_owned() }.into()) }
}

/// A rename is on disk when its folder is.
pub(super) fn settle_folder(path: &Path) -> Res<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(file(path, "cannot be brought to disk"))
}

pub(super) fn file<'a>(path: &'a Path, what: &'a str) -> impl FnOnce(std::io::Error) -> Fault + 'a {
    move |error| match error.kind() {
        std::io::ErrorKind::StorageFull => LedgerError::Full.into(),
        kind => LedgerError::Storage { doing: "backup", what: format!("{} {what}: {kind}", path.display()) }.into(),
    }
}

fn unspeakable(path: &Path) -> LedgerError {
    LedgerError::Storage { doing: "backup", what: format!("{}: SQLite takes paths in UTF-8 only", PathBuf::from(path).display()) }
}
