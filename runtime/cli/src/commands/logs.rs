//! `hob logs`: what bots wrote to stdout and stderr.

use std::collections::VecDeque;
use std::time::Duration;

use hob_model::{BotName, RunId};
use reqwest::Method;
use serde_json::Value;

use crate::api::{self, Log};
use crate::client::Client;
use crate::commands::runs::story::level;
use crate::error::CliError;
use crate::output::{Output, Paint, inline};
use crate::units;

/// How long the host keeps a question open that nothing answers yet.
const WAIT: Duration = Duration::from_secs(30);
/// Lines asked for at once, the most that the host gives.
const PAGE: u32 = 1_000;

/// Show what bots logged, oldest first
///
/// Log lines belong to the tenant and may hold patient data; the host records that they were looked at.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob logs -f
  hob logs --bot task-router --tail 20
  hob logs --run run_yaj10h7549902s0jsayk03e81c
  hob logs --after 0 --json > all.ndjson")]
pub(crate) struct Args {
    /// Go on with new lines as they come
    #[arg(short, long)]
    follow: bool,
    /// Only those of this bot
    #[arg(long, value_name = "BOT")]
    bot: Option<BotName>,
    /// Only those of this run
    #[arg(long, value_name = "RUN")]
    run: Option<RunId>,
    /// How many of the last lines to begin with
    #[arg(long, value_name = "N", default_value_t = 100, conflicts_with = "after")]
    tail: usize,
    /// All lines after this one, as `seq` in --json names it
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
}

pub(crate) async fn run(args: Args, client: &Client, out: &Output) -> Result<(), CliError> {
    let mut place = args.after.unwrap_or(0);
    // The API gives lines from the oldest on; the last of them are kept here until the end is reached.
    let mut last: VecDeque<Value> = VecDeque::new();
    loop {
        let lines = page(&args, client, &mut place, None).await?;
        if lines.is_empty() {
            break;
        }
        for line in lines {
            if args.after.is_some() {
                show(&line, out)?;
                continue;
            }
            last.push_back(line);
            if last.len() > args.tail {
                last.pop_front();
            }
        }
    }
    for line in &last {
        show(line, out)?;
    }
    if !args.follow {
        return Ok(());
    }
    loop {
        for line in page(&args, client, &mut place, Some(WAIT)).await? {
            show(&line, out)?;
        }
    }
}

/// The lines after `place`, which moves on.
async fn page(args: &Args, client: &Client, place: &mut u64, wait: Option<Duration>) -> Result<Vec<Value>, CliError> {
    let call = client
        .call(Method::GET, "logs")
        .query("bot", args.bot.as_ref())
        .query("run", args.run)
        .query("after", Some(*place))
        .query("limit", Some(PAGE))
        .query("wait", wait.map(|wait| wait.as_secs()));
    let mut answer = call.waits(wait.unwrap_or_default()).json().await?;
    let lines = match answer.get_mut("lines").map(Value::take) {
        Some(Value::Array(lines)) => lines,
        _ => Vec::new(),
    };
    // A host that names no place would give the same lines for ever.
    let named = answer.get("next").and_then(Value::as_u64);
    let seen = lines.last().and_then(|line| line.get("seq")).and_then(Value::as_u64);
    let before = *place;
    *place = named.or(seen).unwrap_or(before).max(before);
    Ok(if *place == before { Vec::new() } else { lines })
}

fn show(line: &Value, out: &Output) -> Result<(), CliError> {
    if out.json() {
        return out.object(line);
    }
    let log: Log = api::read(line)?;
    let color = out.color();
    let place = format!("{} {}", log.bot, log.run);
    let head = format!("{} {} {}", units::when(log.at), level(log.level, color), Paint::Dim.on(&place, color));
    out.line(&format!("{head} {}", inline(&log.text)))
}
