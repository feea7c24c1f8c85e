//! `hob build`: a component out of each language, by the language's own tools.

mod node;
mod python;
mod rust;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use hob_model::Clock;

use crate::error::Fault;
use crate::{AuthorError, Language, Project, toolchain};

/// For what a component is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// For service: optimised for speed.
    Service,
    /// For its author, who waits: quickly, and with the places of functions in the source.
    Author,
}

/// Where the tool's own words go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Words {
    /// To this program's stderr, as they come.
    Through,
    /// Into the error, where there is one.
    Kept {
        /// Whether they may have colours.
        color: bool,
    },
}

/// A component that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The component.
    pub component: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// What it was built from.
    pub language: Language,
    /// From start to end.
    pub took: Duration,
}

/// Builds the component of a project.
///
/// # Errors
/// `no-language`, `toolchain-missing`, `build-failed` with the tool's words.
pub fn build(project: &Project, profile: Profile, words: Words, clock: &dyn Clock) -> Result<Built, AuthorError> {
    let language = project.language()?;
    let began = clock.now();
    let program = toolchain::check(language, &project.dir)?;
    let component = match language {
        Language::Rust => rust::build(project, &program, profile, words)?,
        Language::Node => node::build(project, &program, profile, words)?,
        Language::Python => python::build(project, &program, words)?,
    };
    let bytes = std::fs::metadata(&component).map_err(|error| AuthorError::unreadable(&component, &error))?.len();
    Ok(Built { component, bytes, language, took: clock.now().since(began) })
}

/// What a tool left.
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs a tool to its end. Its stdout is kept in any case.
fn run(command: &mut Command, words: Words) -> Result<Ran, AuthorError> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command.stderr(if words == Words::Through { Stdio::inherit() } else { Stdio::piped() });
    let output = command.spawn().and_then(std::process::Child::wait_with_output).map_err(|error| {
        let message = format!("{name} does not run: {}", crate::error::words(&error));
        AuthorError::new(Fault::Missing, "toolchain-missing", message, "check that it is installed and on PATH")
    })?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) })
}

/// A build that a tool gave up; its words are above, or in the error.
fn failed(dir: &Path, tool: &str, ran: &Ran, help: &str) -> AuthorError {
    let said = ran.stderr.trim();
    let message = if said.is_empty() {
        format!("{tool} did not build the bot: see above")
    } else {
        format!("{tool} did not build the bot:\n{said}")
    };
    AuthorError::new(Fault::Failed, "build-failed", message, help).at(dir.display())
}
