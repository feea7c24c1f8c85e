//! What goes wrong on the way, ready for the command to show: a code that docs/errors.md lists, what, where, what to do.

use std::fmt;
use std::path::Path;

use hob_engine::EngineError;
use hob_host::local::LocalError;
use hob_model::ManifestError;

/// A failure of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorError {
    /// Its code in docs/errors.md.
    pub code: &'static str,
    /// What went wrong.
    pub message: String,
    /// Where.
    pub at: Option<String>,
    /// What to do.
    pub help: String,
    /// What kind of failure it is, for the exit code.
    pub kind: Fault,
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// What was tried did not succeed.
    Failed,
    /// The command line asks for what cannot be.
    Usage,
    /// `bot.toml` is wrong.
    Config,
    /// A file is not what it is taken for.
    Data,
    /// A file cannot be read or written.
    File,
    /// Something that must be installed is not.
    Missing,
}

impl fmt::Display for AuthorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for AuthorError {}

impl AuthorError {
    pub(crate) fn new(kind: Fault, code: &'static str, message: impl fmt::Display, help: impl fmt::Display) -> Self {
        Self { code, message: message.to_string(), at: None, help: help.to_string(), kind }
    }

    pub(crate) fn at(mut self, place: impl fmt::Display) -> Self {
        self.at = Some(place.to_string());
        self
    }

    pub(crate) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        let message = format!("it cannot be read: {}", words(error));
        Self::new(Fault::File, "file-unreadable", message, "check the path and its permissions").at(path.display())
    }

    pub(crate) fn unwritable(path: &Path, error: &std::io::Error) -> Self {
        let message = format!("it cannot be written: {}", words(error));
        Self::new(Fault::File, "file-unwritable", message, "check the folder and its permissions").at(path.display())
    }
}

/// The system's words without Rust's `(os error 2)`.
pub(crate) fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

impl From<ManifestError> for AuthorError {
    fn from(error: ManifestError) -> Self {
        let key = error.key.map_or_else(String::new, |key| format!("`{key}`: "));
        let help =
            "mend bot.toml at that line; vendor/hob/schema/bot.json in a project, and docs/manifest.md of Hob, list every key";
        Self::new(Fault::Config, "manifest", format!("{key}{}", error.message), help)
            .at(format!("{}:{}:{}", error.file, error.line, error.column))
    }
}

impl From<LocalError> for AuthorError {
    fn from(error: LocalError) -> Self {
        let text = error.to_string();
        match error {
            LocalError::Engine(error) => error.into(),
            LocalError::Manifest(error) => error.into(),
            LocalError::Triggers(_) => {
                let help = "mend the criteria or the filter of that [[on]] table in bot.toml";
                Self::new(Fault::Config, "criteria", text, help)
            }
            LocalError::Setting(_) => {
                let help = "give it a default under [settings] in bot.toml, or a value in the case's `settings`";
                Self::new(Fault::Config, "setting", text, help)
            }
            _ => Self::new(Fault::Failed, "commit", text, "mend what the bot writes: the server refuses it"),
        }
    }
}

impl From<EngineError> for AuthorError {
    fn from(error: EngineError) -> Self {
        let (kind, help) = match &error {
            EngineError::CoreModule => (Fault::Data, "build the bot with `hob build`: it makes a component"),
            EngineError::Import { import, .. } if import.contains("hob:bot/") => {
                (Fault::Data, "the SDK that it was built with is newer than this `hob`: use those that go together")
            }
            EngineError::Import { .. } => (
                Fault::Data,
                "take out what needs that import: files, sockets and HTTP of the language's own are not there; ask through the SDK",
            ),
            EngineError::Export { .. } => (
                Fault::Data,
                "export the bot's function by the SDK: `hob_sdk::bot!(handle);` in Rust, `export function handle(event, hob)` in TypeScript, `@bot` in Python",
            ),
            EngineError::Limit { .. } => (Fault::Config, "lower it in bot.toml"),
            EngineError::Scope { .. } => (Fault::Config, "mend that scope in bot.toml"),
            EngineError::TooMuch { .. } | EngineError::CompileLimit { .. } => {
                (Fault::Data, "leave out what the bot does not use")
            }
            EngineError::Start(_) | EngineError::Cache { .. } | EngineError::Compiler(_) => {
                (Fault::Failed, "look at what the system says")
            }
            EngineError::Compile(_) => (Fault::Data, "build the bot again with `hob build`"),
        };
        Self::new(kind, error.code(), &error, help)
    }
}
