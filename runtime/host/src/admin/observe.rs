//! Releases that are observed: what they would have done, and what becomes of them. Examples show what was read and written, unless they are to be de-identified.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use hob_ledger::{MISSED, Observation};
use hob_model::BotName;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::{bots, named, tenant};
use crate::core::Core;
use crate::deploy::DeployError;
use crate::observe::{self, ObserveError};
use crate::trial::deidentify::Deidentifier;
use crate::trial::{Compared, Group};

/// Examples of each kind, unless said.
const EXAMPLES: usize = 3;

impl From<ObserveError> for ApiError {
    fn from(error: ObserveError) -> Self {
        let text = error.to_string();
        match error {
            ObserveError::Deploy(error) => error.into(),
            ObserveError::NotObserved(_) => Self::missing("not-observed", text),
            ObserveError::NotHere => {
                let help = "only a host on the embedded ledger observes releases";
                Self::new(StatusCode::CONFLICT, "observe-nowhere", text, help)
            }
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Asked {
    group: Option<String>,
    examples: Option<usize>,
    #[serde(default)]
    deidentify: bool,
}

pub(super) async fn list(State(core): State<Arc<Core>>, Path(name): Path<String>) -> Result<Json<Value>, ApiError> {
    let tenant = tenant(&name)?;
    let all = observe::kept(&core)?.all_observed(Some(&tenant)).await?;
    Ok(Json(json!({"observed": all.iter().map(counts).collect::<Vec<_>>()})))
}

pub(super) async fn show(
    State(core): State<Arc<Core>>,
    Path((tenant_name, name)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Json<Value>, ApiError> {
    let (tenant, bot) = (tenant(&tenant_name)?, named::<BotName>(&name)?);
    let kept = observe::kept(&core)?;
    let found = kept.observation(&tenant, &bot).await?.ok_or(ObserveError::NotObserved(bot.clone()))?;
    let limit = asked.examples.unwrap_or(EXAMPLES).min(hob_ledger::EXAMPLES);
    let bodies = kept.examples(&tenant, &bot, asked.group.as_deref(), limit).await?;
    tracing::info!(%tenant, %bot, examples = bodies.len(), deidentify = asked.deidentify, "what was observed is shown");
    let clear = asked.deidentify.then(|| Deidentifier::new((core.random(), core.random())));
    let examples = bodies.iter().filter_map(|body| serde_json::from_slice::<Compared>(body).ok());
    let examples: Vec<Compared> = match &clear {
        Some(clear) => examples.map(|compared| clear.compared(compared)).collect(),
        None => examples.collect(),
    };
    let mut answer = counts(&found);
    answer["examples"] = json!(examples);
    Ok(Json(answer))
}

/// Puts it in service.
pub(super) async fn promote(
    State(core): State<Arc<Core>>,
    Path((tenant_name, name)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let (tenant, bot) = (tenant(&tenant_name)?, named::<BotName>(&name)?);
    let (task, of, name) = (Arc::clone(&core), tenant.clone(), bot.clone());
    // On a task of its own, as a deploy.
    let promoted = match tokio::spawn(async move { observe::promote(&task, &of, &name).await }).await {
        Ok(done) => done?,
        Err(_) => return Err(DeployError::Stopping.into()),
    };
    tracing::info!(%tenant, %bot, "an observed release is in service");
    let shown = match core.bots.get(&tenant, &bot) {
        Some(bot) => bots::shown(&core, &bot).await?,
        None => Value::Null,
    };
    Ok(Json(json!({"bot": shown, "changes": promoted.changes, "manual_steps": promoted.manual_steps})))
}

/// Ends it and forgets what was seen.
pub(super) async fn remove(
    State(core): State<Arc<Core>>,
    Path((tenant_name, name)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let (tenant, bot) = (tenant(&tenant_name)?, named::<BotName>(&name)?);
    let (task, of, name) = (Arc::clone(&core), tenant.clone(), bot.clone());
    let changes = match tokio::spawn(async move { observe::drop(&task, &of, &name).await }).await {
        Ok(done) => done?,
        Err(_) => return Err(DeployError::Stopping.into()),
    };
    tracing::info!(%tenant, %bot, "an observed release is dropped");
    Ok(Json(json!({ "changes": changes })))
}

/// An observation without examples.
fn counts(found: &Observation) -> Value {
    let count = |kind: &str| found.counts.get(kind).copied().unwrap_or_default();
    let groups: Map<String, Value> =
        Group::ALL.into_iter().map(|group| (group.as_str().to_owned(), json!(count(group.as_str())))).collect();
    let is_group = |kind: &str| kind == MISSED || groups.contains_key(kind);
    let skipped: BTreeMap<&String, u64> =
        found.counts.iter().filter(|(kind, _)| !is_group(kind)).map(|(kind, count)| (kind, *count)).collect();
    json!({
        "bot": found.bot,
        "release": found.release,
        "source": found.source,
        "began": found.began,
        "first": found.first,
        "looked": found.counts.values().sum::<u64>() - count(MISSED),
        "groups": groups,
        "skipped": skipped,
        "missed": count(MISSED),
    })
}
