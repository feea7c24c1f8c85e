//! The FHIR server as a person with a client sees it.

use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::Agent;

/// How long something may take before the demo says that it is missing.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Fhir {
    agent: Agent,
    base: String,
}

/// When a write was acknowledged.
pub(crate) struct Written {
    at: Instant,
}

/// Something that appeared, and how long after the write.
pub(crate) struct Seen {
    pub(crate) resource: Value,
    pub(crate) after: Duration,
}

impl Fhir {
    pub(crate) fn new(base: String) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(60))).build();
        Self { agent: config.into(), base }
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) fn get(&self, path: &str) -> Result<Value, String> {
        let answer = self.agent.get(format!("{}/{path}", self.base)).header("Cache-Control", "no-cache").call();
        read("GET", path, answer)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        let url = if path.is_empty() { self.base.clone() } else { format!("{}/{path}", self.base) };
        let request = self.agent.post(url).content_type("application/fhir+json").header("Prefer", "return=representation");
        read("POST", path, request.send(body.to_string()))
    }

    /// Creates or updates, and says when the server had it.
    #[allow(clippy::disallowed_methods, reason = "a stopwatch for the person at the terminal")]
    pub(crate) fn write(&self, resource: &Value) -> Result<Written, String> {
        let kind = resource["resourceType"].as_str().unwrap_or_default();
        match resource["id"].as_str() {
            Some(id) => {
                let path = format!("{kind}/{id}");
                let request = self.agent.put(format!("{}/{path}", self.base)).content_type("application/fhir+json");
                read("PUT", &path, request.header("Prefer", "return=representation").send(resource.to_string()))?
            }
            None => self.post(kind, resource)?,
        };
        Ok(Written { at: Instant::now() })
    }

    /// Looks again and again until `find` has what it wants.
    #[allow(clippy::disallowed_methods, reason = "a stopwatch for the person at the terminal")]
    pub(crate) fn wait(
        &self,
        since: &Written,
        what: &str,
        find: impl Fn(&Self) -> Result<Option<Value>, String>,
    ) -> Result<Seen, String> {
        loop {
            if let Some(resource) = find(self)? {
                return Ok(Seen { resource, after: since.at.elapsed() });
            }
            if since.at.elapsed() > PATIENCE {
                return Err(format!("missing after {} s: {what}", PATIENCE.as_secs()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The resources that a search finds.
    pub(crate) fn search(&self, query: &str) -> Result<Vec<Value>, String> {
        let bundle = self.get(query)?;
        Ok(bundle["entry"].as_array().into_iter().flatten().map(|entry| entry["resource"].clone()).collect())
    }

    /// What `$validate` finds wrong; warnings aside.
    pub(crate) fn errors(&self, resource: &Value) -> Result<Vec<String>, String> {
        let kind = resource["resourceType"].as_str().unwrap_or_default();
        let outcome = self.post(&format!("{kind}/$validate"), resource)?;
        let issues = outcome["issue"].as_array().into_iter().flatten();
        let bad = issues.filter(|issue| issue["severity"] == "error" || issue["severity"] == "fatal");
        Ok(bad.map(|issue| issue["diagnostics"].as_str().unwrap_or("?").to_owned()).collect())
    }
}

fn read(method: &str, path: &str, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Value, String> {
    let mut answer = answer.map_err(|e| format!("{method} {path}: {e}"))?;
    let status = answer.status();
    let text = answer.body_mut().read_to_string().map_err(|e| format!("{method} {path}: {e}"))?;
    if status.is_success() {
        serde_json::from_str(&text).map_err(|e| format!("{method} {path}: {e}"))
    } else {
        Err(format!("{method} {path}: the server answered {status}: {text}"))
    }
}
