//! Where FHIR servers post to: `/in/{tenant}/{source}/[{secret}/]{subscription}[/{Type}/{id}]`.
//!
//! The order is: know the source, check the credentials on the raw bytes, put the request on disk, answer. Nothing is run here. A 2xx
//! is made of a ledger receipt and of nothing else; whatever is authentic but cannot be read is kept as a dead letter and answered 2xx,
//! because servers that try every 4xx again would hold up what comes behind it. An outsider learns nothing: an unknown tenant, an
//! unknown source and a wrong path are one 404.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use hob_ingress::{Notification, ParseError, Reply, SubscriptionState, WireRequest, parse, reply_for};
use hob_ledger::{DeadReason, LedgerError, NewNotification, Receipt, Verdict};
use hob_model::{Inbound, SourceId, SubscriptionKey, TenantId};
use http_body_util::BodyExt as _;

use crate::core::Core;
use crate::gaps::{Reason, window};
use crate::sources::SourceEntry;

/// Headers that the formats read; the rest, credentials among them, is not kept.
const KEPT: [&str; 16] = [
    "content-type",
    "if-match",
    "if-none-match",
    "user-agent",
    "x-medplum-subscription",
    "x-medplum-interaction",
    "x-medplum-deleted-resource",
    "aeg-event-type",
    "aeg-subscription-name",
    "webhook-request-origin",
    "webhook-request-callback",
    "webhook-request-rate",
    "ce-id",
    "ce-type",
    "ce-source",
    "content-encoding",
];

/// Of a notification that is too large, so much is kept for whoever looks at the dead letter.
const KEPT_OF_LARGE: usize = 16 * 1024;

/// How many times the limit a signed body may have: it must be read whole to be authenticated.
const LARGEST: usize = 8;

pub(crate) fn router(core: Arc<Core>) -> Router {
    Router::new()
        .route("/in/{tenant}/{source}", any(root))
        .route("/in/{tenant}/{source}/", any(root))
        .route("/in/{tenant}/{source}/{*rest}", any(rest))
        .with_state(core)
}

type Parts = (Method, HeaderMap, Body);

async fn root(
    State(core): State<Arc<Core>>,
    Path((tenant, source)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Response {
    take(&core, &tenant, &source, "", (method, headers, body)).await
}

async fn rest(
    State(core): State<Arc<Core>>,
    Path((tenant, source, rest)): Path<(String, String, String)>,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Response {
    take(&core, &tenant, &source, &rest, (method, headers, body)).await
}

async fn take(core: &Core, tenant: &str, source: &str, rest: &str, (method, headers, body): Parts) -> Response {
    let entry = match (TenantId::new(tenant), SourceId::new(source)) {
        // It cannot be told whether this comes from the source, so it is neither taken nor turned away for good.
        (Ok(tenant), Ok(source)) if core.sources.why_broken(&tenant, &source).is_some() => return come_back(30),
        (Ok(tenant), Ok(source)) => core.sources.get(&tenant, &source),
        _ => None,
    };
    let Some(entry) = entry else { return StatusCode::NOT_FOUND.into_response() };
    let Ok(_place) = core.intake.try_acquire() else {
        core.gaps.want(&entry, Reason::Overload);
        return come_back(1);
    };

    let limit = core.config.limits.body_kib * 1024;
    let all: Vec<(String, String)> =
        headers.iter().filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))).collect();
    let mut wire =
        WireRequest { method: method.as_str().to_owned(), path_rest: format!("/{rest}"), headers: all, body: Bytes::new() };
    // A stranger's body is not even read, unless it is what must prove that it is none.
    let signed = matches!(entry.source.inbound, Inbound::Hmac { .. });
    if !signed && let Err(status) = entry.admit(&mut wire) {
        return status.into_response();
    }
    let most = if signed { limit * LARGEST } else { limit + 1 };
    let collected = tokio::time::timeout(Duration::from_millis(core.config.limits.request_ms), collect(body, most)).await;
    let size = match collected {
        Ok(Ok((_, size))) if signed && size > most => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Ok(Ok((body, size))) => {
            wire.body = body;
            size
        }
        Ok(Err(status)) => return status.into_response(),
        Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    if signed && let Err(status) = entry.admit(&mut wire) {
        return status.into_response();
    }
    let subscription = split_subscription(&mut wire.path_rest);
    wire.headers.retain(|(name, _)| KEPT.contains(&name.to_ascii_lowercase().as_str()));

    let (verdict, format, reply, control) = judge(&mut wire, size, limit);
    core.gaps.heard(&entry, subscription.as_ref());
    if let Some(control) = control {
        told(core, &entry, subscription.as_ref(), &control).await;
    }
    let stored = NewNotification {
        tenant: entry.source.tenant.clone(),
        source: entry.source.id.clone(),
        subscription,
        received: core.clock.now(),
        method: wire.method,
        path: wire.path_rest,
        headers: wire.headers,
        format,
        body: wire.body,
        size: u64::try_from(size).unwrap_or(u64::MAX),
        verdict,
    };
    match core.ledger.accept(vec![stored]).await {
        Ok(receipts) => match receipts.first() {
            Some(receipt) => answered(receipt, &reply),
            None => come_back(5),
        },
        Err(error) => {
            tracing::error!(tenant, source, code = "ledger", %error, "a notification could not be kept: the source is told to come back");
            core.gaps.want(&entry, Reason::Overload);
            let wait = if matches!(error, LedgerError::Busy) { 2 } else { 30 };
            come_back(wait)
        }
    }
}

/// The only way to a 2xx: what a receipt proves to be on disk.
fn answered(_on_disk: &Receipt, reply: &Reply) -> Response {
    let mut response = Response::new(Body::from(reply.body.clone()));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    if let Ok(value) = reply.content_type.parse() {
        headers.insert(header::CONTENT_TYPE, value);
    }
    for (name, value) in &reply.headers {
        if let Ok(value) = value.parse() {
            headers.insert(*name, value);
        }
    }
    response
}

fn come_back(seconds: u32) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, seconds.to_string())]).into_response()
}

/// Reads the whole body and keeps the first `most` bytes; says how many there were.
async fn collect(mut body: Body, most: usize) -> Result<(Bytes, usize), StatusCode> {
    let (mut bytes, mut size) = (Vec::new(), 0_usize);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| StatusCode::BAD_REQUEST)?;
        if let Some(data) = frame.data_ref() {
            size = size.saturating_add(data.len());
            let room = most.saturating_sub(bytes.len()).min(data.len());
            bytes.extend_from_slice(&data[..room]);
        }
    }
    Ok((bytes.into(), size))
}

/// Takes the subscription's key off the front of the path, unless the path begins with a resource type.
fn split_subscription(path: &mut String) -> Option<SubscriptionKey> {
    let rest = path.trim_start_matches('/');
    let (first, after) = rest.split_once('/').unwrap_or((rest, ""));
    let segments = rest.split('/').filter(|s| !s.is_empty()).count();
    // `Type/id` and `Type/id/_history/v` are even: an odd count has a key before them.
    if segments % 2 == 0 {
        return None;
    }
    let key = SubscriptionKey::new(first).ok()?;
    *path = if after.is_empty() { String::new() } else { format!("/{after}") };
    Some(key)
}

/// Parses the request to see what it is. What cannot be read is kept with the reason, cut where it is too large.
fn judge(wire: &mut WireRequest, size: usize, limit: usize) -> (Verdict, Option<String>, Reply, Option<Notification>) {
    if size > limit {
        let reason = format!("the body has {size} bytes, over the limit of {limit} (`limits.body-kib` in hob.toml)");
        wire.body.truncate(KEPT_OF_LARGE);
        let verdict = Verdict::Dead(DeadReason { code: "notification-too-large".into(), message: reason });
        return (verdict, None, Reply::default(), None);
    }
    match parse(wire) {
        Ok(notification) => {
            let reply = reply_for(&notification);
            let format = serde_json::to_value(notification.format).ok().and_then(|name| name.as_str().map(str::to_owned));
            match notification.kind.is_control() {
                true => (Verdict::Control, format, reply, Some(notification)),
                false => (Verdict::Usable, format, reply, None),
            }
        }
        Err(error) => (Verdict::Dead(dead(&error)), None, Reply::default(), None),
    }
}

/// Heartbeats and the like resolve to nothing, but tell of events that did not come.
async fn told(core: &Core, entry: &SourceEntry, key: Option<&SubscriptionKey>, control: &Notification) {
    if matches!(control.state, Some(SubscriptionState::Error | SubscriptionState::Off)) {
        core.gaps.want(entry, Reason::Subscription);
    }
    let (Some(key), Some(count)) = (key, control.events_since_start) else { return };
    let known = core.ledger.subscription(&entry.source.tenant, &entry.source.id, key).await;
    // A ledger that does not say costs a sweep.
    let last = known.map_or(Some(0), |known| known.map_or(Some(count), |known| known.last_event));
    // It counts what was sent: the next event has the next number.
    if window::is_gap(last, count.saturating_add(1)) {
        core.gaps.want(entry, Reason::EventGap);
    }
}

pub(crate) fn dead(error: &ParseError) -> DeadReason {
    DeadReason { code: error.code().to_owned(), message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_gives_up_its_subscription_and_keeps_the_resource() {
        for (path, key, rest) in [
            ("/router.0/Task/1", Some("router.0"), "/Task/1"),
            ("/router.0", Some("router.0"), ""),
            ("/router.0/", Some("router.0"), ""),
            ("/Task/1", None, "/Task/1"),
            ("/router.0/Task/1/_history/2", Some("router.0"), "/Task/1/_history/2"),
            ("/", None, "/"),
            ("", None, ""),
        ] {
            let mut path = path.to_owned();
            let found = split_subscription(&mut path);
            assert_eq!((found.as_ref().map(SubscriptionKey::as_str), path.as_str()), (key, rest));
        }
    }

    #[test]
    fn what_is_too_large_is_cut_and_says_so() {
        let mut wire = WireRequest {
            method: "POST".into(),
            path_rest: String::new(),
            headers: Vec::new(),
            body: Bytes::from(vec![b'x'; 100_000]),
        };
        let (verdict, _, reply, _) = judge(&mut wire, 100_000, 50_000);
        assert!(matches!(verdict, Verdict::Dead(dead) if dead.code == "notification-too-large"));
        assert_eq!((wire.body.len(), reply.status), (KEPT_OF_LARGE, 200));
    }
}
