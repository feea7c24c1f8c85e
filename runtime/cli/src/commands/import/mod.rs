//! `hob import`: bots that run on Medplum, moved to Hob, and the switch between the two hosts.
//!
//! Two steps. The first reads Medplum's project file and its Bot and Subscription resources and writes a folder for each bot: a manifest in which what was
//! guessed says so, and the build. It changes nothing anywhere else. The second, `--cutover`, turns the old host's triggers off, each at the version that was
//! seen, and `--undo` turns them on again. See docs/import.md.

mod cron;
mod cutover;
mod plan;
mod read;
mod render;
mod scan;
mod state;
mod tell;
mod triggers;

use std::path::PathBuf;

use hob_model::BotName;
use serde_json::json;

use crate::args::Global;
use crate::commands::source::auth::AuthArgs;
use crate::error::CliError;
use crate::output::Output;

/// Move bots from Medplum: write their manifests, then switch them over
///
/// Writes a folder for each bot of the project: bot.toml, with `# check` wherever it is a guess, and package.json, which builds the bot's source as it is.
/// What cannot be moved is listed with the reason. Bots and Subscriptions come from a file (a Bundle, a list or NDJSON) or from the Medplum server itself.
/// With --cutover the old Subscriptions and crons of the bots are turned off at the server, each at the version that was imported; with --undo they are
/// turned on again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hob import medplum.config.json --resources export.ndjson
  hob import medplum.config.json --resources https://api.medplum.com/fhir/R4 --auth bearer --auth-token env:MEDPLUM_TOKEN
  hob import medplum.config.json --cutover --bot welcome --resources https://api.medplum.com/fhir/R4 --auth bearer --auth-token env:MEDPLUM_TOKEN
  hob import medplum.config.json --cutover --undo --bot welcome --resources https://…")]
pub(crate) struct Args {
    /// Medplum's project file, which names the bots and their sources
    #[arg(value_name = "CONFIG")]
    config: PathBuf,
    /// Bot and Subscription resources: a file, or the base URL of the FHIR server that has them
    #[arg(long, value_name = "FILE_OR_URL")]
    resources: Option<String>,
    /// The folder for the bots' folders, and for what was done
    #[arg(long, value_name = "DIR", default_value = "hob-bots")]
    out: PathBuf,
    /// Only this bot; may be repeated
    #[arg(long = "bot", value_name = "NAME")]
    bots: Vec<BotName>,
    /// Turn the old host's triggers off
    #[arg(long)]
    cutover: bool,
    /// With --cutover: turn off also what was not moved; its triggers were written into bot.toml by hand
    #[arg(long, requires = "cutover")]
    with_unmoved: bool,
    /// Turn them on again
    #[arg(long, requires = "cutover")]
    undo: bool,
    /// With --undo: the bots are out of service at every Hob host, though this command cannot ask
    #[arg(long, requires = "undo")]
    hob_is_off: bool,
    #[command(flatten)]
    auth: AuthArgs,
}

pub(crate) fn run(args: &Args, global: &Global, out: &Output) -> Result<(), CliError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| CliError::runtime(&error))?;
    if args.cutover { runtime.block_on(cutover::run(args, global, out)) } else { runtime.block_on(import(args, out)) }
}

async fn import(args: &Args, out: &Output) -> Result<(), CliError> {
    let resources = read::resources(args.resources.as_deref(), &args.auth).await?;
    let bots = plan::bots(&args.config, &resources)?;
    let mut drafts = Vec::new();
    for bot in bots.iter().filter(|bot| args.bots.is_empty() || args.bots.contains(&bot.name)) {
        drafts.push(render::draft(bot, &args.out)?);
    }
    // A Subscription that is nobody's would be forgotten.
    let strays = plan::strays(&bots, &resources);
    for draft in &drafts {
        render::write(draft, &args.out)?;
    }
    state::remember(&args.out, &drafts)?;
    if out.json() {
        let bots: Vec<_> = drafts.iter().map(render::Draft::json).collect();
        return out.document(&json!({"bots": bots, "strays": strays}));
    }
    for draft in &drafts {
        out.line(&format!("{}: {} triggers, {} guesses", draft.name, draft.triggers, draft.guesses()))?;
        for left in &draft.left {
            out.line(&format!("  not moved: {left}"))?;
        }
    }
    for stray in &strays {
        out.line(&format!("not moved: {stray}"))?;
    }
    out.note(&format!("wrote {}", args.out.display()));
    out.next(&format!(
        "read each bot.toml for `# check`, then `hob build` and `hob deploy` in its folder; see docs/import.md ({} bots)",
        drafts.len()
    ));
    Ok(())
}
