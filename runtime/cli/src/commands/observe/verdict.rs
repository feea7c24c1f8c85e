//! `hob observe promote` and `hob observe drop`.

use hob_model::BotName;
use reqwest::Method;

use crate::api::{self, Changes, Deployed};
use crate::client::Client;
use crate::commands::{deploy, patiently};
use crate::error::CliError;
use crate::output::{Output, inline};

/// Put an observed release into service, in the place of the live one
///
/// As `hob deploy` would, with the component, manifest and settings that were observed. What was seen of it is forgotten. Runs that it was only observed on are not
/// run again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob observe promote task-router")]
pub(crate) struct Promote {
    /// The bot
    #[arg(value_name = "BOT")]
    bot: BotName,
}

/// Observe a release no more, and forget what was seen of it
///
/// The live release goes on as before. Where there is none, the bot is taken out of service and its Subscriptions on the FHIR server are set off.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob observe drop task-router")]
pub(crate) struct Drop {
    /// The bot
    #[arg(value_name = "BOT")]
    bot: BotName,
}

pub(crate) async fn promote(args: Promote, client: &Client, out: &Output) -> Result<(), CliError> {
    let call = client.call(Method::POST, &format!("observe/{}/promote", args.bot)).slow();
    let answer = patiently("compiling and subscribing", out, call.json()).await?;
    if out.json() {
        return out.document(&answer);
    }
    deploy::show(&api::read::<Deployed>(&answer)?, out)?;
    out.next(&format!("hob logs -f --bot {}", args.bot));
    Ok(())
}

pub(crate) async fn drop(args: Drop, client: &Client, out: &Output) -> Result<(), CliError> {
    let call = client.call(Method::DELETE, &format!("observe/{}", args.bot)).slow();
    let answer = patiently("changing Subscriptions", out, call.json()).await?;
    if out.json() {
        return out.document(&answer);
    }
    for change in api::read::<Changes>(&answer)?.changes {
        out.line(&inline(&change))?;
    }
    Ok(())
}
