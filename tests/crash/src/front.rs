//! What stands between everybody and the FHIR server: the server in memory itself, or a real one behind a proxy. It sees what only the server's
//! side can see, and has the host killed there.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::State;
use bytes::Bytes;
use hob_host::SystemClock;
use hob_model::{BaseUrl, Clock as _};
use hob_simulation::points::{Point, Side, is_transaction};
use hob_testserver::{Post, Server, Settings};
use http::{Method, Request, Response, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::kill::Strike;
use crate::site::{ECHO, PATIENTS};

/// Asks for the death of the host; answered when it is dead.
pub(crate) type Death = oneshot::Sender<()>;

/// Notifications under way at once.
const AT_ONCE: usize = 16;
/// Between two tries of a notification.
const PAUSE: Duration = Duration::from_millis(150);
const LARGEST: usize = 64 * 1024 * 1024;

enum Backend {
    Memory(Box<Mutex<Server>>),
    /// The scheme and authority of a server elsewhere.
    Elsewhere(String),
}

/// See the module.
pub(crate) struct Front {
    base: String,
    backend: Backend,
    http: reqwest::Client,
    armed: Mutex<Option<Strike>>,
    deaths: mpsc::Sender<Death>,
    places: Semaphore,
    /// A notification gets one try: what is lost is Hob's to find.
    drops: bool,
    versions: AtomicU64,
    results: AtomicU64,
    undelivered: AtomicU64,
    dropped: AtomicU64,
}

impl Front {
    /// Serves the server in memory, or the one at `elsewhere`.
    pub(crate) async fn start(elsewhere: Option<&str>, drops: bool, deaths: mpsc::Sender<Death>) -> Result<Arc<Self>, String> {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.map_err(|e| e.to_string())?;
        let address = listener.local_addr().map_err(|e| e.to_string())?;
        let (backend, path) = match elsewhere {
            None => {
                let base = BaseUrl::new(&format!("http://{address}/fhir")).map_err(|e| e.to_string())?;
                (Backend::Memory(Box::new(Mutex::new(Server::new(Settings::hapi(base))))), "fhir".to_owned())
            }
            Some(base) => {
                let (scheme, rest) = base.split_once("://").ok_or("the server's base is no URL")?;
                let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
                (Backend::Elsewhere(format!("{scheme}://{authority}")), path.to_owned())
            }
        };
        let front = Arc::new(Self {
            base: format!("http://{address}/{path}"),
            backend,
            http: reqwest::Client::builder().timeout(Duration::from_secs(30)).build().map_err(|e| e.to_string())?,
            armed: Mutex::new(None),
            deaths,
            places: Semaphore::new(AT_ONCE),
            drops,
            versions: AtomicU64::new(0),
            results: AtomicU64::new(0),
            undelivered: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        });
        let router = axum::Router::new().fallback(serve).with_state(Arc::clone(&front));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(front)
    }

    /// The FHIR base URL.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// From now on this is where the host dies, where only the server's side sees it.
    pub(crate) fn arm(&self, strike: Option<Strike>) {
        *self.armed.lock().unwrap_or_else(PoisonError::into_inner) = strike.filter(|strike| strike.is_servers());
    }

    /// Versions of patients that wait for their result.
    pub(crate) fn waiting(&self) -> u64 {
        self.versions.load(Ordering::SeqCst).saturating_sub(self.results.load(Ordering::SeqCst))
    }

    /// Notifications that are still to be delivered.
    pub(crate) fn undelivered(&self) -> u64 {
        self.undelivered.load(Ordering::SeqCst)
    }

    /// Notifications that were given up.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::SeqCst)
    }

    /// Has the host killed if this is the point.
    async fn at(&self, point: Point, side: Side) -> bool {
        let hit = {
            let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
            match armed.as_mut() {
                Some(strike) if strike.point == point && strike.side == side => {
                    strike.nth = strike.nth.saturating_sub(1);
                    strike.nth == 0 && armed.take().is_some()
                }
                _ => false,
            }
        };
        if hit {
            let (dead, died) = oneshot::channel();
            if self.deaths.send(dead).await.is_ok() {
                // An error means that the run is over.
                let _ = died.await;
            }
        }
        hit
    }

    async fn handle(self: &Arc<Self>, request: Request<Bytes>) -> Response<Bytes> {
        match &self.backend {
            Backend::Memory(server) => {
                let (response, posts) = {
                    let mut server = server.lock().unwrap_or_else(PoisonError::into_inner);
                    let response = server.handle(SystemClock.now(), &request);
                    (response, server.take_posts())
                };
                for post in posts {
                    self.undelivered.fetch_add(1, Ordering::SeqCst);
                    let front = Arc::clone(self);
                    tokio::spawn(async move { front.deliver(post).await });
                }
                response
            }
            Backend::Elsewhere(origin) => forward(&self.http, origin, request).await.unwrap_or_else(|_| {
                let mut response = Response::new(Bytes::new());
                *response.status_mut() = StatusCode::BAD_GATEWAY;
                response
            }),
        }
    }

    async fn deliver(&self, post: Post) {
        loop {
            let Ok(place) = self.places.acquire().await else { return };
            let Ok(request) = reqwest::Request::try_from(post.request.clone()) else { break };
            let taken = self.http.execute(request).await.is_ok_and(|response| response.status().is_success());
            drop(place);
            if taken {
                break;
            }
            if self.drops {
                self.dropped.fetch_add(1, Ordering::SeqCst);
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.undelivered.fetch_sub(1, Ordering::SeqCst);
    }

    fn count(&self, method: &Method, path: &str, body: &[u8], transaction: bool) {
        let holds = |what: &str| body.windows(what.len()).any(|window| window == what.as_bytes());
        if transaction {
            self.results.fetch_add(u64::from(holds(ECHO)), Ordering::SeqCst);
            self.versions.fetch_add(u64::from(holds(PATIENTS)), Ordering::SeqCst);
        } else if method != Method::GET && path.contains("/Patient") {
            self.versions.fetch_add(1, Ordering::SeqCst);
        }
    }
}

async fn serve(State(front): State<Arc<Front>>, request: axum::extract::Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let answered = match to_bytes(body, LARGEST).await {
        // In a task of its own: what has arrived is seen through, though whoever sent it may be dead.
        Ok(body) => tokio::spawn(answer(front, Request::from_parts(parts, body))).await.ok(),
        Err(_) => None,
    };
    let bad = || {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::BAD_REQUEST;
        response
    };
    answered.unwrap_or_else(bad).map(Body::from)
}

async fn answer(front: Arc<Front>, request: Request<Bytes>) -> Response<Bytes> {
    let (method, path, body) = (request.method().clone(), request.uri().path().to_owned(), request.body().clone());
    let transaction = is_transaction(&method, &body);
    if transaction {
        if front.at(Point::Send, Side::After).await {
            // On a slow network the transaction of a dead host arrives after its successor has begun.
            tokio::time::sleep(Duration::from_millis(body.len() as u64 % 8 * 250)).await;
        }
        front.at(Point::ServerCommit, Side::Before).await;
    }
    let response = front.handle(request).await;
    if response.status().is_success() {
        front.count(&method, &path, &body, transaction);
    }
    if transaction {
        front.at(Point::ServerCommit, Side::After).await;
        front.at(Point::Answer, Side::Before).await;
    }
    response
}

async fn forward(http: &reqwest::Client, origin: &str, request: Request<Bytes>) -> Result<Response<Bytes>, reqwest::Error> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut asked = http.request(parts.method, format!("{origin}{path}")).body(body);
    for (name, value) in &parts.headers {
        // With the front's own name as its host, the server's links lead back here.
        if !["content-length", "connection", "accept-encoding"].contains(&name.as_str()) {
            asked = asked.header(name, value);
        }
    }
    let answer = asked.send().await?;
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = answer.status();
    for (name, value) in answer.headers() {
        if !["content-length", "connection", "transfer-encoding", "content-encoding"].contains(&name.as_str()) {
            response.headers_mut().append(name, value.clone());
        }
    }
    *response.body_mut() = answer.bytes().await?;
    Ok(response)
}
