//! `hob replay`: a recorded run, repeated offline; or many, against another release.

use hob_model::{Difference, RunId};
use reqwest::Method;
use serde::Deserialize;

use crate::api;
use crate::client::Client;
use crate::commands::trial;
use crate::error::CliError;
use crate::exit_code;
use crate::output::Output;

/// Try a release on recorded runs, or repeat one run as it was
///
/// With --bot, the bot's recorded runs are done again by another release: a folder that need not be deployed, a component, or a release that the host keeps. What it
/// asks as it was asked then is answered from the journal; what it asks anew from the source's history as of then, or it is marked. Nothing is written or sent,
/// whatever it does. The answer is what would be written, set and sent otherwise: how many runs, then examples.
///
/// With RUN, one run is repeated offline on its own release, from its journal alone: calls, log, result and effects must be the same byte for byte. A run that a time
/// limit ended is repeated up to where it was cut off.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob replay --bot task-router --dir bots/task-router --since 2026-11-29
  hob replay --bot task-router --dir bots/task-router --sample 500 --deidentify --export diff.ndjson
  hob replay --bot task-router --set rules=@new-rules.json      other settings, the live release
  hob replay run_yaj10h7549902s0jsayk03e81c --attempt 2 --json | jq .same")]
pub(crate) struct Args {
    /// The run to repeat
    #[arg(value_name = "RUN", required_unless_present = "bot", conflicts_with = "bot")]
    run: Option<RunId>,
    /// The attempt; the last one that ran unless said
    #[arg(long, value_name = "N", requires = "run")]
    attempt: Option<u32>,
    #[command(flatten)]
    trial: trial::Args,
}

#[derive(Deserialize)]
struct Answer {
    attempt: u32,
    same: bool,
    whole: bool,
    difference: Option<Difference>,
    repeated: Repeated,
}

#[derive(Deserialize)]
struct Repeated {
    calls: usize,
    log: usize,
    writes: usize,
}

pub(crate) async fn run(args: Args, client: &Client, out: &Output) -> Result<(), CliError> {
    let Some(run) = args.run else { return trial::run(args.trial, client, out).await };
    let call = client.call(Method::POST, &format!("runs/{run}/replay")).query("attempt", args.attempt);
    let answer = call.json().await?;
    let told: Answer = api::read(&answer)?;
    if out.json() {
        out.document(&answer)?;
    } else if told.same {
        let Repeated { calls, log, writes } = told.repeated;
        let whole = if told.whole { "" } else { ", up to where a time limit ended it" };
        out.line(&format!("attempt {} did the same{whole}: {calls} calls, {log} lines of log, {writes} writes", told.attempt))?;
    }
    let Some(difference) = told.difference else { return Ok(()) };
    let what = match difference {
        Difference::Call { number, recorded: Some(recorded), repeated: Some(repeated) } if recorded == repeated => {
            format!("call {number}, {recorded}: it asked or was answered something else")
        }
        Difference::Call { number, recorded, repeated } => {
            let name = |function: Option<String>| function.unwrap_or_else(|| "nothing".to_owned());
            format!("call {number}: {} was recorded, {} was called", name(recorded), name(repeated))
        }
        Difference::Log { number } => format!("line {number} of the log"),
        Difference::Outcome => "what came of it, though all calls were the same".to_owned(),
    };
    Err(CliError::new(
        exit_code::FAILURE,
        "replay-differs",
        format!("attempt {} did not do the same: {what}", told.attempt),
        "a bot can see neither time nor chance but by the host: this is a fault of the host, or its version has changed since; please report it",
    ))
}
