//! `hob deploy`: puts a bot into service.

pub(crate) mod component;
pub(crate) mod settings;

use std::path::{Path, PathBuf};

use hob_model::{Manifest, SourceId};
use reqwest::Method;
use serde_json::json;

use crate::api::{self, Deployed};
use crate::client::Client;
use crate::commands::{files, patiently};
use crate::error::CliError;
use crate::exit_code;
use crate::output::{Output, Paint, inline};
use crate::table::Facts;
use crate::units;

/// Put a bot into service, or a new release of one
///
/// Checks bot.toml and the component, stores them as a release named by its digest, and makes the Subscriptions on the FHIR server.
/// Says what it changed there, and what is left to do by hand.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob deploy bots/task-router --source hapi
  hob deploy bots/reminder --source hapi --set first-hour=10 --set clinic='Elm Street Clinic'
  hob deploy . --source hapi --component target/wasm32-wasip2/release/my_bot.wasm
  hob deploy bots/task-router --source hapi --observe      see what it would do before it does it")]
pub(crate) struct Args {
    /// The bot's folder, with bot.toml
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The source that it reads from and writes to
    #[arg(long, value_name = "NAME")]
    source: SourceId,
    /// Set one of its settings; numbers, true, false, lists and tables as in JSON; @FILE takes the value from a file
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// The component; where bot.toml says, or where cargo builds it, unless given
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,
    /// Give it live events and do nothing of what it decides: see `hob observe`
    #[arg(long)]
    observe: bool,
}

pub(crate) async fn run(args: Args, client: &Client, out: &Output) -> Result<(), CliError> {
    let (manifest, text, file) = manifest(&args.dir)?;
    let settings = settings::read(&args.settings, &manifest)?;
    let path = component::find(&args.dir, &manifest, args.component.as_deref())?;
    let component = component::read(&path)?;
    let size = units::size(component.len().try_into().unwrap_or(u64::MAX));
    out.note(&format!("deploying {} {}: {} ({size}) to {}", manifest.name, manifest.version, path.display(), client.host()));
    let mut body = json!({
        "manifest": text,
        "file": file.display().to_string(),
        "component": data_encoding::BASE64.encode(&component),
        "source": args.source,
        "settings": settings,
    });
    if args.observe {
        body["observe"] = json!(true);
    }
    let call = client.call(Method::POST, "bots").body(&body).slow();
    let answer = patiently("compiling and subscribing", out, call.json()).await?;
    if out.json() {
        return out.document(&answer);
    }
    let deployed = api::read::<Deployed>(&answer)?;
    if args.observe {
        // The bot that is told of may be the release beside it.
        deployed.changes.iter().chain(&deployed.manual_steps).try_for_each(|line| out.line(&inline(line)))?;
        out.next(&format!("hob observe show {}", manifest.name));
    } else {
        show(&deployed, out)?;
        out.next(&format!("hob logs -f --bot {}", manifest.name));
    }
    Ok(())
}

/// The manifest in `dir`, its text and its path.
pub(crate) fn manifest(dir: &Path) -> Result<(Manifest, String, PathBuf), CliError> {
    let file = dir.join("bot.toml");
    if !file.is_file() {
        let help = "name the folder that holds bot.toml";
        return Err(CliError::new(exit_code::FILE, "manifest-missing", "there is no bot.toml", help).at(dir.display()));
    }
    let text = files::text(&file)?;
    let manifest = Manifest::parse(&text, &file.display().to_string()).map_err(|error| {
        let place = format!("{}:{}:{}", error.file, error.line, error.column);
        let key = error.key.map_or_else(String::new, |key| format!("`{key}`: "));
        let help = "mend bot.toml at that line";
        CliError::new(exit_code::CONFIG, "manifest", format!("{key}{}", error.message), help).at(place)
    })?;
    Ok((manifest, text, file))
}

pub(crate) fn show(deployed: &Deployed, out: &Output) -> Result<(), CliError> {
    let bot = &deployed.bot;
    let mut facts = Facts::default();
    facts
        .add("bot", format!("{} {}", bot.name, bot.version))
        .add("release", bot.release.as_str())
        .maybe("source", bot.source.as_ref().map(|source| source.as_str()));
    for trigger in &bot.triggers {
        facts.add("runs on", trigger.as_str());
    }
    out.line(&facts.render(out.color()))?;
    let list = |title: &str, lines: &[String]| {
        out.line("")?;
        out.line(&Paint::Bold.on(title, out.color()))?;
        lines.iter().try_for_each(|line| out.line(&format!("  {}", inline(line))))
    };
    if deployed.changes.is_empty() {
        out.line("\nnothing changed")?;
    } else {
        list("changes", &deployed.changes)?;
    }
    if !deployed.manual_steps.is_empty() {
        list("left to do by hand", &deployed.manual_steps)?;
    }
    Ok(())
}
