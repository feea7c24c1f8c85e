//! Runs: listed, shown whole, opened again.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use hob_ledger::{LedgerError, RunDetail, RunFilter, RunKey, RunRow, RunSeq};
use hob_model::{Payload, RunId, RunState};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::ApiError;
use super::{limit, named, tenant};
use crate::core::Core;
use crate::run::driver::{Message, head};

#[derive(Deserialize)]
pub(super) struct Filter {
    bot: Option<String>,
    state: Option<String>,
    limit: Option<usize>,
    before: Option<u64>,
}

pub(super) async fn list(
    State(core): State<Arc<Core>>,
    Path(name): Path<String>,
    Query(asked): Query<Filter>,
) -> Result<Json<Value>, ApiError> {
    let filter = RunFilter {
        bot: asked.bot.as_deref().map(named).transpose()?,
        state: asked.state.as_deref().map(named::<RunState>).transpose()?,
        since: None,
        before: asked.before.map(RunSeq::new),
        limit: limit(asked.limit),
    };
    let rows = core.ledger.runs(&tenant(&name)?, &filter).await?;
    let next = if rows.len() == filter.limit { rows.last().map(|row| row.seq.get()) } else { None };
    let rows: Vec<Value> = rows.iter().map(row).collect();
    Ok(Json(json!({"runs": rows, "next": next})))
}

pub(super) async fn show(
    State(core): State<Arc<Core>>,
    Path((tenant_name, run)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let key = RunKey { tenant: tenant(&tenant_name)?, run: named::<RunId>(&run)? };
    Ok(Json(detail(&core.ledger.show(&key).await?)))
}

pub(super) async fn retry(
    State(core): State<Arc<Core>>,
    Path((tenant_name, run)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let key = RunKey { tenant: tenant(&tenant_name)?, run: named::<RunId>(&run)? };
    let opened = match core.ledger.retry(core.epoch, &key).await {
        Ok(opened) => opened,
        Err(error @ LedgerError::RunIs { .. }) => {
            let help = "only runs that ended dead, rejected or superseded can be opened again";
            return Err(ApiError::new(StatusCode::CONFLICT, "run-state", error.to_string(), help));
        }
        Err(error) => return Err(error.into()),
    };
    core.tell(Message::Retry(head(opened))).await;
    Ok(Json(row(&core.ledger.show(&key).await?.row)))
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
    Ok(Json(row(&core.ledger.show(&key).await?.row)))
}

/// A `RunRow` of the docs.
pub(super) fn row(row: &RunRow) -> Value {
    json!({
        "seq": row.seq.get(),
        "run": row.run,
        "bot": row.bot,
        "state": row.state,
        "holds": row.holds,
        "trigger": row.trigger,
        "subject": row.subject.as_ref().map(|(reference, version)| format!("{reference} v{version}")),
        "received": row.received,
        "ended": row.ended,
        "attempts": row.attempts,
        "failure": row.failure.as_ref().map(|failure| json!({"code": failure.code, "message": failure.message})),
    })
}

fn detail(run: &RunDetail) -> Value {
    let mut value = row(&run.row);
    let record = &run.record;
    let journal = run.attempts.iter().rev().find_map(|attempt| attempt.journal.as_ref());
    let bundle = record.recorded.as_ref().and_then(|recorded| serde_json::from_slice::<Value>(&recorded.bundle).ok());
    let attempts: Vec<Value> = run
        .attempts
        .iter()
        .map(|stored| {
            let mut attempt = serde_json::to_value(&stored.attempt).unwrap_or_default();
            attempt["release"] = json!(stored.release);
            attempt
        })
        .collect();
    let more = json!({
        "event": record.event,
        "release": record.release,
        "lane": record.head.lane,
        "hop": record.event.hop,
        "attempts_list": attempts,
        "calls": journal.map(|journal| json!(journal.calls)).unwrap_or_else(|| json!([])),
        "log": journal.map(|journal| json!(journal.log)).unwrap_or_else(|| json!([])),
        "effects": record.recorded.as_ref().map(|recorded| &recorded.effects),
        "bundle": bundle,
        "wrote": run.wrote.iter().map(|wrote| format!("{} v{}", wrote.reference, wrote.version)).collect::<Vec<_>>(),
        "result": run.result.as_ref().map(payload),
        "payload": payload(&record.payload),
    });
    if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
        value.extend(more);
    }
    value
}

/// Bytes as text where they are text, else as Base64.
pub(super) fn payload(payload: &Payload) -> Value {
    match std::str::from_utf8(&payload.bytes) {
        Ok(text) => json!({"content_type": payload.content_type, "body": text}),
        Err(_) => json!({"content_type": payload.content_type, "base64": data_encoding::BASE64.encode(&payload.bytes)}),
    }
}
