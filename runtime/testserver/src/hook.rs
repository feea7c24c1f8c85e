//! Subscriptions of type rest-hook, as HAPI handles them, and the requests that they want sent.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use hob_model::{BaseUrl, Interaction};
use hob_search::{Criteria, ServerBases};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, IF_MATCH};
use http::{Method, Request, Uri};
use serde_json::{Map, Value};

use crate::refusal::Refusal;
use crate::store::Version;
use crate::topic;

/// The extension of a channel by which HAPI is asked to notify deletes.
pub const SEND_DELETES: &str = "http://hapifhir.io/fhir/StructureDefinition/subscription-send-delete-messages";

/// A notification that a Subscription wants sent, once for each version that meets its criteria.
#[derive(Debug, Clone)]
pub struct Post {
    /// The id of the Subscription.
    pub subscription: String,
    /// The changed resource's type.
    pub resource_type: String,
    /// Its id.
    pub id: String,
    /// The version that is told of.
    pub version: String,
    /// What was done.
    pub interaction: Interaction,
    /// What to send, with an absolute URL.
    pub request: Request<Bytes>,
}

/// Where a Subscription wants its notifications.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) endpoint: String,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

/// A Subscription that is active.
#[derive(Debug)]
struct Hook {
    criteria: Criteria,
    channel: Channel,
    with_payload: bool,
    deletes: bool,
}

/// All Subscriptions that matter: those that are active, and those that wait to be.
#[derive(Debug, Default)]
pub(crate) struct Hooks {
    active: BTreeMap<String, Hook>,
    requested: BTreeSet<String>,
}

/// Refuses a Subscription of type rest-hook that could never notify.
pub(crate) fn check(resource: &Map<String, Value>, base: &BaseUrl) -> Result<(), Refusal> {
    match is_rest_hook(resource) {
        true if topic::is_topical(resource) => topic::check(resource, base).map_err(Refusal::unprocessable),
        true => Hook::of(resource, base).map(|_| ()).map_err(Refusal::unprocessable),
        false => Ok(()),
    }
}

fn is_rest_hook(resource: &Map<String, Value>) -> bool {
    resource.get("channel").and_then(|channel| channel.get("type")).is_some_and(|kind| kind == "rest-hook")
}

impl Channel {
    pub(crate) fn of(channel: &Value) -> Result<Self, String> {
        let endpoint = channel.get("endpoint").and_then(Value::as_str).ok_or("Subscription.channel.endpoint is missing")?;
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        if endpoint.parse::<Uri>().ok().is_none_or(|uri| uri.authority().is_none() || uri.query().is_some()) {
            return Err("Subscription.channel.endpoint is not an absolute URL without a query".to_owned());
        }
        let mut headers = Vec::new();
        for line in channel.get("header").and_then(Value::as_array).into_iter().flatten() {
            let pair = line.as_str().and_then(|line| line.split_once(':'));
            let pair =
                pair.and_then(|(name, value)| Some((name.trim().parse().ok()?, HeaderValue::from_str(value.trim()).ok()?)));
            headers.push(pair.ok_or("a line of Subscription.channel.header is not `Name: value`")?);
        }
        Ok(Self { endpoint, headers })
    }
}

impl Hook {
    fn of(resource: &Map<String, Value>, base: &BaseUrl) -> Result<Self, String> {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let channel = resource.get("channel").ok_or("Subscription.channel is missing")?;
        let criteria = text(resource.get("criteria")).ok_or("Subscription.criteria is missing")?;
        let criteria = Criteria::parse(&criteria).map_err(|e| format!("Subscription.criteria: {e}"))?;
        let with_payload = match channel.get("payload").and_then(Value::as_str) {
            None => false,
            Some(payload) if payload.contains("json") => true,
            Some(_) => return Err("Subscription.channel.payload: this server sends JSON alone".to_owned()),
        };
        let extensions = channel.get("extension").and_then(Value::as_array).into_iter().flatten();
        let deletes = extensions.into_iter().any(|one| one["url"] == SEND_DELETES && one["valueBoolean"] == true);
        let criteria = criteria.with_server_bases(ServerBases::new([base.as_str()]));
        Ok(Self { criteria, channel: Channel::of(channel)?, with_payload, deletes })
    }

    /// The criteria of a delete are its type alone: HAPI has nothing else to judge then.
    fn wants(&self, resource_type: &str, version: &Version) -> bool {
        match &version.content {
            Some(content) => self.criteria.matches(&content.value),
            None => self.deletes && self.criteria.resource_type() == resource_type,
        }
    }

    fn request(&self, resource_type: &str, id: &str, version: &Version) -> Option<Request<Bytes>> {
        let named = format!("{}/{resource_type}/{id}", self.channel.endpoint);
        let (method, url, body) = match &version.content {
            _ if !self.with_payload => (Method::POST, self.channel.endpoint.clone(), Bytes::new()),
            Some(content) => (Method::PUT, named, content.bytes()),
            None => (Method::DELETE, named, Bytes::new()),
        };
        let mut request = Request::new(body);
        *request.uri_mut() = url.parse().ok()?;
        let headers = request.headers_mut();
        if method == Method::PUT {
            headers.insert(IF_MATCH, HeaderValue::from_str(&format!("W/\"{}\"", version.id)).ok()?);
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/fhir+json; charset=UTF-8"));
        } else if method == Method::POST {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded; charset=UTF-8"));
        }
        for (name, value) in &self.channel.headers {
            headers.append(name.clone(), value.clone());
        }
        *request.method_mut() = method;
        Some(request)
    }
}

impl Hooks {
    /// Takes note of a version of a Subscription.
    pub(crate) fn note(&mut self, id: &str, version: &Version, base: &BaseUrl) {
        self.active.remove(id);
        self.requested.remove(id);
        let Some(resource) = version.content.as_ref().and_then(|content| content.value.as_object()) else { return };
        match resource.get("status").and_then(Value::as_str) {
            Some("active") if is_rest_hook(resource) && !topic::is_topical(resource) => {
                // It was checked when it came.
                if let Ok(hook) = Hook::of(resource, base) {
                    self.active.insert(id.to_owned(), hook);
                }
            }
            Some("requested") if is_rest_hook(resource) => {
                self.requested.insert(id.to_owned());
            }
            _ => {}
        }
    }

    /// Those that wait to become active, each told once.
    pub(crate) fn take_requested(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.requested)
    }

    pub(crate) fn posts<'a>(
        &'a self,
        resource_type: &'a str,
        id: &'a str,
        version: &'a Version,
    ) -> impl Iterator<Item = Post> + 'a {
        self.active.iter().filter(move |(_, hook)| hook.wants(resource_type, version)).filter_map(move |(subscription, hook)| {
            Some(Post {
                subscription: subscription.clone(),
                resource_type: resource_type.to_owned(),
                id: id.to_owned(),
                version: version.id.clone(),
                interaction: version.interaction,
                request: hook.request(resource_type, id, version)?,
            })
        })
    }
}
