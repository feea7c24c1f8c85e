//! The author's loop, without a host: a file a verb.

pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod dev;
mod lines;
pub(crate) mod new;
pub(crate) mod test;

use std::path::{Path, PathBuf};

use hob_author::build::{Built, Profile, Words};
use hob_author::{AuthorError, Fault, Project};
use hob_host::SystemClock;

use crate::error::CliError;
use crate::exit_code;
use crate::output::Output;
use crate::units;

impl From<AuthorError> for CliError {
    fn from(error: AuthorError) -> Self {
        let exit = match error.kind {
            Fault::Failed => exit_code::FAILURE,
            Fault::Usage => exit_code::USAGE,
            Fault::Config => exit_code::CONFIG,
            Fault::Data => exit_code::DATA,
            Fault::File => exit_code::FILE,
            Fault::Missing => exit_code::UNAVAILABLE,
        };
        let failure = Self::new(exit, error.code, error.message, error.help);
        match error.at {
            Some(at) => failure.at(at),
            None => failure,
        }
    }
}

/// Which component a command is about.
#[derive(Debug, clap::Args)]
pub(crate) struct Which {
    /// The bot's folder, with bot.toml
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Take the component that is there, and build nothing
    #[arg(long)]
    no_build: bool,
    /// This component; nothing is built
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,
}

impl Which {
    /// The component, built where it is to be.
    fn component(&self, project: &Project, out: &Output) -> Result<PathBuf, CliError> {
        if self.no_build || self.component.is_some() {
            let path = project.component(self.component.as_deref())?;
            return if path.is_file() {
                Ok(path)
            } else {
                Err(CliError::unreadable(&path, &std::io::ErrorKind::NotFound.into()))
            };
        }
        Ok(built(project, out)?.component)
    }
}

/// Builds a project, with the tool's own words on the way.
fn built(project: &Project, out: &Output) -> Result<Built, CliError> {
    // In JSON nothing but one error may be on stderr.
    let words = if out.json() { Words::Kept { color: false } } else { Words::Through };
    Ok(hob_author::build::build(project, Profile::Service, words, &SystemClock)?)
}

fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| CliError::runtime(&error))
}

/// A path as it is seen from here, where it lies below.
fn near(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let below = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    below.unwrap_or_else(|| path.to_owned()).display().to_string()
}

/// A size of a file.
fn size(bytes: u64) -> String {
    units::size(bytes)
}
