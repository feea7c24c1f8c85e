//! Topic-based subscriptions in R4, by the Subscriptions R5 Backport guide 1.1: notification Bundles with a status first, payloads empty, id-only
//! and full-resource, numbered events, `$status` and `$events`.
//!
//! A topic is a Basic resource as the guide and HAPI have it (extensions `extension-SubscriptionTopic.*`). Of it the resource, the interactions and
//! the queries are looked at; its FHIRPath is not. A server with standard manners greets a new Subscription with a handshake; HAPI does not, and
//! has neither operation. Heartbeats there are none.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use hob_model::{BaseUrl, Interaction, Timestamp};
use hob_search::{Criteria, ServerBases};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::Server;
use crate::hook::{Channel, Post};
use crate::paged::pieces;
use crate::refusal::Refusal;
use crate::settings::Manners;
use crate::store::Version;

const TOPIC: &str = "http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic";
const BACKPORT: &str = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport";

/// How much a notification tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Payload {
    Empty,
    IdOnly,
    Full,
}

/// What a topic says of one resource type.
#[derive(Debug)]
struct Trigger {
    resource_type: String,
    /// None: all.
    interactions: Vec<String>,
    current: Option<Criteria>,
    previous: Option<Criteria>,
    needs_both: bool,
}

#[derive(Debug)]
struct Listener {
    topic: String,
    filters: Vec<Criteria>,
    channel: Channel,
    payload: Payload,
}

/// Something that happened, as a Subscription counts it.
#[derive(Debug, Clone)]
struct Event {
    number: usize,
    resource_type: String,
    id: String,
    version: String,
    at: Timestamp,
    interaction: Interaction,
}

/// All topics, and the Subscriptions to them that are active.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    /// By the id of the Basic that says it: its URL and triggers.
    topics: BTreeMap<String, (String, Vec<Trigger>)>,
    listeners: BTreeMap<String, Listener>,
    /// By Subscription, also while it is off.
    events: BTreeMap<String, Vec<Event>>,
}

/// Whether a Subscription is to a topic and not to search criteria.
pub(crate) fn is_topical(subscription: &Map<String, Value>) -> bool {
    let criteria = subscription.get("criteria").and_then(Value::as_str).unwrap_or_default();
    criteria.contains("://") && !criteria.contains('?')
}

fn extensions<'v>(of: Option<&'v Value>, url: &'v str) -> impl Iterator<Item = &'v Value> {
    let all = of.and_then(|of| of.get("extension")).and_then(Value::as_array).into_iter().flatten();
    all.filter(move |one| one.get("url").is_some_and(|own| own == url))
}

fn value(extension: &Value) -> Option<&Value> {
    extension.as_object()?.iter().find_map(|(key, value)| key.starts_with("value").then_some(value))
}

fn texts<'v>(of: Option<&'v Value>, url: &'v str) -> impl Iterator<Item = &'v str> {
    extensions(of, url).filter_map(|one| value(one)?.as_str())
}

impl Trigger {
    fn read(extension: &Value, bases: &ServerBases) -> Option<Self> {
        let of = Some(extension);
        // R5's types as URLs end in the type's name.
        let resource_type = texts(of, "resource").next()?.rsplit('/').next()?.to_owned();
        let query = extensions(of, "queryCriteria").next();
        let criteria = |name: &'static str| {
            let text = texts(query, name).next()?;
            let text = text.split_once('?').map_or(text, |(_, query)| query);
            Some(Criteria::parse_query(&resource_type, text).ok()?.with_server_bases(bases.clone()))
        };
        let needs_both = extensions(query, "requireBoth").next().and_then(value).is_some_and(|both| *both == true);
        let interactions = texts(of, "supportedInteraction").map(str::to_owned).collect();
        Some(Self { current: criteria("current"), previous: criteria("previous"), interactions, needs_both, resource_type })
    }

    fn fires(&self, resource_type: &str, version: &Version, before: Option<&Version>) -> bool {
        if self.resource_type != resource_type {
            return false;
        }
        let name = match version.interaction {
            Interaction::Create => "create",
            Interaction::Update => "update",
            Interaction::Delete => "delete",
        };
        if !self.interactions.is_empty() && !self.interactions.iter().any(|own| own == name) {
            return false;
        }
        let holds = |criteria: &Option<Criteria>, version: Option<&Version>| {
            let content = version.and_then(|version| version.content.as_ref());
            // Of what is not there nothing can be asked: a create passes before, a delete after.
            criteria.as_ref().map(|criteria| content.is_none_or(|content| criteria.matches(&content.value)))
        };
        match (holds(&self.current, Some(version)), holds(&self.previous, before)) {
            (Some(now), Some(then)) if self.needs_both => now && then,
            (Some(now), Some(then)) => now || then,
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => true,
        }
    }
}

impl Listener {
    fn of(resource: &Map<String, Value>, base: &BaseUrl) -> Result<Self, String> {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let channel = resource.get("channel").ok_or("Subscription.channel is missing")?;
        let topic = text(resource.get("criteria")).ok_or("Subscription.criteria is missing")?;
        let url = format!("{BACKPORT}-filter-criteria");
        let filters = texts(resource.get("_criteria"), &url).map(|filter| {
            let criteria = Criteria::parse(filter).map_err(|e| format!("a filter of the Subscription: {e}"))?;
            Ok::<_, String>(criteria.with_server_bases(ServerBases::new([base.as_str()])))
        });
        let url = format!("{BACKPORT}-payload-content");
        let payload = match texts(channel.get("_payload"), &url).next() {
            None | Some("empty") => Payload::Empty,
            Some("id-only") => Payload::IdOnly,
            Some("full-resource") => Payload::Full,
            Some(_) => return Err("the payload content of the Subscription is none that the guide has".to_owned()),
        };
        Ok(Self { topic, filters: filters.collect::<Result<_, _>>()?, channel: Channel::of(channel)?, payload })
    }

    fn wants(&self, resource_type: &str, version: &Version) -> bool {
        let mut own = self.filters.iter().filter(|filter| filter.resource_type() == resource_type).peekable();
        match &version.content {
            _ if self.filters.is_empty() => true,
            None => own.peek().is_some(),
            Some(content) => own.any(|filter| filter.matches(&content.value)),
        }
    }
}

/// Refuses a topic Subscription that could never notify.
pub(crate) fn check(resource: &Map<String, Value>, base: &BaseUrl) -> Result<(), String> {
    Listener::of(resource, base).map(|_| ())
}

impl Topics {
    /// Takes note of a version of a Basic, which may be a topic.
    pub(crate) fn note_topic(&mut self, id: &str, version: &Version, bases: &ServerBases) {
        self.topics.remove(id);
        let resource = version.content.as_ref().map(|content| &content.value);
        let (url, name) = (format!("{TOPIC}.url"), format!("{TOPIC}.resourceTrigger"));
        let Some(url) = texts(resource, &url).next() else { return };
        let triggers = extensions(resource, &name).filter_map(|one| Trigger::read(one, bases)).collect();
        self.topics.insert(id.to_owned(), (url.to_owned(), triggers));
    }

    /// Takes note of a version of a Subscription to a topic; gives the handshake that it wants first.
    pub(crate) fn note(&mut self, id: &str, version: &Version, base: &BaseUrl, manners: Manners) -> Option<Post> {
        let was = self.listeners.remove(id);
        let resource = version.content.as_ref()?.value.as_object()?;
        if !is_topical(resource) || resource.get("status").is_none_or(|status| status != "active") {
            return None;
        }
        // It was checked when it came.
        let listener = Listener::of(resource, base).ok()?;
        let greets = was.is_none() && manners == Manners::Standard;
        let known = self.events.entry(id.to_owned()).or_default();
        let post = greets.then(|| {
            let status = status_of(base, id, &listener.topic, "active", "handshake", known.len(), &[], Payload::Empty);
            let about = Event {
                number: 0,
                resource_type: "Subscription".to_owned(),
                id: id.to_owned(),
                version: version.id.clone(),
                at: version.at,
                interaction: version.interaction,
            };
            listener.post(id, &about, bundle(vec![status], version.at))
        });
        self.listeners.insert(id.to_owned(), listener);
        post.flatten()
    }

    pub(crate) fn posts(
        &mut self,
        base: &BaseUrl,
        resource_type: &str,
        id: &str,
        version: &Version,
        before: Option<&Version>,
    ) -> Vec<Post> {
        if self.listeners.is_empty() {
            return Vec::new();
        }
        let fired: BTreeSet<&str> = self
            .topics
            .values()
            .filter(|(_, triggers)| triggers.iter().any(|trigger| trigger.fires(resource_type, version, before)))
            .map(|(url, _)| url.as_str())
            .collect();
        let mut posts = Vec::new();
        for (subscription, listener) in &self.listeners {
            if !fired.contains(listener.topic.as_str()) || !listener.wants(resource_type, version) {
                continue;
            }
            let events = self.events.entry(subscription.clone()).or_default();
            let event = Event {
                number: events.len() + 1,
                resource_type: resource_type.to_owned(),
                id: id.to_owned(),
                version: version.id.clone(),
                at: version.at,
                interaction: version.interaction,
            };
            events.push(event.clone());
            let told = std::slice::from_ref(&event);
            let kind = "event-notification";
            let mut entries =
                vec![status_of(base, subscription, &listener.topic, "active", kind, event.number, told, listener.payload)];
            entries.extend(event.entry(base, listener.payload, version.content.as_ref().map(|content| &content.value)));
            posts.extend(listener.post(subscription, &event, bundle(entries, version.at)));
        }
        posts
    }
}

impl Listener {
    fn post(&self, subscription: &str, about: &Event, bundle: Value) -> Option<Post> {
        let mut request = Request::new(Bytes::from(bundle.to_string()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.channel.endpoint.parse().ok()?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/fhir+json; charset=UTF-8"));
        for (name, value) in &self.channel.headers {
            request.headers_mut().append(name.clone(), value.clone());
        }
        Some(Post {
            subscription: subscription.to_owned(),
            resource_type: about.resource_type.clone(),
            id: about.id.clone(),
            version: about.version.clone(),
            interaction: about.interaction,
            request,
        })
    }
}

impl Event {
    fn url(&self, base: &BaseUrl) -> String {
        format!("{base}/{}/{}", self.resource_type, self.id)
    }

    fn entry(&self, base: &BaseUrl, payload: Payload, resource: Option<&Value>) -> Option<Value> {
        let (method, status) = match self.interaction {
            Interaction::Create => ("POST", "201"),
            Interaction::Update => ("PUT", "200"),
            Interaction::Delete => ("DELETE", "204"),
        };
        let request = json!({"method": method, "url": format!("{}/{}", self.resource_type, self.id)});
        let mut entry = json!({"fullUrl": self.url(base), "request": request, "response": {"status": status}});
        if let (Payload::Full, Some(resource)) = (payload, resource) {
            entry["resource"] = resource.clone();
        }
        (payload != Payload::Empty).then_some(entry)
    }
}

fn bundle(entry: Vec<Value>, at: Timestamp) -> Value {
    json!({"resourceType": "Bundle", "type": "history", "timestamp": at.to_string(), "entry": entry})
}

#[allow(clippy::too_many_arguments, reason = "these are the parameters of the guide's status")]
fn status_of(
    base: &BaseUrl,
    id: &str,
    topic: &str,
    state: &str,
    kind: &str,
    total: usize,
    events: &[Event],
    payload: Payload,
) -> Value {
    let mut parameter = vec![
        json!({"name": "subscription", "valueReference": {"reference": format!("{base}/Subscription/{id}")}}),
        json!({"name": "topic", "valueCanonical": topic}),
        json!({"name": "status", "valueCode": state}),
        json!({"name": "type", "valueCode": kind}),
        json!({"name": "events-since-subscription-start", "valueString": total.to_string()}),
    ];
    parameter.extend(events.iter().map(|event| {
        let mut part = vec![
            json!({"name": "event-number", "valueString": event.number.to_string()}),
            json!({"name": "timestamp", "valueInstant": event.at.to_string()}),
        ];
        if payload != Payload::Empty {
            part.push(json!({"name": "focus", "valueReference": {"reference": event.url(base)}}));
        }
        json!({"name": "notification-event", "part": part})
    }));
    let url = format!("{base}/Subscription/{id}/$status");
    json!({
        "fullUrl": url,
        "resource": {
            "resourceType": "Parameters", "meta": {"profile": [format!("{BACKPORT}-subscription-status-r4")]}, "parameter": parameter,
        },
        "request": {"method": "GET", "url": url},
        "response": {"status": "200"},
    })
}

fn listener<'s>(server: &'s Server, id: &str) -> Result<(&'s Topics, String, String), Refusal> {
    if server.settings.manners == Manners::Hapi {
        return Err(crate::ask::no_operation(Manners::Hapi));
    }
    let content = server.store.current("Subscription", id).and_then(|version| version.content.as_ref());
    let text = |name: &str| content.and_then(|content| content.value.get(name)?.as_str()).unwrap_or_default().to_owned();
    let is_topical = content.and_then(|content| content.value.as_object()).is_some_and(is_topical);
    if is_topical {
        Ok((&server.topics, text("criteria"), text("status")))
    } else {
        Err(Refusal::unsupported("it is not a Subscription to a topic"))
    }
}

/// `$status`
pub(crate) fn status(server: &Server, id: &str) -> Result<Bytes, Refusal> {
    let (topics, topic, state) = listener(server, id)?;
    let total = topics.events.get(id).map_or(0, Vec::len);
    let status = status_of(&server.settings.base, id, &topic, &state, "query-status", total, &[], Payload::Empty);
    let entry = json!({"fullUrl": status["fullUrl"], "resource": status["resource"], "search": {"mode": "match"}});
    Ok(Bytes::from(json!({"resourceType": "Bundle", "type": "searchset", "total": 1, "entry": [entry]}).to_string()))
}

/// `$events`
pub(crate) fn events(server: &Server, id: &str, query: &str) -> Result<Bytes, Refusal> {
    let (topics, topic, state) = listener(server, id)?;
    let (mut since, mut until) = (1, usize::MAX);
    let mut payload = topics.listeners.get(id).map_or(Payload::IdOnly, |listener| listener.payload);
    for (_, name, value) in pieces(query) {
        let value = percent_decode_str(value).decode_utf8_lossy();
        let number = || value.parse::<usize>().map_err(|_| Refusal::malformed(format!("{name} is not a number")));
        match (name, &*value) {
            ("eventsSinceNumber", _) => since = number()?,
            ("eventsUntilNumber", _) => until = number()?,
            ("content", "empty") => payload = Payload::Empty,
            ("content", "id-only") => payload = Payload::IdOnly,
            ("content", "full-resource") => payload = Payload::Full,
            _ => return Err(Refusal::malformed("$events takes eventsSinceNumber, eventsUntilNumber and content")),
        }
    }
    let all = topics.events.get(id).map(Vec::as_slice).unwrap_or_default();
    let told: Vec<Event> = all.iter().filter(|event| (since..=until).contains(&event.number)).cloned().collect();
    let base = &server.settings.base;
    let mut entries = vec![status_of(base, id, &topic, &state, "query-event", all.len(), &told, payload)];
    entries.extend(told.iter().filter_map(|event| {
        let version = server.store.record(&event.resource_type, &event.id).and_then(|record| record.version(&event.version));
        event.entry(base, payload, version.and_then(|version| version.content.as_ref()).map(|content| &content.value))
    }));
    let at = told.last().or(all.last()).map_or(Timestamp::default(), |event| event.at);
    Ok(Bytes::from(bundle(entries, at).to_string()))
}
