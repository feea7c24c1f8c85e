//! The admin API: what docs/admin-api.md describes. One file a noun; every call but the health ones needs the token.

mod backfill;
mod bots;
mod dead;
mod error;
mod keeping;
mod logs;
mod observe;
mod replay;
mod retry;
mod runs;
mod sources;
mod status;
mod trial;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use futures::StreamExt as _;
use hob_model::{Digest, TenantId};
use serde_json::Value;
use subtle::ConstantTimeEq as _;
use tokio::sync::mpsc;

use crate::admin::error::ApiError;
use crate::core::Core;
use crate::secrets::Secret;

/// The largest component that can be deployed, as Base64.
const LARGEST: usize = 64 * 1024 * 1024;

#[derive(Clone)]
struct Guarded {
    token: Digest,
}

pub(crate) fn router(core: Arc<Core>, token: &Secret) -> Router {
    let guarded = Guarded { token: Digest::of(token.expose().as_bytes()) };
    let api = Router::new()
        .route("/v1/status", get(status::status))
        .route("/v1/doctor", get(keeping::doctor))
        .route("/v1/backup", post(keeping::backup))
        .route("/v1/keys", get(keeping::keys))
        .route("/v1/keys/rotate", post(keeping::rotate))
        .route("/v1/tenants/{tenant}/sources", get(sources::list))
        .route("/v1/tenants/{tenant}/sources/{source}", delete(sources::remove).put(sources::put))
        .route("/v1/tenants/{tenant}/sources/{source}/check", post(sources::check))
        .route("/v1/tenants/{tenant}/bots", get(bots::list).post(bots::deploy))
        .route("/v1/tenants/{tenant}/bots/{bot}", delete(bots::remove))
        .route("/v1/tenants/{tenant}/bots/{bot}/invoke", post(bots::invoke))
        .route("/v1/tenants/{tenant}/bots/{bot}/backfill", post(backfill::backfill))
        .route("/v1/tenants/{tenant}/bots/{bot}/replay", post(trial::replay))
        .route("/v1/tenants/{tenant}/observe", get(observe::list))
        .route("/v1/tenants/{tenant}/observe/{bot}", get(observe::show).delete(observe::remove))
        .route("/v1/tenants/{tenant}/observe/{bot}/promote", post(observe::promote))
        .route("/v1/tenants/{tenant}/runs", get(runs::list))
        .route("/v1/tenants/{tenant}/runs/{run}", get(runs::show))
        .route("/v1/tenants/{tenant}/runs/{run}/retry", post(runs::retry))
        .route("/v1/tenants/{tenant}/runs/{run}/replay", post(replay::replay))
        .route("/v1/tenants/{tenant}/dead", get(dead::list))
        .route("/v1/tenants/{tenant}/runs/{run}/drop", post(runs::give_up))
        .route("/v1/tenants/{tenant}/dead/{kind}", get(dead::list_of))
        .route("/v1/tenants/{tenant}/retry/{kind}", post(retry::slice))
        .route("/v1/tenants/{tenant}/dead/notifications/{seq}", get(dead::show))
        .route("/v1/tenants/{tenant}/dead/notifications/{seq}/retry", post(retry::notification))
        .route("/v1/tenants/{tenant}/dead/outbox/{run}/{key}/retry", post(retry::request))
        .route("/v1/tenants/{tenant}/logs", get(logs::list))
        .layer(DefaultBodyLimit::max(LARGEST))
        .route_layer(middleware::from_fn_with_state(guarded, authorize));
    Router::new().route("/live", get(status::live)).route("/ready", get(status::ready)).merge(api).with_state(core)
}

async fn authorize(State(guarded): State<Guarded>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    // Digests are of one length, so the comparison tells nothing of the token.
    if bool::from(Digest::of(given.trim().as_bytes()).as_bytes().ct_eq(guarded.token.as_bytes())) {
        next.run(request).await
    } else {
        StatusCode::UNAUTHORIZED.into_response()
    }
}

/// A name in a path or query that must be valid.
fn named<T: std::str::FromStr<Err = hob_model::BadId>>(text: &str) -> Result<T, ApiError> {
    text.parse()
        .map_err(|error: hob_model::BadId| ApiError::bad("bad-name", error.to_string(), "correct the name and call again"))
}

fn tenant(text: &str) -> Result<TenantId, ApiError> {
    named(text)
}

/// An answer of one JSON value a line, as they come.
fn lines(mut values: mpsc::Receiver<Value>) -> Response {
    let stream = futures::stream::poll_fn(move |cx| values.poll_recv(cx))
        .map(|line: Value| Ok::<_, std::convert::Infallible>(Bytes::from(format!("{line}\n"))));
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(stream)).into_response()
}

/// `limit` of a list: 50 unless said, 1,000 at most.
fn limit(asked: Option<usize>) -> usize {
    asked.unwrap_or(50).clamp(1, 1_000)
}
