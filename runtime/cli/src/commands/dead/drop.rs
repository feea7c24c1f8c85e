//! `hob dead drop`: gives a dead letter up that holds its lane.

use hob_model::RunId;
use reqwest::Method;

use crate::api::{self, RunRow};
use crate::client::Client;
use crate::commands::runs;
use crate::error::CliError;
use crate::output::Output;

/// Give up a dead letter that holds its lane: it stays dead, and the runs behind it go on
///
/// Only bots with `on-dead = "wait"` have dead letters that hold. To have it run again instead: `hob retry`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob dead drop run_yaj10h7549902s0jsayk03e81c
  hob dead --json | jq -r '.runs[] | select(.holds != null).run' | xargs -rn1 hob dead drop")]
pub(crate) struct Args {
    /// The run
    #[arg(value_name = "RUN")]
    run: RunId,
}

pub(crate) async fn run(args: Args, client: &Client, out: &Output) -> Result<(), CliError> {
    let answer = client.call(Method::POST, &format!("runs/{}/drop", args.run)).json().await?;
    if out.json() {
        return out.document(&answer);
    }
    out.line(&runs::table(vec![api::read::<RunRow>(&answer)?]).render("", out.color()))
}
