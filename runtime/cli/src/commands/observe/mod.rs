//! `hob observe`: releases that get live events and do nothing.

pub(crate) mod list;
pub(crate) mod show;
pub(crate) mod verdict;

use crate::client::Client;
use crate::error::CliError;
use crate::output::Output;

/// Look at what an observed release would have done, and promote or drop it
///
/// `hob deploy DIR --observe` has a release get live events beside the one that is live. It writes, sends and sets nothing; how it would have done otherwise
/// accumulates here. Without a verb the observed releases are listed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob deploy bots/task-router --source hapi --observe
  hob observe
  hob observe show task-router --deidentify
  hob observe promote task-router")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Show(show::Args),
    Promote(verdict::Promote),
    Drop(verdict::Drop),
}

pub(crate) async fn run(args: Args, client: &Client, out: &Output) -> Result<(), CliError> {
    match args.verb {
        None => list::run(client, out).await,
        Some(Verb::Show(args)) => show::run(args, client, out).await,
        Some(Verb::Promote(args)) => verdict::promote(args, client, out).await,
        Some(Verb::Drop(args)) => verdict::drop(args, client, out).await,
    }
}
