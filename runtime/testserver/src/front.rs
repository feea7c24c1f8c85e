//! The server on a socket, for tests that need a real one.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use hob_model::Clock;
use http::StatusCode;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::poster::{self, Delivery};
use crate::{Post, Server};

/// The most bytes of a request's body.
const MOST_BODY: usize = 64 * 1024 * 1024;

/// A [`Server`] that listens and posts. Both end when it is dropped: connections are closed when their request is answered, and what was
/// not delivered by then is lost, as on real servers.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    shared: Arc<Shared>,
    _stop: oneshot::Sender<()>,
    _posters: JoinSet<()>,
}

/// What became of notifications so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deliveries {
    /// The receiver took them.
    pub delivered: u64,
    /// Given up: the queue was full, or every attempt failed.
    pub dropped: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) delivered: AtomicU64,
    pub(crate) dropped: AtomicU64,
}

struct Shared {
    server: Mutex<Server>,
    clock: Arc<dyn Clock>,
    queue: mpsc::Sender<Post>,
    counts: Arc<Counts>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl Running {
    /// Serves `server` on `listener`, on the runtime that this is called in.
    ///
    /// # Errors
    /// Where the listener has no address, or no client for notifications can be made.
    pub fn start(listener: TcpListener, server: Server, clock: Arc<dyn Clock>, delivery: Delivery) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let (queue, waiting) = mpsc::channel(delivery.queue.max(1));
        let counts = Arc::new(Counts::default());
        let posters = poster::start(delivery, waiting, Arc::clone(&counts))?;
        let shared = Arc::new(Shared { server: Mutex::new(server), clock, queue, counts });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(async move {
            // It is told to stop by the sender's end.
            let until = async move { drop(stopped.await) };
            if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(until).await {
                tracing::error!(%error, "the test server stopped");
            }
        });
        Ok(Self { address, shared, _stop: stop, _posters: posters })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Looks into the server, or does something with it between two requests; what that wants sent is sent.
    pub fn with<T>(&self, act: impl FnOnce(&mut Server) -> T) -> T {
        self.shared.with(act)
    }

    /// What became of notifications so far.
    #[must_use]
    pub fn deliveries(&self) -> Deliveries {
        let count = |number: &AtomicU64| number.load(Ordering::SeqCst);
        Deliveries { delivered: count(&self.shared.counts.delivered), dropped: count(&self.shared.counts.dropped) }
    }
}

impl Shared {
    fn with<T>(&self, act: impl FnOnce(&mut Server) -> T) -> T {
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        let done = act(&mut server);
        // Under the lock, so that they are queued in the order of commits.
        for post in server.take_posts() {
            if self.queue.try_send(post).is_err() {
                self.counts.dropped.fetch_add(1, Ordering::SeqCst);
            }
        }
        done
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MOST_BODY).await else { return StatusCode::PAYLOAD_TOO_LARGE.into_response() };
    let request = http::Request::from_parts(parts, body);
    let now = shared.clock.now();
    shared.with(|server| server.handle(now, &request)).map(Body::from)
}
