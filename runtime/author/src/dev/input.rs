//! What a session does something about.

use std::path::PathBuf;

/// What a person asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Run the last event again.
    Again,
    /// Fire the next timer now.
    Fire,
    /// Let the first cron come due now.
    Cron,
    /// Play the cases.
    Cases,
}

#[derive(Debug)]
pub(super) enum Input {
    /// Files changed.
    Files(Vec<PathBuf>),
    /// Somebody wrote on the server.
    Written,
    /// A timer is due.
    Due,
    /// A person asks.
    Command(Command),
}
