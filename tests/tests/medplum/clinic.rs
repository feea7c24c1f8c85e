//! The server, others, and one run: reads by the FHIR client, the transaction committed as a host does it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hob_engine::{
    Document, FhirError, FhirErrorCode, FhirReads, Found, HttpError, HttpRequest, HttpResponse, Outbound, Outside, Page,
    ReadCapabilities, Release, RunInput, RunOutput, Secrets,
};
use hob_fhir::commit::{CommitOutcome, commit};
use hob_fhir::fence::{self, FenceUse, SlotName};
use hob_fhir::{Client, ClientConfig, Credentials, FhirErrorKind};
use hob_model::{BaseUrl, ManualClock, Reference, ResourceType, VersionId, Write};
use hob_testserver::{Delivery, Reading, Running, Server, Settings};
use serde_json::{Value, json};

use crate::case::Case;

/// What a run left: its own account, and what is on the server.
pub(crate) struct Done {
    pub(crate) output: RunOutput,
    /// In the words of what vitest recorded: `write`, `reference`, and the resource as the server has it now.
    pub(crate) writes: Vec<Value>,
}

pub(crate) async fn run(release: &Arc<Release>, case: &Case, client_ids: bool) -> Done {
    let (running, client) = server(case, client_ids);
    let stored = |reference: &Reference| running.with(|server| server.look(reference).unwrap().resource.unwrap().clone());
    let (event, payload, resource) = case.event(stored);
    if case.is_delete() {
        client.delete(&case.target().unwrap(), None).await.unwrap();
    }
    let input = RunInput {
        run: Case::run(),
        event,
        payload,
        resource: resource.map(Document::from),
        previous: None,
        attempt: 1,
        seed: 7,
        now: case.now(),
        settings: case.settings.clone(),
    };
    let secrets = case.secrets.iter().map(|(name, secret)| (name.clone(), secret.value.clone())).collect();
    let answers = case.answers.iter().map(|a| ((a.method.clone(), a.url.clone()), (a.status, a.body.to_string()))).collect();
    let outside = Outside {
        fhir: Arc::new(Reads { client: client.clone(), client_ids }),
        http: Arc::new(Others(answers)),
        secrets: Arc::new(Values(secrets)),
        clock: Arc::new(ManualClock::new(case.now())),
    };
    let output = release.run(input, outside).await;
    let writes = if output.effects.commits() { written(&client, &running, &output).await } else { Vec::new() };
    Done { output, writes }
}

/// A server with the case's resources. Its pages are short, so that a bot that wants all has to ask for more.
fn server(case: &Case, client_ids: bool) -> (Running, Client) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let base = BaseUrl::new(&format!("http://{}/fhir", listener.local_addr().unwrap())).unwrap();
    let mut server = Server::new(Settings {
        client_ids,
        page: 2,
        longest_page: 2,
        reading: Reading::AsIs,
        ..Settings::standard(base.clone())
    });
    for resource in &case.resources {
        server.seed(case.now(), resource.clone()).unwrap();
    }
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let clock = Arc::new(ManualClock::new(case.now()));
    let running = Running::start(listener, server, Arc::clone(&clock) as _, Delivery::default()).unwrap();
    (running, Client::at(&base, Credentials::None, ClientConfig::default(), clock).unwrap())
}

async fn written(client: &Client, running: &Running, output: &RunOutput) -> Vec<Value> {
    let slot = fence::ensure(client, &SlotName::new("hob-medplum").unwrap()).await.unwrap();
    let plan = hob_fhir::plan::bundle(&output.effects, &FenceUse { slot, run: Case::run(), attempt: 1 }).unwrap();
    let CommitOutcome::Committed(committed) = commit(client, &plan).await else { panic!("the transaction was not taken") };
    let now = |reference: &Reference| running.with(|server| server.look(reference).unwrap().resource.cloned());
    let shown = |written: &hob_fhir::commit::Written| {
        let reference = written.reference.clone().unwrap();
        let (word, staged) = match &output.effects.writes[written.effect] {
            Write::Create { reference, .. } => {
                ("create", Some(reference.replace("urn:uuid:", &format!("{}/", written_type(written)))))
            }
            Write::Update { .. } => ("update", None),
            Write::Delete { .. } => ("delete", None),
        };
        json!({ "write": word, "reference": reference.to_string(), "staged": staged, "resource": now(&reference) })
    };
    committed.written.iter().filter(|written| !written.existed).map(shown).collect()
}

fn written_type(written: &hob_fhir::commit::Written) -> String {
    written.reference.as_ref().unwrap().resource_type.to_string()
}

struct Reads {
    client: Client,
    client_ids: bool,
}

impl Reads {
    async fn gathered(&self, patient: &Reference) -> Result<Page, FhirError> {
        let mut entries = vec![json!({ "resource": self.read(patient).await?.resource.value() })];
        for kind in ["Observation", "Condition"] {
            let mut page = self.search(&kind.parse().unwrap(), &format!("subject={patient}")).await?;
            loop {
                entries.extend(page.bundle.value()["entry"].as_array().into_iter().flatten().cloned());
                let Some(next) = page.next else { break };
                page = self.more(&next).await?;
            }
        }
        let bundle = json!({ "resourceType": "Bundle", "type": "searchset", "entry": entries });
        Ok(Page { bundle: bundle.into(), next: None })
    }
}

fn said(error: hob_fhir::FhirError) -> FhirError {
    let code = match error.kind {
        FhirErrorKind::NotFound => FhirErrorCode::NotFound,
        FhirErrorKind::Gone => FhirErrorCode::Gone,
        FhirErrorKind::Conflict => FhirErrorCode::Conflict,
        FhirErrorKind::Invalid | FhirErrorKind::SearchIgnored => FhirErrorCode::Invalid,
        _ => FhirErrorCode::Refused,
    };
    FhirError { code, status: error.status, message: error.to_string(), outcome: error.outcome }
}

fn found(found: Result<hob_fhir::Versioned, hob_fhir::FhirError>) -> Result<Found, FhirError> {
    found.map(|it| Found { version: it.version, resource: it.resource.into() }).map_err(said)
}

fn page(page: Result<hob_fhir::Page, hob_fhir::FhirError>) -> Result<Page, FhirError> {
    page.map(|it| Page { next: it.next.map(|link| link.as_str().to_owned()), bundle: it.bundle.into() }).map_err(said)
}

#[async_trait]
impl FhirReads for Reads {
    fn capabilities(&self) -> ReadCapabilities {
        ReadCapabilities { client_ids: self.client_ids }
    }

    async fn read(&self, reference: &Reference) -> Result<Found, FhirError> {
        found(self.client.read(reference).await)
    }

    async fn vread(&self, reference: &Reference, version: &VersionId) -> Result<Found, FhirError> {
        found(self.client.vread(reference, version).await)
    }

    async fn history(&self, reference: &Reference) -> Result<Page, FhirError> {
        page(self.client.history(reference, None).await)
    }

    async fn search(&self, resource_type: &ResourceType, query: &str) -> Result<Page, FhirError> {
        page(self.client.search(resource_type, query).await)
    }

    async fn everything(&self, patient: &Reference, query: &str) -> Result<Page, FhirError> {
        match self.client.everything(patient, query).await {
            // What the server lacks is put together of searches, of the types that the cases have.
            Err(error) if error.status == Some(405) => self.gathered(patient).await,
            answer => page(answer),
        }
    }

    async fn more(&self, next: &str) -> Result<Page, FhirError> {
        let link = self.client.link(next).map_err(said)?;
        page(self.client.more(&link).await)
    }
}

/// Those outside, by method and URL: a status and a body.
struct Others(BTreeMap<(String, String), (u16, String)>);

#[async_trait]
impl Outbound for Others {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let Some((status, body)) = self.0.get(&(request.method.clone(), request.url.clone())) else {
            let message = format!("nobody answers {} {}", request.method, request.url);
            return Err(HttpError::Told { code: "refused", message, retry_after: Some(Duration::ZERO) });
        };
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Ok(HttpResponse { status: *status, headers, body: body.clone().into() })
    }
}

struct Values(BTreeMap<String, String>);

impl Secrets for Values {
    fn value(&self, name: &str) -> Result<String, String> {
        self.0.get(name).cloned().ok_or_else(|| "it is not there".to_owned())
    }
}
