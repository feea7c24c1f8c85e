//! Bots: deployed, listed, invoked, taken out of service.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use hob_ledger::{LedgerError, NewEvent, NewRun, Opening, RunDetail, RunKey};
use hob_model::{BotName, Cause, Event, EventId, Payload, RunId, SourceId, TenantId, Trigger};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::status::counts;
use super::{named, runs, tenant};
use crate::bots::LiveBot;
use crate::core::Core;
use crate::deploy::{self, Acts, DeployError, Wish};
use crate::observe;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewBot {
    manifest: String,
    #[serde(default = "file")]
    file: String,
    component: String,
    source: String,
    #[serde(default)]
    settings: Map<String, Value>,
    #[serde(default)]
    observe: bool,
}

fn file() -> String {
    "bot.toml".to_owned()
}

impl From<DeployError> for ApiError {
    fn from(error: DeployError) -> Self {
        let (code, help) = match &error {
            DeployError::Manifest(_) => ("manifest", "correct the manifest and deploy again"),
            DeployError::Criteria(_) => ("criteria", "correct the manifest's criteria and deploy again"),
            DeployError::Component(error) => (error.code(), "build the component for wasm32-wasip2 with an SDK of this contract"),
            DeployError::NoSource(_) => ("source-unknown", "add the source first: `hob source add`"),
            DeployError::Unproved { .. } => ("source-unproved", "run `hob source check` on the source and see what it says"),
            DeployError::Unrecoverable { .. } => (
                "source-unrecoverable",
                "`hob source check` says what the source gives back; docs/manifest.md what `source-only` gives up",
            ),
            DeployError::Setting { .. } => ("setting", "give settings with --set NAME=VALUE"),
            DeployError::Secret(_) => ("secret", "secrets are looked up by the host: set it where `hob serve` runs"),
            DeployError::Subscribe { .. } => ("subscription", "is the FHIR server up? what was in service before still is"),
            DeployError::Ledger(LedgerError::NotFound { .. }) => return Self::missing("bot-unknown", error.to_string()),
            DeployError::Ledger(_) | DeployError::Stopping => {
                let help = "try again when the host is ready";
                return Self::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", error.to_string(), help);
            }
        };
        Self::bad(code, error.to_string(), help)
    }
}

pub(super) async fn deploy(
    State(core): State<Arc<Core>>,
    Path(name): Path<String>,
    Json(new): Json<NewBot>,
) -> Result<Json<Value>, ApiError> {
    let tenant = tenant(&name)?;
    let component = data_encoding::BASE64
        .decode(new.component.as_bytes())
        .map_err(|_| ApiError::bad("component", "the component is not Base64", "send the component's bytes as Base64"))?;
    let wish = Wish {
        tenant: tenant.clone(),
        source: named::<SourceId>(&new.source)?,
        manifest: new.manifest,
        file: new.file,
        component: component.into(),
        settings: new.settings,
    };
    // On a task of its own: a caller that goes away does not leave a deploy half done.
    let task = Arc::clone(&core);
    let observe = new.observe;
    let deploy = async move {
        if observe {
            observe::begin(&task, wish).await.map_err(ApiError::from)
        } else {
            deploy::deploy(&task, wish, Acts::Live).await.map_err(ApiError::from)
        }
    };
    let deployed = match tokio::spawn(deploy).await {
        Ok(done) => done?,
        Err(_) => return Err(DeployError::Stopping.into()),
    };
    tracing::info!(%tenant, bot = %deployed.bot, observe, "deployed");
    let bot = match core.bots.get(&tenant, &deployed.bot) {
        Some(bot) => shown(&core, &bot).await?,
        None => Value::Null,
    };
    Ok(Json(json!({"bot": bot, "changes": deployed.changes, "manual_steps": deployed.manual_steps})))
}

pub(super) async fn list(State(core): State<Arc<Core>>, Path(name): Path<String>) -> Result<Json<Value>, ApiError> {
    let tenant = tenant(&name)?;
    let mut bots = Vec::new();
    for bot in core.bots.all().iter().filter(|bot| bot.tenant == tenant) {
        bots.push(shown(&core, bot).await?);
    }
    Ok(Json(json!({ "bots": bots })))
}

pub(super) async fn remove(
    State(core): State<Arc<Core>>,
    Path((tenant_name, name)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let (tenant, bot) = (tenant(&tenant_name)?, named::<BotName>(&name)?);
    let (task, of, named) = (Arc::clone(&core), tenant.clone(), bot.clone());
    let changes = match tokio::spawn(async move { deploy::remove(&task, &of, &named).await }).await {
        Ok(done) => done?,
        Err(_) => return Err(DeployError::Stopping.into()),
    };
    // Nothing is left that it could be compared with.
    observe::forget(&core, &tenant, &bot).await?;
    tracing::info!(%tenant, %bot, "taken out of service");
    Ok(Json(json!({ "changes": changes })))
}

#[derive(Deserialize)]
pub(super) struct Wait {
    wait: Option<u64>,
}

pub(super) async fn invoke(
    State(core): State<Arc<Core>>,
    Path((tenant_name, name)): Path<(String, String)>,
    Query(asked): Query<Wait>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let (tenant, bot) = (tenant(&tenant_name)?, named::<BotName>(&name)?);
    let bot = core
        .bots
        .get(&tenant, &bot)
        .ok_or_else(|| ApiError::missing("bot-unknown", format!("there is no bot {bot} in service")))?;
    if !bot.manifest.on.contains(&Trigger::Invoke) {
        let help = "add `[[on]] invoke = true` to its bot.toml and deploy it";
        return Err(ApiError::bad("not-invokable", format!("{} has no invoke trigger", bot.name), help));
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("application/octet-stream");
    let event = event(&core, &tenant, &bot);
    let run = RunId::new(&tenant, &bot.name, event.id);
    let lane = crate::resolve::lane_of(&event.id);
    let new = NewRun { bot: bot.name.clone(), release: bot.digest, lane, opening: Opening::Pending, supersedes_earlier: false };
    let payload = Payload { content_type: content_type.to_owned(), bytes: body };
    let queued = core.ledger.add_event(core.epoch, NewEvent { event, payload, runs: vec![new] }).await?;
    core.news(queued.heads).await;
    let key = RunKey { tenant, run };
    let done = wait_for(&core, &key, Duration::from_secs(asked.wait.unwrap_or(30).min(60))).await?;
    Ok(Json(
        json!({"run": run, "state": done.row.state, "failure": runs::row(&done.row)["failure"], "result": done.result.as_ref().map(runs::payload)}),
    ))
}

fn event(core: &Core, tenant: &TenantId, bot: &LiveBot) -> Event {
    let nonce = core.random().to_be_bytes();
    let now = core.clock.now();
    let parts: [&[u8]; 5] =
        [b"invoke", tenant.as_str().as_bytes(), bot.name.as_str().as_bytes(), &nonce, &now.micros().to_be_bytes()];
    Event {
        id: EventId::of_parts(&parts),
        tenant: tenant.clone(),
        source: Some(bot.source.clone()),
        cause: Cause::Invoke { requester: "admin".to_owned() },
        occurred: Some(now),
        received: now,
        hop: 0,
    }
}

/// The run when it has ended, or as it is when the time is up.
async fn wait_for(core: &Core, key: &RunKey, longest: Duration) -> Result<RunDetail, ApiError> {
    let until = core.clock.now() + longest;
    let mut news = core.ledger.watch();
    loop {
        news.borrow_and_update();
        let run = core.ledger.show(key).await?;
        let left = until.since(core.clock.now());
        if !run.row.state.is_open() || left.is_zero() {
            return Ok(run);
        }
        let _ = tokio::time::timeout(left, news.changed()).await;
    }
}

pub(super) async fn shown(core: &Core, bot: &LiveBot) -> Result<Value, ApiError> {
    let subscriptions = core.ledger.subscriptions(&bot.tenant, Some(&bot.source)).await?;
    let subscriptions: Vec<Value> = subscriptions
        .iter()
        .filter(|subscription| subscription.bot == bot.name)
        .map(|s| json!({"key": s.key, "reference": s.reference, "criteria": s.criteria, "status": s.status, "since": s.since}))
        .collect();
    let observed = match core.ledger.observations() {
        Some(kept) => kept.observation(&bot.tenant, &bot.name).await?.map(|found| found.release),
        None => None,
    };
    let by_state = core.ledger.run_counts(&bot.tenant, Some(&bot.name)).await?;
    Ok(json!({
        "name": bot.name,
        "version": bot.manifest.version,
        "description": bot.manifest.description,
        "release": bot.digest,
        "source": bot.source,
        "deployed": bot.deployed,
        "acts": !bot.dry,
        "observed": observed,
        "triggers": bot.manifest.on.iter().map(trigger).collect::<Vec<_>>(),
        "subscriptions": subscriptions,
        "runs": counts(|state| by_state.get(&state).copied()),
        "limited": bot.limited.counts(),
    }))
}

fn trigger(trigger: &Trigger) -> String {
    match trigger {
        Trigger::Change { criteria, .. } => format!("change {criteria}"),
        Trigger::Cron { schedule, zone } => format!("cron {schedule} {zone}"),
        Trigger::Timer => "timer".to_owned(),
        Trigger::Invoke => "invoke".to_owned(),
        Trigger::Reply => "reply".to_owned(),
    }
}
