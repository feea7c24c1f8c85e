//! What could not be handled: dead runs and dead notifications.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use hob_ledger::RunFilter;
use hob_model::RunState;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::ApiError;
use super::{limit, runs, tenant};
use crate::core::Core;

#[derive(Deserialize)]
pub(super) struct Asked {
    limit: Option<usize>,
}

pub(super) async fn list(
    State(core): State<Arc<Core>>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Json<Value>, ApiError> {
    let tenant = tenant(&name)?;
    let limit = limit(asked.limit);
    let filter = RunFilter { state: Some(RunState::Dead), limit, ..RunFilter::default() };
    let runs: Vec<Value> = core.ledger.runs(&tenant, &filter).await?.iter().map(runs::row).collect();
    let dead = core.ledger.dead_notifications(&tenant, None, limit).await?;
    let notifications: Vec<Value> = dead
        .iter()
        .map(|dead| {
            let kept = &dead.notification;
            json!({
                "seq": dead.seq.get(),
                "received": kept.received,
                "source": kept.source,
                "subscription": kept.subscription,
                "format": kept.format,
                "bytes": kept.size,
                "reason": {"code": dead.reason.code, "message": dead.reason.message},
            })
        })
        .collect();
    Ok(Json(json!({"runs": runs, "notifications": notifications})))
}
