//! `hob backfill`: runs a bot's past, on purpose.

use hob_model::{BotName, ResourceType, Timestamp};
use reqwest::Method;
use serde_json::json;

use crate::api::{self, BackfillLine};
use crate::client::{self, Client};
use crate::error::CliError;
use crate::exit_code;
use crate::output::{Output, inline};
use crate::table::Table;

/// Run a bot on what changed before it was there
///
/// Goes through the source's history of each type that the bot wants, judges every version as if it had just come, and makes the runs that do not
/// exist yet. They stand behind what waits in their lanes. What has a run gets no second one, so the command can be repeated. Ctrl-C ends it after
/// the page that it is at. Look with --dry-run first.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob backfill pro-scorer --since 2026-11-01T00:00:00Z --dry-run
  hob backfill pro-scorer --since 2026-11-01T00:00:00Z
  hob backfill task-router --type Task --current       only each task's newest version")]
pub(crate) struct Args {
    /// The bot
    #[arg(value_name = "BOT")]
    bot: BotName,
    /// What changed at or after it, by the source's clock; from the first version unless given
    #[arg(long, value_name = "TIME", value_parser = instant)]
    since: Option<Timestamp>,
    /// What changed before it, by the source's clock; until now unless given
    #[arg(long, value_name = "TIME", value_parser = instant)]
    until: Option<Timestamp>,
    /// Of the types that the bot wants, only this one
    #[arg(long = "type", value_name = "TYPE")]
    resource_type: Option<ResourceType>,
    /// Only the newest version of each resource
    #[arg(long)]
    current: bool,
    /// Say what would be run, and make nothing
    #[arg(long)]
    dry_run: bool,
}

fn instant(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "not an instant such as 2026-11-01T00:00:00Z".to_owned())
}

pub(crate) async fn run(args: Args, client: &Client, out: &Output) -> Result<(), CliError> {
    let mut body = json!({"current": args.current, "dry_run": args.dry_run});
    for (name, value) in [("since", args.since.map(|at| at.to_string())), ("until", args.until.map(|at| at.to_string()))] {
        if let Some(value) = value {
            body[name] = json!(value);
        }
    }
    if let Some(kind) = &args.resource_type {
        body["type"] = json!(kind);
    }
    let call = client.call(Method::POST, &format!("bots/{}/backfill", args.bot)).body(&body).endless();
    let answer = super::patiently("waiting for the server", out, call.send()).await?;
    let mut ended = false;
    answer
        .lines(|line| {
            if let Some(error) = client::told(&line) {
                return Err(error.at(client.host()));
            }
            let known: BackfillLine = api::read(&line)?;
            ended |= matches!(known, BackfillLine::Sum { .. });
            if out.json() { out.object(&line) } else { show(&known, out) }
        })
        .await?;
    if ended {
        return Ok(());
    }
    let help = "what was made stays, and nothing is made twice: see the host's log, then give the same command again";
    Err(CliError::new(exit_code::UNAVAILABLE, "host-broken-off", "the backfill ended without a result", help).at(client.host()))
}

fn show(line: &BackfillLine, out: &Output) -> Result<(), CliError> {
    match line {
        BackfillLine::Progress { looked, new } => {
            out.note(&format!("  {looked} versions looked at, {new} new"));
            Ok(())
        }
        BackfillLine::Sum { dry_run, looked, new, counts, examples, unreadable } => {
            let made = if *dry_run { "would be made" } else { "made" };
            let mut table = Table::new(&["TYPE", "INTERACTION", "NEW", "HAVE A RUN"]);
            for count in counts {
                table.row([
                    count.resource_type.as_str().into(),
                    count.interaction.to_string().into(),
                    count.new.to_string().into(),
                    count.known.to_string().into(),
                ]);
            }
            if !table.is_empty() {
                out.line(&table.render("", out.color()))?;
                out.line("")?;
            }
            out.line(&format!("{looked} versions looked at, {new} runs {made}"))?;
            if !examples.is_empty() {
                out.line(&format!("such as {}", inline(&examples.join(", "))))?;
            }
            if *unreadable > 0 {
                out.note(&format!("warning: {unreadable} resources cannot be read and were left out"));
            }
            Ok(())
        }
    }
}
