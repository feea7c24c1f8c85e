//! `hob build`: a component out of a bot's folder.

use std::path::PathBuf;

use hob_author::Project;
use serde_json::json;

use super::{built, near, size};
use crate::error::CliError;
use crate::output::Output;
use crate::units;

/// Build a bot's component, in whatever language it is
///
/// By cargo where there is a Cargo.toml, by the SDK's tools where there is a package.json or a pyproject.toml. What they say goes to stderr.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob build
  hob build bots/stat-flagger
  hob build --json | jq -r .component")]
pub(crate) struct Args {
    /// The bot's folder, with bot.toml
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

pub(crate) fn run(args: &Args, out: &Output) -> Result<(), CliError> {
    let project = Project::open(&args.dir)?;
    let built = built(&project, out)?;
    if out.json() {
        let millis = u64::try_from(built.took.as_millis()).unwrap_or(u64::MAX);
        return out.document(&json!({
            "bot": project.manifest.name, "component": built.component, "bytes": built.bytes, "language": built.language.name(), "millis": millis,
        }));
    }
    out.line(&format!(
        "{}: {} of {}, in {}",
        near(&built.component),
        size(built.bytes),
        built.language.name(),
        units::span(built.took)
    ))
}
