//! Commit points by name: where a host can be stopped, and what stops it there.
//!
//! [`Pointed`] stands around what a host stands on and calls its [`Hook`] before and after each step by which something becomes durable or leaves the
//! host. The simulation strikes there; the crash harness kills the process there.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use hob_host::Sandbox;
use hob_ledger::Ledger;

mod ledger;
mod sandbox;
mod transport;

pub use transport::{is_question, is_transaction};

/// A step by which something becomes durable or leaves the host, in the order of a run's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// A notification is put on disk.
    Append,
    /// How far a source was swept is.
    Swept,
    /// Changes and their runs are.
    Resolve,
    /// A run is taken up.
    Dispatch,
    /// The bot runs.
    Attempt,
    /// That it asks somebody outside is put on disk.
    Ask,
    /// The request leaves.
    AskSend,
    /// Its answer is put on disk.
    Answered,
    /// Its effects are put on disk.
    Record,
    /// The transaction leaves.
    Send,
    /// The server commits it.
    ServerCommit,
    /// Its answer arrives.
    Answer,
    /// The end of the run is put on disk.
    Done,
    /// A failed attempt is.
    Fail,
    /// A timer becomes a run.
    FireTimer,
    /// A cron instant does.
    FireCron,
    /// That requests of the outbox are being sent is put on disk.
    OutboxBegin,
    /// One leaves.
    OutboxSend,
    /// Its end is put on disk, or that it is tried again.
    OutboxDone,
}

impl Point {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::Append,
        Self::Swept,
        Self::Resolve,
        Self::Dispatch,
        Self::Attempt,
        Self::Ask,
        Self::AskSend,
        Self::Answered,
        Self::Record,
        Self::Send,
        Self::ServerCommit,
        Self::Answer,
        Self::Done,
        Self::Fail,
        Self::FireTimer,
        Self::FireCron,
        Self::OutboxBegin,
        Self::OutboxSend,
        Self::OutboxDone,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Swept => "swept",
            Self::Resolve => "resolve",
            Self::Dispatch => "dispatch",
            Self::Attempt => "attempt",
            Self::Ask => "ask",
            Self::AskSend => "ask-send",
            Self::Answered => "answered",
            Self::Record => "record",
            Self::Send => "send",
            Self::ServerCommit => "server-commit",
            Self::Answer => "answer",
            Self::Done => "done",
            Self::Fail => "fail",
            Self::FireTimer => "fire-timer",
            Self::FireCron => "fire-cron",
            Self::OutboxBegin => "outbox-begin",
            Self::OutboxSend => "outbox-send",
            Self::OutboxDone => "outbox-done",
        }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Which side of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Nothing of the step has happened.
    Before,
    /// It has, and who asked for it does not know yet.
    After,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Before => "before",
            Self::After => "after",
        })
    }
}

/// What happens at commit points.
#[async_trait]
pub trait Hook: Send + Sync {
    /// A point is passed; returns when whoever passes it may go on, which may be never.
    async fn at(&self, point: Point, side: Side);
}

/// What a host stands on, with a hook at its commit points.
pub struct Pointed<T: ?Sized> {
    inner: Arc<T>,
    hook: Arc<dyn Hook>,
}

impl Pointed<dyn Ledger> {
    /// A ledger with a hook around its writes, and around the read by which a run is taken up.
    pub fn ledger(inner: Arc<dyn Ledger>, hook: Arc<dyn Hook>) -> Self {
        Self { inner, hook }
    }
}

impl Pointed<dyn Sandbox> {
    /// A sandbox with a hook around each attempt.
    pub fn sandbox(inner: Arc<dyn Sandbox>, hook: Arc<dyn Hook>) -> Self {
        Self { inner, hook }
    }
}
