//! What a command says when it fails: what, where, what to do, and the exit code, in one item each.

use std::fmt;
use std::path::Path;

use serde_json::{Value, json};

use crate::exit_code;

/// A failure, ready to be shown. Codes are listed in docs/errors.md.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CliError {
    /// Stable; the host's own where the host refused.
    pub(crate) code: String,
    /// What went wrong.
    pub(crate) message: String,
    /// Where: a file, a URL, a run.
    pub(crate) at: Option<String>,
    /// What to do.
    pub(crate) help: String,
    /// One of [`exit_code`].
    pub(crate) exit: u8,
}

impl CliError {
    pub(crate) fn new(exit: u8, code: &str, message: impl fmt::Display, help: impl fmt::Display) -> Self {
        Self { code: code.to_owned(), message: message.to_string(), at: None, help: help.to_string(), exit }
    }

    /// Adds where it happened.
    pub(crate) fn at(mut self, place: impl fmt::Display) -> Self {
        self.at = Some(place.to_string());
        self
    }

    /// A file that cannot be read.
    pub(crate) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        let message = format!("the file cannot be read: {}", io_words(error));
        Self::new(exit_code::FILE, "file-unreadable", message, "check the path and its permissions").at(path.display())
    }

    /// A file that cannot be written.
    pub(crate) fn unwritable(path: &Path, error: &std::io::Error) -> Self {
        let message = format!("the file cannot be written: {}", io_words(error));
        Self::new(exit_code::FILE, "file-unwritable", message, "check the folder and its permissions").at(path.display())
    }

    /// Options that do not go together, found after clap was content.
    pub(crate) fn usage(message: impl fmt::Display, help: impl fmt::Display) -> Self {
        Self::new(exit_code::USAGE, "usage", message, help)
    }

    /// The machine gives no runtime: out of threads or file handles.
    pub(crate) fn runtime(error: &std::io::Error) -> Self {
        let help = "raise the limits on threads and open files (ulimit -u, ulimit -n)";
        Self::new(exit_code::FAILURE, "no-runtime", format!("cannot start: {}", io_words(error)), help)
    }

    /// stdout cannot be written to. A closed pipe (`hob runs | head`) is a quiet end and no failure.
    pub(crate) fn output(error: &std::io::Error) -> Self {
        let closed = error.kind() == std::io::ErrorKind::BrokenPipe;
        let exit = if closed { exit_code::OK } else { exit_code::FILE };
        let code = if closed { "" } else { "stdout" };
        Self::new(exit, code, format!("stdout cannot be written to: {}", io_words(error)), "check where it is redirected to")
    }

    /// As `--json` shows it.
    pub(crate) fn json(&self) -> Value {
        json!({"error": {"code": self.code, "message": self.message, "at": self.at, "help": self.help}})
    }
}

/// The system's words without Rust's `(os error 2)`.
fn io_words(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}
