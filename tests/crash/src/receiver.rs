//! Who gets the requests of the outbox, and is asked in the midst of runs: one effect for each Idempotency-Key, however often it comes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tokio::net::TcpListener;

/// See the module.
#[derive(Default)]
pub(crate) struct Receiver {
    messages: Effects,
    questions: Effects,
}

/// By key, the text that it came with and how often.
#[derive(Default)]
struct Effects(Mutex<BTreeMap<String, (String, u64)>>);

impl Effects {
    /// False for what has no key.
    fn take(&self, headers: &HeaderMap, body: &Bytes) -> bool {
        let Some(key) = headers.get("idempotency-key").and_then(|key| key.to_str().ok()) else { return false };
        let text = String::from_utf8_lossy(body).into_owned();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key.to_owned()).or_insert((text, 0)).1 += 1;
        true
    }

    fn texts(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().map(|(text, _)| text.clone()).collect()
    }

    fn repeats(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().map(|(_, times)| times - 1).sum()
    }
}

impl Receiver {
    pub(crate) async fn start() -> Result<(Arc<Self>, SocketAddr), String> {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.map_err(|e| e.to_string())?;
        let address = listener.local_addr().map_err(|e| e.to_string())?;
        let receiver = Arc::new(Self::default());
        let router =
            axum::Router::new().route("/in", post(message)).route("/number", post(question)).with_state(Arc::clone(&receiver));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok((receiver, address))
    }

    /// The text of each message.
    pub(crate) fn messages(&self) -> Vec<String> {
        self.messages.texts()
    }

    /// The text of each question.
    pub(crate) fn questions(&self) -> Vec<String> {
        self.questions.texts()
    }

    /// Requests that came under a key that had been there before.
    pub(crate) fn repeats(&self) -> u64 {
        self.messages.repeats() + self.questions.repeats()
    }
}

async fn message(State(receiver): State<Arc<Receiver>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if receiver.messages.take(&headers, &body) { StatusCode::OK } else { StatusCode::BAD_REQUEST }
}

async fn question(State(receiver): State<Arc<Receiver>>, headers: HeaderMap, body: Bytes) -> Result<Bytes, StatusCode> {
    if receiver.questions.take(&headers, &body) { Ok(body) } else { Err(StatusCode::BAD_REQUEST) }
}
