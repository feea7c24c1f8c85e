//! `hob bots remove`.

use hob_model::BotName;
use reqwest::Method;

use crate::api::{self, Changes};
use crate::client::Client;
use crate::commands::patiently;
use crate::error::CliError;
use crate::output::{Output, inline};

/// Take a bot out of service
///
/// Its Subscriptions on the FHIR server are set off, and runs that wait end superseded. What it did stays in the ledger.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob bots remove task-router")]
pub(crate) struct Args {
    /// The bot
    #[arg(value_name = "BOT")]
    bot: BotName,
}

pub(crate) async fn run(args: Args, client: &Client, out: &Output) -> Result<(), CliError> {
    let call = client.call(Method::DELETE, &format!("bots/{}", args.bot)).slow();
    let answer = patiently("changing Subscriptions", out, call.json()).await?;
    if out.json() {
        return out.document(&answer);
    }
    out.line(&format!("removed bot {}", args.bot))?;
    for change in api::read::<Changes>(&answer)?.changes {
        out.line(&format!("  {}", inline(&change)))?;
    }
    Ok(())
}
