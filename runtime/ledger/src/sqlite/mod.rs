//! The ledger on SQLite: one file, one host.
//!
//! Goal: the durable store of a large clinic network without a server to look after.
//!
//! # Locking
//! A lock file beside the database keeps a second host out; the operating system lets go of it when the process ends, however
//! it ends. Inside the process one thread writes, so nothing waits for SQLite's own locks; readers see the last commit (WAL).
//!
//! # Durability
//! WAL with `synchronous = FULL`: a commit is answered after its fsync. Writes that come while one lasts share the next.
//!
//! # Compatibility
//! Migrations run at opening and only forward. States, times and counts can be looked at with `sqlite3`; what may be patient data is
//! encrypted, see `vault`.
//!
//! # Performance
//! The cost of a write is the fsync it shares, then the pages it dirties: hence partial indexes for what is open, large values
//! in tables apart from the rows that change state. Lists name their index, so that none ever sorts a table.

mod ask;
mod backup;
mod cell;
mod check;
mod column;
mod cron;
mod dead;
mod fair;
mod fault;
mod fence;
mod finish;
mod intake;
mod keys;
mod observe;
mod open;
mod outbox;
mod prune;
mod query;
mod reader;
mod registry;
mod resolve;
mod restore;
mod rewrite;
mod run;
mod schema;
mod sweep;
mod timers;
mod trait_impl;
mod upkeep;
mod vault;
mod writer;

pub use open::lock;
pub use restore::restore;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use crate::{Epoch, LedgerError, MasterKeyId, MasterKeys, Result};
use cell::Db;
use fault::Res;
use reader::Readers;
use vault::{Masters, Vault};
use writer::{Call, Job, Tally};

/// Bytes of notifications that may wait for the writer; more are answered `Busy`.
const QUEUED_BYTES: usize = 64 * 1024 * 1024;

/// A ledger in one SQLite file.
#[derive(Debug)]
pub struct SqliteLedger {
    path: PathBuf,
    /// Taken away at the close: the writer ends when the last sender is gone.
    jobs: Mutex<Option<mpsc::Sender<Box<dyn Job>>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    room: Arc<Semaphore>,
    readers: Readers,
    tally: Arc<Tally>,
    news: Arc<watch::Sender<u64>>,
    masters: Arc<Masters>,
}

impl SqliteLedger {
    /// Opens the ledger at `path`; makes file and folder where they are not there. Blocks for as long as migrations take.
    ///
    /// # Errors
    /// [`LedgerError::InUse`] where another process has it open, [`LedgerError::NewerSchema`] where a newer Hob wrote it,
    /// [`LedgerError::WrongKey`] where it is under another master key, [`LedgerError::Corrupt`] where it is no ledger,
    /// [`LedgerError::Storage`] where it cannot be opened for writing.
    pub fn open(path: impl AsRef<Path>, keys: impl Into<MasterKeys>) -> Result<Self> {
        Self::open_with(path.as_ref(), keys.into(), |_| Ok(()))
    }

    /// The name of the master key that the ledger at `path` is under; `None` where there is no ledger, or none that is encrypted.
    ///
    /// # Errors
    /// As [`SqliteLedger::open`], but for the key.
    pub fn master_key_id(path: impl AsRef<Path>) -> Result<Option<MasterKeyId>> {
        let path = path.as_ref();
        if !path.exists() {
            return Ok(None);
        }
        reader::open(path).and_then(|db| open::master_of(&db)).map_err(|fault| fault.told("open"))
    }

    /// The same with a last word on the writer's connection, for tests.
    fn open_with(path: &Path, keys: MasterKeys, adjust: impl FnOnce(&Connection) -> rusqlite::Result<()>) -> Result<Self> {
        let opened = open::open(path, keys)?;
        adjust(&opened.db).map_err(|error| fault::Fault::from(error).told("open"))?;
        let masters = Arc::clone(opened.vault.masters());
        let readers = Readers::new(path.to_owned(), Vault::new(Arc::clone(&masters), false));
        let (jobs, queue) = mpsc::channel(writer::QUEUE);
        let (tally, news) = (Arc::new(Tally::default()), Arc::new(watch::Sender::new(0)));
        let thread = {
            let (tally, news) = (Arc::clone(&tally), Arc::clone(&news));
            std::thread::Builder::new().name("ledger".to_owned()).spawn(move || {
                let open::Opened { db, lock, vault } = opened;
                writer::serve(&Db::new(&db, &vault), queue, &tally, &news);
                if let Err(fault) = open::settle(&db) {
                    tracing::warn!(error = %fault.told("close"), "the ledger's log was not brought into its file; the next start does it");
                }
                drop(db);
                // Last: whoever opens next finds nobody else at the file.
                drop(lock);
            })
        };
        let thread =
            thread.map_err(|error| LedgerError::Storage { doing: "open", what: format!("no thread: {}", error.kind()) })?;
        Ok(Self {
            path: path.to_owned(),
            jobs: Mutex::new(Some(jobs)),
            writer: Mutex::new(Some(thread)),
            room: Arc::new(Semaphore::new(QUEUED_BYTES)),
            readers,
            tally,
            news,
            masters,
        })
    }

    fn sender(&self) -> Result<mpsc::Sender<Box<dyn Job>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or(LedgerError::Closed)
    }

    /// A write that waits for room in the queue: the run loop's own, of which there are only so many at once.
    async fn write<T: Send + 'static>(
        &self,
        doing: &'static str,
        epoch: Option<Epoch>,
        news: bool,
        work: impl FnOnce(&Db<'_>) -> Res<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let call = Call { doing, epoch, news, work: Some(work), outcome: None, reply, _room: None };
        self.sender()?.send(Box::new(call)).await.map_err(|_| LedgerError::Closed)?;
        answer.await.map_err(|_| LedgerError::Closed)?
    }

    /// A write that does not wait for room, neither by calls nor by bytes.
    async fn offer<T: Send + 'static>(
        &self,
        doing: &'static str,
        bytes: usize,
        work: impl FnOnce(&Db<'_>) -> Res<T> + Send + 'static,
    ) -> Result<T> {
        let room = self.reserve(bytes)?;
        let (reply, answer) = oneshot::channel();
        let call = Call { doing, epoch: None, news: true, work: Some(work), outcome: None, reply, _room: Some(room) };
        self.sender()?.try_send(Box::new(call)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => LedgerError::Busy,
            mpsc::error::TrySendError::Closed(_) => LedgerError::Closed,
        })?;
        answer.await.map_err(|_| LedgerError::Closed)?
    }

    fn reserve(&self, bytes: usize) -> Result<OwnedSemaphorePermit> {
        // One batch that is larger than all the room still goes through, alone.
        let permits = u32::try_from(bytes.min(QUEUED_BYTES)).unwrap_or(u32::MAX);
        Arc::clone(&self.room).try_acquire_many_owned(permits).map_err(|_| LedgerError::Busy)
    }

    /// Takes nothing more; gives the writer, which ends when its queue is empty.
    fn stop(&self) -> Option<JoinHandle<()>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for SqliteLedger {
    /// Waits for what is queued, so that the lock is free when the value is gone.
    fn drop(&mut self) {
        if let Some(writer) = self.stop() {
            // A writer that panicked has told its callers already.
            drop(writer.join());
        }
    }
}

#[cfg(test)]
mod tests;
