//! A server and short ways to ask it.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "shared by test binaries, where a panic is how a failure is said"
)]

use bytes::Bytes;
use hob_model::{BaseUrl, Timestamp};
use hob_testserver::{Post, Server, Settings};
use http::{Request, Response};
use serde_json::{Value, json};

pub const BASE: &str = "http://fhir.test/r4";

/// A server whose clock goes on by a second with each request.
pub struct Site {
    pub server: Server,
    pub now: i64,
}

pub struct Got {
    pub status: u16,
    pub etag: Option<String>,
    pub location: Option<String>,
    pub body: Value,
}

impl Site {
    pub fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::standard(BaseUrl::new(BASE).unwrap());
        change(&mut settings);
        Self { server: Server::new(settings), now: 1_800_000_000 }
    }

    pub fn hapi() -> Self {
        Self { server: Server::new(Settings::hapi(BaseUrl::new(BASE).unwrap())), now: 1_800_000_000 }
    }

    pub fn time(&self) -> Timestamp {
        Timestamp::from_micros(self.now * 1_000_000)
    }

    pub fn raw(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Response<Bytes> {
        self.now += 1;
        let url = if path.starts_with("http") { path.to_owned() } else { format!("/r4/{path}") };
        let mut request = Request::builder().method(method).uri(url.trim_end_matches('/'));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.server.handle(self.time(), &request.body(body.into()).unwrap())
    }

    pub fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Got {
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let response = self.raw(method, path, headers, body);
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let body = if response.body().is_empty() { Value::Null } else { serde_json::from_slice(response.body()).unwrap() };
        Got { status: response.status().as_u16(), etag: header("etag"), location: header("location"), body }
    }

    pub fn get(&mut self, path: &str) -> Got {
        self.send("GET", path, &[], &Value::Null)
    }

    pub fn create(&mut self, resource: &Value) -> Got {
        self.send("POST", resource["resourceType"].as_str().unwrap(), &[], resource)
    }

    pub fn put(&mut self, resource: &Value, if_match: Option<&str>) -> Got {
        let path = format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
        let etag = if_match.map(|version| format!("W/\"{version}\""));
        let headers: Vec<_> = etag.iter().map(|etag| ("if-match", etag.as_str())).collect();
        self.send("PUT", &path, &headers, resource)
    }

    pub fn delete(&mut self, path: &str) -> Got {
        self.send("DELETE", path, &[], &Value::Null)
    }

    pub fn transaction(&mut self, entries: Value) -> Got {
        self.send("POST", "", &[], &json!({"resourceType": "Bundle", "type": "transaction", "entry": entries}))
    }

    /// All ids of a search or a history, page by page: `Type/id/version`.
    pub fn pages(&mut self, path: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut next = Some(path.to_owned());
        while let Some(path) = next {
            let page = self.get(&path);
            assert_eq!(page.status, 200, "{path}: {}", page.body);
            found.extend(page.body["entry"].as_array().into_iter().flatten().map(named));
            let links = page.body["link"].as_array().unwrap();
            next = links.iter().find(|link| link["relation"] == "next").map(|link| link["url"].as_str().unwrap().to_owned());
        }
        found
    }

    /// Method and URL of each notification.
    pub fn posts(&mut self) -> Vec<String> {
        self.server.take_posts().iter().map(|post: &Post| format!("{} {}", post.request.method(), post.request.uri())).collect()
    }
}

fn named(entry: &Value) -> String {
    match entry["request"]["url"].as_str() {
        Some(url) => url.replace("/_history", ""),
        None => {
            let resource = &entry["resource"];
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            format!("{}/{}/{}", text(&resource["resourceType"]), text(&resource["id"]), text(&resource["meta"]["versionId"]))
        }
    }
}

pub fn patient(gender: &str) -> Value {
    json!({"resourceType": "Patient", "gender": gender})
}

pub fn with_id(mut resource: Value, id: &str) -> Value {
    resource["id"] = json!(id);
    resource
}
