//! The one writer: a thread that owns the connection, takes what is queued, commits once, then wakes the waiters.
//!
//! Each call runs in a savepoint of its own, so that one that is refused takes nothing with it. An fsync costs the same for one
//! call as for hundreds, and while it lasts the queue fills: batches form by themselves, without a timer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

use super::cell::Db;
use super::fault::{Fault, Res};
use crate::{Epoch, LedgerError, Result};

/// Calls that may wait; more are answered `Busy` (accept) or wait for room (all others).
pub(super) const QUEUE: usize = 1024;

/// Calls in one commit: bounds how long the first of them waits for the last.
const BATCH: usize = 512;

/// What the writer tells the outside.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) commits: AtomicU64,
    pub(super) writes: AtomicU64,
}

/// A call in the queue.
pub(super) trait Job: Send {
    /// Does the work within a savepoint and keeps the outcome.
    fn run(&mut self, db: &Db<'_>);
    /// Whether it made something that those who watch want to know of.
    fn has_news(&self) -> bool;
    /// Tells the caller, once it is known whether the batch is on disk.
    fn answer(self: Box<Self>, commit: Option<&LedgerError>);
}

/// A call with its reply.
pub(super) struct Call<T, F> {
    pub(super) doing: &'static str,
    /// The lease that it claims; `None` for what needs none.
    pub(super) epoch: Option<Epoch>,
    /// Whether those who watch are woken.
    pub(super) news: bool,
    pub(super) work: Option<F>,
    pub(super) outcome: Option<Result<T>>,
    pub(super) reply: oneshot::Sender<Result<T>>,
    /// Room in the queue by bytes, given back with the answer.
    pub(super) _room: Option<OwnedSemaphorePermit>,
}

impl<T, F> Job for Call<T, F>
where
    T: Send,
    F: FnOnce(&Db<'_>) -> Res<T> + Send,
{
    fn run(&mut self, db: &Db<'_>) {
        let Some(work) = self.work.take() else { return };
        let epoch = self.epoch;
        let done = within_savepoint(db, || {
            if let Some(held) = epoch {
                lease(db, held)?;
            }
            work(db)
        });
        self.outcome = Some(done.map_err(|fault| fault.told(self.doing)));
    }

    fn has_news(&self) -> bool {
        self.news && matches!(self.outcome, Some(Ok(_)))
    }

    fn answer(self: Box<Self>, commit: Option<&LedgerError>) {
        let outcome = match (commit, self.outcome) {
            (None, Some(outcome)) => outcome,
            // What it answered for itself is truer than what became of the batch.
            (Some(_), Some(Err(error))) => Err(error),
            (Some(error), _) => Err(error.clone()),
            (None, None) => Err(LedgerError::Closed),
        };
        // A caller that went away does not undo what is on disk.
        drop(self.reply.send(outcome));
    }
}

fn within_savepoint<T>(db: &Connection, work: impl FnOnce() -> Res<T>) -> Res<T> {
    let run = |sql: &str| db.prepare_cached(sql).and_then(|mut s| s.execute([]));
    run("SAVEPOINT call")?;
    match work() {
        Ok(value) => {
            run("RELEASE call")?;
            Ok(value)
        }
        Err(fault) => {
            // A full disk may have rolled back everything already: then there is no savepoint to go back to.
            if !db.is_autocommit() {
                run("ROLLBACK TO call")?;
                run("RELEASE call")?;
            }
            Err(fault)
        }
    }
}

fn lease(db: &Connection, held: Epoch) -> Res<()> {
    let current: i64 = db.prepare_cached("SELECT epoch FROM lease")?.query_row([], |row| row.get(0))?;
    let current = Epoch::new(u64::try_from(current).unwrap_or(0));
    if held == current { Ok(()) } else { Err(LedgerError::LeaseLost { held, current }.into()) }
}

/// Serves the queue until every sender is gone and it is empty.
pub(super) fn serve(db: &Db<'_>, mut jobs: mpsc::Receiver<Box<dyn Job>>, tally: &Arc<Tally>, news: &watch::Sender<u64>) {
    while let Some(first) = jobs.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Ok(next) = jobs.try_recv()
        {
            batch.push(next);
        }
        let writes = batch.len() as u64;
        let failed = commit(db, &mut batch);
        if failed.is_none() {
            tally.commits.fetch_add(1, Ordering::Relaxed);
            tally.writes.fetch_add(writes, Ordering::Relaxed);
            // Before the answers: who has one finds the tick there.
            if batch.iter().any(|job| job.has_news()) {
                news.send_modify(|tick| *tick = tick.wrapping_add(1));
            }
        }
        for job in batch {
            job.answer(failed.as_ref());
        }
    }
}

/// Runs a batch in one transaction. Gives the error where nothing of it is on disk.
fn commit(db: &Db<'_>, batch: &mut [Box<dyn Job>]) -> Option<LedgerError> {
    let told = |error: rusqlite::Error| Fault::from(error).told("commit");
    if let Err(error) = db.execute_batch("BEGIN IMMEDIATE") {
        return Some(told(error));
    }
    db.vault().begins();
    for job in batch {
        job.run(db);
        if db.is_autocommit() {
            // SQLite rolled the whole transaction back: it does so when the disk is full.
            return Some(LedgerError::Full);
        }
    }
    let error = db.execute_batch("COMMIT").err().map(told)?;
    if !db.is_autocommit() {
        // Nothing can be done about a rollback that fails: the next BEGIN will say so.
        drop(db.execute_batch("ROLLBACK"));
    }
    Some(error)
}
