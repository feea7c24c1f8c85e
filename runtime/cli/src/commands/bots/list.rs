//! `hob bots` without a verb.

use reqwest::Method;

use crate::api::{self, Bots};
use crate::client::Client;
use crate::commands::runs::tally;
use crate::error::CliError;
use crate::output::{Output, Paint};
use crate::table::{Cell, Table};
use crate::units;

pub(crate) async fn run(client: &Client, out: &Output) -> Result<(), CliError> {
    let answer = client.call(Method::GET, "bots").json().await?;
    if out.json() {
        return out.document(&answer);
    }
    let mut table = Table::new(&["BOT", "VERSION", "RELEASE", "SOURCE", "DEPLOYED", "RUNS"]);
    let mut limited = Table::new(&["BOT", "ENDED AT", "ATTEMPTS"]);
    let mut watched = Vec::new();
    let mut triggers = Table::new(&["BOT", "RUNS ON", "SUBSCRIPTION", "STATUS"]);
    for bot in api::read::<Bots>(&answer)?.bots {
        let name = bot.name.as_str();
        match (bot.acts, &bot.observed) {
            (false, _) => watched.push(format!("{name} does nothing yet: it is observed, see `hob observe show {name}`")),
            (true, Some(release)) => {
                watched.push(format!("{name}: {} is observed beside it, see `hob observe show {name}`", short(release)));
            }
            (true, None) => {}
        }
        table.row([
            name.into(),
            bot.version.into(),
            short(&bot.release).into(),
            bot.source.map_or_else(String::new, |source| source.to_string()).into(),
            units::when(bot.deployed).into(),
            tally(&bot.runs).into(),
        ]);
        for (code, count) in bot.limited {
            limited.row([name.into(), code.into(), Cell::painted(count.to_string(), Paint::Yellow)]);
        }
        let mut unmatched = bot.subscriptions;
        for trigger in bot.triggers {
            let at = unmatched.iter().position(|sub| trigger.strip_prefix("change ") == Some(sub.criteria.as_str()));
            let sub = at.map(|at| unmatched.remove(at));
            let (reference, status) = sub.map_or((None, None), |sub| (sub.reference, sub.status));
            triggers.row([name.into(), trigger.into(), reference.unwrap_or_default().into(), state(status)]);
        }
        for sub in unmatched {
            triggers.row([name.into(), sub.criteria.into(), sub.reference.unwrap_or_default().into(), state(sub.status)]);
        }
    }
    if table.is_empty() {
        out.note("no bots");
        out.next("hob deploy DIR --source NAME");
        return Ok(());
    }
    out.line(&table.render("", out.color()))?;
    out.line("")?;
    out.line(&triggers.render("", out.color()))?;
    if !limited.is_empty() {
        out.line("")?;
        out.line(&limited.render("", out.color()))?;
    }
    watched.iter().for_each(|line| out.note(line));
    Ok(())
}

/// A digest that can be told from others at a glance.
fn short(release: &str) -> String {
    release.chars().take("sha256:".len() + 12).collect()
}

fn state(status: Option<String>) -> Cell {
    let status = status.unwrap_or_default();
    let paint = match status.as_str() {
        "active" => Paint::Green,
        "error" | "off" => Paint::Red,
        _ => Paint::Yellow,
    };
    Cell::painted(status, paint)
}
