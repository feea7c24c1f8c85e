//! `hob keys`: the keys that the ledger is encrypted under, by their names.

pub(crate) mod list;
pub(crate) mod rotate;

use crate::client::Client;
use crate::error::CliError;
use crate::output::Output;

/// List the keys of the ledger, or make new ones
///
/// Shows names only: no key leaves the host.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob keys list
  hob keys rotate
  hob keys rotate --master")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    List(list::Args),
    Rotate(rotate::Args),
}

pub(crate) async fn run(args: Args, client: &Client, out: &Output) -> Result<(), CliError> {
    match args.verb {
        Verb::List(_) => list::run(client, out).await,
        Verb::Rotate(args) => rotate::run(&args, client, out).await,
    }
}
