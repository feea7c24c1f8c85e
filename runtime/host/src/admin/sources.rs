//! Sources: added, listed, checked, removed.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use hob_fhir::check;
use hob_ledger::{LedgerError, SweepMark};
use hob_model::{Auth, BaseUrl, Inbound, Source, SourceId, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::error::ApiError;
use super::{named, tenant};
use crate::core::Core;
use crate::gaps::{lag, recovery};
use crate::sources::{SourceEntry, SourceError};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSource {
    base: BaseUrl,
    #[serde(default)]
    auth: Auth,
    inbound: Inbound,
}

pub(super) async fn list(State(core): State<Arc<Core>>, Path(name): Path<String>) -> Result<Json<Value>, ApiError> {
    let tenant = tenant(&name)?;
    let sources = core.ledger.sources(Some(&tenant)).await?;
    let mut all = Vec::with_capacity(sources.len());
    for source in &sources {
        let mut value = shown(&core, source);
        value["sweeps"] = swept(&core, source).await?;
        value["last_sweep"] = last_sweep(&core, source);
        all.push(value);
    }
    Ok(Json(json!({ "sources": all })))
}

pub(super) async fn put(
    State(core): State<Arc<Core>>,
    Path((tenant_name, name)): Path<(String, String)>,
    Json(new): Json<NewSource>,
) -> Result<Json<Value>, ApiError> {
    let (tenant, id) = (tenant(&tenant_name)?, named::<SourceId>(&name)?);
    let was = core.ledger.source(&tenant, &id).await?;
    // What was proved of one server says nothing of another, and neither does how far it was swept.
    let same = was.filter(|was| was.base == new.base);
    if same.is_none() {
        for mark in core.ledger.sweeps(&tenant, &id).await? {
            core.ledger.swept(core.epoch, SweepMark { seen: Timestamp::default(), ..mark }).await?;
        }
    }
    let capabilities = same.and_then(|was| was.capabilities);
    let source = Source { tenant, id, base: new.base, auth: new.auth, inbound: new.inbound, capabilities };
    put_in_service(&core, source.clone())?;
    core.ledger.put_source(core.epoch, source.clone()).await?;
    Ok(Json(shown(&core, &source)))
}

fn put_in_service(core: &Arc<Core>, source: Source) -> Result<Arc<SourceEntry>, ApiError> {
    let timeout = Duration::from_millis(core.config.limits.fhir_ms);
    let entry =
        SourceEntry::new(source, timeout, Arc::clone(&core.transport), Arc::clone(&core.clock)).map_err(|error| match error {
            SourceError::Secret(error) => {
                ApiError::bad("secret", error.to_string(), "secrets are looked up by the host: set it where `hob serve` runs")
            }
            error => ApiError::bad("source", error.to_string(), "correct the source's base URL, auth or inbound"),
        })?;
    Ok(core.sources.put(entry))
}

pub(super) async fn remove(
    State(core): State<Arc<Core>>,
    Path((tenant_name, name)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let (tenant, id) = (tenant(&tenant_name)?, named::<SourceId>(&name)?);
    match core.ledger.remove_source(core.epoch, &tenant, &id).await {
        Ok(()) => {}
        Err(error @ LedgerError::SourceInUse { .. }) => {
            let help = "take the bots on it out of service first: `hob bots remove NAME`";
            return Err(ApiError::new(StatusCode::CONFLICT, "source-in-use", error.to_string(), help));
        }
        Err(error) => return Err(error.into()),
    }
    core.sources.remove(&tenant, &id);
    Ok(StatusCode::NO_CONTENT)
}

/// Streams a line for each step while the check runs, and what was found at the end.
pub(super) async fn check(
    State(core): State<Arc<Core>>,
    Path((tenant_name, name)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let (tenant, id) = (tenant(&tenant_name)?, named::<SourceId>(&name)?);
    let entry = core.sources.get(&tenant, &id).ok_or_else(|| match core.sources.why_broken(&tenant, &id) {
        Some(why) => {
            let help = "mend what it names, then restart the host or add the source again";
            ApiError::bad("source", format!("the source {id} is not in service: {why}"), help)
        }
        None => ApiError::missing("source-unknown", format!("there is no source {id}")),
    })?;
    let (lines, out) = mpsc::channel::<Value>(64);
    let steps = lines.clone();
    tokio::spawn(async move {
        let mut progress = |step: &check::Step| {
            // A reader that has gone away does not stop the check.
            let _ = steps.try_send(json!({"step": step.step, "ok": step.ok, "detail": step.detail}));
        };
        let last = match check::run(&entry.client, &mut progress).await {
            Ok(report) => {
                let mut source = entry.source.clone();
                source.capabilities = Some(report.capabilities.clone());
                let kept = async {
                    core.ledger.put_source(core.epoch, source.clone()).await.map_err(ApiError::from)?;
                    put_in_service(&core, source)
                };
                match kept.await {
                    Ok(entry) => {
                        let mut found =
                            json!({"capabilities": report.capabilities, "usable": report.usable, "problems": report.problems});
                        found["recovers"] = json!(recovery::of(&report.capabilities));
                        // A look that fails says nothing against what was proved.
                        found["behind"] = lag::of(&core, &entry).await.map_or(Value::Null, |behind| json!(behind));
                        found["open_runs"] = lag::open_runs(&core, &entry).await.map_or(Value::Null, |open| json!(open));
                        found["last_sweep"] = last_sweep(&core, &entry.source);
                        found
                    }
                    Err(error) => error.to_json(),
                }
            }
            Err(error) => {
                let help = "is the server up, and are its base URL and credentials right?";
                ApiError::bad("source-check", error.to_string(), help).to_json()
            }
        };
        let _ = lines.send(last).await;
    });
    Ok(super::lines(out))
}

/// How far each type was swept.
async fn swept(core: &Core, source: &Source) -> Result<Value, ApiError> {
    let marks = core.ledger.sweeps(&source.tenant, &source.id).await?;
    Ok(marks.iter().map(|mark| json!({"type": mark.resource_type, "seen": mark.seen, "looked": mark.looked})).collect())
}

/// How the last sweep since the host's start went.
fn last_sweep(core: &Core, source: &Source) -> Value {
    let Some(report) = core.gaps.report(&(source.tenant.clone(), source.id.clone())) else { return Value::Null };
    let reasons: Vec<&str> = report.reasons.iter().map(|reason| reason.as_str()).collect();
    json!({"at": report.at, "reasons": reasons, "done": report.done, "mended": report.mended})
}

/// A source as it is shown: secrets as references, a secret in the path as `***`.
fn shown(core: &Core, source: &Source) -> Value {
    let secret = if matches!(source.inbound, Inbound::Path { .. }) { "***/" } else { "" };
    let mut value = serde_json::to_value(source).unwrap_or_default();
    value["endpoint"] = json!(format!("{}/in/{}/{}/{secret}", core.public_url, source.tenant, source.id));
    value
}
