//! A FHIR server at the other end of a network, well or not.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use hob_fhir::{Answer, NoAnswer};
use hob_model::{BaseUrl, Timestamp};
use hob_testserver::{Server, Settings};
use http::{HeaderMap, HeaderValue, Request};

/// From a request to its answer, there and back.
const LATENCY: Duration = Duration::from_millis(5);

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    Well,
    /// 500 to everything.
    Fails,
    /// It takes requests and says nothing.
    Hangs,
    /// It takes connections and breaks them.
    Resets,
    /// It does what it is asked and sends the first half of the answer, as a proxy does that was stopped.
    Halves,
    /// It sends everybody elsewhere.
    Redirects,
}

/// One server.
pub(crate) struct Far {
    server: Mutex<Server>,
    health: Mutex<Health>,
}

impl Far {
    pub(crate) fn new(base: &BaseUrl) -> Self {
        Self { server: Mutex::new(Server::new(Settings::hapi(base.clone()))), health: Mutex::new(Health::Well) }
    }

    pub(crate) fn server(&self) -> MutexGuard<'_, Server> {
        self.server.lock().unwrap()
    }

    pub(crate) fn is(&self, health: Health) {
        *self.health.lock().unwrap() = health;
    }

    pub(crate) async fn answers(&self, now: impl Fn() -> Timestamp, request: &Request<Bytes>) -> Result<Answer, NoAnswer> {
        tokio::time::sleep(LATENCY).await;
        let health = *self.health.lock().unwrap();
        let mut headers = HeaderMap::new();
        match health {
            Health::Hangs => std::future::pending().await,
            Health::Resets => Err(NoAnswer::Unknown("the connection was reset")),
            Health::Fails => Ok(Answer { status: 500, headers, body: Bytes::from_static(b"out of order"), whole: true }),
            Health::Redirects => {
                headers.insert("location", HeaderValue::from_static("http://elsewhere.sim/login"));
                Ok(Answer { status: 302, headers, body: Bytes::new(), whole: true })
            }
            Health::Well | Health::Halves => {
                let (parts, body) = self.server().handle(now(), request).into_parts();
                let body = if health == Health::Halves { body.slice(..body.len() / 2) } else { body };
                Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body, whole: true })
            }
        }
    }
}
