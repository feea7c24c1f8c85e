//! A proxy that does to requests what networks and people's timing do: loses answers, holds requests until told, sends twice, is not there.
//!
//! Two uses: before a FHIR server, where [`Mode`] is for transactions; and before a host's webhooks, whose address then stays while hosts come
//! and go, and which keeps what was posted so that it can be posted again.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

use crate::wait::until;

/// What happens to a transaction (a POST to the base). Everything else passes, but for [`Mode::Down`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    /// It passes.
    Pass = 0,
    /// The server answers; the answer is thrown away and the connection closed.
    DropAnswer = 1,
    /// It waits until [`Proxy::release`], and goes on then though its client may be gone.
    Hold = 2,
    /// It arrives twice; the second answer is the one that the client gets.
    Twice = 3,
    /// Nothing at all is accepted.
    Down = 4,
    /// The server answers; the answer is kept back and the connection stays open, as on a slow network.
    Swallow = 5,
    /// Every request is answered 200 and thrown away: what a server thinks that it sent is lost.
    Lose = 6,
}

/// A request that passed.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

struct Shared {
    upstream: Mutex<String>,
    path: String,
    mode: AtomicU8,
    release: Notify,
    held: watch::Sender<u32>,
    lost: watch::Sender<Vec<u16>>,
    late: watch::Sender<Vec<u16>>,
    refused: watch::Sender<u32>,
    seen: Mutex<Vec<Seen>>,
    http: reqwest::Client,
}

/// See the module.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// Listens on loopback, in front of `base`.
    pub async fn start(base: &str) -> Self {
        let (origin, path) = split(base);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            upstream: Mutex::new(origin),
            path,
            mode: AtomicU8::new(0),
            release: Notify::new(),
            held: watch::Sender::new(0),
            lost: watch::Sender::new(Vec::new()),
            late: watch::Sender::new(Vec::new()),
            refused: watch::Sender::new(0),
            seen: Mutex::default(),
            http: reqwest::Client::builder().no_gzip().build().unwrap(),
        });
        let accepting = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if accepting.mode() == Mode::Down {
                    accepting.refused.send_modify(|count| *count += 1);
                } else {
                    tokio::spawn(serve(client, Arc::clone(&accepting)));
                }
            }
        });
        Self { address, shared, task }
    }

    /// Its own base URL.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}{}", self.address, self.shared.path)
    }

    /// What happens from now on.
    pub fn set(&self, mode: Mode) {
        self.shared.mode.store(mode as u8, Ordering::SeqCst);
    }

    /// Where requests go from now on; the path must be the same.
    pub fn forward_to(&self, base: &str) {
        *self.shared.upstream.lock().unwrap_or_else(PoisonError::into_inner) = split(base).0;
    }

    /// Lets one held transaction go on.
    pub fn release(&self) {
        self.shared.release.notify_one();
    }

    /// Waits until `count` transactions in all have been held.
    pub async fn held(&self, count: u32) {
        until("a transaction that is held", || async { (*self.shared.held.borrow() >= count).then_some(()) }).await;
    }

    /// Waits until `count` connections or requests were refused because nothing is accepted.
    pub async fn refused(&self, count: u32) {
        until("a request that is refused", || async { (*self.shared.refused.borrow() >= count).then_some(()) }).await;
    }

    /// Waits for the first `count` answers that the client did not get; gives their statuses.
    pub async fn lost(&self, count: usize) -> Vec<u16> {
        until("an answer that is lost", || async {
            let lost = self.shared.lost.borrow();
            (lost.len() >= count).then(|| lost.clone())
        })
        .await
    }

    /// Waits until `count` transactions that were held have gone on; gives their answers' statuses.
    pub async fn late(&self, count: usize) -> Vec<u16> {
        until("a transaction that was held", || async {
            let late = self.shared.late.borrow();
            (late.len() >= count).then(|| late.clone())
        })
        .await
    }

    /// What has come so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many transactions have come so far.
    #[must_use]
    pub fn transactions(&self) -> usize {
        self.seen().iter().filter(|seen| self.shared.is_transaction(seen)).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn split(base: &str) -> (String, String) {
    let rest = base.strip_prefix("http://").unwrap();
    let (authority, path) =
        rest.split_once('/').map_or((rest, String::new()), |(authority, path)| (authority, format!("/{path}")));
    (format!("http://{authority}"), path)
}

async fn serve(client: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { shared.pass(request).await.ok_or("the connection is closed") }
    });
    // Ends with an error where an answer was to be lost.
    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(client), service).await;
}

impl Shared {
    fn mode(&self) -> Mode {
        match self.mode.load(Ordering::SeqCst) {
            1 => Mode::DropAnswer,
            2 => Mode::Hold,
            3 => Mode::Twice,
            4 => Mode::Down,
            5 => Mode::Swallow,
            6 => Mode::Lose,
            _ => Mode::Pass,
        }
    }

    fn is_transaction(&self, seen: &Seen) -> bool {
        seen.method == Method::POST && seen.path == self.path
    }

    /// The answer, or none where the connection is to be closed instead.
    async fn pass(self: Arc<Self>, request: Request<Incoming>) -> Option<Response<Full<Bytes>>> {
        let (head, body) = request.into_parts();
        let path = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
        let body = body.collect().await.ok()?.to_bytes();
        let seen = Seen { method: head.method, path, headers: head.headers, body };
        let mode = match self.mode() {
            Mode::Down => {
                self.refused.send_modify(|count| *count += 1);
                return None;
            }
            Mode::Lose => return Some(Response::new(Full::default())),
            mode if self.is_transaction(&seen) => mode,
            _ => Mode::Pass,
        };
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen.clone());
        match mode {
            Mode::Hold => {
                let shared = Arc::clone(&self);
                // A task of its own: it does not end with its client.
                let going_on = tokio::spawn(async move {
                    shared.held.send_modify(|count| *count += 1);
                    shared.release.notified().await;
                    let answer = shared.forward(&seen).await?;
                    shared.late.send_modify(|late| late.push(answer.status().as_u16()));
                    Some(answer)
                });
                going_on.await.ok()?
            }
            Mode::DropAnswer => {
                let answer = self.forward(&seen).await?;
                self.lost.send_modify(|lost| lost.push(answer.status().as_u16()));
                None
            }
            Mode::Swallow => {
                let answer = self.forward(&seen).await?;
                self.lost.send_modify(|lost| lost.push(answer.status().as_u16()));
                std::future::pending().await
            }
            Mode::Twice => {
                let first = self.forward(&seen).await?;
                self.lost.send_modify(|lost| lost.push(first.status().as_u16()));
                self.forward(&seen).await
            }
            Mode::Pass | Mode::Down | Mode::Lose => self.forward(&seen).await,
        }
    }

    async fn forward(&self, seen: &Seen) -> Option<Response<Full<Bytes>>> {
        let origin = self.upstream.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut request = self.http.request(seen.method.clone(), format!("{origin}{}", seen.path)).body(seen.body.clone());
        for (name, value) in &seen.headers {
            if !matches!(name.as_str(), "connection" | "content-length" | "transfer-encoding") {
                request = request.header(name, value);
            }
        }
        let answer = request.send().await.ok()?;
        let mut response = Response::builder().status(answer.status());
        for (name, value) in answer.headers() {
            if !matches!(name.as_str(), "connection" | "content-length" | "transfer-encoding") {
                response = response.header(name, value);
            }
        }
        response.body(Full::new(answer.bytes().await.ok()?)).ok()
    }
}

/// Posts what was seen once more, to where it went first.
pub async fn again(base: &str, seen: &Seen) -> u16 {
    let mut request = reqwest::Client::new().request(seen.method.clone(), format!("{}{}", split(base).0, seen.path));
    for (name, value) in &seen.headers {
        if !matches!(name.as_str(), "connection" | "content-length" | "transfer-encoding" | "host") {
            request = request.header(name, value);
        }
    }
    request.body(seen.body.clone()).send().await.unwrap().status().as_u16()
}

/// A receiver of bots' requests: keeps them, and answers each with the JSON given.
pub struct Receiver {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Receiver {
    /// Listens on loopback. Its first `failures` answers are 503.
    pub async fn start(answer: &'static str, failures: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let kept = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let kept = Arc::clone(&kept);
                let service = service_fn(move |request: Request<Incoming>| {
                    let kept = Arc::clone(&kept);
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
                        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                        kept.push(Seen { method: head.method, path: head.uri.path().to_owned(), headers: head.headers, body });
                        let status = if kept.len() <= failures { 503 } else { 200 };
                        let response = Response::builder().status(status).header("content-type", "application/json");
                        Ok::<_, Infallible>(response.body(Full::new(Bytes::from_static(answer.as_bytes()))).unwrap())
                    }
                });
                tokio::spawn(async move {
                    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(client), service).await;
                });
            }
        });
        Self { address, seen, task }
    }

    /// `host:port`.
    #[must_use]
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    /// What has come so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}
