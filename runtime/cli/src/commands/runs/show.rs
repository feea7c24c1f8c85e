//! `hob show`: all that is known of one run.

use hob_model::RunId;
use reqwest::Method;

use super::story;
use crate::api::{self, Run};
use crate::client::Client;
use crate::error::CliError;
use crate::output::Output;

/// Show a run: its event, attempts, host calls, log and effects
///
/// What it shows may hold patient data; the host records that it was looked at.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob show run_yaj10h7549902s0jsayk03e81c
  hob show run_yaj10h7549902s0jsayk03e81c --full | less
  hob show run_yaj10h7549902s0jsayk03e81c --json | jq .bundle")]
pub(crate) struct Args {
    /// The run
    #[arg(value_name = "RUN")]
    run: RunId,
    /// Show payload, transaction, result and host calls whole
    #[arg(long)]
    full: bool,
}

pub(crate) async fn run(args: Args, client: &Client, out: &Output) -> Result<(), CliError> {
    let answer = client.call(Method::GET, &format!("runs/{}", args.run)).json().await?;
    if out.json() {
        return out.document(&answer);
    }
    let run: Run = api::read(&answer)?;
    for section in story::tell(&run, args.full, out.color()) {
        out.line(&section)?;
    }
    if matches!(run.row.state, hob_model::RunState::Dead | hob_model::RunState::Rejected) {
        out.next(&format!("once the reason is mended, hob retry {}", args.run));
    } else if !args.full {
        out.next(&format!("hob show {} --full has payload, transaction and calls whole", args.run));
    }
    Ok(())
}
