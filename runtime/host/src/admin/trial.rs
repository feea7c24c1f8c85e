//! Many recorded runs against another release. The answer shows what was read and written, unless it is to be de-identified; the host's log gets counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use hob_model::{BotName, Digest, Manifest, TenantId, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::error::ApiError;
use super::{lines, named, tenant};
use crate::core::Core;
use crate::deploy::{DeployError, checked};
use crate::resolve::Watch;
use crate::sandbox::Prepared;
use crate::sources::SourceEntry;
use crate::trial::batch::{self, Span, Tally};
use crate::trial::deidentify::Deidentifier;
use crate::trial::{Compared, Group, Skipped, Trial};

/// Runs between two lines of progress.
const EVERY: u64 = 250;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    /// A component, under the text of a `bot.toml` or the live manifest; else `release`; else what is live.
    manifest: Option<String>,
    #[serde(default = "file")]
    file: String,
    component: Option<String>,
    release: Option<String>,
    #[serde(default)]
    settings: Map<String, Value>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    sample: Option<usize>,
    /// Tell of runs that do the same too.
    #[serde(default)]
    all: bool,
    #[serde(default)]
    deidentify: bool,
}

fn file() -> String {
    "bot.toml".to_owned()
}

/// Streams a line for each run that does not do the same, progress, and the sum at the end. It ends where its reader goes away.
pub(super) async fn replay(
    State(core): State<Arc<Core>>,
    Path((tenant_name, name)): Path<(String, String)>,
    Json(wish): Json<Wish>,
) -> Result<Response, ApiError> {
    let (tenant, bot) = (tenant(&tenant_name)?, named::<BotName>(&name)?);
    let busy = || {
        let help = "give the command again when that one has ended";
        ApiError::new(StatusCode::CONFLICT, "replay-busy", "another release is being tried on recorded runs of this host", help)
    };
    let place = Arc::clone(&core.trials).try_acquire_owned().map_err(|_| busy())?;
    let (trial, digest) = trial(&core, &tenant, &bot, &wish).await?;
    let Wish { since, until, sample, all, deidentify, .. } = wish;
    let (chosen, found) = batch::choose(&*core.ledger, &tenant, &bot, Span { since, until, sample }).await?;
    let of = chosen.len();
    tracing::info!(%tenant, %bot, release = %digest, runs = of, deidentify, "a release is tried on recorded runs, which are shown to the caller");
    let (out, stream) = mpsc::channel::<Value>(64);
    tokio::spawn(async move {
        let clear = deidentify.then(|| Deidentifier::new((core.random(), core.random())));
        let told = |tried: Result<Compared, Skipped>, tally: &Tally| {
            let looked = tally.looked();
            let line = match tried {
                Ok(compared) if all || compared.group != Group::Same => {
                    let compared = match &clear {
                        Some(clear) => clear.compared(compared),
                        None => compared,
                    };
                    Some(serde_json::to_value(compared).unwrap_or_default())
                }
                Ok(_) | Err(_) => None,
            };
            let out = out.clone();
            async move {
                if looked.is_multiple_of(EVERY) {
                    // A slow reader misses a line of progress.
                    let _ = out.try_send(json!({"looked": looked, "of": of}));
                }
                match line {
                    Some(line) => out.send(line).await.is_ok(),
                    None => !out.is_closed(),
                }
            }
        };
        let last = match batch::run(&core.ledger, &tenant, &trial, chosen, workers(), told).await {
            Ok(tally) => {
                tracing::info!(%tenant, %bot, release = %digest, looked = tally.looked(), "a trial ended");
                json!({
                    "release": digest,
                    "found": found,
                    "looked": tally.looked(),
                    "groups": Tally::groups_json(&tally.groups),
                    "skipped": tally.skipped_json(),
                    "asked": tally.asked,
                })
            }
            Err(error) => {
                tracing::warn!(%tenant, %bot, %error, "a trial ended early");
                ApiError::from(error).to_json()
            }
        };
        // Whoever hears the end may begin the next.
        drop(place);
        let _ = out.send(last).await;
    });
    Ok(lines(stream))
}

/// As many at once as there are processors: the sandbox yields, so that live runs come in between.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

/// The release that is meant, ready to be tried on the bot's source with the bot's settings.
async fn trial(core: &Arc<Core>, tenant: &TenantId, bot: &BotName, wish: &Wish) -> Result<(Arc<Trial>, Digest), ApiError> {
    let live = core.bots.get(tenant, bot);
    let deployment = core.ledger.deployment(tenant, bot).await?;
    let unknown = || ApiError::missing("bot-unknown", format!("there is no bot {bot}, and there was none"));
    let deployment = deployment.ok_or_else(unknown)?;
    let source = deployment.source.clone().ok_or_else(unknown)?;
    let entry = core.sources.get(tenant, &source).ok_or_else(|| DeployError::NoSource(source.clone()))?;
    let (manifest, digest, release): (Manifest, Digest, Arc<dyn Prepared>) = match (&wish.manifest, &wish.component) {
        (given, Some(component)) => {
            let live = core.ledger.release(tenant, &deployment.release).await?.map(|kept| kept.manifest_text);
            let text = given.clone().or(live).unwrap_or_default();
            let manifest = Manifest::parse(&text, &wish.file).map_err(|error| DeployError::Manifest(Box::new(error)))?;
            let component = data_encoding::BASE64.decode(component.as_bytes());
            let component: Bytes = component
                .map_err(|_| ApiError::bad("component", "the component is not Base64", "send the component's bytes as Base64"))?
                .into();
            let digest = hob_ledger::Release::digest_of(&text, &component);
            // Not kept in the ledger: should its code be lost, it is in memory.
            let prepared = core.sandbox.prepare(component.clone(), manifest.clone(), Arc::new(component)).await;
            (manifest, digest, prepared.map_err(DeployError::Component)?)
        }
        (None, None) => kept(core, tenant, wish, live.as_deref(), deployment.release).await?,
        (Some(_), None) => {
            return Err(ApiError::bad("replay-release", "there is a manifest without a component", "give the component too"));
        }
    };
    if manifest.name != *bot {
        let why = format!("the manifest is of {}, and the runs are of {bot}", manifest.name);
        return Err(ApiError::bad("replay-bot", why, "name the bot whose runs are meant, or the folder of its release"));
    }
    let mut settings: Map<String, Value> = deployment.settings;
    // A setting that the release no longer has, or has with another type, is not its deployment's.
    settings.retain(|name, value| manifest.settings.get(name).is_some_and(|spec| spec.kind.takes(value)));
    settings.extend(wish.settings.clone());
    let settings: BTreeMap<String, Value> = checked(&manifest, settings)?;
    Ok((Arc::new(assembled(core, entry, manifest, release, settings)?), digest))
}

/// A release that the ledger has.
async fn kept(
    core: &Core,
    tenant: &TenantId,
    wish: &Wish,
    live: Option<&crate::bots::LiveBot>,
    newest: Digest,
) -> Result<(Manifest, Digest, Arc<dyn Prepared>), ApiError> {
    let digest = wish.release.as_deref().map(named::<Digest>).transpose()?.unwrap_or(newest);
    if let Some(live) = live.filter(|live| live.digest == digest) {
        return Ok((live.manifest.clone(), digest, Arc::clone(&live.release)));
    }
    let Some(kept) = core.ledger.release(tenant, &digest).await? else {
        let help =
            "`hob bots` shows the live one, `hob show RUN` the one that a run had; name a folder for one that is not deployed";
        return Err(ApiError::new(StatusCode::CONFLICT, "no-release", "there is no such release in this tenant", help));
    };
    let manifest = kept.manifest.clone();
    let prepared = core.prepare(tenant, digest, kept.component, kept.manifest).await.map_err(DeployError::Component)?;
    Ok((manifest, digest, prepared))
}

/// The parts of a trial, with the triggers compiled.
pub(super) fn assembled(
    core: &Core,
    entry: Arc<SourceEntry>,
    manifest: Manifest,
    release: Arc<dyn Prepared>,
    settings: BTreeMap<String, Value>,
) -> Result<Trial, DeployError> {
    let watches = Watch::of(&manifest, &entry.bases)?;
    Ok(Trial { manifest, release, settings, watches, entry, clock: Arc::clone(&core.clock) })
}
