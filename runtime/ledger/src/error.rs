//! What can go wrong with a ledger.
//!
//! No variant holds patient data: an id in a message is a run's, a file's or a process's, never a resource's.

use std::path::PathBuf;

use hob_model::{BotName, RunState};

use crate::{Epoch, MasterKeyId};

/// The result of a ledger's method.
pub type Result<T> = std::result::Result<T, LedgerError>;

/// Why a ledger did not do what was asked. Nothing of the method's work is kept, whichever it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// Another host took over: this one must stop its runs and may claim anew.
    #[error("the lease of epoch {held} is lost: epoch {current} holds the ledger now")]
    LeaseLost {
        /// The epoch that the caller named.
        held: Epoch,
        /// The epoch that holds the ledger.
        current: Epoch,
    },
    /// Another process has the ledger open.
    #[error(
        "the ledger {path} is in use by {}: stop that process, or give this one a ledger of its own",
        by.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
    )]
    InUse {
        /// The database.
        path: PathBuf,
        /// The process that holds it, where it said so.
        by: Option<u32>,
    },
    /// The disk takes no more. The ledger works again as soon as there is room.
    #[error("the disk of the ledger is full or does not take writes: make room; nothing that was accepted is lost")]
    Full,
    /// More is waiting than the queue holds: the caller should ask its own caller to come back later (503).
    #[error("the ledger has more waiting than its queue holds: try again later")]
    Busy,
    /// The ledger is closing or closed.
    #[error("the ledger is closed")]
    Closed,
    /// There is no such thing in this tenant.
    #[error("no such {what}")]
    NotFound {
        /// What was looked for, such as `run`.
        what: &'static str,
    },
    /// The run is not in a state that allows this; for a host this means that the run was ended under it (superseded, taken back).
    #[error("the run is {state}: this needs one that is {needs}")]
    RunIs {
        /// What it is.
        state: RunState,
        /// What it must be.
        needs: &'static str,
    },
    /// A run cannot have a fence as it was named: another run holds it, or it has moved. Take another.
    #[error("the fence in slot {slot} is held by another run, or has moved")]
    FenceTaken {
        /// The slot.
        slot: u32,
    },
    /// A source that a deployed bot works on cannot be removed.
    #[error("the source is in use by the bot {by}: take the bot out of service first")]
    SourceInUse {
        /// One of the bots.
        by: BotName,
    },
    /// The database was written by a newer Hob.
    #[error("the ledger {path} has schema {found} and this hob knows up to {known}: use the newer hob")]
    NewerSchema {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest schema of this binary.
        known: u32,
    },
    /// The ledger is under another master key. Nothing was changed.
    #[error(
        "the ledger {path} is under the master key {needs} and was given {given}: give the right key (`[encryption] master-key` in \
         hob.toml). Without it nobody can read what the ledger holds, and nothing replaces it. Nothing was changed"
    )]
    WrongKey {
        /// The database.
        path: PathBuf,
        /// The key that it is under.
        needs: MasterKeyId,
        /// The key that was given.
        given: MasterKeyId,
    },
    /// What is stored cannot be read back. Restore a backup; nothing is written over it.
    #[error("the ledger is damaged: {what}")]
    Corrupt {
        /// Which part, without its content.
        what: String,
    },
    /// The database cannot be opened, or answered an error that none of the others is.
    #[error("the ledger failed at `{doing}`: {what}")]
    Storage {
        /// What it was doing.
        doing: &'static str,
        /// The store's own words for the kind of error, without data.
        what: String,
    },
}
