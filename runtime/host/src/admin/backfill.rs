//! Running the past of a bot.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use hob_model::BotName;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::error::ApiError;
use super::{lines, named, tenant};
use crate::core::Core;
use crate::gaps::backfill::{self, Done, Stopped, Wish};
use crate::resolve::Unresolved;

/// Streams a line after each page, and the sum at the end. It ends where its reader goes away.
pub(super) async fn backfill(
    State(core): State<Arc<Core>>,
    Path((tenant_name, name)): Path<(String, String)>,
    Json(wish): Json<Wish>,
) -> Result<Response, ApiError> {
    let (tenant, bot) = (tenant(&tenant_name)?, named::<BotName>(&name)?);
    if core.bots.get(&tenant, &bot).is_none() {
        return Err(ApiError::missing("bot-unknown", format!("there is no bot {bot} in service")));
    }
    let dry_run = wish.dry_run;
    tracing::info!(%tenant, %bot, dry_run, "a backfill begins");
    let (out, stream) = mpsc::channel::<Value>(64);
    tokio::spawn(async move {
        let told = |done: &Done| {
            let line = json!({"looked": done.looked, "new": done.made()});
            // A slow reader misses a line; one that has gone ends it.
            !matches!(out.try_send(line), Err(mpsc::error::TrySendError::Closed(_)))
        };
        let last = match backfill::backfill(&core, &tenant, &bot, wish, told).await {
            Ok(done) => {
                tracing::info!(%tenant, %bot, dry_run, looked = done.looked, new = done.made(), "a backfill ended");
                sum(&done, dry_run)
            }
            Err(stopped) => {
                let error = failed(&bot, stopped);
                tracing::warn!(%tenant, %bot, "a backfill ended early");
                error.to_json()
            }
        };
        let _ = out.send(last).await;
    });
    Ok(lines(stream))
}

fn sum(done: &Done, dry_run: bool) -> Value {
    let counts: Vec<Value> = done
        .counts
        .iter()
        .map(|((kind, interaction), count)| json!({"type": kind, "interaction": interaction, "new": count.new, "known": count.known}))
        .collect();
    let examples: Vec<String> = done.examples.iter().map(|key| format!("{} v{}", key.resource.resource, key.version)).collect();
    json!({
        "dry_run": dry_run,
        "looked": done.looked,
        "new": done.made(),
        "counts": counts,
        "examples": examples,
        "unreadable": done.unreadable,
    })
}

fn failed(bot: &BotName, stopped: Stopped) -> ApiError {
    let again = "what was made stays, and nothing is made twice: give the same command again";
    match stopped {
        Stopped::NotWanted => ApiError::bad(
            "backfill-type",
            format!("the bot {bot} is not in service, or no trigger of it is for this type"),
            "see its triggers with `hob bots`",
        ),
        Stopped::NoSource => ApiError::bad("source", format!("the source of {bot} is not in service"), "see `hob status`"),
        Stopped::Failed(Unresolved::Unread(error)) => ApiError::bad("backfill-read", error.to_string(), again),
        Stopped::Failed(_) => ApiError::bad("backfill-failed", "the source or the ledger did not do what was needed", again),
        Stopped::Gone => ApiError::bad("backfill-gone", "nobody listens any more", again),
    }
}
