//! `hob restore`: a backup becomes the ledger of a host that is stopped.

use std::path::PathBuf;

use hob_host::restore::{RestoreError, RestoreFrom};
use hob_host::{Config, SystemClock};
use hob_model::Clock as _;
use serde_json::json;

use crate::error::CliError;
use crate::exit_code;
use crate::output::Output;
use crate::table::Facts;
use crate::units;

/// Restore a backup into the data folder of a host that is stopped
///
/// A backup does not know what happened after it was made: what was run since has left its effects on the FHIR servers. So you
/// must choose where the restored host goes on; see docs/keeping.md.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob restore nightly.backup --from now
  hob restore nightly.backup --from now --config /etc/hob/hob.toml --aside

--from now: nothing is run twice. What was open in the backup ends as dead letters `restored`, requests that waited are not sent, and
bots begin with what changes from now on. What was not run before the loss is not run by itself: look at `hob dead`.
--from backup: nothing is left out. The host goes on as it stood in the backup, and what was run since then is run again, with its
effects. Choose it only where nothing was run since, or where running it twice does no harm.")]
pub(crate) struct Args {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where the host goes on: now or backup
    #[arg(long, value_enum, value_name = "WHERE", hide_possible_values = true)]
    from: From,
    /// The configuration: its data folder and its master key are used
    #[arg(long, value_name = "FILE", default_value = "hob.toml")]
    config: PathBuf,
    /// Another data folder than that of the configuration
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Move a ledger that is there aside, to ledger.db.before-restore-N
    #[arg(long)]
    aside: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum From {
    Now,
    Backup,
}

pub(crate) fn run(args: &Args, out: &Output) -> Result<(), CliError> {
    let mut config = super::configuration(&args.config)?;
    config.data = args.data.clone().unwrap_or(config.data);
    let from = match args.from {
        From::Now => RestoreFrom::Now(SystemClock.now()),
        From::Backup => RestoreFrom::Backup,
    };
    let restored = hob_host::restore::restore(&config, &args.file, from, args.aside).map_err(|error| told(&error, &config))?;
    if out.json() {
        return out.document(&json!({"data": config.data.display().to_string(), "restored": restored}));
    }
    let mut facts = Facts::default();
    facts
        .add("restored", config.data.display().to_string())
        .add("made", units::when(restored.manifest.made))
        .add("runs now dead", restored.runs.to_string())
        .add("notifications now dead", restored.notifications.to_string())
        .add("requests not sent", restored.requests.to_string());
    out.line(&facts.render(out.color()))?;
    out.next("hob doctor --offline; hob serve");
    Ok(())
}

fn told(error: &RestoreError, config: &Config) -> CliError {
    let help = match error {
        RestoreError::Occupied(_) => {
            "stop the host, and say --aside to move its ledger out of the way, or name another folder with --data"
        }
        RestoreError::Key(_) => {
            "put the master key where hob.toml names it; without [encryption], that is `master.key` in the data folder"
        }
        RestoreError::File { .. } | RestoreError::Ledger(_) => "as it says; nothing was restored, and what was there is there",
    };
    CliError::new(exit_code::FAILURE, "restore", error, help).at(config.data.display())
}
