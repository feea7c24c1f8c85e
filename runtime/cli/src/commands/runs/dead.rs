//! `hob dead`: what could not be handled.

use hob_model::RunId;
use reqwest::Method;

use crate::api::{self, Dead};
use crate::client::Client;
use crate::error::CliError;
use crate::output::{Output, Paint};
use crate::table::Table;
use crate::units;

/// List dead letters: runs and notifications that could not be handled
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:
  hob dead
  hob dead --json | jq '.notifications[].reason'
  hob dead drop run_yaj10h7549902s0jsayk03e81c",
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// How many of each at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Drop(super::drop::Args),
}

pub(crate) async fn run(args: Args, client: &Client, out: &Output) -> Result<(), CliError> {
    if let Some(Verb::Drop(args)) = args.verb {
        return super::drop::run(args, client, out).await;
    }
    let answer = client.call(Method::GET, "dead").query("limit", Some(args.limit)).json().await?;
    if out.json() {
        return out.document(&answer);
    }
    let dead: Dead = api::read(&answer)?;
    if dead.runs.is_empty() && dead.notifications.is_empty() {
        out.note("no dead letters");
        return Ok(());
    }
    let first = dead.runs.first().map(|row| row.run);
    let holds: Vec<(RunId, u64)> = dead.runs.iter().filter_map(|row| Some((row.run, row.holds?))).collect();
    if !dead.runs.is_empty() {
        out.line(&Paint::Bold.on("runs", out.color()))?;
        out.line(&super::table(dead.runs).render("  ", out.color()))?;
        for (run, behind) in holds {
            out.line(&format!("  {run} holds its lane, {behind} wait behind it: hob retry {run}, or hob dead drop {run}"))?;
        }
    }
    if !dead.notifications.is_empty() {
        let mut table = Table::new(&["SEQ", "RECEIVED", "SOURCE", "SUBSCRIPTION", "FORMAT", "BYTES", "REASON"]);
        for row in dead.notifications {
            table.row([
                row.seq.to_string().into(),
                units::when(row.received).into(),
                row.source.as_str().into(),
                row.subscription.unwrap_or_default().into(),
                row.format.unwrap_or_default().into(),
                units::size(row.bytes).into(),
                format!("{}: {}", row.reason.code, row.reason.message).into(),
            ]);
        }
        if first.is_some() {
            out.line("")?;
        }
        out.line(&Paint::Bold.on("notifications", out.color()))?;
        out.line(&table.render("  ", out.color()))?;
    }
    if let Some(run) = first {
        out.next(&format!("hob show {run}; once it is mended, hob retry {run}"));
    }
    Ok(())
}
