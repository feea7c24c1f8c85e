//! `hob new`: a bot's folder that builds.

use std::path::PathBuf;

use hob_author::scaffold::{New, Style, create};
use serde_json::json;

use crate::error::CliError;
use crate::output::{Output, Paint};

/// Make a new bot: a folder that builds, with a manifest, a bot, cases and an editor's settings
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob new stat-flagger --lang rust
  hob new stat-flagger --lang ts --dir bots/stat-flagger
  hob new stat-flagger --lang python --sdk ~/src/hob      the SDK of a checkout, instead of a copy of it")]
pub(crate) struct Args {
    /// Its name: 1 to 63 of a-z, 0-9 and inner -
    #[arg(value_name = "NAME")]
    name: String,
    /// In what it is written
    #[arg(long, value_enum, value_name = "LANG", default_value_t = Lang::Rust, hide_possible_values = true, help = "In what it is written: rust, ts, python, or medplum for TypeScript on Medplum's client")]
    lang: Lang,
    /// The folder to make; its name, unless given
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// A checkout of Hob whose SDK is used where it lies
    #[arg(long, value_name = "PATH")]
    sdk: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Lang {
    Rust,
    Ts,
    Python,
    Medplum,
}

pub(crate) fn run(args: Args, out: &Output) -> Result<(), CliError> {
    let style = match args.lang {
        Lang::Rust => Style::Rust,
        Lang::Ts => Style::Ts,
        Lang::Python => Style::Python,
        Lang::Medplum => Style::Medplum,
    };
    let dir = args.dir.unwrap_or_else(|| PathBuf::from(&args.name));
    let made = create(&New { name: args.name, style, dir, sdk: args.sdk })?;
    let missing: Vec<_> =
        made.missing.iter().map(|error| json!({"code": error.code, "message": error.message, "help": error.help})).collect();
    if out.json() {
        return out.document(&json!({"dir": made.dir, "files": made.files, "missing": missing, "install": made.install}));
    }
    out.line(&format!("made {}: {} files, and the SDK in vendor/hob", made.dir.display(), made.files.len()))?;
    for error in &made.missing {
        out.line(&format!("{} {}: {}", Paint::Yellow.on("missing:", out.color()), error.message, error.help))?;
    }
    let steps: Vec<String> = made.install.iter().cloned().chain(["hob test".to_owned()]).collect();
    out.next(&format!("cd {} && {}", made.dir.display(), steps.join(" && ")));
    Ok(())
}
