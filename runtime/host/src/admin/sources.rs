//! Sources: added, listed, checked, removed.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use hob_fhir::check;
use hob_ledger::LedgerError;
use hob_model::{Auth, BaseUrl, Inbound, Source, SourceId};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::error::ApiError;
use super::{named, tenant};
use crate::core::Core;
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
    let shown: Vec<Value> = sources.iter().map(|source| shown(&core, source)).collect();
    Ok(Json(json!({ "sources": shown })))
}

pub(super) async fn put(
    State(core): State<Arc<Core>>,
    Path((tenant_name, name)): Path<(String, String)>,
    Json(new): Json<NewSource>,
) -> Result<Json<Value>, ApiError> {
    let (tenant, id) = (tenant(&tenant_name)?, named::<SourceId>(&name)?);
    let was = core.ledger.source(&tenant, &id).await?;
    // What was proved of one server says nothing of another.
    let capabilities = was.filter(|was| was.base == new.base).and_then(|was| was.capabilities);
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
    let (lines, mut out) = mpsc::channel::<Value>(64);
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
                    Ok(_) => json!({"capabilities": report.capabilities, "usable": report.usable, "problems": report.problems}),
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
    let stream = futures::stream::poll_fn(move |cx| out.poll_recv(cx))
        .map(|line: Value| Ok::<_, std::convert::Infallible>(Bytes::from(format!("{line}\n"))));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(stream)).into_response())
}

/// A source as it is shown: secrets as references, a secret in the path as `***`.
fn shown(core: &Core, source: &Source) -> Value {
    let secret = if matches!(source.inbound, Inbound::Path { .. }) { "***/" } else { "" };
    let mut value = serde_json::to_value(source).unwrap_or_default();
    value["endpoint"] = json!(format!("{}/in/{}/{}/{secret}", core.public_url, source.tenant, source.id));
    value
}
