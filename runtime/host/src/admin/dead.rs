//! What could not be handled: dead runs, notifications and requests of the outbox, listed and counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use hob_ledger::{DeadFilter, DeadKind, DeadNotification, DeadRequest, NotificationSeq, OutboxSeq, RunSeq};
use hob_model::{TenantId, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::ApiError;
use super::{limit, named, runs, tenant};
use crate::core::Core;

#[derive(Deserialize)]
pub(super) struct Asked {
    bot: Option<String>,
    source: Option<String>,
    code: Option<String>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    limit: Option<usize>,
    before: Option<u64>,
}

impl Asked {
    fn filter(&self) -> Result<DeadFilter, ApiError> {
        Ok(DeadFilter {
            bot: self.bot.as_deref().map(named).transpose()?,
            source: self.source.as_deref().map(named).transpose()?,
            code: self.code.clone(),
            since: self.since,
            until: self.until,
        })
    }
}

/// All kinds: how many of each by reason, and the newest of each.
pub(super) async fn list(
    State(core): State<Arc<Core>>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Json<Value>, ApiError> {
    let (tenant, filter) = (tenant(&name)?, asked.filter()?);
    let mut answer = json!({});
    for kind in [DeadKind::Run, DeadKind::Notification, DeadKind::Request] {
        let (rows, _) = page(&core, &tenant, kind, &filter, None, limit(asked.limit)).await?;
        answer["counts"][word(kind)] = json!(core.ledger.dead_counts(&tenant, kind, &filter).await?);
        answer[word(kind)] = json!(rows);
    }
    Ok(Json(answer))
}

/// One kind: how many by reason, and a page.
pub(super) async fn list_of(
    State(core): State<Arc<Core>>,
    Path((name, kind)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Json<Value>, ApiError> {
    let (tenant, kind, filter) = (tenant(&name)?, kind_of(&kind)?, asked.filter()?);
    let counts: BTreeMap<String, u64> = core.ledger.dead_counts(&tenant, kind, &filter).await?;
    let (rows, next) = page(&core, &tenant, kind, &filter, asked.before, limit(asked.limit)).await?;
    let mut answer = json!({"counts": counts, "next": next});
    answer[word(kind)] = json!(rows);
    Ok(Json(answer))
}

/// Rows, newest first, and the cursor of the next page.
async fn page(
    core: &Core,
    tenant: &TenantId,
    kind: DeadKind,
    filter: &DeadFilter,
    before: Option<u64>,
    limit: usize,
) -> Result<(Vec<Value>, Option<u64>), ApiError> {
    let ledger = &core.ledger;
    let rows: Vec<Value> = match kind {
        DeadKind::Run => {
            let rows = ledger.dead_runs(tenant, filter, before.map(RunSeq::new), limit).await?;
            rows.iter().map(runs::row).collect()
        }
        DeadKind::Notification => {
            let rows = ledger.dead_notifications(tenant, filter, before.map(NotificationSeq::new), limit).await?;
            rows.iter().map(notification).collect()
        }
        DeadKind::Request => {
            let rows = ledger.dead_requests(tenant, filter, before.map(OutboxSeq::new), limit).await?;
            rows.iter().map(request).collect()
        }
    };
    let next = if rows.len() == limit { rows.last().and_then(|row| row["seq"].as_u64()) } else { None };
    Ok((rows, next))
}

/// One notification, with its body.
pub(super) async fn show(State(core): State<Arc<Core>>, Path((name, seq)): Path<(String, u64)>) -> Result<Json<Value>, ApiError> {
    let dead = whole(&core, &tenant(&name)?, seq).await?;
    let mut value = notification(&dead);
    let kept = &dead.notification;
    let body = hob_model::Payload { content_type: header(&kept.headers, "content-type"), bytes: kept.body.clone() };
    value["method"] = json!(kept.method);
    value["path"] = json!(kept.path);
    value["headers"] = json!(kept.headers);
    value["body"] = runs::payload(&body);
    Ok(Json(value))
}

pub(super) async fn whole(core: &Core, tenant: &TenantId, seq: u64) -> Result<DeadNotification, ApiError> {
    let found = core.ledger.dead_notification(tenant, NotificationSeq::new(seq)).await?;
    found.ok_or_else(|| ApiError::missing("not-found", format!("there is no dead notification {seq}")))
}

fn header(headers: &[(String, String)], name: &str) -> String {
    headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone()).unwrap_or_default()
}

/// The kind that a path or a body names.
pub(super) fn kind_of(text: &str) -> Result<DeadKind, ApiError> {
    let kinds = [DeadKind::Run, DeadKind::Notification, DeadKind::Request];
    kinds.into_iter().find(|kind| word(*kind) == text).ok_or_else(|| {
        ApiError::bad("dead-kind", format!("there are no dead {text:?}"), "runs, notifications and outbox are the kinds")
    })
}

const fn word(kind: DeadKind) -> &'static str {
    match kind {
        DeadKind::Run => "runs",
        DeadKind::Notification => "notifications",
        DeadKind::Request => "outbox",
    }
}

/// A `DeadNotification` of the docs.
fn notification(dead: &DeadNotification) -> Value {
    let kept = &dead.notification;
    json!({
        "seq": dead.seq.get(),
        "received": kept.received,
        "source": kept.source,
        "subscription": kept.subscription,
        "format": kept.format,
        "bytes": kept.size,
        "cut": dead.cut,
        "reason": {"code": dead.reason.code, "message": dead.reason.message},
    })
}

/// A `DeadRequest` of the docs.
fn request(dead: &DeadRequest) -> Value {
    json!({
        "seq": dead.seq.get(),
        "run": dead.key.run,
        "key": dead.key.key,
        "bot": dead.bot,
        "method": dead.method,
        "host": dead.host,
        "staged": dead.staged,
        "ended": dead.ended,
        "attempts": dead.attempts,
        "reason": {"code": dead.reason.code, "message": dead.reason.message},
    })
}
