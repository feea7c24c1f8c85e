//! The reference model of the ledger: what [`hob_ledger::Ledger`] promises, as plain maps in memory.
//!
//! Goal: so simple that it is right by looking at it, and fast enough for millions of simulated changes. It passes the contract
//! suite that SQLite passes, so what holds for a host on this model holds for one on SQLite as far as that suite reaches.
//!
//! A [`ModelStore`] is the disk, a [`ModelLedger`] an open handle to it. What a call has answered is durable at once; a host that
//! crashes drops its handle, and the next one opens another over the same store and claims a new epoch. [`Mutation`]s make it wrong
//! on purpose.

mod ask;
mod dead;
mod fence;
mod finish;
mod intake;
mod mutation;
mod outbox;
mod prune;
mod query;
mod registry;
mod resolve;
mod run;
mod schedule;
mod state;
mod trait_impl;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hob_ledger::{Epoch, LedgerError, Result};
use tokio::sync::watch;

pub use mutation::{Mutation, Mutations};
use state::State;

/// What is on the simulated disk. Outlives every handle.
#[derive(Debug)]
pub struct ModelStore {
    state: Mutex<State>,
    news: watch::Sender<u64>,
}

impl ModelStore {
    /// An empty store that makes these mistakes.
    #[must_use]
    pub fn new(mutations: Mutations) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State::new(mutations)), news: watch::Sender::new(0) })
    }

    /// The power goes: what is not durable is gone. Only [`Mutation::AckBeforeFsync`] leaves anything that is not.
    pub fn crash(&self) {
        self.state().crash();
    }

    /// Every notification that was accepted and is still there.
    #[must_use]
    pub fn notifications(&self) -> Vec<hob_ledger::NewNotification> {
        self.state().notifications.values().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic inside a call has failed the simulation already; what it left is still what there is.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open handle to a [`ModelStore`]: what a host holds.
#[derive(Debug)]
pub struct ModelLedger {
    store: Arc<ModelStore>,
    closed: AtomicBool,
}

impl ModelLedger {
    /// Opens the store. Any number of handles may be open: the epoch says whose writes count.
    #[must_use]
    pub const fn open(store: Arc<ModelStore>) -> Self {
        Self { store, closed: AtomicBool::new(false) }
    }

    fn open_state(&self) -> Result<MutexGuard<'_, State>> {
        if self.closed.load(Ordering::SeqCst) { Err(LedgerError::Closed) } else { Ok(self.store.state()) }
    }

    fn read<T>(&self, work: impl FnOnce(&State) -> T) -> Result<T> {
        Ok(work(&*self.open_state()?))
    }

    /// A write: `work` checks all that can be wrong before it changes anything. What was accepted before it is on disk with it.
    fn write<T>(&self, epoch: Option<Epoch>, news: bool, work: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let mut state = self.open_state()?;
        if let Some(held) = epoch {
            state.lease(held)?;
        }
        let before = state.last_notification;
        let done = work(&mut state)?;
        if state.last_notification == before {
            state.volatile.clear();
        }
        state.writes += 1;
        drop(state);
        if news {
            self.store.news.send_modify(|tick| *tick = tick.wrapping_add(1));
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests;
