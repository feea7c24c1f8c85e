//! The server: one request in, one answer out.

use bytes::Bytes;
use hob_model::{Interaction, Reference, Timestamp};
use hob_search::ServerBases;
use http::{Request, Response, StatusCode};
use serde_json::{Map, Value, json};

use crate::answer::{Answer, Dater};
use crate::ask::Ask;
use crate::hook::{Hooks, Post};
use crate::integrity::Referrers;
use crate::refusal::Refusal;
use crate::search::{self, Handling};
use crate::store::{Content, Store, Version};
use crate::write::{Judge, SERVERS, Step};
use crate::{Settings, VersionIds, bundle, history, metadata};

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
    root: String,
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
        Self { settings, bases, store: Store::new(), hooks, referrers, posts: Vec::new(), dater, root }
    }

    /// Answers one request that came at `now`. What it wants sent is then in [`Server::take_posts`].
    pub fn handle(&mut self, now: Timestamp, request: &Request<Bytes>) -> Response<Bytes> {
        // As HAPI's: several versions in one millisecond bear the same time.
        let now = Timestamp::from_micros(now.micros().div_euclid(1000).saturating_mul(1000));
        let answer = self.answer(now, request).unwrap_or_else(|refusal| Answer::refused(&refusal));
        if self.settings.activation == crate::Activation::AtOnce {
            self.activate(now);
        }
        answer.into_response(self.dater.at(now))
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

    pub(crate) fn answer(&mut self, now: Timestamp, request: &Request<Bytes>) -> Result<Answer, Refusal> {
        let path = request.uri().path();
        let path = path.strip_prefix(self.root.as_str()).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let path = path.ok_or_else(|| Refusal::not_found("the path is not below this server's base URL"))?;
        let query = request.uri().query().unwrap_or_default();
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        let if_match = header("if-match");
        match Ask::read(request.method(), path)? {
            Ask::Metadata => Ok(Answer::json(metadata::statement(&self.settings, now))),
            Ask::Bundle => bundle::process(self, now, request.body()),
            Ask::Search(resource_type) => {
                let strict = header("prefer").is_some_and(|prefer| prefer.contains("handling=strict"));
                let handling = if strict { Handling::Strict } else { Handling::Lenient };
                search::page(self, resource_type, query, handling)
            }
            Ask::TypeHistory(resource_type) => history::of_type(self, resource_type, query),
            Ask::History(resource_type, id) => history::of_instance(self, resource_type, id, query),
            Ask::Read(resource_type, id) => self.version(resource_type, id, None),
            Ask::Vread(resource_type, id, version) => self.version(resource_type, id, Some(version)),
            Ask::Create(resource_type) => {
                let found = header("if-none-exist").map(|query| search::only(self, resource_type, query)).transpose()?.flatten();
                if let Some(id) = found {
                    return self.write(now, Step::found(resource_type, &id));
                }
                let (id, next_id) = self.new_id(resource_type, self.store.next_id);
                let step = self.judge().create(resource_type, &id, parsed(request.body())?)?;
                let answer = self.write(now, step)?;
                self.store.next_id = next_id;
                Ok(answer)
            }
            Ask::Update(resource_type, id) => {
                let step = self.judge().update(resource_type, id, parsed(request.body())?, if_match)?;
                self.write(now, step)
            }
            Ask::Delete(resource_type, id) => {
                let step = self.judge().delete(resource_type, id, if_match)?;
                self.write(now, step)
            }
            Ask::Patch(resource_type, id) => {
                if !header("content-type").is_some_and(|kind| kind.starts_with(bundle::JSON_PATCH)) {
                    let text = "this server takes JSON Patch alone";
                    return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", text));
                }
                let patch = bundle::operations(request.body())?;
                let step = self.judge().patch(resource_type, id, &patch, if_match)?;
                self.write(now, step)
            }
        }
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

    fn version(&self, resource_type: &str, id: &str, version: Option<&str>) -> Result<Answer, Refusal> {
        let record = self.store.record(resource_type, id).ok_or_else(|| Refusal::not_found("there is no such resource"))?;
        let found = match version {
            None => record.current(),
            Some(version) => record.version(version),
        };
        let found = found.ok_or_else(|| Refusal::not_found("there is no such version"))?;
        match &found.content {
            Some(content) => Ok(Answer::json(content.bytes()).with_etag(&found.id)),
            None => Err(Refusal::gone("it was deleted")),
        }
    }

    fn write(&mut self, now: Timestamp, step: Step) -> Result<Answer, Refusal> {
        let (resource_type, id, status) = (step.resource_type.clone(), step.id.clone(), step.status);
        self.check(std::slice::from_ref(&step))?;
        self.commit(now, vec![step]);
        let Some(version) = self.store.current(&resource_type, &id) else { return Ok(Answer::empty(status)) };
        let answer = match &version.content {
            Some(content) => Answer::json(content.bytes()).with_status(status),
            None => Answer::empty(status),
        };
        let location = format!("{}/{resource_type}/{id}/_history/{}", self.settings.base, version.id);
        Ok(answer.with_etag(&version.id).with_location(&location))
    }

    /// What can be told only of all steps of a commit together.
    pub(crate) fn check(&self, steps: &[Step]) -> Result<(), Refusal> {
        if self.settings.integrity { self.referrers.check(&self.store, &self.settings.base, steps) } else { Ok(()) }
    }

    /// Does what was judged, all of it, as one commit at one instant.
    pub(crate) fn commit(&mut self, now: Timestamp, steps: Vec<Step>) {
        for step in steps {
            let Some((interaction, content)) = step.write else { continue };
            let sequence = self.store.sequence + 1;
            let number = self.store.record(&step.resource_type, &step.id).map_or(0, |record| record.versions.len()) + 1;
            let version_id = match self.settings.versions {
                VersionIds::Counted => number.to_string(),
                VersionIds::Opaque => opaque(sequence),
            };
            let content = content.map(|content| Content::new(Value::Object(stamped(content, &step.id, &version_id, now))));
            let version = Version { sequence, id: version_id, at: now, interaction, content };
            self.store.push(&step.resource_type, &step.id, version);
            let Some(version) = self.store.current(&step.resource_type, &step.id) else { continue };
            if self.settings.integrity
                && let Some(content) = &version.content
            {
                self.referrers.note(&step.resource_type, &step.id, &content.value, &self.settings.base);
            }
            if step.resource_type == "Subscription" {
                self.hooks.note(&step.id, version, &self.settings.base);
            }
            self.posts.extend(self.hooks.posts(&step.resource_type, &step.id, version));
        }
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
