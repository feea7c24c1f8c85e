//! Who gets the requests of the outbox: one effect for each Idempotency-Key, however often it comes.

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
    /// By key, the text that it came with and how often.
    effects: Mutex<BTreeMap<String, (String, u64)>>,
}

impl Receiver {
    pub(crate) async fn start() -> Result<(Arc<Self>, SocketAddr), String> {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.map_err(|e| e.to_string())?;
        let address = listener.local_addr().map_err(|e| e.to_string())?;
        let receiver = Arc::new(Self::default());
        let router = axum::Router::new().route("/in", post(take)).with_state(Arc::clone(&receiver));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok((receiver, address))
    }

    /// The text of each effect.
    pub(crate) fn effects(&self) -> Vec<String> {
        let effects = self.effects.lock().unwrap_or_else(PoisonError::into_inner);
        effects.values().map(|(text, _)| text.clone()).collect()
    }

    /// Requests that came under a key that had been there before.
    pub(crate) fn repeats(&self) -> u64 {
        let effects = self.effects.lock().unwrap_or_else(PoisonError::into_inner);
        effects.values().map(|(_, times)| times - 1).sum()
    }
}

async fn take(State(receiver): State<Arc<Receiver>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let Some(key) = headers.get("idempotency-key").and_then(|key| key.to_str().ok()) else { return StatusCode::BAD_REQUEST };
    let text = String::from_utf8_lossy(&body).into_owned();
    receiver.effects.lock().unwrap_or_else(PoisonError::into_inner).entry(key.to_owned()).or_insert((text, 0)).1 += 1;
    StatusCode::OK
}
