//! `hob source check`: proves on the live server what it can do.

use hob_model::{Capabilities, SourceId, Timestamp};
use reqwest::Method;

use crate::api::{self, Behind, CheckLine, Recovery};
use crate::client::{self, Client};
use crate::error::CliError;
use crate::exit_code;
use crate::output::{Output, Paint, inline};
use crate::table::{Cell, Facts, Table};
use crate::units;

/// Prove on the live server what it can do, and show how far behind it Hob is
///
/// Writes a few Basic resources of its own to the server, tries transactions, conflicts and history on them, and removes them.
/// Ends with 1 where the server cannot be used.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob source check hapi
  hob source check hapi --json | tail -1 | jq .capabilities.fence")]
pub(crate) struct Args {
    /// The source
    #[arg(value_name = "NAME")]
    name: SourceId,
}

pub(crate) async fn run(args: Args, client: &Client, out: &Output) -> Result<(), CliError> {
    let call = client.call(Method::POST, &format!("sources/{}/check", args.name)).slow();
    let answer = super::super::patiently("waiting for the server", out, call.send()).await?;
    let mut ended = None;
    answer
        .lines(|line| {
            if let Some(error) = client::told(&line) {
                return Err(error.at(client.host()));
            }
            let known: CheckLine = api::read(&line)?;
            if out.json() {
                out.object(&line)?;
            } else {
                show(&known, out)?;
            }
            if let CheckLine::Result { usable, problems, .. } = known {
                ended = Some((usable, problems.len()));
            }
            Ok(())
        })
        .await?;
    match ended {
        Some((true, _)) => Ok(()),
        Some((false, problems)) => Err(CliError::new(
            exit_code::FAILURE,
            "source-not-usable",
            format!("the source `{}` cannot be used: {problems} problem(s), listed above", args.name),
            "mend them on the server or in `hob source add`, then check again",
        )),
        None => Err(CliError::new(
            exit_code::UNAVAILABLE,
            "host-broken-off",
            "the check ended without a result",
            "see the host's log, then check again",
        )
        .at(client.host())),
    }
}

fn show(line: &CheckLine, out: &Output) -> Result<(), CliError> {
    match line {
        CheckLine::Step { step, ok, detail } => {
            let mark = if *ok { Paint::Green.on("ok  ", out.color()) } else { Paint::Yellow.on("no  ", out.color()) };
            let detail = detail.as_deref().unwrap_or_default();
            let gap = if detail.is_empty() { "" } else { ": " };
            out.line(&format!("{mark}  {}{gap}{}", crate::output::inline(step), crate::output::inline(detail)))
        }
        CheckLine::Result { capabilities, usable, problems, recovers, behind, open_runs } => {
            out.line("")?;
            out.line(&facts(capabilities, *usable).render(out.color()))?;
            gaps(recovers, behind.as_deref(), *open_runs, out)?;
            for note in &capabilities.notes {
                out.line(&format!("note: {}", crate::output::inline(note)))?;
            }
            for problem in problems {
                out.line(&format!("{} {}", Paint::Red.on("problem:", out.color()), crate::output::inline(problem)))?;
            }
            Ok(())
        }
    }
}

/// What comes back of what the source did not send, and what has not come back yet.
fn gaps(recovers: &[Recovery], behind: Option<&[Behind]>, open_runs: Option<u64>, out: &Output) -> Result<(), CliError> {
    let mut table = Table::new(&["IF NOT NOTIFIED", "FOUND", "HOW"]);
    for recovery in recovers {
        let found = if recovery.recovered { Cell::painted("yes", Paint::Green) } else { Cell::painted("no", Paint::Yellow) };
        table.row([inline(&recovery.what).as_ref().into(), found, inline(&recovery.how).as_ref().into()]);
    }
    if !table.is_empty() {
        out.line("")?;
        out.line(&table.render("", out.color()))?;
    }
    let mut table = Table::new(&["TYPE", "SWEPT TO", "NEWEST THERE", "NOT RESOLVED"]);
    for lag in behind.unwrap_or_default() {
        let when = |at: Option<Timestamp>| at.map_or_else(|| "never".to_owned(), units::when);
        let waiting = format!("{}{}", lag.waiting, if lag.more { " or more" } else { "" });
        let waiting = if lag.waiting == 0 && !lag.more { waiting.into() } else { Cell::painted(waiting, Paint::Yellow) };
        table.row([lag.resource_type.as_str().into(), when(lag.seen).into(), when(lag.newest).into(), waiting]);
    }
    if !table.is_empty() {
        out.line("")?;
        out.line(&table.render("", out.color()))?;
    }
    if let Some(open) = open_runs {
        out.line(&format!("runs that have not ended: {open}"))?;
    }
    Ok(())
}

fn facts(can: &Capabilities, usable: bool) -> Facts {
    let yes = |good: bool| if good { Cell::painted("yes", Paint::Green) } else { Cell::painted("no", Paint::Yellow) };
    let mut facts = Facts::default();
    facts
        .add("usable", if usable { Cell::painted("yes", Paint::Green) } else { Cell::painted("no", Paint::Red) })
        .maybe("software", can.software.clone())
        .add("transaction atomic", yes(can.atomic))
        .add("fence holds", yes(can.fence))
        .add("client ids", yes(can.client_ids))
        .add("status on conflict", can.conflict_status.map_or_else(|| "none".to_owned(), |status| status.to_string()))
        .add("history of instances", yes(can.instance_history))
        .add("history of types", yes(can.type_history))
        .add("deletes in history", yes(can.history_shows_deletes))
        .add("versions count up", yes(can.integer_versions))
        .add("strict searches", yes(can.strict_search))
        .add("entries tried", can.transaction_entries.to_string());
    facts
}
