//! `hob dead`: what could not be handled; `hob retry` opens it again.

mod drop;
pub(crate) mod filter;
pub(crate) mod retry;

use std::collections::BTreeMap;

use hob_model::RunId;
use reqwest::Method;

use crate::api::{self, Dead, DeadNotification, DeadRequest, DeadWhole};
use crate::client::Client;
use crate::commands::runs;
use crate::error::CliError;
use crate::output::{Output, Paint, inline};
use crate::table::Table;
use crate::units;
use filter::Filter;

/// What died.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    Runs,
    Notifications,
    Outbox,
}

impl Kind {
    /// As the admin API calls it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Notifications => "notifications",
            Self::Outbox => "outbox",
        }
    }
}

/// List dead letters: runs, notifications and outbox requests that could not be handled
///
/// Counts by reason come first. `hob show RUN` has all of a run, with its log and event.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:
  hob dead
  hob dead runs --bot task-router --reason limit-cpu --since 2026-11-22T00:00:00Z
  hob dead notifications --source hapi --reason notification-json
  hob dead --notification 17
  hob dead --json | jq .counts
  hob dead drop run_yaj10h7549902s0jsayk03e81c",
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Only runs, notifications or outbox
    #[arg(value_enum, value_name = "KIND", hide_possible_values = true)]
    kind: Option<Kind>,
    /// Show this notification, with its body; it may hold patient data
    #[arg(long, value_name = "SEQ", conflicts_with_all = ["kind", "bot", "source", "reason", "since", "until", "before"])]
    notification: Option<u64>,
    #[command(flatten)]
    filter: Filter,
    /// How many of each at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Only those before this place in the list, as the end of a list names it; needs a KIND
    #[arg(long, value_name = "SEQ", requires = "kind")]
    before: Option<u64>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Drop(drop::Args),
}

pub(crate) async fn run(args: Args, client: &Client, out: &Output) -> Result<(), CliError> {
    if let Some(Verb::Drop(args)) = args.verb {
        return drop::run(args, client, out).await;
    }
    if let Some(seq) = args.notification {
        return show(seq, client, out).await;
    }
    let path = args.kind.map_or_else(|| "dead".to_owned(), |kind| format!("dead/{}", kind.word()));
    let call = args.filter.on(client.call(Method::GET, &path)).query("limit", Some(args.limit)).query("before", args.before);
    let answer = call.json().await?;
    if out.json() {
        return out.document(&answer);
    }
    let dead = Dead::of(&answer, args.kind.map(Kind::word))?;
    let first = dead.runs.first().map(|row| row.run);
    let holds: Vec<(RunId, u64)> = dead.runs.iter().filter_map(|row| Some((row.run, row.holds?))).collect();
    let mut sections = Vec::new();
    if !dead.runs.is_empty() {
        sections.push((Kind::Runs, runs::table(dead.runs)));
    }
    if !dead.notifications.is_empty() {
        sections.push((Kind::Notifications, notifications(dead.notifications)));
    }
    if !dead.outbox.is_empty() {
        sections.push((Kind::Outbox, requests(dead.outbox)));
    }
    if sections.is_empty() {
        out.note("no dead letters");
        return Ok(());
    }
    let mut between = false;
    for (kind, table) in sections {
        if between {
            out.line("")?;
        }
        between = true;
        let counts = dead.counts.get(kind.word()).map(tally).unwrap_or_default();
        out.line(&format!("{}{counts}", Paint::Bold.on(kind.word(), out.color())))?;
        out.line(&table.render("  ", out.color()))?;
        for (run, behind) in holds.iter().filter(|_| kind == Kind::Runs) {
            out.line(&format!("  {run} holds its lane, {behind} wait behind it: hob retry {run}, or hob dead drop {run}"))?;
        }
    }
    match (dead.next, first) {
        (Some(next), _) => out.next(&format!("older ones: the same with --before {next}")),
        (None, Some(run)) => out.next(&format!("hob show {run}; once it is mended, hob retry {run}")),
        (None, None) => {}
    }
    Ok(())
}

/// Reasons with their counts, the most frequent first.
fn tally(counts: &BTreeMap<String, u64>) -> String {
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by_key(|(code, count)| (std::cmp::Reverse(**count), *code));
    let words: Vec<String> = counts.into_iter().map(|(code, count)| format!("{count} {}", inline(code))).collect();
    if words.is_empty() { String::new() } else { format!("  {}", words.join(", ")) }
}

fn notifications(rows: Vec<DeadNotification>) -> Table {
    let mut table = Table::new(&["SEQ", "RECEIVED", "SOURCE", "SUBSCRIPTION", "FORMAT", "BYTES", "REASON"]);
    for row in rows {
        let cut = if row.cut { " (cut)" } else { "" };
        table.row([
            row.seq.to_string().into(),
            units::when(row.received).into(),
            row.source.as_str().into(),
            row.subscription.unwrap_or_default().into(),
            row.format.unwrap_or_default().into(),
            format!("{}{cut}", units::size(row.bytes)).into(),
            format!("{}: {}", row.reason.code, row.reason.message).into(),
        ]);
    }
    table
}

fn requests(rows: Vec<DeadRequest>) -> Table {
    let mut table = Table::new(&["RUN/KEY", "BOT", "TO", "STAGED", "ENDED", "TRIES", "REASON"]);
    for row in rows {
        table.row([
            format!("{}/{}", row.run, row.key).into(),
            row.bot.as_str().into(),
            format!("{} {}", row.method, row.host).into(),
            units::when(row.staged).into(),
            units::when(row.ended).into(),
            row.attempts.to_string().into(),
            format!("{}: {}", row.reason.code, row.reason.message).into(),
        ]);
    }
    table
}

/// One notification, as it came.
async fn show(seq: u64, client: &Client, out: &Output) -> Result<(), CliError> {
    let answer = client.call(Method::GET, &format!("dead/notifications/{seq}")).json().await?;
    if out.json() {
        return out.document(&answer);
    }
    let whole: DeadWhole = api::read(&answer)?;
    let cut = whole.row.cut;
    out.line(&notifications(vec![whole.row]).render("", out.color()))?;
    out.line(&format!("\n{} {}", inline(&whole.method), inline(&whole.path)))?;
    for (name, value) in &whole.headers {
        out.line(&format!("{}: {}", inline(name), inline(value)))?;
    }
    let body = whole.body.bytes().unwrap_or_default();
    out.line(&format!("\n{}", String::from_utf8_lossy(&body)))?;
    if !cut {
        out.next(&format!("once the reason is mended, hob retry --notification {seq}"));
    }
    Ok(())
}
