//! `hob bots`: what is deployed.

pub(crate) mod list;
pub(crate) mod remove;

use crate::client::Client;
use crate::error::CliError;
use crate::output::Output;

/// List the deployed bots, or take one out of service
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob bots
  hob bots --json | jq -r '.bots[].name'
  hob bots remove task-router")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Remove(remove::Args),
}

pub(crate) async fn run(args: Args, client: &Client, out: &Output) -> Result<(), CliError> {
    match args.verb {
        None => list::run(client, out).await,
        Some(Verb::Remove(args)) => remove::run(args, client, out).await,
    }
}
