//! One server: asking it, and putting what it answers into a form that can be compared.
//!
//! What a server may choose is taken out or named: ids that it gave become `<request.entry>`, its base URL goes, and so do `lastUpdated`, `source`, the
//! ids and times of Bundles and the words of outcomes, of which only is kept whether they tell of an error. The pages of a search or a history are read
//! to the end and put together; of what no `_sort` was asked for, the order is not kept.

use std::collections::BTreeMap;

use reqwest::{Client, Method, Response};
use serde_json::{Map, Value, json};

use crate::cases::Case;

/// Pages that are followed at most.
const MOST_PAGES: usize = 60;

pub struct Side {
    client: Client,
    base: String,
    /// Names of the cases to ids.
    names: BTreeMap<String, String>,
    /// Ids that the server chose, to what stands for them.
    ids: BTreeMap<String, String>,
    asked: usize,
}

impl Side {
    pub fn new(base: String) -> Self {
        Self { client: Client::new(), base, names: BTreeMap::new(), ids: BTreeMap::new(), asked: 0 }
    }

    /// Asks everything in order; gives what was seen of each answer.
    pub async fn play(mut self, cases: &[Case]) -> Vec<Value> {
        let mut seen = Vec::with_capacity(cases.len());
        for case in cases {
            self.asked += 1;
            let mut answer = self.ask(case).await;
            // HAPI now and then finds that it wrote a row twice at once, and says so: it is asked again, as a client would.
            let is_conditional =
                case.path.contains('?') || case.headers.iter().any(|(name, _)| name.to_ascii_lowercase().starts_with("if-"));
            if answer["status"] == 409 && case.method == "DELETE" && !is_conditional {
                answer = self.ask(case).await;
            }
            seen.push(answer);
        }
        seen
    }

    async fn ask(&mut self, case: &Case) -> Value {
        let path = self.filled(&case.path);
        let mark = if path.is_empty() || path.starts_with('?') { "" } else { "/" };
        let method: Method = case.method.parse().unwrap();
        let mut request = self.client.request(method, format!("{}{mark}{path}", self.base)).header("cache-control", "no-cache");
        let has_type = case.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if case.body.is_some() && !has_type {
            request = request.header("content-type", "application/fhir+json");
        }
        for (name, value) in &case.headers {
            request = request.header(name, self.filled(value));
        }
        if let Some(body) = &case.body {
            request = request.body(self.filled(body));
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let header =
            |answer: &Response, name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (etag, location) = (header(&answer, "etag"), header(&answer, "location"));
        let written = location.clone().or_else(|| header(&answer, "content-location"));
        let text = answer.text().await.unwrap();
        let body: Value = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(json!("no JSON")) };
        self.take_ids(case, status, written, &body);
        let mut seen = json!({"status": status});
        if let Some(etag) = etag {
            seen["etag"] = json!(etag);
        }
        if let Some(location) = location.filter(|_| status == 201 && case.method == "POST") {
            seen["location"] = json!(self.named(&location));
        }
        seen["body"] = match (body["resourceType"].as_str(), body["type"].as_str()) {
            (Some("CapabilityStatement"), _) => json!({"fhirVersion": body["fhirVersion"]}),
            (Some("Bundle"), Some("searchset" | "history")) => self.pages(case, body).await,
            _ => self.normal(body),
        };
        seen
    }

    /// With ids in the places of names.
    fn filled(&self, text: &str) -> String {
        let mut out = text.replace("{{base}}", &self.base);
        for (name, id) in &self.names {
            out = out.replace(&format!("{{{{{name}}}}}"), id);
        }
        out
    }

    /// Takes note of the ids that an answer tells of, and gives them the case's names.
    fn take_ids(&mut self, case: &Case, status: u16, written: Option<String>, body: &Value) {
        let is_response = body["type"].as_str().is_some_and(|kind| kind.ends_with("-response"));
        let places: Vec<Option<String>> = if is_response {
            let entries = body["entry"].as_array().into_iter().flatten();
            entries.map(|entry| entry["response"]["location"].as_str().map(str::to_owned)).collect()
        } else if matches!(case.method.as_str(), "POST" | "PUT") && matches!(status, 200 | 201) {
            vec![written]
        } else {
            Vec::new()
        };
        for (index, place) in places.into_iter().enumerate() {
            let Some((id, _)) = place.as_deref().and_then(|place| place.rsplit_once("/_history")) else { continue };
            let id = id.rsplit('/').next().unwrap_or_default().to_owned();
            if id.bytes().all(|byte| byte.is_ascii_digit()) {
                self.ids.entry(id.clone()).or_insert(format!("<{}.{index}>", self.asked));
            }
            if let Some(name) = case.names.get(index) {
                self.names.insert(name.clone(), id);
            }
        }
    }

    /// A text without the base, and with what stands for ids.
    fn named(&self, text: &str) -> String {
        let text = text.replace(&format!("{}/", self.base), "").replace(&self.base, "");
        let parts: Vec<&str> = text.split('/').collect();
        let is_type = |part: &str| {
            part.starts_with(|first: char| first.is_ascii_uppercase()) && part.bytes().all(|byte| byte.is_ascii_alphabetic())
        };
        let named = parts.iter().enumerate().map(|(index, part)| {
            let follows = index.checked_sub(1).and_then(|before| parts.get(before)).is_some_and(|before| is_type(before));
            if follows { self.id(part) } else { *part }
        });
        named.collect::<Vec<_>>().join("/")
    }

    fn id<'t>(&'t self, id: &'t str) -> &'t str {
        self.ids.get(id).map_or(id, String::as_str)
    }

    fn normal(&self, value: Value) -> Value {
        match value {
            Value::String(text) => json!(self.named(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.normal(item)).collect(),
            Value::Object(fields) => match fields.get("resourceType").and_then(Value::as_str) {
                Some("OperationOutcome") => outcome(&fields),
                Some("Bundle") if fields.contains_key("type") => self.bundle(&Value::Object(fields)),
                _ => self.object(fields),
            },
            other => other,
        }
    }

    fn object(&self, fields: Map<String, Value>) -> Value {
        let is_resource = fields.contains_key("resourceType");
        let mut normal = Map::new();
        for (key, value) in fields {
            let value = match (key.as_str(), value) {
                ("id", Value::String(id)) if is_resource => json!(self.id(&id)),
                ("meta" | "valueMeta", Value::Object(meta)) => match meta_of(meta) {
                    Some(meta) => meta,
                    None => continue,
                },
                (_, value) => self.normal(value),
            };
            normal.insert(key, value);
        }
        Value::Object(normal)
    }

    fn bundle(&self, bundle: &Value) -> Value {
        let mut entries: Vec<Value> = bundle["entry"].as_array().into_iter().flatten().map(|entry| self.entry(entry)).collect();
        if bundle["type"] == "searchset" {
            sort(&mut entries);
        }
        json!({"bundle": bundle["type"], "total": bundle["total"], "entries": entries})
    }

    fn entry(&self, entry: &Value) -> Value {
        let mut normal = json!({});
        if !entry["resource"].is_null() {
            normal["resource"] = self.normal(entry["resource"].clone());
        }
        if let Some(mode) = entry["search"]["mode"].as_str() {
            normal["mode"] = json!(mode);
        }
        if let Some(url) = entry["request"]["url"].as_str() {
            normal["request"] = json!(format!("{} {}", entry["request"]["method"], self.named(url)));
        }
        let response = &entry["response"];
        if let Some(status) = response["status"].as_str() {
            normal["status"] = json!(status.get(..3));
        }
        if let Some(location) = response["location"].as_str() {
            normal["location"] = json!(self.named(location));
        }
        if let Some(etag) = response["etag"].as_str() {
            normal["etag"] = json!(etag.trim_start_matches("W/").trim_matches('"'));
        }
        if let Some(outcome_of) = response["outcome"].as_object() {
            normal["outcome"] = outcome(outcome_of);
        }
        normal
    }

    /// All pages of a search or a history as one.
    async fn pages(&self, case: &Case, first: Value) -> Value {
        let kind = first["type"].clone();
        let (mut total, mut sizes, mut entries) = (Value::Null, Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(mut page) = next.take() {
            if total.is_null() {
                total = page["total"].clone();
            }
            let Value::Array(own) = page["entry"].take() else { break };
            sizes.push(own.iter().filter(|entry| entry["search"]["mode"] != "include").count());
            entries.extend(own);
            let links = page["link"].as_array().into_iter().flatten();
            let url = links.into_iter().find(|link| link["relation"] == "next").and_then(|link| link["url"].as_str());
            if let Some(url) = url.filter(|_| sizes.len() < MOST_PAGES) {
                let answer = self.client.get(url).header("cache-control", "no-cache").send().await.unwrap();
                next = Some(answer.json().await.unwrap());
            }
        }
        let order: Vec<Value> = entries
            .iter()
            .filter(|entry| entry["search"]["mode"] != "include")
            .map(|entry| entry["resource"]["id"].as_str().map_or(Value::Null, |id| json!(self.id(id))))
            .collect();
        let mut all: Vec<Value> = entries.iter().map(|entry| self.entry(entry)).collect();
        let is_sorted = case.path.contains("_sort") || case.body.as_ref().is_some_and(|body| body.contains("_sort"));
        if kind == "searchset" {
            sort(&mut all);
            // What stands beside the hits may come again on each page.
            all.dedup();
        }
        let mut seen = json!({"bundle": kind, "total": total, "entries": all});
        if case.path.contains("_count=") {
            seen["pages"] = json!(sizes.into_iter().filter(|size| *size > 0).collect::<Vec<_>>());
        }
        if is_sorted || kind == "history" {
            seen["order"] = json!(order);
        }
        seen
    }
}

/// Whether it tells of an error.
fn outcome(fields: &Map<String, Value>) -> Value {
    let issues = fields.get("issue").and_then(Value::as_array).into_iter().flatten();
    let is_error = issues.into_iter().any(|issue| matches!(issue["severity"].as_str(), Some("error" | "fatal")));
    json!({"outcome": is_error})
}

fn meta_of(mut meta: Map<String, Value>) -> Option<Value> {
    for key in ["lastUpdated", "source"] {
        meta.shift_remove(key);
    }
    if let Some(Value::Array(tags)) = meta.get_mut("tag") {
        for tag in tags.iter_mut().filter(|tag| tag["code"] == "SUBSETTED") {
            tag.as_object_mut()?.shift_remove("display");
        }
        sort(tags);
    }
    (!meta.is_empty()).then_some(Value::Object(meta))
}

/// In an order that is the same wherever the same is, however its keys are ordered.
fn sort(items: &mut [Value]) {
    items.sort_by_cached_key(canonical);
}

fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<&String, String> = fields.iter().map(|(key, value)| (key, canonical(value))).collect();
            format!("{sorted:?}")
        }
        Value::Array(items) => format!("{:?}", items.iter().map(canonical).collect::<Vec<_>>()),
        other => other.to_string(),
    }
}
