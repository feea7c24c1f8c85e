//! A FHIR server as other people use it: plain requests, each of which must succeed.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::logs::CANARY;

/// Other people's client.
#[derive(Debug, Clone)]
pub struct Fhir {
    base: String,
    http: reqwest::Client,
}

impl Fhir {
    /// Of the server at `base`.
    #[must_use]
    pub fn new(base: &str) -> Self {
        Self { base: base.to_owned(), http: reqwest::Client::new() }
    }

    /// Any request, and what came of it; a body that is no JSON is null.
    pub async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        let mut request = self.http.request(method, format!("{}/{path}", self.base));
        if let Some(body) = body {
            request = request.header("content-type", "application/fhir+json").body(body.to_string());
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default())
    }

    async fn must(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        // HAPI refuses one of two that write to one place at once; the other one's author tries again.
        for _ in 0..5 {
            let (status, answer) = self.ask(method.clone(), path, body).await;
            if status != StatusCode::CONFLICT {
                assert!(status.is_success(), "{method} {path}: {status} {answer}");
                return answer;
            }
        }
        panic!("{method} {path}: always in conflict");
    }

    /// A new resource, as stored.
    pub async fn create(&self, resource: &Value) -> Value {
        self.must(Method::POST, resource["resourceType"].as_str().unwrap(), Some(resource)).await
    }

    /// New content, as stored.
    pub async fn update(&self, resource: &Value) -> Value {
        self.must(Method::PUT, &reference(resource), Some(resource)).await
    }

    /// Changes one member of the resource as it is now.
    pub async fn edit(&self, reference: &str, member: &str, value: Value) -> Value {
        let mut resource = self.read(reference).await;
        resource[member] = value;
        self.update(&resource).await
    }

    /// The end of a resource.
    pub async fn delete(&self, reference: &str) {
        self.must(Method::DELETE, reference, None).await;
    }

    /// A resource as it is now.
    pub async fn read(&self, reference: &str) -> Value {
        self.must(Method::GET, reference, None).await
    }

    /// Whether it is there.
    pub async fn is_there(&self, reference: &str) -> bool {
        self.ask(Method::GET, reference, None).await.0 == StatusCode::OK
    }

    /// The resources that a search finds, up to 1,000, newest content.
    pub async fn search(&self, query: &str) -> Vec<Value> {
        let bundle = self.must(Method::GET, &format!("{query}&_count=1000"), None).await;
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        entries.into_iter().map(|mut entry| entry["resource"].take()).collect()
    }
}

/// `Type/id` of a stored resource.
#[must_use]
pub fn reference(resource: &Value) -> String {
    format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap())
}

/// `meta.versionId` of a stored resource.
#[must_use]
pub fn version(resource: &Value) -> &str {
    resource["meta"]["versionId"].as_str().unwrap()
}

/// A patient of one test, found and told apart by its identifier.
#[must_use]
pub fn patient(system: &str, value: &str) -> Value {
    json!({
        "resourceType": "Patient",
        "identifier": [{"system": system, "value": value}],
        "active": true,
        "name": [{"family": CANARY, "given": ["Ada"]}],
    })
}

/// What bots of these tests create: found by the same identifier.
#[must_use]
pub fn observation(system: &str, value: &str, subject: &str) -> Value {
    json!({
        "resourceType": "Observation",
        "status": "final",
        "identifier": [{"system": system, "value": value}],
        "code": {"text": format!("{value} of {CANARY}")},
        "subject": {"reference": subject},
    })
}
