//! A FHIR server as the engine sees one: versions in a map, searches by `hob-search`.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use hob_engine::{
    Document, FhirError, FhirErrorCode, FhirReads, Found, HttpError, HttpRequest, HttpResponse, Outbound, Page, ReadCapabilities,
    Secrets,
};
use hob_model::{Failure, FailureKind, Reference, ResourceType, VersionId};
use serde_json::{Value, json};

/// What secrets hold here.
pub(crate) const SECRET: &str = "s3cret of \"all\" secrets";

#[derive(Default)]
pub(crate) struct Fake {
    pub(crate) store: Mutex<BTreeMap<Reference, Vec<Value>>>,
    pub(crate) client_ids: bool,
    pub(crate) calls: AtomicUsize,
    /// Never answers.
    pub(crate) hangs: bool,
    /// What the bot asked others.
    pub(crate) asked: Mutex<Vec<HttpRequest>>,
    /// Hits on a page; 0 is all.
    pub(crate) page: usize,
}

impl Fake {
    pub(crate) fn with(resources: impl IntoIterator<Item = Value>) -> Self {
        let fake = Self { client_ids: true, ..Self::default() };
        resources.into_iter().for_each(|resource| fake.put(resource));
        fake
    }

    pub(crate) fn put(&self, mut resource: Value) {
        let text = format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
        let mut store = self.store.lock().unwrap();
        let versions = store.entry(text.parse().unwrap()).or_default();
        resource["meta"]["versionId"] = json!((versions.len() + 1).to_string());
        versions.push(resource);
    }

    async fn asked(&self) {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.hangs {
            std::future::pending::<()>().await;
        }
    }

    fn bundle(&self, mut found: Vec<Value>, rest: &str) -> Page {
        let total = found.len();
        let mut next = None;
        if self.page > 0 && found.len() > self.page {
            found.truncate(self.page);
            next = Some(format!("{rest}#{}", self.page));
        }
        let entry: Vec<Value> =
            found.into_iter().map(|resource| json!({ "resource": resource, "search": { "mode": "match" } })).collect();
        Page {
            bundle: Document::from(json!({ "resourceType": "Bundle", "type": "searchset", "total": total, "entry": entry })),
            next,
        }
    }

    fn hits(&self, kind: &str, query: &str) -> Result<Vec<Value>, FhirError> {
        let criteria =
            hob_search::Criteria::parse_query(kind, query).map_err(|why| error(FhirErrorCode::Invalid, 400, &why.to_string()))?;
        let store = self.store.lock().unwrap();
        Ok(store.values().filter_map(|versions| versions.last()).filter(|resource| criteria.matches(resource)).cloned().collect())
    }
}

fn error(code: FhirErrorCode, status: u16, message: &str) -> FhirError {
    FhirError { code, status: Some(status), message: message.to_owned(), outcome: None }
}

#[async_trait]
impl FhirReads for Fake {
    fn capabilities(&self) -> ReadCapabilities {
        ReadCapabilities { client_ids: self.client_ids }
    }

    async fn read(&self, reference: &Reference) -> Result<Found, FhirError> {
        self.asked().await;
        let store = self.store.lock().unwrap();
        let versions = store.get(reference).ok_or_else(|| error(FhirErrorCode::NotFound, 404, "not found"))?;
        let version = versions.len().to_string().parse().unwrap();
        Ok(Found { resource: Document::from(versions.last().unwrap().clone()), version })
    }

    async fn vread(&self, reference: &Reference, version: &VersionId) -> Result<Found, FhirError> {
        self.asked().await;
        let store = self.store.lock().unwrap();
        let at = usize::try_from(version.number().unwrap_or(0)).unwrap();
        let found = store.get(reference).and_then(|versions| versions.get(at.checked_sub(1)?));
        let resource = found.ok_or_else(|| error(FhirErrorCode::NotFound, 404, "not found"))?;
        Ok(Found { resource: Document::from(resource.clone()), version: version.clone() })
    }

    async fn history(&self, reference: &Reference) -> Result<Page, FhirError> {
        self.asked().await;
        let store = self.store.lock().unwrap();
        let versions = store.get(reference).ok_or_else(|| error(FhirErrorCode::NotFound, 404, "not found"))?;
        let entry: Vec<Value> = versions.iter().rev().map(|resource| json!({ "resource": resource })).collect();
        Ok(Page { bundle: Document::from(json!({ "resourceType": "Bundle", "type": "history", "entry": entry })), next: None })
    }

    async fn search(&self, kind: &ResourceType, query: &str) -> Result<Page, FhirError> {
        self.asked().await;
        Ok(self.bundle(self.hits(kind.as_str(), query)?, &format!("{kind}?{query}")))
    }

    async fn everything(&self, patient: &Reference, query: &str) -> Result<Page, FhirError> {
        self.asked().await;
        let store = self.store.lock().unwrap();
        let current = store.values().filter_map(|versions| versions.last());
        let wanted = |kind: &str| !query.contains("_type=") || query.contains(kind);
        let about = |resource: &&Value| {
            let text = resource.to_string();
            (text.contains(&format!("\"{patient}\"")) || text.contains(&format!("\"id\":\"{}\"", patient.id)))
                && wanted(resource["resourceType"].as_str().unwrap())
        };
        let entry: Vec<Value> = current.filter(about).map(|resource| json!({ "resource": resource })).collect();
        let bundle = json!({ "resourceType": "Bundle", "type": "searchset", "total": entry.len(), "entry": entry });
        Ok(Page { bundle: Document::from(bundle), next: None })
    }

    async fn more(&self, next: &str) -> Result<Page, FhirError> {
        self.asked().await;
        let (search, from) = next.rsplit_once('#').unwrap();
        let (kind, query) = search.split_once('?').unwrap();
        let rest = self.hits(kind, query)?.split_off(from.parse().unwrap());
        Ok(Self { page: 0, ..Self::default() }.bundle(rest, ""))
    }
}

/// Every secret that a manifest names has one value, but for one that is missing.
impl Secrets for Fake {
    fn value(&self, name: &str) -> Result<String, String> {
        if name == "GONE" { Err("it is not there".to_owned()) } else { Ok(SECRET.to_owned()) }
    }
}

/// Others give back what they are asked, as status 201; two bodies they do not answer.
#[async_trait]
impl Outbound for Fake {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.asked.lock().unwrap().push(request.clone());
        match &*request.body {
            b"later" => Err(HttpError::Told {
                code: "later",
                message: "not now".to_owned(),
                retry_after: Some(std::time::Duration::from_secs(7)),
            }),
            b"nobody knows" => Err(HttpError::Ends(Failure {
                kind: FailureKind::Fatal,
                code: "request-unknown".to_owned(),
                message: "look at the receiver".to_owned(),
                retry_after: None,
            })),
            _ => Ok(HttpResponse { status: 201, headers: Vec::new(), body: request.body }),
        }
    }
}
