//! Opening: the lock that keeps a second host out, the file, its settings and its schema.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::cell::Db;
use super::fault::{Fault, Res};
use super::vault::{Masters, Vault};
use super::{rewrite, schema};
use crate::{LedgerError, MasterKeyId, MasterKeys, Result};

/// How long SQLite waits for a lock of its own: only a checkpoint, or a backup tool, holds one for long.
pub(super) const BUSY: Duration = Duration::from_secs(10);

/// Memory for the writer's pages, in KiB. Larger is not better: where a commit moved pages within a tree, SQLite looks through the whole table of
/// the cache when it ends.
const CACHE_KIB: i64 = 32 * 1024;

/// Pages in the log after which they are brought into the file: a page that many commits changed is then written once. 16 MiB, which a start after a crash
/// reads in a moment.
const CHECKPOINT: u32 = 4_096;

/// Statements keep the plan that they were prepared with. Else SQLite prepares each one that has `LIMIT ?` anew whenever it is bound.
pub(super) fn keep_plans(db: &Connection) -> rusqlite::Result<()> {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// An open database and the lock on it; the lock goes with the process, however it ends.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) db: Connection,
    pub(super) lock: File,
    pub(super) vault: Vault,
}

/// Opens the ledger at `path`, makes it where it is not there.
pub(super) fn open(path: &Path, keys: MasterKeys) -> Result<Opened> {
    let storage = |what: &str| {
        let what = format!("{}: {what}", path.display());
        move |error: std::io::Error| LedgerError::Storage { doing: "open", what: format!("{what}: {}", error.kind()) }
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(storage("cannot make its folder"))?;
    }
    let lock = lock(path)?;
    // SQLite gives its side files the mode of the database: nobody else reads patient data.
    private().open(path).map_err(storage("cannot be opened for writing"))?;
    let (db, vault) = connect(path, keys).map_err(|fault| fault.told("open"))?;
    Ok(Opened { db, lock, vault })
}

fn connect(path: &Path, keys: MasterKeys) -> Res<(Connection, Vault)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY)?;
    db.set_prepared_statement_cache_capacity(128);
    keep_plans(&db)?;
    // Before anything is written: under a wrong key nothing must be.
    let under = known_master(path, &db, &keys)?;
    // So that pruning gives space back in steps; it takes effect where there are no tables yet.
    db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    // FULL: in WAL mode NORMAL would lose the last commits with the power, and they were promised.
    db.pragma_update(None, "synchronous", "FULL")?;
    // Apple's fsync does not reach the platter; elsewhere these do nothing.
    db.pragma_update(None, "fullfsync", true)?;
    db.pragma_update(None, "checkpoint_fullfsync", true)?;
    // Keys are digests, so a write touches pages all over the indexes: what they fit into is read once.
    db.pragma_update(None, "cache_size", -CACHE_KIB)?;
    // Savepoints keep pages aside; a file for them would cost more than the write.
    db.pragma_update(None, "temp_store", "MEMORY")?;
    db.pragma_update(None, "wal_autocheckpoint", CHECKPOINT)?;
    db.pragma_update(None, "trusted_schema", false)?;
    // A migration may rebuild a table that others refer to.
    db.pragma_update(None, "foreign_keys", false)?;
    schema::migrate(&mut db, path, schema::MIGRATIONS)?;
    let vault = encrypt(&mut db, under, keys)?;
    db.pragma_update(None, "foreign_keys", true)?;
    Ok((db, vault))
}

/// The name of the master key that the ledger is under, where it is under one; an error where it is not one of `keys`.
fn known_master(path: &Path, db: &Connection, keys: &MasterKeys) -> Res<Option<MasterKeyId>> {
    let Some(id) = master_of(db)? else { return Ok(None) };
    let given = keys.current.id();
    if id == given || keys.former.as_ref().is_some_and(|former| former.id() == id) {
        return Ok(Some(id));
    }
    Err(LedgerError::WrongKey { path: path.to_owned(), needs: id, given }.into())
}

/// The name of the master key in a database; `None` where there is none yet.
pub(super) fn master_of(db: &Connection) -> Res<Option<MasterKeyId>> {
    let tables: u32 = db.query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'master_key'", [], |row| row.get(0))?;
    if tables == 0 {
        return Ok(None);
    }
    super::column::first(db, "SELECT id FROM master_key", [], |row| Ok(MasterKeyId::stored(row.get(0)?)))
}

/// Brings the ledger under the current master key: at the first start, and where it is still under the former one.
fn encrypt(db: &mut Connection, under: Option<MasterKeyId>, keys: MasterKeys) -> Res<Vault> {
    let id = keys.current.id();
    let vault = Vault::new(Masters::new(keys.current), true);
    if under.as_ref() == Some(&id) {
        return Ok(vault);
    }
    vault.masters().add_all(keys.former);
    let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    vault.rewrap(&tx, id.as_str())?;
    let is_plain = under.is_none() && rewrite::seal_all(&Db::new(&tx, &vault))?;
    tx.commit()?;
    vault.begins();
    vault.masters().keep(id.as_str());
    if is_plain {
        // What was in clear stands in free pages still. This also makes the file one that gives space back.
        db.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);")?;
    }
    Ok(vault)
}

pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

/// Locks the ledger at `path` against every host; the lock goes with the file that is given.
///
/// # Errors
/// [`LedgerError::InUse`] where another process has it, [`LedgerError::Storage`] where there can be no lock file.
pub fn lock(path: &Path) -> Result<File> {
    let name = beside(path, ".lock");
    let failed = |error: std::io::Error| LedgerError::Storage {
        doing: "open",
        what: format!("{}: cannot be locked: {}", name.display(), error.kind()),
    };
    let mut file = private().open(&name).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // The holder's pid is a help; without it the error still names the file.
            let by = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
            return Err(LedgerError::InUse { path: path.to_owned(), by });
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    file.set_len(0).and_then(|()| file.rewind()).map_err(failed)?;
    writeln!(file, "{}", std::process::id()).map_err(failed)?;
    Ok(file)
}

/// A file beside the database: its name and `suffix`.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Before the connection is let go: brings the WAL into the database, so that the file alone is whole.
pub(super) fn settle(db: &Connection) -> std::result::Result<(), Fault> {
    db.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE);")?;
    Ok(())
}
