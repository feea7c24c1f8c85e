//! A FHIR server that believes everything: whatever is searched for, it finds all that it has. So what a bot does not see, or may not ask, is
//! the host's doing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use hob_engine::{Document, FhirError, FhirErrorCode, FhirReads, Found, Page, ReadCapabilities};
use hob_model::{Reference, ResourceType, VersionId};
use serde_json::{Value, json};

/// The server.
pub(crate) struct Server {
    /// The versions of each resource, oldest first.
    store: BTreeMap<Reference, Vec<Value>>,
    /// How often it was asked.
    pub(crate) asked: AtomicUsize,
}

impl Server {
    /// One that has these; of those with one id, each is a version.
    pub(crate) fn with(resources: impl IntoIterator<Item = Value>) -> Self {
        let mut store: BTreeMap<Reference, Vec<Value>> = BTreeMap::new();
        for mut resource in resources {
            let name = format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
            let versions = store.entry(name.parse().unwrap()).or_default();
            resource["meta"]["versionId"] = json!((versions.len() + 1).to_string());
            versions.push(resource);
        }
        Self { store, asked: AtomicUsize::new(0) }
    }

    fn versions(&self, reference: &Reference) -> Result<&Vec<Value>, FhirError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.store.get(reference).ok_or_else(not_found)
    }
}

fn not_found() -> FhirError {
    FhirError { code: FhirErrorCode::NotFound, status: Some(404), message: "not found".to_owned(), outcome: None }
}

/// What a server gives for `_elements=id`.
fn subset(resource: &Value) -> Value {
    json!({
        "resourceType": resource["resourceType"],
        "id": resource["id"],
        "meta": { "versionId": resource["meta"]["versionId"], "tag": [{ "code": "SUBSETTED" }] },
    })
}

#[async_trait]
impl FhirReads for Server {
    fn capabilities(&self) -> ReadCapabilities {
        ReadCapabilities { client_ids: true }
    }

    async fn read(&self, reference: &Reference) -> Result<Found, FhirError> {
        let versions = self.versions(reference)?;
        let version = versions.len().to_string().parse().unwrap();
        Ok(Found { resource: Document::from(versions.last().unwrap().clone()), version })
    }

    async fn vread(&self, reference: &Reference, version: &VersionId) -> Result<Found, FhirError> {
        let at = usize::try_from(version.number().unwrap_or(0)).unwrap();
        let found = self.versions(reference)?.get(at.wrapping_sub(1)).ok_or_else(not_found)?;
        Ok(Found { resource: Document::from(found.clone()), version: version.clone() })
    }

    async fn history(&self, reference: &Reference) -> Result<Page, FhirError> {
        let entry: Vec<Value> = self.versions(reference)?.iter().rev().map(|resource| json!({ "resource": resource })).collect();
        Ok(Page { bundle: Document::from(json!({ "resourceType": "Bundle", "type": "history", "entry": entry })), next: None })
    }

    async fn search(&self, kind: &ResourceType, query: &str) -> Result<Page, FhirError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let others = query.contains("include") || query.contains("_contained");
        let mut entry = Vec::new();
        let mut total = 0;
        for (reference, versions) in &self.store {
            let hit = reference.resource_type == *kind;
            if !hit && !others {
                continue;
            }
            total += usize::from(hit);
            let resource = versions.last().unwrap();
            let resource = if query.contains("_elements") { subset(resource) } else { resource.clone() };
            entry.push(json!({ "resource": resource, "search": { "mode": if hit { "match" } else { "include" } } }));
        }
        let mut bundle = json!({ "resourceType": "Bundle", "type": "searchset", "total": total });
        if !query.contains("_summary=count") {
            bundle["entry"] = json!(entry);
        }
        Ok(Page { bundle: Document::from(bundle), next: None })
    }

    async fn more(&self, _next: &str) -> Result<Page, FhirError> {
        Err(not_found())
    }
}
