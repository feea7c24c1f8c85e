//! A recorded run, repeated offline on its own release: whether it does the same, byte for byte.
//!
//! The answer names functions and places and counts; it holds nothing of what was read or written.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use hob_ledger::{RunDetail, RunKey, StoredAttempt};
use hob_model::{Digest, RunId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::ApiError;
use super::{named, tenant};
use crate::core::Core;
use crate::sandbox::Prepared;
use crate::trial;

#[derive(Deserialize)]
pub(super) struct Which {
    attempt: Option<u32>,
}

pub(super) async fn replay(
    State(core): State<Arc<Core>>,
    Path((tenant_name, run)): Path<(String, String)>,
    Query(which): Query<Which>,
) -> Result<Json<Value>, ApiError> {
    let key = RunKey { tenant: tenant(&tenant_name)?, run: named::<RunId>(&run)? };
    let detail = core.ledger.show(&key).await?;
    let asked = |stored: &&StoredAttempt| which.attempt.is_none_or(|number| stored.attempt.number == number);
    let found = detail.attempts.iter().rev().filter(asked).find_map(|stored| Some((stored, stored.journal.clone()?)));
    let Some((stored, journal)) = found else {
        let help = "an attempt that did not come to run the bot has none: `hob show` lists the attempts";
        return Err(ApiError::new(StatusCode::CONFLICT, "no-journal", "there is no journal of such an attempt", help));
    };
    let Some(release) = release(&core, &key, &detail, stored.release).await? else {
        let help = "a backup that has it can be restored beside this host";
        return Err(ApiError::new(StatusCode::CONFLICT, "no-release", "the release that ran is not kept any more", help));
    };
    let (calls, log) = (journal.calls.len(), journal.log.len());
    let input = trial::input(&detail, stored.attempt.number);
    let Some(replayed) = release.replay(input, journal, Arc::clone(&core.clock)).await else {
        let help = "only a host that runs WebAssembly repeats runs";
        return Err(ApiError::new(StatusCode::CONFLICT, "no-journal", "what ran cannot be repeated here", help));
    };
    Ok(Json(json!({
        "run": key.run,
        "attempt": stored.attempt.number,
        "release": stored.release,
        "same": replayed.difference.is_none(),
        "whole": replayed.whole,
        "difference": replayed.difference,
        "recorded": {"calls": calls, "log": log},
        "repeated": {
            "calls": replayed.output.journal.calls.len(),
            "log": replayed.output.journal.log.len(),
            "writes": replayed.output.effects.writes.len(),
            "failure": replayed.output.result.err().map(|failure| failure.code),
        },
    })))
}

/// The release that ran: the one in service, else as the ledger keeps it.
async fn release(core: &Core, key: &RunKey, detail: &RunDetail, digest: Digest) -> Result<Option<Arc<dyn Prepared>>, ApiError> {
    if let Some(live) = core.bots.get(&key.tenant, &detail.row.bot).filter(|live| live.digest == digest) {
        return Ok(Some(Arc::clone(&live.release)));
    }
    let Some(kept) = core.ledger.release(&key.tenant, &digest).await? else { return Ok(None) };
    let prepared = core.prepare(&key.tenant, digest, kept.component, kept.manifest).await;
    prepared.map(Some).map_err(|error| {
        let help = "the host's version or its limits have changed since";
        ApiError::new(StatusCode::CONFLICT, "no-release", format!("the release that ran: {error}"), help)
    })
}
