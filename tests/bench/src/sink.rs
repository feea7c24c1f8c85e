//! A FHIR server that keeps nothing: it answers what a commit asks for, at once, and says when a Task's transaction has come in.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::report::Outcome;
use crate::stack;
use crate::stopwatch::Stopwatch;

/// The server.
#[derive(Default)]
pub(crate) struct Sink {
    waiting: Mutex<BTreeMap<String, oneshot::Sender<Stopwatch>>>,
    next: AtomicU64,
    last: Mutex<Bytes>,
    strange: Mutex<Option<String>>,
}

impl Sink {
    /// Starts it; its base is `http://{address}/fhir`.
    pub(crate) async fn start() -> Outcome<(Arc<Self>, SocketAddr)> {
        let sink = Arc::new(Self::default());
        let router = Router::new()
            .route("/fhir", post(transaction))
            .route("/fhir/Basic", post(fence))
            .fallback(strange)
            .with_state(Arc::clone(&sink));
        Ok((sink, stack::serve(router).await?))
    }

    /// Tells when the transaction that writes this Task has come in.
    pub(crate) fn expect(&self, task: &str) -> oneshot::Receiver<Stopwatch> {
        let (tell, told) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(format!("Task/{task}"), tell);
        told
    }

    /// The last transaction, as it came.
    pub(crate) fn last(&self) -> Bytes {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// An error where it was asked what no bench means it to be asked: then something else is measured than is said.
    pub(crate) fn check(&self) -> Outcome<()> {
        match &*self.strange.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some(asked) => Err(format!("the sink was asked for {asked}").into()),
        }
    }
}

/// Answers that each entry was written, one version on.
async fn transaction(State(sink): State<Arc<Sink>>, body: Bytes) -> Response {
    let came = Stopwatch::start();
    let Ok(bundle) = serde_json::from_slice::<Value>(&body) else { return StatusCode::BAD_REQUEST.into_response() };
    *sink.last.lock().unwrap_or_else(PoisonError::into_inner) = body;
    let mut entries = Vec::new();
    for entry in bundle["entry"].as_array().into_iter().flatten() {
        let url = entry["request"]["url"].as_str().unwrap_or_default();
        let read = entry["request"]["ifMatch"].as_str().unwrap_or_default().trim_matches(|c: char| !c.is_ascii_digit());
        let version = read.parse::<u64>().unwrap_or(0) + 1;
        entries.push(json!({ "response": {
            "status": "200 OK", "location": format!("{url}/_history/{version}"), "etag": format!("W/\"{version}\""),
        } }));
        let told = sink.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(url);
        if let Some(told) = told {
            // Who gave up waiting has said so.
            let _ = told.send(came);
        }
    }
    fhir(StatusCode::OK, &json!({ "resourceType": "Bundle", "type": "transaction-response", "entry": entries }))
}

/// Makes a fence.
async fn fence(State(sink): State<Arc<Sink>>, body: Bytes) -> Response {
    let Ok(mut basic) = serde_json::from_slice::<Value>(&body) else { return StatusCode::BAD_REQUEST.into_response() };
    let id = sink.next.fetch_add(1, Ordering::Relaxed).to_string();
    basic["id"] = json!(id);
    basic["meta"] = json!({ "versionId": "1" });
    let mut answer = fhir(StatusCode::CREATED, &basic);
    if let Ok(location) = format!("/fhir/Basic/{id}/_history/1").parse() {
        answer.headers_mut().insert(header::LOCATION, location);
    }
    answer
}

async fn strange(State(sink): State<Arc<Sink>>, method: axum::http::Method, uri: Uri) -> Response {
    sink.strange.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| format!("{method} {uri}"));
    fhir(StatusCode::NOT_FOUND, &json!({ "resourceType": "OperationOutcome" }))
}

fn fhir(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/fhir+json")], body.to_string()).into_response()
}
