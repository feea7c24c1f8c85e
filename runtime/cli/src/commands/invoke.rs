//! `hob invoke`: asks a bot, and prints its answer.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hob_model::{BotName, RunState};
use reqwest::Method;

use crate::api::{self, Invoked};
use crate::client::{Client, unanswerable};
use crate::commands::files;
use crate::error::CliError;
use crate::exit_code;
use crate::output::Output;

/// Run a bot's invoke trigger, and print its result
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob invoke pro-scorer --file response.json
  cat order.hl7 | hob invoke lab-import --file - --content-type x-application/hl7-v2+er7
  hob invoke nightly-report --wait 0")]
pub(crate) struct Args {
    /// The bot
    #[arg(value_name = "BOT")]
    bot: BotName,
    /// The payload; `-` is stdin. Without it the payload is empty
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The payload's media type; by the file's name unless given
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// How long to wait for the end, in seconds; 0 does not wait
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u8).range(0..=60))]
    wait: u8,
}

pub(crate) async fn run(args: Args, client: &Client, out: &Output) -> Result<(), CliError> {
    let payload = args.file.as_deref().map(files::read).transpose()?.unwrap_or_default();
    let guessed = || args.file.as_deref().map_or("application/json", content_type).to_owned();
    let content_type = args.content_type.clone().unwrap_or_else(guessed);
    let wait = Duration::from_secs(args.wait.into());
    let call = client.call(Method::POST, &format!("bots/{}/invoke", args.bot)).payload(&content_type, payload);
    let call = call.query("wait", Some(args.wait)).waits(wait);
    let answer = super::patiently("waiting for the run", out, call.json()).await?;
    let invoked: Invoked = api::read(&answer)?;
    let run = invoked.run;
    if out.json() {
        out.document(&answer)?;
    } else {
        out.note(&format!("{run} {}", invoked.state));
        if let Some(result) = &invoked.result {
            out.bytes(&result.bytes().ok_or_else(|| unanswerable("its base64 cannot be read"))?)?;
        }
    }
    match invoked.state {
        RunState::Done => Ok(()),
        RunState::Pending | RunState::Recorded if args.wait == 0 => Ok(()),
        RunState::Pending | RunState::Recorded => Err(CliError::new(
            exit_code::PENDING,
            "run-pending",
            format!("the run has not ended after {} s and goes on", args.wait),
            format!("see how it ends with `hob show {run}`"),
        )
        .at(run)),
        state => {
            let help = format!("see why with `hob show {run}`");
            let why = invoked.failure.map_or_else(String::new, |why| format!(": {}: {}", why.code, why.message));
            Err(CliError::new(exit_code::FAILURE, "run-failed", format!("the run ended {state}{why}"), help).at(run))
        }
    }
}

/// What a file is, by its name, as far as FHIR and HL7 name files.
fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("xml") => "application/fhir+xml",
        Some("hl7") => "x-application/hl7-v2+er7",
        Some("txt") => "text/plain",
        _ => "application/fhir+json",
    }
}
