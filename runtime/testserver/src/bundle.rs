//! Transactions and batches (R4 `http.html#transaction`).
//!
//! A transaction is judged entry by entry on the store as it is before it, and done only when no entry was refused. That needs no undo: no two of
//! its entries may write one resource, so none is judged by what another does; only conditional creates look at the rest of the Bundle.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use hob_model::Timestamp;
use http::{HeaderValue, Method, Request, StatusCode};
use json_patch::Patch;
use serde_json::{Value, json};

use crate::Server;
use crate::answer::Answer;
use crate::ask::Ask;
use crate::refusal::Refusal;
use crate::search;
use crate::server::parsed;
use crate::write::Step;

/// The one kind of patch that the server takes.
pub(crate) const JSON_PATCH: &str = "application/json-patch+json";

struct Entry {
    method: Method,
    /// Below the base.
    url: String,
    full_url: Option<String>,
    resource: Option<Value>,
    if_match: Option<String>,
    if_none_exist: Option<String>,
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

/// The operations of a JSON Patch.
pub(crate) fn operations(bytes: &[u8]) -> Result<Patch, Refusal> {
    serde_json::from_slice(bytes).map_err(|_| Refusal::malformed("the patch is not one of RFC 6902"))
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
        Ok(Self { method, url, full_url: text(entry.get("fullUrl")), resource, if_match, if_none_exist })
    }

    fn taken(&mut self) -> Result<Value, Refusal> {
        self.resource.take().ok_or_else(|| Refusal::malformed("resource is missing"))
    }

    /// The operations of a patch, which come in a Binary; a Parameters resource (FHIRPath Patch) only where it changes nothing.
    fn patch(&self) -> Result<Patch, Refusal> {
        let unsupported = || Refusal::unsupported("a patch comes as a Binary with a JSON Patch");
        let resource = self.resource.as_ref().ok_or_else(|| Refusal::malformed("resource is missing"))?;
        let text = |name: &str| resource.get(name).and_then(Value::as_str);
        match text("resourceType") {
            Some("Binary") if text("contentType") == Some(JSON_PATCH) => {
                let data = data_encoding::BASE64.decode(text("data").unwrap_or_default().as_bytes());
                operations(&data.map_err(|_| Refusal::malformed("Binary.data is not Base64"))?)
            }
            Some("Parameters") if resource.get("parameter").is_none_or(|all| all.as_array().is_some_and(Vec::is_empty)) => {
                Ok(Patch::default())
            }
            _ => Err(unsupported()),
        }
    }

    /// The entry as a request of its own.
    fn request(&self, base: &str) -> Result<Request<Bytes>, Refusal> {
        let malformed = |_| Refusal::malformed("the entry makes no request");
        let body = match (&self.method, &self.resource) {
            (&Method::PATCH, _) => Bytes::from(json!(self.patch()?).to_string()),
            (_, Some(resource)) => Bytes::from(resource.to_string()),
            (_, None) => Bytes::new(),
        };
        let mut builder = Request::builder().method(self.method.clone()).uri(format!("{base}/{}", self.url));
        if self.method == Method::PATCH {
            builder = builder.header("content-type", JSON_PATCH);
        }
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
    let request = entry.request(server.settings.base.as_str())?;
    let answer = server.answer(now, &request)?;
    let response = answer.response();
    let header = |name: &str| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let mut said = json!({"status": status(response.status())});
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

fn transaction(server: &mut Server, now: Timestamp, mut entries: Vec<Entry>) -> Result<Vec<Value>, Refusal> {
    let urls: Vec<String> = entries.iter_mut().map(|entry| std::mem::take(&mut entry.url)).collect();
    let mut asks = Vec::with_capacity(entries.len());
    for (index, (entry, url)) in entries.iter().zip(&urls).enumerate() {
        let path = url.split('?').next().unwrap_or_default();
        asks.push(Ask::read(&entry.method, path).map_err(|e| e.at_entry(index))?);
    }
    let (targets, next_id) = targets(server, &entries, &asks)?;
    let mut names = BTreeMap::new();
    for ((entry, ask), target) in entries.iter().zip(&asks).zip(&targets) {
        let (Some(full_url), Some((resource_type, id, _))) = (&entry.full_url, target) else { continue };
        if (matches!(ask, Ask::Create(_)) || full_url.starts_with("urn:"))
            && names.insert(full_url.clone(), format!("{resource_type}/{id}")).is_some()
        {
            return Err(Refusal::malformed("two entries have the same fullUrl"));
        }
    }
    if !names.is_empty() {
        for resource in entries.iter_mut().filter_map(|entry| entry.resource.as_mut()) {
            resolve(resource, &names);
        }
    }
    let mut steps: Vec<(usize, Step)> = Vec::with_capacity(entries.len());
    for (index, (entry, ask)) in entries.iter_mut().zip(&asks).enumerate() {
        let step = step(server, entry, *ask, targets[index].as_ref()).map_err(|e| e.at_entry(index))?;
        steps.extend(step.map(|step| (index, step)));
    }
    // The order in which R4 has them done.
    steps.sort_by_key(|(index, _)| match asks[*index] {
        Ask::Delete(..) => 0,
        Ask::Create(..) => 1,
        _ => 2,
    });
    let mut statuses = vec![StatusCode::OK; entries.len()];
    for (index, step) in &steps {
        statuses[*index] = step.status;
    }
    let steps: Vec<Step> = steps.into_iter().map(|(_, step)| step).collect();
    server.check(&steps)?;
    server.store.next_id = next_id;
    server.commit(now, steps);
    let mut answers = Vec::with_capacity(entries.len());
    for (index, (mut entry, url)) in entries.into_iter().zip(urls).enumerate() {
        answers.push(match &targets[index] {
            Some((resource_type, id, _)) => written(server, resource_type, id, statuses[index]),
            None => {
                entry.url = url;
                alone(server, now, entry).unwrap_or_else(|refusal| refused(&refusal))
            }
        });
    }
    Ok(answers)
}

/// What an entry writes: type, id, and whether a conditional create found it.
type Target = Option<(String, String, bool)>;

/// What each entry writes, and where ids go on. No two may write the same.
fn targets(server: &Server, entries: &[Entry], asks: &[Ask<'_>]) -> Result<(Vec<Target>, u64), Refusal> {
    let mut next_id = server.store.next_id;
    let mut seen = BTreeSet::new();
    let mut deleted = BTreeSet::new();
    for (index, ask) in asks.iter().enumerate() {
        if let Ask::Update(resource_type, id) | Ask::Patch(resource_type, id) | Ask::Delete(resource_type, id) = *ask {
            if !seen.insert((resource_type, id)) {
                return Err(Refusal::malformed("another entry writes the same resource").at_entry(index));
            }
            if matches!(ask, Ask::Delete(..)) {
                deleted.insert((resource_type, id));
            }
        }
    }
    let mut targets: Vec<Target> = Vec::with_capacity(entries.len());
    for (index, (entry, ask)) in entries.iter().zip(asks).enumerate() {
        let target = match *ask {
            Ask::Create(resource_type) => {
                let found = match &entry.if_none_exist {
                    None => None,
                    Some(query) => {
                        let query = search::condition(server, resource_type, query).map_err(|e| e.at_entry(index))?;
                        let stored = query.all(server, resource_type).into_iter().map(|(id, _)| id);
                        let stored = stored.filter(|id| !deleted.contains(&(resource_type, *id))).map(str::to_owned);
                        let earlier = entries.iter().zip(&targets).filter_map(|(entry, target)| {
                            let (_, id, existed) = target.as_ref()?;
                            (!existed && query.matches(entry.resource.as_ref()?)).then(|| id.clone())
                        });
                        search::one(stored.chain(earlier)).map_err(|e| e.at_entry(index))?
                    }
                };
                let existed = found.is_some();
                let id = found.unwrap_or_else(|| {
                    loop {
                        let (id, next) = server.new_id(resource_type, next_id);
                        next_id = next;
                        // An id of digits may be another entry's own.
                        if !seen.contains(&(resource_type, id.as_str())) {
                            break id;
                        }
                    }
                });
                Some((resource_type.to_owned(), id, existed))
            }
            Ask::Update(resource_type, id) | Ask::Patch(resource_type, id) | Ask::Delete(resource_type, id) => {
                Some((resource_type.to_owned(), id.to_owned(), false))
            }
            Ask::Bundle => return Err(Refusal::malformed("a Bundle in a transaction").at_entry(index)),
            _ => None,
        };
        targets.push(target);
    }
    Ok((targets, next_id))
}

fn step(
    server: &Server,
    entry: &mut Entry,
    ask: Ask<'_>,
    target: Option<&(String, String, bool)>,
) -> Result<Option<Step>, Refusal> {
    let judge = server.judge();
    let if_match = entry.if_match.take();
    let if_match = if_match.as_deref();
    Ok(Some(match (ask, target) {
        (Ask::Create(resource_type), Some((_, id, true))) => Step::found(resource_type, id),
        (Ask::Create(resource_type), Some((_, id, false))) => judge.create(resource_type, id, entry.taken()?)?,
        (Ask::Update(resource_type, id), _) => judge.update(resource_type, id, entry.taken()?, if_match)?,
        (Ask::Patch(resource_type, id), _) => judge.patch(resource_type, id, &entry.patch()?, if_match)?,
        (Ask::Delete(resource_type, id), _) => judge.delete(resource_type, id, if_match)?,
        _ => return Ok(None),
    }))
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

fn written(server: &Server, resource_type: &str, id: &str, code: StatusCode) -> Value {
    let mut response = json!({"status": status(code)});
    if let Some(version) = server.store.current(resource_type, id) {
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
