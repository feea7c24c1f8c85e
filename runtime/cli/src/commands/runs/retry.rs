//! `hob retry`: opens a run again.

use hob_model::RunId;
use reqwest::Method;

use crate::api::{self, RunRow};
use crate::client::Client;
use crate::error::CliError;
use crate::output::Output;

/// Open a run that ended dead, rejected or superseded again
///
/// It keeps its event and waits in its lane; the bot's release that is live now handles it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob retry run_yaj10h7549902s0jsayk03e81c
  hob runs --state dead --json | jq -r '.runs[].run' | xargs -rn1 hob retry")]
pub(crate) struct Args {
    /// The run
    #[arg(value_name = "RUN")]
    run: RunId,
}

pub(crate) async fn run(args: Args, client: &Client, out: &Output) -> Result<(), CliError> {
    let answer = client.call(Method::POST, &format!("runs/{}/retry", args.run)).json().await?;
    if out.json() {
        return out.document(&answer);
    }
    out.line(&super::table(vec![api::read::<RunRow>(&answer)?]).render("", out.color()))?;
    out.next(&format!("hob show {}", args.run));
    Ok(())
}
