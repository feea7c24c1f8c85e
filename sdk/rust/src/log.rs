//! The run's log: the host takes a line's level from its first word.

use std::fmt;
use std::io::Write;

/// How loud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// For the author.
    Debug,
    /// For the operator.
    Info,
    /// Something is off.
    Warn,
    /// Something failed.
    Error,
}

/// Writes a line to the run's log; `log(Level::Info, format_args!("…"))`. Line breaks become spaces.
pub fn log(level: Level, text: fmt::Arguments<'_>) {
    let word = match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    };
    let line = text.to_string().replace('\n', " ");
    // A log that is full is the host's to tell.
    let _ = writeln!(std::io::stdout().lock(), "{word}: {line}");
}
