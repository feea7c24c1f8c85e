//! `hob runs`, and `hob show` and `hob replay` for one of them.

pub(crate) mod replay;
pub(crate) mod show;
pub(crate) mod story;

use std::collections::BTreeMap;

use hob_model::{BotName, RunState};
use reqwest::Method;

use crate::api::{self, RunRow, Runs};
use crate::client::Client;
use crate::error::CliError;
use crate::output::{Output, Paint};
use crate::table::{Cell, Table};
use crate::units;

/// List runs, newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob runs
  hob runs --bot task-router --state dead --limit 200
  hob runs --json | jq -r '.runs[].run'")]
pub(crate) struct Args {
    /// Only those of this bot
    #[arg(long, value_name = "BOT")]
    bot: Option<BotName>,
    /// Only those in this state: pending, recorded, done, superseded, rejected, dead or late
    #[arg(long, value_name = "STATE")]
    state: Option<RunState>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Only those before this place in the list, as the end of a list names it
    #[arg(long, value_name = "SEQ")]
    before: Option<u64>,
}

pub(crate) async fn run(args: Args, client: &Client, out: &Output) -> Result<(), CliError> {
    let call = client.call(Method::GET, "runs").query("bot", args.bot).query("state", args.state);
    let answer = call.query("limit", Some(args.limit)).query("before", args.before).json().await?;
    if out.json() {
        return out.document(&answer);
    }
    let runs: Runs = api::read(&answer)?;
    if runs.runs.is_empty() {
        out.note("no runs");
        return Ok(());
    }
    out.line(&table(runs.runs).render("", out.color()))?;
    if let Some(next) = runs.next {
        out.next(&format!("older ones: the same with --before {next}"));
    }
    Ok(())
}

/// The table of `runs` and `dead`.
pub(crate) fn table(rows: Vec<RunRow>) -> Table {
    let mut table = Table::new(&["RUN", "BOT", "STATE", "TRIGGER", "SUBJECT", "RECEIVED", "TOOK", "TRIES", "FAILURE"]);
    for row in rows {
        table.row([
            row.run.to_string().into(),
            row.bot.as_str().into(),
            state(row.state),
            row.trigger.into(),
            row.subject.unwrap_or_default().into(),
            units::when(row.received).into(),
            row.ended.map_or_else(String::new, |ended| units::span(ended.since(row.received))).into(),
            row.attempts.to_string().into(),
            row.failure.map_or_else(String::new, |why| units::cut(&format!("{}: {}", why.code, why.message), 80)).into(),
        ]);
    }
    table
}

/// A state in its colour.
pub(crate) fn state(state: RunState) -> Cell {
    let paint = match state {
        RunState::Done => Paint::Green,
        RunState::Dead | RunState::Rejected => Paint::Red,
        RunState::Pending | RunState::Recorded => Paint::Yellow,
        RunState::Superseded | RunState::Late => Paint::Dim,
    };
    Cell::painted(state.as_str(), paint)
}

/// How many runs are in which state, on one line.
pub(crate) fn tally(runs: &BTreeMap<RunState, u64>) -> String {
    let counts: Vec<String> =
        runs.iter().filter(|(_, count)| **count > 0).map(|(state, count)| format!("{count} {state}")).collect();
    if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
}
