//! `hob status`: whether the host is there and how much it has to do.

use reqwest::Method;
use serde_json::{Value, json};

use crate::api::{self, Status};
use crate::client::Client;
use crate::commands::runs::tally;
use crate::error::CliError;
use crate::exit_code;
use crate::output::{Output, Paint};
use crate::table::{Cell, Facts};
use crate::units;

/// Show whether the host is ready and how many runs it holds
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob status
  hob status --host https://hob.example.org --token-file /run/secrets/hob
  hob status --json | jq .runs.dead")]
pub(crate) struct Args {}

pub(crate) async fn run(client: &Client, out: &Output) -> Result<(), CliError> {
    let ready = match client.call_root(Method::GET, "/ready").json().await {
        Ok(_) => true,
        Err(error) if error.exit == exit_code::UNAVAILABLE && error.code != "host-unreachable" => false,
        Err(error) => return Err(error),
    };
    let answer = client.call_root(Method::GET, "/v1/status").json().await?;
    if out.json() {
        let mut all = json!({"host": client.host().as_str(), "ready": ready});
        if let (Value::Object(all), Value::Object(answer)) = (&mut all, answer) {
            all.extend(answer);
        }
        return out.document(&all);
    }
    let status: Status = api::read(&answer)?;
    let mut facts = Facts::default();
    facts
        .add("host", client.host().as_str())
        .add(
            "ready",
            if ready { Cell::painted("yes", Paint::Green) } else { Cell::painted("no: it starts or drains", Paint::Yellow) },
        )
        .add("version", status.version)
        .add("started", units::when(status.started))
        .add("runs", tally(&status.runs))
        .add("dead notifications", count(status.dead_notifications, Paint::Red))
        .add("dead requests", count(status.dead_requests, Paint::Red))
        .add("unresolved changes", count(status.unresolved, Paint::Plain))
        .add("ledger", units::size(status.ledger_bytes));
    if status.timers_overdue_seconds > LATE {
        let late = units::span(std::time::Duration::from_secs(status.timers_overdue_seconds));
        facts.add("timers", Cell::painted(format!("the earliest has been due for {late}"), Paint::Yellow));
    }
    for broken in status.not_in_service {
        facts.add("not in service", Cell::painted(broken, Paint::Red));
    }
    out.line(&facts.render(out.color()))
}

/// Seconds after which a timer that is due and has not fired is worth a word.
const LATE: u64 = 60;

fn count(count: u64, paint: Paint) -> Cell {
    Cell::painted(count.to_string(), if count == 0 { Paint::Plain } else { paint })
}
