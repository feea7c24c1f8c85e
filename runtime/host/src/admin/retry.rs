//! Dead letters opened again: one, or a slice.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use hob_ledger::{DeadFilter, NotificationSeq, OutboxKey};
use hob_model::{RunId, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::ApiError;
use super::{dead, named, tenant};
use crate::core::Core;
use crate::reopen;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Slice {
    bot: Option<String>,
    source: Option<String>,
    code: Option<String>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    #[serde(default)]
    dry_run: bool,
}

/// Opens all that a filter names; a dry run only counts them.
pub(super) async fn slice(
    State(core): State<Arc<Core>>,
    Path((name, kind)): Path<(String, String)>,
    Json(asked): Json<Slice>,
) -> Result<Json<Value>, ApiError> {
    let (tenant, kind) = (tenant(&name)?, dead::kind_of(&kind)?);
    let filter = DeadFilter {
        bot: asked.bot.as_deref().map(named).transpose()?,
        source: asked.source.as_deref().map(named).transpose()?,
        code: asked.code,
        since: asked.since,
        until: asked.until,
    };
    let matched = core.ledger.dead_counts(&tenant, kind, &filter).await?;
    if asked.dry_run {
        return Ok(Json(json!({"matched": matched, "opened": 0})));
    }
    // On a task of its own: a caller that goes away does not leave a slice half opened.
    let task = Arc::clone(&core);
    let opened = tokio::spawn(async move { reopen::slice(&task, &tenant, kind, &filter).await }).await;
    let stopping = || {
        let help = "try again when the host is ready";
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "the host is stopping", help)
    };
    Ok(Json(json!({"matched": matched, "opened": opened.map_err(|_| stopping())??})))
}

/// Has one notification read again.
pub(super) async fn notification(
    State(core): State<Arc<Core>>,
    Path((name, seq)): Path<(String, u64)>,
) -> Result<Json<Value>, ApiError> {
    let tenant = tenant(&name)?;
    if dead::whole(&core, &tenant, seq).await?.cut {
        let message = format!("of the notification {seq} only the beginning was kept: it was over the host's limit");
        let help = "raise `limits.body-kib` in hob.toml for those to come; `hob source check` and a sweep find what it told of";
        return Err(ApiError::new(StatusCode::CONFLICT, "notification-cut", message, help));
    }
    let opened = reopen::notification(&core, &tenant, vec![NotificationSeq::new(seq)]).await?;
    Ok(Json(json!({"opened": opened})))
}

/// Has one request of the outbox sent again.
pub(super) async fn request(
    State(core): State<Arc<Core>>,
    Path((name, run, key)): Path<(String, String, String)>,
) -> Result<Json<Value>, ApiError> {
    let key = OutboxKey { tenant: tenant(&name)?, run: named::<RunId>(&run)?, key };
    let opened = core.ledger.retry_requests(core.epoch, vec![key], core.clock.now()).await?;
    if opened == 0 {
        return Err(ApiError::missing("not-found", "there is no such dead request"));
    }
    core.agenda.notify_one();
    Ok(Json(json!({"opened": opened})))
}
