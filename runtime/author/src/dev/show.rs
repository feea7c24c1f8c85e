//! What a session has to say; how it looks is the command's affair.

use std::path::PathBuf;
use std::time::Duration;

use hob_model::{BaseUrl, Failure, LogLine, OutboxItem, TimerOp};
use serde_json::Value;

use crate::AuthorError;
use crate::build::Built;

/// Something to be shown.
#[derive(Debug)]
pub enum Shown {
    /// The FHIR server is up.
    Listens {
        /// Its base URL.
        base: BaseUrl,
        /// How many resources it has.
        resources: usize,
    },
    /// Files changed, and the bot is being built.
    Building {
        /// Which, from the project's folder; none at the start.
        files: Vec<PathBuf>,
    },
    /// The build goes on.
    StillBuilding {
        /// From its start until now.
        since: Duration,
        /// Whether nothing was built before in this session.
        is_first: bool,
    },
    /// The bot was built and is ready.
    Ready {
        /// The component.
        built: Built,
        /// What the engine took to compile it.
        compiled: Duration,
        /// From the change of a file until now.
        since_save: Option<Duration>,
    },
    /// An event that no trigger wants.
    NotWanted {
        /// What happened.
        what: String,
    },
    /// The bot ran.
    Ran(Box<Ran>),
    /// The cases were played.
    Cases {
        /// How many came out as expected.
        passed: usize,
        /// The names of those that did not.
        failed: Vec<String>,
        /// From start to end.
        took: Duration,
    },
    /// Seeds changed: the server begins anew.
    Reseeded {
        /// How many resources it has.
        resources: usize,
    },
    /// Nothing to be done for what was asked.
    Nothing {
        /// Why.
        why: &'static str,
    },
    /// Something went wrong; the session goes on.
    Wrong(AuthorError),
}

/// A run and what it did.
#[derive(Debug)]
pub struct Ran {
    /// What happened.
    pub what: String,
    /// Whether it is the last event, again on the server as it was before.
    pub again: bool,
    /// What the bot logged.
    pub log: Vec<LogLine>,
    /// What it asked of the host.
    pub calls: Vec<Called>,
    /// What it changed on the server.
    pub changes: Vec<Changed>,
    /// Timers that it set or took back.
    pub timers: Vec<TimerOp>,
    /// Requests that it would send; here none is.
    pub outbox: Vec<OutboxItem>,
    /// What it answered.
    pub result: Option<String>,
    /// Why it did not handle the event.
    pub failure: Option<Failure>,
    /// What to do about it, where that is known.
    pub hint: Option<String>,
    /// CPU time of bot and host functions.
    pub cpu: Duration,
    /// From start to end.
    pub wall: Duration,
    /// From the change of a file until now.
    pub since_save: Option<Duration>,
}

/// A host call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// The function, such as `fhir.read`.
    pub function: String,
    /// What was asked, as JSON.
    pub asked: String,
    /// The error's code; none where it went well.
    pub error: Option<String>,
    /// How long the host took.
    pub took: Duration,
}

/// A resource that a run changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// `Type/id`.
    pub reference: String,
    /// Before; null where it was not there.
    pub before: Value,
    /// After; null where it is gone.
    pub after: Value,
}
