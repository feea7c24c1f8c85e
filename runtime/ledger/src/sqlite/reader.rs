//! Readers: a few connections for queries, which neither wait for the writer nor hold it up (WAL). Pages and lists are read off the async threads;
//! what a run asks for by key is looked up where it is asked.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use super::cell::Db;
use super::fault::{Fault, Res};
use super::vault::Vault;
use crate::{LedgerError, Result};

/// Queries at once.
const READERS: u32 = 4;

/// The pool.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
    vault: Arc<Vault>,
}

impl Readers {
    pub(super) fn new(path: PathBuf, vault: Vault) -> Self {
        let permits = Arc::new(Semaphore::new(READERS as usize));
        Self { path, idle: Arc::default(), permits, vault: Arc::new(vault) }
    }

    /// Runs `work` on one snapshot of the database, off the async threads.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Db<'_>) -> Res<T> + Send + 'static,
    ) -> Result<T> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| LedgerError::Closed)?;
        let (idle, path, vault) = (Arc::clone(&self.idle), self.path.clone(), Arc::clone(&self.vault));
        let done = tokio::task::spawn_blocking(move || {
            let pooled = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let db = pooled.map_or_else(|| open(&path), Ok)?;
            let tx = db.unchecked_transaction()?;
            let value = work(&Db::new(&tx, &vault))?;
            drop(tx);
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(db);
            drop(permit);
            Ok(value)
        });
        let done: Res<T> = done.await.map_err(|_| LedgerError::Closed)?;
        done.map_err(|fault: Fault| fault.told(doing))
    }

    /// Runs `work`, which reads a few rows by their keys, on the caller's thread: to hand it to another one costs more than the look
    /// itself. Several statements see one snapshot only within a transaction of their own.
    pub(super) async fn look<T>(&self, doing: &'static str, work: impl FnOnce(&Db<'_>) -> Res<T> + Send) -> Result<T> {
        let _permit = self.permits.acquire().await.map_err(|_| LedgerError::Closed)?;
        let look = || {
            let pooled = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let db = pooled.map_or_else(|| open(&self.path), Ok)?;
            let value = work(&Db::new(&db, &self.vault))?;
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(db);
            Ok(value)
        };
        look().map_err(|fault: Fault| fault.told(doing))
    }

    /// The keys that readers use.
    pub(super) fn vault(&self) -> Arc<Vault> {
        Arc::clone(&self.vault)
    }

    /// Waits for the queries under way and lets go of the file.
    pub(super) async fn close(&self) {
        if let Ok(all) = self.permits.acquire_many(READERS).await {
            self.permits.close();
            drop(all);
        }
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

pub(super) fn open(path: &std::path::Path) -> Res<Connection> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(super::open::BUSY)?;
    db.set_prepared_statement_cache_capacity(64);
    // Every commit of the writer empties it: a larger one would only be emptied more slowly.
    db.pragma_update(None, "cache_size", -512)?;
    super::open::keep_plans(&db)?;
    Ok(db)
}
