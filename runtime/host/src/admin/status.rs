//! Health and counts.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hob_model::RunState;
use serde_json::{Map, Value, json};

use super::error::ApiError;
use crate::core::Core;

pub(super) async fn live() -> Json<Value> {
    Json(json!({"live": true}))
}

pub(super) async fn ready(State(core): State<Arc<Core>>) -> Response {
    if core.ready.load(Ordering::SeqCst) {
        Json(json!({"ready": true})).into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"ready": false}))).into_response()
    }
}

pub(super) async fn status(State(core): State<Arc<Core>>) -> Result<Json<Value>, ApiError> {
    let stats = core.ledger.stats().await?;
    let late = crate::agenda::clock::overdue(&core, core.clock.now()).await.unwrap_or_default();
    Ok(Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "started": core.started,
        "webhooks": core.webhooks.to_string(),
        "public_url": core.public_url,
        "runs": counts(|state| stats.runs.get(&state).copied()),
        "not_in_service": core.sources.all_broken(),
        "unresolved": stats.unresolved,
        "dead_notifications": stats.dead_notifications,
        "outbox": stats.outbox,
        "dead_requests": stats.dead_requests,
        "timers": stats.timers,
        "timers_overdue_seconds": late.as_secs(),
        "ledger_bytes": stats.bytes,
        "ledger_commits": stats.commits,
        "ledger_writes": stats.writes,
    })))
}

/// Runs by state, each state named.
pub(super) fn counts(count: impl Fn(RunState) -> Option<u64>) -> Value {
    let pairs = RunState::ALL.into_iter().map(|state| (state.to_string(), json!(count(state).unwrap_or(0))));
    Value::Object(pairs.collect::<Map<_, _>>())
}
