//! The test server in place of the network: a request is handed over, and nothing leaves the process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use hob_fhir::{Answer, NoAnswer, Transport};
use hob_model::{BaseUrl, Clock};
use hob_testserver::{Server, Settings};
use http::Request;

/// Where the server in memory is; it is never dialled.
pub(crate) const BASE: &str = "http://fhir.test/fhir";

/// A test server in memory that the FHIR client speaks to.
#[derive(Clone)]
pub(crate) struct InMemory {
    server: Arc<Mutex<Server>>,
    clock: Arc<dyn Clock>,
}

impl InMemory {
    pub(crate) fn new(settings: Settings, clock: Arc<dyn Clock>) -> Self {
        Self { server: Arc::new(Mutex::new(Server::new(settings))), clock }
    }

    /// The server, between two requests.
    pub(crate) fn server(&self) -> MutexGuard<'_, Server> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its base URL.
    pub(crate) fn base() -> Result<BaseUrl, crate::AuthorError> {
        BaseUrl::new(BASE).map_err(|why| crate::AuthorError::new(crate::error::Fault::Failed, "source", why, "report it"))
    }
}

#[async_trait]
impl Transport for InMemory {
    async fn exchange(&self, request: Request<Bytes>, most: usize) -> Result<Answer, NoAnswer> {
        Ok(answer(self.server().handle(self.clock.now(), &request), most))
    }
}

/// A response as the FHIR client takes it.
pub(crate) fn answer(response: http::Response<Bytes>, most: usize) -> Answer {
    let (parts, body) = response.into_parts();
    let whole = body.len() <= most;
    let body = if whole { body } else { body.slice(..most) };
    Answer { status: parts.status.as_u16(), headers: parts.headers, body, whole }
}
