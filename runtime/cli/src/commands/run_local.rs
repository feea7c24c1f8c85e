//! `hob run`: one event, on this machine, without a host.

use std::path::PathBuf;
use std::sync::Arc;

use hob_host::SystemClock;
use hob_host::local::{self, LocalError, LocalOutcome, LocalRun};
use hob_model::BaseUrl;
use serde_json::{Value, json};

use crate::args::base_url;
use crate::commands::deploy::{component, manifest, settings};
use crate::commands::runs::story;
use crate::commands::source::auth::AuthArgs;
use crate::commands::{files, patiently};
use crate::error::CliError;
use crate::exit_code;
use crate::output::{Output, inline};
use crate::units;

/// Run a bot on one event, here, and print the transaction that it would write
///
/// The event is a notification, a resource (a change of it) or any other payload (an invocation). The bot reads from the FHIR server
/// as it would in service, within its scopes; nothing is written without --write. The transaction goes to stdout, the log to stderr.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob run bots/task-router --event task.json --fhir http://localhost:8080/fhir
  hob run bots/reminder --event task.json --fhir http://localhost:8080/fhir --set first-hour=10
  hob run bots/pro-scorer --event response.json --fhir http://localhost:8080/fhir --write")]
pub(crate) struct Args {
    /// The bot's folder, with bot.toml
    #[arg(value_name = "BOT_DIR")]
    dir: PathBuf,
    /// The event; `-` is stdin
    #[arg(long, value_name = "FILE")]
    event: PathBuf,
    /// The base URL of the FHIR server to read from
    #[arg(long, value_name = "URL", value_parser = base_url)]
    fhir: BaseUrl,
    /// Commit the transaction to the FHIR server
    #[arg(long)]
    write: bool,
    /// Set one of its settings; numbers, true, false, lists and tables as in JSON
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// The component; where bot.toml says, or where cargo builds it, unless given
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,
    #[command(flatten)]
    auth: AuthArgs,
}

pub(crate) fn run(args: Box<Args>, out: &Output) -> Result<(), CliError> {
    let (manifest, text, file) = manifest(&args.dir)?;
    let component = component::find(&args.dir, &manifest, args.component.as_deref())?;
    let local = LocalRun {
        manifest: text,
        file: file.display().to_string(),
        component: component::read(&component)?.into(),
        event: files::read(&args.event)?.into(),
        base: args.fhir.clone(),
        auth: args.auth.read()?,
        settings: settings::read(&args.settings, &manifest)?,
        write: args.write,
    };
    // The sandbox compiles on several threads and ticks its clock on one.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| CliError::runtime(&error))?;
    let done = runtime.block_on(patiently("compiling or running", out, local::run(local, Arc::new(SystemClock))));
    let outcome = done.map_err(|error| failed(&error).at(args.dir.display()))?;
    if out.json() {
        out.document(&document(&outcome))?
    } else {
        show(&outcome, out)?
    }
    match outcome.result {
        Ok(_) => Ok(()),
        Err(failure) => {
            let message = format!("the bot did not handle the event: {}: {}", failure.code, failure.message);
            let help = "mend the bot, its manifest or the event; nothing was written";
            Err(CliError::new(exit_code::FAILURE, "run-failed", message, help).at(args.dir.display()))
        }
    }
}

fn show(outcome: &LocalOutcome, out: &Output) -> Result<(), CliError> {
    for line in &outcome.journal.log {
        out.note(&format!("{} {}", story::level(line.level, false), inline(&line.text)));
    }
    let times = format!("{} of CPU, {} in all", units::span(outcome.cpu), units::span(outcome.wall));
    out.note(&format!("{}: {} host calls, {times}", outcome.trigger, outcome.journal.calls.len()));
    if outcome.result.is_ok() {
        out.note(&format!("effects\n{}", story::decided(&outcome.effects, false)));
    }
    if let Ok(Some(result)) = &outcome.result {
        out.note(&format!("result: {}, {} bytes", inline(&result.content_type), result.bytes.len()));
    }
    if let Some(bundle) = &outcome.bundle {
        out.document(bundle)?;
    }
    match &outcome.written {
        Some(written) => out.note(&format!("wrote {}", written.join(", "))),
        None if outcome.bundle.is_some() => out.next("nothing was written: the same with --write commits it"),
        None => {}
    }
    Ok(())
}

fn document(outcome: &LocalOutcome) -> Value {
    let result = outcome.result.as_ref().ok().and_then(Option::as_ref).map(|payload| match std::str::from_utf8(&payload.bytes) {
        Ok(text) => json!({"content_type": payload.content_type, "body": text}),
        Err(_) => json!({"content_type": payload.content_type, "base64": data_encoding::BASE64.encode(&payload.bytes)}),
    });
    let micros = |span: std::time::Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    json!({
        "trigger": outcome.trigger,
        "result": result,
        "failure": outcome.result.as_ref().err(),
        "effects": outcome.effects,
        "bundle": outcome.bundle,
        "written": outcome.written,
        "calls": outcome.journal.calls,
        "log": outcome.journal.log,
        "cpu_micros": micros(outcome.cpu),
        "wall_micros": micros(outcome.wall),
    })
}

fn failed(error: &LocalError) -> CliError {
    let (exit, code, help) = match error {
        LocalError::Manifest(_) => (exit_code::CONFIG, "manifest", "mend bot.toml at that line"),
        LocalError::Setting(_) => (exit_code::CONFIG, "setting", "give settings with --set KEY=VALUE"),
        LocalError::Triggers(_) => (exit_code::CONFIG, "criteria", "mend the criteria in bot.toml"),
        LocalError::NotWanted => (
            exit_code::DATA,
            "not-wanted",
            "give an event that one of its [[on]] tables wants; only a bot with invoke = true takes any payload",
        ),
        LocalError::Engine(_) => {
            (exit_code::DATA, "component", "build the component for wasm32-wasip2 with an SDK of this contract")
        }
        LocalError::Event(error) => (exit_code::DATA, error.code(), "give a notification, a resource or any other payload"),
        LocalError::Source(_) => (exit_code::CONFIG, "source", "check --fhir, --auth and what goes with it"),
        LocalError::Fhir(_) => (exit_code::UNAVAILABLE, "fhir", "check that the FHIR server is up, and --fhir and --auth"),
        LocalError::Plan(_) => (exit_code::FAILURE, "effects", "mend the bot"),
        LocalError::Commit(_) => (exit_code::FAILURE, "commit", "look at the server before it is tried again"),
    };
    CliError::new(exit, code, error, help)
}
