//! The server of a session. It can go back: what was asked of it is kept, and a server is a function of that.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use hob_fhir::{Answer, NoAnswer, Transport};
use hob_model::{Clock, Interaction, Reference, Timestamp};
use hob_testserver::{Server, Settings};
use http::{Method, Request, Response};
use serde_json::Value;

use crate::AuthorError;
use crate::error::Fault;

/// The server and the way to it. Clones share it.
#[derive(Clone)]
pub(super) struct Desk(Arc<Shared>);

struct Shared {
    inner: Mutex<Inner>,
    settings: Settings,
    clock: Arc<dyn Clock>,
}

struct Inner {
    server: Server,
    seeds: Vec<Value>,
    began: Timestamp,
    log: Vec<Asked>,
    /// The last commit that was looked at.
    seen: u64,
}

/// A request that may have changed something.
#[derive(Clone)]
struct Asked {
    at: Timestamp,
    request: Request<Bytes>,
    /// Commits up to this one were there before it.
    before: u64,
    by_bot: bool,
}

/// A version that somebody wrote.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) reference: Reference,
    pub(super) version: String,
    pub(super) interaction: Interaction,
    /// For a delete the content before it.
    pub(super) resource: Option<Value>,
    pub(super) previous: Option<(String, Value)>,
    pub(super) by_bot: bool,
}

impl Desk {
    pub(super) fn new(settings: Settings, seeds: Vec<Value>, clock: Arc<dyn Clock>) -> Result<Self, AuthorError> {
        let began = clock.now();
        let server = seeded(&settings, &seeds, began)?;
        let seen = newest(&server);
        let inner = Mutex::new(Inner { server, seeds, began, log: Vec::new(), seen });
        Ok(Self(Arc::new(Shared { inner, settings, clock })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a request.
    pub(super) fn handle(&self, request: Request<Bytes>, by_bot: bool) -> Response<Bytes> {
        let now = self.0.clock.now();
        let mut inner = self.inner();
        if !changes(request.method()) {
            return inner.server.handle(now, &request);
        }
        let before = newest(&inner.server);
        let response = inner.server.handle(now, &request);
        // Subscriptions that somebody makes here notify nobody.
        inner.server.take_posts();
        inner.log.push(Asked { at: now, request, before, by_bot });
        response
    }

    /// How many requests are kept.
    pub(super) fn mark(&self) -> usize {
        self.inner().log.len()
    }

    /// How many resources there are.
    pub(super) fn count(&self) -> usize {
        self.inner().server.current().filter(|kept| kept.resource.is_some()).count()
    }

    /// The content of a resource as it is.
    pub(super) fn look(&self, reference: &Reference) -> Option<Value> {
        self.inner().server.look(reference).and_then(|kept| kept.resource.cloned())
    }

    /// Makes the server what it would be without these requests.
    pub(super) fn without(&self, requests: Range<usize>) -> Result<(), AuthorError> {
        let mut inner = self.inner();
        let mut kept: Vec<Asked> =
            inner.log.iter().enumerate().filter(|(at, _)| !requests.contains(at)).map(|(_, asked)| asked.clone()).collect();
        let mut server = seeded(&self.0.settings, &inner.seeds, inner.began)?;
        for asked in &mut kept {
            asked.before = newest(&server);
            server.handle(asked.at, &asked.request);
        }
        inner.seen = newest(&server);
        (inner.server, inner.log) = (server, kept);
        Ok(())
    }

    /// Begins anew with these resources.
    pub(super) fn reseed(&self, seeds: Vec<Value>) -> Result<(), AuthorError> {
        let began = self.0.clock.now();
        let server = seeded(&self.0.settings, &seeds, began)?;
        let seen = newest(&server);
        *self.inner() = Inner { server, seeds, began, log: Vec::new(), seen };
        Ok(())
    }

    /// Versions that were written since the last look, in order.
    pub(super) fn written(&self) -> Vec<Version> {
        let mut inner = self.inner();
        let seen = inner.seen;
        let mut found: Vec<(u64, Version)> = Vec::new();
        let mut before: Option<(String, String, String, Value)> = None;
        for kept in inner.server.versions() {
            let same = before.as_ref().is_some_and(|(kind, id, ..)| kind == kept.resource_type && id == kept.id);
            let previous = before.take().filter(|_| same).map(|(_, _, version, content)| (version, content));
            let reference = format!("{}/{}", kept.resource_type, kept.id).parse();
            if let (true, Ok(reference)) = (kept.sequence > seen, reference) {
                // The last request that did not see this commit made it.
                let by_bot = inner.log.iter().rev().find(|asked| asked.before < kept.sequence).is_some_and(|asked| asked.by_bot);
                let resource = kept.resource.cloned().or_else(|| previous.as_ref().map(|(_, content)| content.clone()));
                let version = kept.version.to_owned();
                let previous = previous.clone();
                found.push((
                    kept.sequence,
                    Version { reference, version, interaction: kept.interaction, resource, previous, by_bot },
                ));
            }
            let content = kept.resource.cloned();
            before = content.map(|content| (kept.resource_type.to_owned(), kept.id.to_owned(), kept.version.to_owned(), content));
        }
        inner.seen = newest(&inner.server);
        found.sort_by_key(|(sequence, _)| *sequence);
        found.into_iter().map(|(_, version)| version).collect()
    }
}

fn seeded(settings: &Settings, seeds: &[Value], now: Timestamp) -> Result<Server, AuthorError> {
    let mut server = Server::new(settings.clone());
    for seed in seeds {
        server.seed(now, seed.clone()).map_err(|why| {
            AuthorError::new(Fault::Data, "seeds", why, "give FHIR resources, or Bundles of them, with resourceType and id")
        })?;
    }
    Ok(server)
}

fn newest(server: &Server) -> u64 {
    server.versions().map(|kept| kept.sequence).max().unwrap_or(0)
}

fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// What the bot's own requests come through.
#[async_trait]
impl Transport for Desk {
    async fn exchange(&self, request: Request<Bytes>, most: usize) -> Result<Answer, NoAnswer> {
        Ok(crate::transport::answer(self.handle(request, true), most))
    }
}
