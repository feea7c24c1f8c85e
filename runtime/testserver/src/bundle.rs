//! Transactions and batches (R4 `http.html#transaction`).
//!
//! A transaction is judged entry by entry on the store as it is before it, and done only when no entry was refused. That needs no undo: no two of
//! its entries may write one resource, so none is judged by what another does; only conditional creates look at the rest of the Bundle.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use hob_model::Timestamp;
use http::{HeaderValue, Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::Server;
use crate::answer::Answer;
use crate::ask::{Ask, unhandled};
use crate::patch::{JSON_PATCH, Patch};
use crate::refusal::Refusal;
use crate::server::parsed;
use crate::settings::Manners;
use crate::write::Step;
use crate::{matches, search};

struct Entry {
    method: Method,
    /// Below the base.
    url: String,
    full_url: Option<String>,
    resource: Option<Value>,
    if_match: Option<String>,
    if_none_exist: Option<String>,
    /// Its URL is a search: the id in the resource is not the one that is written.
    by_condition: bool,
}

/// Does what a Bundle asks for.
pub(crate) fn process(server: &mut Server, now: Timestamp, body: &[u8]) -> Result<Answer, Refusal> {
    let mut bundle = parsed(body)?;
    if bundle.get("resourceType").is_none_or(|name| name != "Bundle") {
        return Err(Refusal::malformed("what is posted to the base is a Bundle"));
    }
    let entries = match bundle.get_mut("entry").map(Value::take) {
        None => Vec::new(),
        Some(Value::Array(entries)) => entries,
        Some(_) => return Err(Refusal::malformed("Bundle.entry is not an array")),
    };
    let base = server.settings.base.as_str().to_owned();
    let read = entries.into_iter().enumerate().map(|(index, entry)| Entry::read(entry, &base).map_err(|e| e.at_entry(index)));
    match bundle.get("type").and_then(Value::as_str) {
        Some("transaction") => {
            let entries = read.collect::<Result<Vec<_>, _>>()?;
            let answers = transaction(server, now, entries)?;
            Ok(answered("transaction-response", answers))
        }
        Some("batch") => {
            let entries: Vec<_> = read.collect();
            let answers = entries.into_iter().map(|entry| entry.and_then(|entry| alone(server, now, entry)));
            let answers = answers.map(|answer| answer.unwrap_or_else(|refusal| refused(&refusal))).collect();
            Ok(answered("batch-response", answers))
        }
        _ => Err(Refusal::malformed("Bundle.type is neither transaction nor batch")),
    }
}

impl Entry {
    fn read(mut entry: Value, base: &str) -> Result<Self, Refusal> {
        let resource = entry.get_mut("resource").map(Value::take).filter(|resource| !resource.is_null());
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let request = entry.get("request").ok_or_else(|| Refusal::malformed("request is missing"))?;
        let method = match request.get("method").and_then(Value::as_str) {
            Some("GET") => Method::GET,
            Some("POST") => Method::POST,
            Some("PUT") => Method::PUT,
            Some("PATCH") => Method::PATCH,
            Some("DELETE") => Method::DELETE,
            _ => return Err(Refusal::malformed("request.method is not one that this server knows")),
        };
        let url = request.get("url").and_then(Value::as_str).ok_or_else(|| Refusal::malformed("request.url is missing"))?;
        let url = url.strip_prefix(base).unwrap_or(url).trim_start_matches('/').to_owned();
        if url.is_empty() || url.contains("://") {
            return Err(Refusal::malformed("request.url is not below this server's base URL"));
        }
        let (if_match, if_none_exist) = (text(request.get("ifMatch")), text(request.get("ifNoneExist")));
        let by_condition = url.contains('?');
        Ok(Self { method, url, full_url: text(entry.get("fullUrl")), resource, if_match, if_none_exist, by_condition })
    }

    fn taken(&mut self) -> Result<Value, Refusal> {
        self.resource.take().ok_or_else(|| Refusal::malformed("resource is missing"))
    }

    fn patch(&self) -> Result<Patch, Refusal> {
        Patch::of_resource(self.resource.as_ref().ok_or_else(|| Refusal::malformed("resource is missing"))?)
    }

    /// The entry as a request of its own.
    fn request(&self, base: &str) -> Result<Request<Bytes>, Refusal> {
        let malformed = |_| Refusal::malformed("the entry makes no request");
        let patch = if self.method == Method::PATCH { Some(self.patch()?) } else { None };
        let body = match (&patch, &self.resource) {
            (Some(Patch::Json(patch)), _) => Bytes::from(json!(patch).to_string()),
            (_, Some(resource)) => Bytes::from(resource.to_string()),
            (_, None) => Bytes::new(),
        };
        let mut builder = Request::builder().method(self.method.clone()).uri(format!("{base}/{}", self.url));
        let kind = if matches!(patch, Some(Patch::Json(_))) { JSON_PATCH } else { "application/fhir+json" };
        builder = builder.header("content-type", kind);
        for (name, value) in [("if-match", &self.if_match), ("if-none-exist", &self.if_none_exist)] {
            if let Some(value) = value {
                builder = builder.header(name, value.as_str());
            }
        }
        builder.body(body).map_err(malformed)
    }
}

/// One entry, as if it had come alone.
fn alone(server: &mut Server, now: Timestamp, entry: Entry) -> Result<Value, Refusal> {
    if entry.resource.as_ref().is_some_and(dangles) {
        return Err(Refusal::malformed("it refers to a name: in a batch no entry knows of another"));
    }
    let request = entry.request(server.settings.base.as_str())?;
    let answer = server.answer(now, &request)?;
    let response = answer.response();
    let header = |name: &str| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    // A delete says no more in a Bundle than that it was done.
    let is_deleted = entry.method == Method::DELETE && response.status() == StatusCode::OK;
    let mut said = json!({"status": status(if is_deleted { StatusCode::NO_CONTENT } else { response.status() })});
    for (name, value) in [("location", header("location")), ("etag", header("etag"))] {
        if let Some(value) = value {
            said[name] = json!(value);
        }
    }
    let mut answered = json!({"response": said});
    if entry.method == Method::GET {
        answered["resource"] = parsed(response.body())?;
    }
    Ok(answered)
}

/// What an entry does.
enum Aim {
    /// It reads, after all has been written.
    Reads,
    /// A conditional delete that found nothing.
    Nothing,
    Writes(Target),
}

struct Target {
    resource_type: String,
    id: String,
    how: How,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Create,
    /// A conditional create that found what is there.
    Find,
    Update,
    Patch,
    Delete,
}

impl Aim {
    fn target(&self) -> Option<&Target> {
        match self {
            Self::Writes(target) => Some(target),
            Self::Reads | Self::Nothing => None,
        }
    }
}

fn transaction(server: &mut Server, now: Timestamp, mut entries: Vec<Entry>) -> Result<Vec<Value>, Refusal> {
    let urls: Vec<String> = entries.iter_mut().map(|entry| std::mem::take(&mut entry.url)).collect();
    let mut asks = Vec::with_capacity(entries.len());
    for (index, (entry, url)) in entries.iter().zip(&urls).enumerate() {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        // A type that R4 does not have is a mistake in the Bundle, not something that is not there.
        let ask = Ask::read(server.settings.manners, &entry.method, path);
        let ask = ask.map_err(|e| Refusal::malformed(e.text()).at_entry(index))?;
        asks.push((ask, query));
    }
    let (aims, next_id) = aims(server, &entries, &asks)?;
    let names = names(&entries, &aims)?;
    for (index, resource) in entries.iter_mut().enumerate().filter_map(|(i, entry)| Some((i, entry.resource.as_mut()?))) {
        resolve(resource, &names);
        matches::resolve(server, resource).map_err(|e| e.at_entry(index))?;
        if dangles(resource) {
            return Err(Refusal::malformed("it refers to a name that no entry has").at_entry(index));
        }
    }
    let mut steps: Vec<(usize, Step)> = Vec::with_capacity(entries.len());
    for (index, (entry, aim)) in entries.iter_mut().zip(&aims).enumerate() {
        if let Some(target) = aim.target() {
            steps.push((index, step(server, entry, target, &aims).map_err(|e| e.at_entry(index))?));
        }
    }
    // The order in which R4 has them done.
    steps.sort_by_key(|(index, _)| match aims[*index].target().map(|target| target.how) {
        Some(How::Delete) => 0,
        Some(How::Create | How::Find) => 1,
        _ => 2,
    });
    let (order, steps): (Vec<usize>, Vec<Step>) = steps.into_iter().unzip();
    let statuses: Vec<StatusCode> = steps.iter().map(|step| step.status).collect();
    server.check(&steps)?;
    server.store.next_id = next_id;
    let versions = server.commit(now, steps);
    let mut done: BTreeMap<usize, (StatusCode, Option<String>)> =
        order.into_iter().zip(statuses.into_iter().zip(versions)).collect();
    let mut answers = Vec::with_capacity(entries.len());
    for (index, (mut entry, url)) in entries.into_iter().zip(urls).enumerate() {
        answers.push(match (&aims[index], done.remove(&index)) {
            (Aim::Writes(target), Some((status, version))) => written(server, target, status, version.as_deref()),
            (Aim::Writes(_) | Aim::Nothing, _) => json!({"response": {"status": status(StatusCode::NO_CONTENT)}}),
            (Aim::Reads, _) => {
                entry.url = url;
                alone(server, now, entry).unwrap_or_else(|refusal| refused(&refusal))
            }
        });
    }
    Ok(answers)
}

/// What each entry does, and where ids go on.
fn aims(server: &Server, entries: &[Entry], asks: &[(Ask<'_>, &str)]) -> Result<(Vec<Aim>, u64), Refusal> {
    let mut next_id = server.store.next_id;
    let mut seen = BTreeSet::new();
    let mut deleted = BTreeSet::new();
    // First what is told by its URL or found, so that no new id is one of those.
    let mut found: Vec<Option<Aim>> = Vec::with_capacity(entries.len());
    for (index, (ask, query)) in asks.iter().enumerate() {
        let looked = |resource_type: &str| {
            if query.is_empty() {
                return Err(unhandled(server.settings.manners).at_entry(index));
            }
            search::only(server, resource_type, query).map_err(|e| e.at_entry(index))
        };
        let (resource_type, id, how) = match *ask {
            Ask::Update(resource_type, id) => (resource_type, Some(id.to_owned()), How::Update),
            Ask::Patch(resource_type, id) => (resource_type, Some(id.to_owned()), How::Patch),
            Ask::Delete(resource_type, id) => (resource_type, Some(id.to_owned()), How::Delete),
            Ask::UpdateWhere(resource_type) => (resource_type, looked(resource_type)?, How::Update),
            Ask::PatchWhere(resource_type) => {
                let id = looked(resource_type)?;
                let nothing = || Refusal::not_found("the condition finds nothing to patch").at_entry(index);
                (resource_type, Some(id.ok_or_else(nothing)?), How::Patch)
            }
            Ask::DeleteWhere(resource_type) => (resource_type, looked(resource_type)?, How::Delete),
            Ask::Create(_) => {
                found.push(None);
                continue;
            }
            Ask::Bundle => return Err(Refusal::malformed("a Bundle in a transaction").at_entry(index)),
            _ => {
                found.push(Some(Aim::Reads));
                continue;
            }
        };
        let Some(id) = id else {
            found.push((how == How::Delete).then_some(Aim::Nothing));
            continue;
        };
        let key = (resource_type.to_owned(), id.clone());
        // By R4 no two may overlap; HAPI lets one be made anew that another deletes.
        let may_return = server.settings.manners == Manners::Hapi;
        let (own, other) = if how == How::Delete { (&mut deleted, &seen) } else { (&mut seen, &deleted) };
        let overlaps = other.contains(&key) && !may_return;
        if !own.insert(key) || overlaps {
            return Err(Refusal::malformed("another entry writes the same resource").at_entry(index));
        }
        found.push(Some(Aim::Writes(Target { resource_type: resource_type.to_owned(), id, how })));
    }
    let mut new_id = |resource_type: &str| loop {
        let (id, next) = server.new_id(resource_type, next_id);
        next_id = next;
        // An id of digits may be another entry's own.
        if !seen.contains(&(resource_type.to_owned(), id.clone())) {
            break id;
        }
    };
    let mut aims: Vec<Aim> = Vec::with_capacity(entries.len());
    for (index, (found, (ask, query))) in found.into_iter().zip(asks).enumerate() {
        let entry = &entries[index];
        aims.push(match (found, *ask) {
            (Some(aim), _) => aim,
            (None, Ask::Create(resource_type)) => {
                let condition = entry.if_none_exist.as_deref().filter(|query| !query.is_empty());
                let existing = match condition {
                    None => None,
                    Some(query) => {
                        let query = search::condition(server, resource_type, query).map_err(|e| e.at_entry(index))?;
                        let stored = query.all(server, resource_type).into_iter().map(|(id, _)| id.to_owned());
                        let stored = stored.filter(|id| !deleted.contains(&(resource_type.to_owned(), id.clone())));
                        let earlier = entries.iter().zip(&aims).filter_map(|(entry, aim)| {
                            let target = aim.target().filter(|target| target.how == How::Create)?;
                            query.matches(server, entry.resource.as_ref()?).then(|| target.id.clone())
                        });
                        search::one(stored.chain(earlier)).map_err(|e| e.at_entry(index))?
                    }
                };
                if let (None, Some(query), Some(resource)) = (&existing, condition, &entry.resource) {
                    matches::may_create(server, resource_type, query, resource).map_err(|e| e.at_entry(index))?;
                }
                let how = if existing.is_some() { How::Find } else { How::Create };
                let id = existing.unwrap_or_else(|| new_id(resource_type));
                Aim::Writes(Target { resource_type: resource_type.to_owned(), id, how })
            }
            (None, Ask::UpdateWhere(resource_type)) => {
                let resource =
                    entry.resource.as_ref().ok_or_else(|| Refusal::malformed("resource is missing").at_entry(index))?;
                matches::satisfies(server, resource_type, query, resource).map_err(|e| e.at_entry(index))?;
                Aim::Writes(Target { resource_type: resource_type.to_owned(), id: new_id(resource_type), how: How::Create })
            }
            (None, _) => Aim::Nothing,
        });
    }
    Ok((aims, next_id))
}

/// What each name in the Bundle stands for.
fn names(entries: &[Entry], aims: &[Aim]) -> Result<BTreeMap<String, String>, Refusal> {
    let mut names = BTreeMap::new();
    for (entry, target) in entries.iter().zip(aims).filter_map(|(entry, aim)| Some((entry, aim.target()?))) {
        let real = format!("{}/{}", target.resource_type, target.id);
        let is_new = matches!(target.how, How::Create | How::Find);
        // What the client called it, though the server gives the id.
        if is_new && let Some(id) = entry.resource.as_ref().and_then(|resource| resource.get("id")?.as_str()) {
            names.insert(format!("{}/{id}", target.resource_type), real.clone());
        }
        let Some(full_url) = &entry.full_url else { continue };
        // The fullUrl of what is there already is as a rule its real URL.
        if (is_new || full_url.starts_with("urn:")) && names.insert(full_url.clone(), real).is_some() {
            return Err(Refusal::malformed("two entries have the same fullUrl"));
        }
    }
    Ok(names)
}

/// Whether a reference is still to a name.
fn dangles(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(dangles),
        Value::Object(fields) => fields.iter().any(|(key, field)| match field {
            Value::String(text) if key == "reference" => text.starts_with("urn:uuid:") || text.starts_with("urn:oid:"),
            _ => dangles(field),
        }),
        _ => false,
    }
}

fn step(server: &Server, entry: &mut Entry, target: &Target, aims: &[Aim]) -> Result<Step, Refusal> {
    let judge = server.judge();
    let if_match = entry.if_match.take();
    let if_match = if_match.as_deref();
    let Target { resource_type, id, how } = target;
    let is_deleted = aims
        .iter()
        .filter_map(Aim::target)
        .any(|other| other.how == How::Delete && other.resource_type == *resource_type && other.id == *id);
    match how {
        How::Find => Ok(Step::found(resource_type, id)),
        How::Create => judge.create(resource_type, id, entry.taken()?),
        How::Update => {
            let mut resource = entry.taken()?;
            // HAPI lets an entry leave out the id, which its URL names.
            if resource.get("id").is_none() || entry.by_condition {
                matches::rename(&mut resource, id);
            }
            if is_deleted {
                return judge.bring_back(resource_type, id, resource, if_match);
            }
            judge.update(resource_type, id, resource, if_match)
        }
        How::Patch if is_deleted => Err(Refusal::gone("another entry deletes it")),
        How::Patch => judge.patch(resource_type, id, &entry.patch()?, if_match),
        How::Delete => judge.delete(resource_type, id, if_match),
    }
}

/// Puts real references where the Bundle's own names stand: in references and in elements of type uri. Of what R4 lets hold such a text as a plain
/// string, the values of identifiers and what is written for people are left alone.
fn resolve(value: &mut Value, names: &BTreeMap<String, String>) {
    match value {
        Value::String(text) => {
            if let Some(name) = names.get(text.as_str()) {
                name.clone_into(text);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| resolve(item, names)),
        Value::Object(fields) => {
            for (key, field) in fields.iter_mut() {
                let is_text = field.is_string() && ["id", "value", "valueString", "display", "text"].contains(&key.as_str());
                if !is_text {
                    resolve(field, names);
                }
            }
        }
        _ => {}
    }
}

fn status(status: StatusCode) -> String {
    format!("{} {}", status.as_str(), status.canonical_reason().unwrap_or_default())
}

fn written(server: &Server, target: &Target, code: StatusCode, version: Option<&str>) -> Value {
    let mut response = json!({"status": status(code)});
    let Target { resource_type, id, .. } = target;
    let record = server.store.record(resource_type, id);
    if let Some(version) = version.and_then(|version| record?.version(version)) {
        response["location"] = json!(format!("{resource_type}/{id}/_history/{}", version.id));
        response["etag"] = json!(format!("W/\"{}\"", version.id));
        response["lastModified"] = json!(version.at.to_string());
    }
    json!({"response": response})
}

fn refused(refusal: &Refusal) -> Value {
    let outcome = serde_json::from_slice::<Value>(&refusal.outcome()).unwrap_or_default();
    json!({"response": {"status": status(refusal.status), "outcome": outcome}})
}

fn answered(kind: &str, entries: Vec<Value>) -> Answer {
    Answer::json(Bytes::from(json!({"resourceType": "Bundle", "type": kind, "entry": entries}).to_string()))
}
