//! `hob observe show`: counts, then examples, as `hob replay` shows them.

use hob_model::{BotName, Timestamp};
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::api;
use crate::client::Client;
use crate::commands::trial::show::{Compared, Line, Shown, Sum};
use crate::error::CliError;
use crate::output::Output;
use crate::units;

/// Show what an observed release would have done otherwise: counts, then examples
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob observe show task-router
  hob observe show task-router --deidentify --examples 10
  hob observe show task-router --json | jq .groups")]
pub(crate) struct Args {
    /// The bot
    #[arg(value_name = "BOT")]
    bot: BotName,
    /// Examples of each kind that are shown
    #[arg(long, value_name = "N", default_value_t = 3)]
    examples: usize,
    /// Mask what tells of people: names, identifiers, addresses, free text; dates are moved
    #[arg(long)]
    deidentify: bool,
}

#[derive(Deserialize)]
struct Answer {
    began: Timestamp,
    first: bool,
    missed: u64,
    #[serde(flatten)]
    sum: Sum,
    examples: Vec<Compared>,
}

pub(crate) async fn run(args: Args, client: &Client, out: &Output) -> Result<(), CliError> {
    let call = client.call(Method::GET, &format!("observe/{}", args.bot));
    let call = call.query("examples", Some(args.examples)).query("deidentify", args.deidentify.then_some(true));
    let answer: Value = call.json().await?;
    if out.json() {
        return out.document(&answer);
    }
    let Answer { began, first, missed, sum, examples } = api::read(&answer)?;
    let release: String = sum.release.chars().take("sha256:".len() + 12).collect();
    let beside = if first { "it does nothing, and nothing is live beside it" } else { "beside the live release" };
    out.line(&format!("{} is observed on release {release} since {}: {beside}", args.bot, units::when(began)))?;
    let more = if missed > 0 { format!(", {missed} more were missed") } else { String::new() };
    out.line(&format!("{} runs looked at{more}", sum.looked))?;
    out.line("")?;
    let mut shown = if first { Shown::of_first(args.examples) } else { Shown::new(args.examples) };
    examples.into_iter().for_each(|compared| shown.take(Line::Compared(Box::new(compared))));
    shown.print_groups(&sum, out)?;
    out.next(&format!("hob observe promote {0}, or hob observe drop {0}", args.bot));
    Ok(())
}
