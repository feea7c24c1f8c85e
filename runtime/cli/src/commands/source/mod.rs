//! `hob source`: the FHIR servers that a host knows.

pub(crate) mod add;
pub(crate) mod auth;
pub(crate) mod check;
pub(crate) mod list;
pub(crate) mod remove;

use crate::client::Client;
use crate::error::CliError;
use crate::output::Output;

/// Add, list, check and remove FHIR servers
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Add(Box<add::Args>),
    List(list::Args),
    Check(check::Args),
    Remove(remove::Args),
}

pub(crate) async fn run(args: Args, client: &Client, out: &Output) -> Result<(), CliError> {
    match args.verb {
        Verb::Add(args) => add::run(*args, client, out).await,
        Verb::List(_) => list::run(client, out).await,
        Verb::Check(args) => check::run(args, client, out).await,
        Verb::Remove(args) => remove::run(args, client, out).await,
    }
}
