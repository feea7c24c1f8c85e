//! `hob keys list`.

use reqwest::Method;
use serde_json::Value;

use crate::api::{self, Keys};
use crate::client::Client;
use crate::error::CliError;
use crate::output::Output;
use crate::table::Table;
use crate::units;

/// List the keys by their names, and how far a rotation has come
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob keys list
  hob keys list --json | jq .resealed_percent       null where no rotation is under way")]
pub(crate) struct Args {}

pub(crate) async fn run(client: &Client, out: &Output) -> Result<(), CliError> {
    show(&client.call_root(Method::GET, "/v1/keys").json().await?, out)
}

/// Prints the answer of both verbs.
pub(super) fn show(answer: &Value, out: &Output) -> Result<(), CliError> {
    if out.json() {
        return out.document(answer);
    }
    let keys: Keys = api::read(answer)?;
    out.line(&format!("master key {}", crate::output::inline(&keys.master)))?;
    let mut table = Table::new(&["TENANT", "GENERATION", "OLDER", "SINCE"]);
    for key in keys.tenants {
        let older = key.older.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let since = key.created.map_or_else(|| "its first value".to_owned(), units::when);
        table.row([key.tenant.into(), key.generation.to_string().into(), older.into(), since.into()]);
    }
    if !table.is_empty() {
        out.line(&table.render("", out.color()))?;
    }
    if let Some(percent) = keys.resealed_percent {
        out.line(&format!("values of older keys are written anew: {percent} % done"))?;
    }
    Ok(())
}
