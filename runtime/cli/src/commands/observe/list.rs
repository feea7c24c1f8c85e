//! `hob observe` without a verb.

use std::collections::BTreeMap;

use hob_model::{BotName, Timestamp};
use reqwest::Method;
use serde::Deserialize;

use crate::api;
use crate::client::Client;
use crate::error::CliError;
use crate::output::{Output, Paint};
use crate::table::{Cell, Table};
use crate::units;

#[derive(Deserialize)]
struct All {
    observed: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    bot: BotName,
    release: String,
    began: Timestamp,
    first: bool,
    looked: u64,
    groups: BTreeMap<String, u64>,
    missed: u64,
}

pub(crate) async fn run(client: &Client, out: &Output) -> Result<(), CliError> {
    let answer = client.call(Method::GET, "observe").json().await?;
    if out.json() {
        return out.document(&answer);
    }
    let mut table = Table::new(&["BOT", "RELEASE", "BESIDE", "SINCE", "RUNS", "SAME", "DIFFERENT", "CANNOT BE TOLD", "MISSED"]);
    for row in api::read::<All>(&answer)?.observed {
        let count = |group: &str| row.groups.get(group).copied().unwrap_or_default();
        let different: u64 = ["changed", "new-failure", "failure-gone", "not-triggered"].into_iter().map(count).sum();
        let paint = if different > 0 { Paint::Yellow } else { Paint::Plain };
        table.row([
            row.bot.as_str().into(),
            row.release.chars().take("sha256:".len() + 12).collect::<String>().into(),
            if row.first { "nothing" } else { "the live one" }.into(),
            units::when(row.began).into(),
            row.looked.to_string().into(),
            count("same").to_string().into(),
            Cell::painted(different.to_string(), paint),
            count("undecidable").to_string().into(),
            row.missed.to_string().into(),
        ]);
    }
    if table.is_empty() {
        out.note("no release is observed");
        out.next("hob deploy DIR --source NAME --observe");
        return Ok(());
    }
    out.line(&table.render("", out.color()))
}
