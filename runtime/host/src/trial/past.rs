//! Who answers what a recorded run did not ask: the source, with what it had when the run began, where its history says so. What cannot be known ends the
//! attempt; what is only likely is given, and marked. Nothing is sent to anybody else, and no secret is looked up.
//!
//! The instant is the start of the run by the host's clock, or the event's own time by the source's, whichever is later: clocks that differ by less than
//! lies between two changes do no harm. What the run itself wrote came after it, whatever the clocks say.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use hob_engine::{
    FhirError, FhirErrorCode, FhirReads, Found, HttpError, HttpRequest, HttpResponse, Outbound, Page, ReadCapabilities, Secrets,
    unknown,
};
use hob_fhir::{FhirErrorKind, HistoryEntry};
use hob_model::{Interaction, Reference, ResourceType, Timestamp, VersionId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::run::reads::SourceReads;
use crate::sources::SourceEntry;

/// Pages of a history that are read for one question, of [`PAGE`] versions each.
const PAGES: usize = 20;
const PAGE: u32 = 100;

/// Why it is not certain what a run would have done.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub(crate) enum Mark {
    /// Answered by what the source has now: it does not say what a search found then.
    Now {
        /// The question.
        asked: String,
    },
    /// Nobody can say what the answer was: the run was tried up to here.
    Unknown {
        /// The question.
        asked: String,
    },
    /// The recorded writes hold the value of a secret, which nobody is shown: they cannot be compared.
    Secret,
    /// It took longer than its limit, with questions to a source that has more to do.
    Slow,
}

/// The source as it was.
pub(crate) struct Past {
    reads: SourceReads,
    entry: Arc<SourceEntry>,
    at: Timestamp,
    own: BTreeSet<(Reference, VersionId)>,
    marks: Mutex<BTreeSet<Mark>>,
    answered: Mutex<usize>,
}

impl Past {
    /// The source of `entry` at an instant, before `own` was written.
    pub(crate) fn new(entry: Arc<SourceEntry>, at: Timestamp, own: BTreeSet<(Reference, VersionId)>) -> Self {
        let reads = SourceReads::new(Arc::clone(&entry));
        Self { reads, entry, at, own, marks: Mutex::default(), answered: Mutex::default() }
    }

    pub(crate) fn mark(&self, mark: Mark) {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner).insert(mark);
    }

    /// What is not certain.
    pub(crate) fn marks(&self) -> BTreeSet<Mark> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Questions that were put to the source.
    pub(crate) fn answered(&self) -> usize {
        *self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self) {
        *self.answered.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    }

    fn unknown<T>(&self, asked: String) -> Result<T, FhirError> {
        self.mark(Mark::Unknown { asked });
        Err(FhirError { code: FhirErrorCode::Ends, status: None, message: String::new(), outcome: None })
    }

    /// An answer of the source; that it does not answer now says nothing of then.
    fn told<T>(&self, answer: Result<T, FhirError>, asked: impl FnOnce() -> String) -> Result<T, FhirError> {
        match answer {
            Err(error) if matches!(error.code, FhirErrorCode::Unavailable | FhirErrorCode::Refused) => self.unknown(asked()),
            answer => answer,
        }
    }

    /// What the source has now, marked as that.
    fn as_now(&self, answer: Result<Page, FhirError>, asked: String) -> Result<Page, FhirError> {
        let page = self.told(answer, || asked.clone())?;
        self.mark(Mark::Now { asked });
        Ok(page)
    }

    /// The versions that were there then, newest first, each with its entry of the Bundle; `None` where that cannot be said.
    async fn versions(&self, reference: &Reference) -> Option<Vec<(HistoryEntry, Value)>> {
        if !self.entry.has_histories() {
            return None;
        }
        let mut page = match self.entry.client.history(reference, Some(PAGE)).await {
            Ok(page) => page,
            Err(error) if error.kind == FhirErrorKind::NotFound => return Some(Vec::new()),
            Err(_) => return None,
        };
        let mut all = Vec::new();
        for _ in 0..PAGES {
            let raw = page.bundle["entry"].as_array().cloned().unwrap_or_default();
            all.extend(page.history().ok()?.into_iter().zip(raw));
            match &page.next {
                Some(next) => page = self.entry.client.more(next).await.ok()?,
                None => return self.then(all),
            }
        }
        None
    }

    fn then(&self, all: Vec<(HistoryEntry, Value)>) -> Option<Vec<(HistoryEntry, Value)>> {
        // What the run wrote, and all after it, came later.
        let own = all.iter().rposition(|(entry, _)| self.own.contains(&(entry.reference.clone(), entry.version.clone())));
        let before: Vec<_> = all.into_iter().skip(own.map_or(0, |own| own + 1)).collect();
        let late = |at: Option<Timestamp>| at.is_some_and(|at| at > self.at);
        let begins = before.iter().rposition(|(entry, _)| late(entry.last_updated)).map_or(0, |last| last + 1);
        let there: Vec<_> = before.into_iter().skip(begins).collect();
        // HAPI does not say when it deleted: between one that is later and one that is not, it may be either.
        let open = there.first().is_some_and(|(entry, _)| entry.last_updated.is_none()) && (begins > 0 || own.is_none());
        (!open).then_some(there)
    }
}

fn missing(code: FhirErrorCode, status: u16) -> FhirError {
    let message = "as of the run's time".to_owned();
    FhirError { code, status: Some(status), message, outcome: None }
}

#[async_trait]
impl FhirReads for Past {
    fn capabilities(&self) -> ReadCapabilities {
        self.reads.capabilities()
    }

    async fn read(&self, reference: &Reference) -> Result<Found, FhirError> {
        self.ask();
        // Mostly nothing has changed since: then one question is enough, and no history is needed.
        match self.entry.client.read(reference).await {
            Ok(found)
                if found.last_updated.is_some_and(|at| at <= self.at) && !self.own.iter().any(|(own, _)| own == reference) =>
            {
                return Ok(Found { version: found.version, resource: found.resource.into() });
            }
            Err(error) if error.kind == FhirErrorKind::NotFound => return Err(missing(FhirErrorCode::NotFound, 404)),
            Err(error) if error.is_transient() => return self.unknown(reference.to_string()),
            Ok(_) | Err(_) => {}
        }
        let Some(versions) = self.versions(reference).await else { return self.unknown(reference.to_string()) };
        match versions.into_iter().next() {
            None => Err(missing(FhirErrorCode::NotFound, 404)),
            Some((entry, _)) => match entry.resource.filter(|_| entry.interaction != Interaction::Delete) {
                Some(resource) => Ok(Found { version: entry.version, resource: resource.into() }),
                None => Err(missing(FhirErrorCode::Gone, 410)),
            },
        }
    }

    async fn vread(&self, reference: &Reference, version: &VersionId) -> Result<Found, FhirError> {
        self.ask();
        // A version does not change.
        self.told(self.reads.vread(reference, version).await, || format!("{reference}/_history/{version}"))
    }

    async fn history(&self, reference: &Reference) -> Result<Page, FhirError> {
        self.ask();
        match self.versions(reference).await {
            None => self.unknown(format!("{reference}/_history")),
            Some(versions) if versions.is_empty() => Err(missing(FhirErrorCode::NotFound, 404)),
            Some(versions) => {
                let entry: Vec<Value> = versions.into_iter().map(|(_, raw)| raw).collect();
                let bundle = json!({"resourceType": "Bundle", "type": "history", "total": entry.len(), "entry": entry});
                Ok(Page { bundle: bundle.into(), next: None })
            }
        }
    }

    async fn search(&self, resource_type: &ResourceType, query: &str) -> Result<Page, FhirError> {
        self.ask();
        self.as_now(self.reads.search(resource_type, query).await, format!("{resource_type}?{query}"))
    }

    async fn everything(&self, patient: &Reference, query: &str) -> Result<Page, FhirError> {
        self.ask();
        let asked = format!("{patient}/$everything");
        self.as_now(self.reads.everything(patient, query).await, asked)
    }

    async fn more(&self, next: &str) -> Result<Page, FhirError> {
        self.ask();
        self.as_now(self.reads.more(next).await, "the next page".to_owned())
    }
}

#[async_trait]
impl Outbound for Past {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let host = url::Url::parse(&request.url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        self.mark(Mark::Unknown { asked: format!("{} {host}", request.method) });
        Err(HttpError::Ends(unknown()))
    }
}

impl Secrets for Past {
    fn value(&self, _: &str) -> Result<String, String> {
        Err("a trial has no secrets".to_owned())
    }
}
