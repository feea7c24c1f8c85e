//! `hob source remove`.

use hob_model::SourceId;
use reqwest::Method;
use serde_json::json;

use crate::client::Client;
use crate::error::CliError;
use crate::output::Output;

/// Remove a source that no bot is deployed on
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob bots remove task-router && hob source remove hapi")]
pub(crate) struct Args {
    /// The source
    #[arg(value_name = "NAME")]
    name: SourceId,
}

pub(crate) async fn run(args: Args, client: &Client, out: &Output) -> Result<(), CliError> {
    client.call(Method::DELETE, &format!("sources/{}", args.name)).json().await?;
    if out.json() { out.document(&json!({"removed": args.name})) } else { out.line(&format!("removed source {}", args.name)) }
}
