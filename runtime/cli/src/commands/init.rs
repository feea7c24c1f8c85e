//! `hob init`: a commented `hob.toml`.

use std::io::Write as _;
use std::path::PathBuf;

use serde_json::json;

use crate::error::CliError;
use crate::exit_code;
use crate::output::Output;

/// What the file says: every key, those with a default as comments.
pub(crate) const TEMPLATE: &str = include_str!("hob.toml");

/// Write a hob.toml with every key explained
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob init
  hob init --config /etc/hob/hob.toml")]
pub(crate) struct Args {
    /// The file to write; one that is there is left alone
    #[arg(long, value_name = "FILE", default_value = "hob.toml")]
    config: PathBuf,
}

pub(crate) fn run(args: &Args, out: &Output) -> Result<(), CliError> {
    let path = &args.config;
    let mut file = std::fs::File::create_new(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            let help = "edit it, move it away, or name another with --config FILE";
            CliError::new(exit_code::FILE, "file-exists", "the file is there already", help).at(path.display())
        }
        _ => CliError::unwritable(path, &error),
    })?;
    file.write_all(TEMPLATE.as_bytes()).map_err(|error| CliError::unwritable(path, &error))?;
    if out.json() {
        return out.document(&json!({"written": path.display().to_string()}));
    }
    out.line(&format!("wrote {}", path.display()))?;
    out.next(&format!("export HOB_ADMIN_TOKEN=$(openssl rand -hex 32); hob serve --config {}", path.display()));
    Ok(())
}
