//! `hob keys rotate`.

use reqwest::Method;
use serde_json::json;

use crate::client::Client;
use crate::error::CliError;
use crate::output::Output;

/// Make new keys
///
/// New values are under the new data key at once; older ones are written anew in the background, in small steps, also over a
/// restart, and then the older keys are gone. Backups keep the keys that they were made with.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob keys rotate                                   a new data key for the tenant
  hob keys rotate --all
  hob keys rotate --master                          a new master key, in the file that holds it

The key that hides ids and lanes is not rotated: the same id must stay the same text to be found.
Where the master key comes from the environment or a command, replace it there: name the old one in hob.toml as `old-master-key`
and start the host again. Older backups need the master key that they were made under: keep it as long as them.")]
pub(crate) struct Args {
    /// Data keys of all tenants
    #[arg(long)]
    all: bool,
    /// The master key: data keys are wrapped anew, no value is written
    #[arg(long, conflicts_with = "all")]
    master: bool,
}

pub(crate) async fn run(args: &Args, client: &Client, out: &Output) -> Result<(), CliError> {
    let body = if args.master {
        json!({"master": true})
    } else if args.all {
        json!({})
    } else {
        json!({"tenant": client.tenant()})
    };
    let answer = client.call_root(Method::POST, "/v1/keys/rotate").body(&body).slow().json().await?;
    super::list::show(&answer, out)
}
