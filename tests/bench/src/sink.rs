//! A FHIR server that keeps nothing but its fences: it answers what a commit asks for, at once, and says what has come in.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, oneshot};

use crate::report::Outcome;
use crate::stack;
use crate::stopwatch::Stopwatch;

/// The server.
pub(crate) struct Sink {
    waiting: Mutex<BTreeMap<String, oneshot::Sender<Stopwatch>>>,
    next: AtomicU64,
    last: Mutex<Bytes>,
    strange: Mutex<Option<String>>,
    fences: Mutex<BTreeMap<String, Value>>,
    came: AtomicU64,
    /// One permit for each transaction that came in: who posts one more for each takes them.
    pub(crate) permits: Semaphore,
}

impl Sink {
    /// Starts it; its base is `http://{address}/fhir`.
    pub(crate) async fn start() -> Outcome<(Arc<Self>, SocketAddr)> {
        let sink = Arc::new(Self {
            waiting: Mutex::default(),
            next: AtomicU64::default(),
            last: Mutex::default(),
            strange: Mutex::default(),
            fences: Mutex::default(),
            came: AtomicU64::default(),
            permits: Semaphore::new(0),
        });
        let router = Router::new()
            .route("/fhir", post(transaction))
            .route("/fhir/Basic", post(make_fence))
            .route("/fhir/Basic/{id}", get(fence))
            // Sweeps find nothing.
            .route("/fhir/{type}/_history", get(no_history))
            // What a host that was killed asks for: no history is kept.
            .route("/fhir/Task/{id}/_history", get(async || StatusCode::NOT_FOUND))
            .fallback(strange)
            .with_state(Arc::clone(&sink));
        Ok((sink, stack::serve(router).await?))
    }

    /// Tells when the transaction that writes this Task has come in.
    pub(crate) fn expect(&self, task: &str) -> oneshot::Receiver<Stopwatch> {
        let (tell, told) = oneshot::channel();
        held(&self.waiting).insert(format!("Task/{task}"), tell);
        told
    }

    /// The last transaction, as it came.
    pub(crate) fn last(&self) -> Bytes {
        held(&self.last).clone()
    }

    /// How many transactions have come in.
    pub(crate) fn came(&self) -> u64 {
        self.came.load(Ordering::Relaxed)
    }

    /// An error where it was asked what no bench means it to be asked: then something else is measured than is said.
    pub(crate) fn check(&self) -> Outcome<()> {
        match &*held(&self.strange) {
            None => Ok(()),
            Some(asked) => Err(format!("the sink was asked for {asked}").into()),
        }
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers that each entry was written, one version on.
async fn transaction(State(sink): State<Arc<Sink>>, body: Bytes) -> Response {
    let came = Stopwatch::start();
    let Ok(mut bundle) = serde_json::from_slice::<Value>(&body) else { return StatusCode::BAD_REQUEST.into_response() };
    *held(&sink.last) = body;
    let mut entries = Vec::new();
    for entry in bundle["entry"].as_array_mut().into_iter().flatten() {
        let url = entry["request"]["url"].as_str().unwrap_or_default().to_owned();
        let read = entry["request"]["ifMatch"].as_str().unwrap_or_default().trim_matches(|c: char| !c.is_ascii_digit());
        let version = read.parse::<u64>().unwrap_or(0) + 1;
        entries.push(json!({ "response": {
            "status": "200 OK", "location": format!("{url}/_history/{version}"), "etag": format!("W/\"{version}\""),
        } }));
        if url.starts_with("Basic/") {
            let mut basic = entry["resource"].take();
            basic["meta"] = json!({ "versionId": version.to_string() });
            held(&sink.fences).insert(url, basic);
            continue;
        }
        let told = held(&sink.waiting).remove(&url);
        if let Some(told) = told {
            // Who gave up waiting has said so.
            let _ = told.send(came);
        }
    }
    sink.came.fetch_add(1, Ordering::Relaxed);
    sink.permits.add_permits(1);
    fhir(StatusCode::OK, &json!({ "resourceType": "Bundle", "type": "transaction-response", "entry": entries }))
}

/// Nobody but those who notify changes anything.
async fn no_history() -> Response {
    fhir(StatusCode::OK, &json!({ "resourceType": "Bundle", "type": "history", "total": 0, "entry": [] }))
}

/// Makes a fence.
async fn make_fence(State(sink): State<Arc<Sink>>, body: Bytes) -> Response {
    let Ok(mut basic) = serde_json::from_slice::<Value>(&body) else { return StatusCode::BAD_REQUEST.into_response() };
    let id = sink.next.fetch_add(1, Ordering::Relaxed).to_string();
    basic["id"] = json!(id);
    basic["meta"] = json!({ "versionId": "1" });
    let mut answer = fhir(StatusCode::CREATED, &basic);
    if let Ok(location) = format!("/fhir/Basic/{id}/_history/1").parse() {
        answer.headers_mut().insert(header::LOCATION, location);
    }
    held(&sink.fences).insert(format!("Basic/{id}"), basic);
    answer
}

/// A fence as it is now.
async fn fence(State(sink): State<Arc<Sink>>, Path(id): Path<String>) -> Response {
    match held(&sink.fences).get(&format!("Basic/{id}")) {
        Some(basic) => fhir(StatusCode::OK, basic),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn strange(State(sink): State<Arc<Sink>>, method: axum::http::Method, uri: Uri) -> Response {
    held(&sink.strange).get_or_insert_with(|| format!("{method} {uri}"));
    fhir(StatusCode::NOT_FOUND, &json!({ "resourceType": "OperationOutcome" }))
}

fn fhir(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/fhir+json")], body.to_string()).into_response()
}
