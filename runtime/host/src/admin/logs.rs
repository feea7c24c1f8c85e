//! Lines that bots wrote.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use hob_ledger::{LogFilter, LogSeq};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::ApiError;
use super::{limit, named, tenant};
use crate::core::Core;

/// The longest that a call waits for a new line.
const LONGEST: u64 = 60;

#[derive(Deserialize)]
pub(super) struct Asked {
    bot: Option<String>,
    run: Option<String>,
    after: Option<u64>,
    limit: Option<usize>,
    wait: Option<u64>,
}

pub(super) async fn list(
    State(core): State<Arc<Core>>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Json<Value>, ApiError> {
    let tenant = tenant(&name)?;
    let filter = LogFilter {
        bot: asked.bot.as_deref().map(named).transpose()?,
        run: asked.run.as_deref().map(named).transpose()?,
        after: asked.after.map(LogSeq::new),
        limit: limit(asked.limit),
    };
    let until = core.clock.now() + Duration::from_secs(asked.wait.unwrap_or(0).min(LONGEST));
    let mut news = core.ledger.watch();
    loop {
        news.borrow_and_update();
        let lines = core.ledger.logs(&tenant, &filter).await?;
        let left = until.since(core.clock.now());
        // In short steps, so that a host that drains does not wait for its followers.
        let step = left.min(Duration::from_millis(500));
        if lines.is_empty() && !step.is_zero() && core.ready.load(Ordering::SeqCst) {
            let _ = tokio::time::timeout(step, news.changed()).await;
            continue;
        }
        let next = lines.last().map(|line| line.seq.get()).or(asked.after);
        let lines: Vec<Value> = lines
            .iter()
            .map(|row| {
                json!({
                    "seq": row.seq.get(), "at": row.at, "bot": row.bot, "run": row.run, "attempt": row.attempt,
                    "level": row.line.level, "text": row.line.text,
                })
            })
            .collect();
        return Ok(Json(json!({"lines": lines, "next": next})));
    }
}
