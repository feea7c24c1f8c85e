//! The server: one request in, one answer out.

use bytes::Bytes;
use hob_model::{Interaction, Reference, Timestamp};
use hob_search::ServerBases;
use http::{Method, Request, Response, StatusCode};
use serde_json::{Map, Value, json};

use crate::answer::{Answer, Dater};
use crate::hook::{Hooks, Post};
use crate::integrity::Referrers;
use crate::refusal::Refusal;
use crate::store::{Content, Store, Version};
use crate::topic::Topics;
use crate::write::{Judge, SERVERS, Step};
use crate::{Settings, VersionIds};

/// A FHIR R4 server in memory: pure, so that the same requests at the same times give the same answers, bit for bit.
#[derive(Debug)]
pub struct Server {
    pub(crate) settings: Settings,
    pub(crate) bases: ServerBases,
    pub(crate) store: Store,
    hooks: Hooks,
    referrers: Referrers,
    posts: Vec<Post>,
    dater: Dater,
    /// The path of the base URL, which stands before every request's path.
    pub(crate) root: String,
    pub(crate) topics: Topics,
}

/// One version that the server has, as [`Server::versions`] lists it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kept<'a> {
    /// The type.
    pub resource_type: &'a str,
    /// The id.
    pub id: &'a str,
    /// `meta.versionId`.
    pub version: &'a str,
    /// The place among all commits of this server, from 1.
    pub sequence: u64,
    /// When, by the time that the request came with, in whole milliseconds.
    pub at: Timestamp,
    /// How it came to be.
    pub interaction: Interaction,
    /// The resource; none for a delete.
    pub resource: Option<&'a Value>,
}

impl Server {
    /// An empty server.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let url = settings.base.as_str();
        let root = url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path);
        let root = if root.is_empty() { String::new() } else { format!("/{root}") };
        let bases = ServerBases::new([url]);
        let (hooks, referrers, dater) = (Hooks::default(), Referrers::default(), Dater::default());
        Self { settings, bases, store: Store::new(), hooks, referrers, posts: Vec::new(), dater, root, topics: Topics::default() }
    }

    /// Answers one request that came at `now`. What it wants sent is then in [`Server::take_posts`].
    pub fn handle(&mut self, now: Timestamp, request: &Request<Bytes>) -> Response<Bytes> {
        let answer = self.answer(now, request).unwrap_or_else(|refusal| Answer::refused(&refusal));
        if self.settings.activation == crate::Activation::AtOnce {
            self.activate(now);
        }
        answer.into_response(self.dater.at(now))
    }

    /// Answers a GET of a path below the base, such as `Patient?gender=female`: a short way for programs that ask without a socket.
    pub fn get(&mut self, now: Timestamp, path: &str) -> Response<Bytes> {
        self.ask(now, &Method::GET, path, Bytes::new())
    }

    /// Answers a request by method, path below the base and a body of FHIR JSON, or none.
    pub fn ask(&mut self, now: Timestamp, method: &Method, path: &str, body: impl Into<Bytes>) -> Response<Bytes> {
        let path = path.trim_start_matches('/');
        let url = if path.is_empty() { self.settings.base.to_string() } else { format!("{}/{path}", self.settings.base) };
        let request = Request::builder().method(method).uri(url).header("content-type", "application/fhir+json");
        match request.body(body.into()) {
            Ok(request) => self.handle(now, &request),
            Err(_) => Answer::refused(&Refusal::malformed("the path is not one of a URL")).into_response(self.dater.at(now)),
        }
    }

    /// The settings that it was made with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The notifications that came due since the last call, in the order of commits; of one version, in the order of the Subscriptions' ids.
    pub fn take_posts(&mut self) -> Vec<Post> {
        std::mem::take(&mut self.posts)
    }

    /// Makes every Subscription active that is `requested`, and says how many there were.
    pub fn activate(&mut self, now: Timestamp) -> usize {
        let requested = self.hooks.take_requested();
        let mut steps = Vec::with_capacity(requested.len());
        for id in &requested {
            let current = self.store.current("Subscription", id).and_then(|version| version.content.as_ref());
            if let Some(Value::Object(resource)) = current.map(|content| &content.value) {
                let mut resource = resource.clone();
                resource.insert("status".to_owned(), json!("active"));
                steps.push(Step {
                    resource_type: "Subscription".to_owned(),
                    id: id.clone(),
                    status: StatusCode::OK,
                    write: Some((Interaction::Update, Some(resource))),
                });
            }
        }
        let number = steps.len();
        self.commit(now, steps);
        number
    }

    /// Every version that the server has, a resource after the other by type and id, oldest version first.
    pub fn versions(&self) -> impl Iterator<Item = Kept<'_>> {
        self.store.shelves().flat_map(|(resource_type, shelf)| {
            shelf.records.iter().flat_map(move |(id, record)| record.versions.iter().map(move |v| kept(resource_type, id, v)))
        })
    }

    /// The current version of each resource, deletes included, by type and id.
    pub fn current(&self) -> impl Iterator<Item = Kept<'_>> {
        self.store.shelves().flat_map(|(resource_type, shelf)| {
            shelf.records.iter().filter_map(move |(id, record)| Some(kept(resource_type, id, record.current()?)))
        })
    }

    /// The current version of one resource; a delete too.
    #[must_use]
    pub fn look(&self, reference: &Reference) -> Option<Kept<'_>> {
        let (resource_type, shelf) = self.store.named_shelf(reference.resource_type.as_str())?;
        let (id, record) = shelf.records.get_key_value(reference.id.as_str())?;
        Some(kept(resource_type, id, record.current()?))
    }

    pub(crate) fn judge(&self) -> Judge<'_> {
        Judge { store: &self.store, settings: &self.settings }
    }

    /// An id that is free, counted from `next`, and where to count on from.
    pub(crate) fn new_id(&self, resource_type: &str, mut next: u64) -> (String, u64) {
        loop {
            let id = next.to_string();
            next += 1;
            if self.store.record(resource_type, &id).is_none() {
                return (id, next);
            }
        }
    }

    /// What can be told only of all steps of a commit together.
    pub(crate) fn check(&self, steps: &[Step]) -> Result<(), Refusal> {
        if self.settings.integrity { self.referrers.check(&self.store, &self.settings.base, steps) } else { Ok(()) }
    }

    /// Does what was judged, all of it, as one commit at one instant; gives the id of the version that each step leaves.
    pub(crate) fn commit(&mut self, now: Timestamp, steps: Vec<Step>) -> Vec<Option<String>> {
        // As HAPI's: several versions in one millisecond bear the same time.
        let now = Timestamp::from_micros(now.micros().div_euclid(1000).saturating_mul(1000));
        let mut left = Vec::with_capacity(steps.len());
        for step in steps {
            let Some((interaction, content)) = step.write else {
                left.push(self.store.current(&step.resource_type, &step.id).map(|version| version.id.clone()));
                continue;
            };
            let sequence = self.store.sequence + 1;
            let number = self.store.record(&step.resource_type, &step.id).map_or(0, |record| record.versions.len()) + 1;
            let version_id = match self.settings.versions {
                VersionIds::Counted => number.to_string(),
                VersionIds::Opaque => opaque(sequence),
            };
            let content = content.map(|content| Content::new(Value::Object(stamped(content, &step.id, &version_id, now))));
            left.push(Some(version_id.clone()));
            let version = Version { sequence, id: version_id, at: now, interaction, content };
            self.store.push(&step.resource_type, &step.id, version);
            let Some(record) = self.store.record(&step.resource_type, &step.id) else { continue };
            let Some((version, before)) = record.versions.split_last() else { continue };
            if self.settings.integrity
                && let Some(content) = &version.content
            {
                self.referrers.note(&step.resource_type, &step.id, &content.value, &self.settings.base);
            }
            if step.resource_type == "Subscription" {
                self.hooks.note(&step.id, version, &self.settings.base);
                self.posts.extend(self.topics.note(&step.id, version, &self.settings.base, self.settings.manners));
            }
            if step.resource_type == "Basic" {
                self.topics.note_topic(&step.id, version, &self.bases);
            }
            self.posts.extend(self.hooks.posts(&step.resource_type, &step.id, version));
            let base = &self.settings.base;
            self.posts.extend(self.topics.posts(base, &step.resource_type, &step.id, version, before.last()));
        }
        left
    }
}

fn kept<'a>(resource_type: &'a str, id: &'a str, version: &'a Version) -> Kept<'a> {
    Kept {
        resource_type,
        id,
        version: &version.id,
        sequence: version.sequence,
        at: version.at,
        interaction: version.interaction,
        resource: version.content.as_ref().map(|content| &content.value),
    }
}

pub(crate) fn parsed(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(body)
        .map_err(|e| Refusal::malformed(format!("the body is not JSON (line {}, column {})", e.line(), e.column())))
}

/// The content with the id and meta that the server gives.
fn stamped(mut content: Map<String, Value>, id: &str, version: &str, now: Timestamp) -> Map<String, Value> {
    content.insert("id".to_owned(), Value::String(id.to_owned()));
    let mut meta = match content.get_mut("meta").map(Value::take) {
        Some(Value::Object(meta)) => meta,
        _ => Map::new(),
    };
    for (key, value) in SERVERS.into_iter().zip([version.to_owned(), now.to_string()]) {
        meta.insert(key.to_owned(), Value::String(value));
    }
    content.insert("meta".to_owned(), Value::Object(meta));
    content
}

/// A version id that tells nothing: the finaliser of SplitMix64, which gives each number another.
fn opaque(sequence: u64) -> String {
    let mix = |mut z: u64| {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    format!("v{:016x}", mix(sequence.wrapping_add(0x9e37_79b9_7f4a_7c15)))
}
