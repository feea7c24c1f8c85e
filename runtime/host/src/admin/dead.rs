//! What could not be handled: dead runs and dead notifications.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use hob_ledger::{LedgerError, RunFilter, RunKey};
use hob_model::{RunId, RunState};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::ApiError;
use super::{limit, named, runs, tenant};
use crate::core::Core;
use crate::run::driver::Message;

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

/// Ends a dead letter's hold on its lane; it stays dead.
pub(super) async fn give_up(
    State(core): State<Arc<Core>>,
    Path((tenant_name, run)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let key = RunKey { tenant: tenant(&tenant_name)?, run: named::<RunId>(&run)? };
    match core.ledger.give_up(core.epoch, &key).await {
        Ok(()) => {}
        Err(error @ LedgerError::RunIs { .. }) => {
            let help = "only a dead letter can hold its lane: `hob show` says where the run stands";
            return Err(ApiError::new(StatusCode::CONFLICT, "run-state", error.to_string(), help));
        }
        Err(error) => return Err(error.into()),
    }
    core.tell(Message::GivenUp(key.run)).await;
    Ok(Json(runs::row(&core.ledger.show(&key).await?.row)))
}
