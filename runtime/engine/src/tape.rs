//! What the source said to a run: kept while it runs, and said again when it is replayed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use data_encoding::BASE64;
use hob_model::{Call, Failure, FailureKind, Journal, Reference, ResourceType, Said, Text, VersionId};
use serde::Deserialize;
use serde_json::Value;

use crate::outbound::{HttpError, HttpRequest, HttpResponse};
use crate::{Document, FhirError, FhirErrorCode, FhirReads, Found, Outbound, Page, ReadCapabilities, Secrets};

/// The code of the failure that ends a replay where the journal does.
pub(crate) const ENDS: &str = "replay-ends";

/// How many calls further on what the source said is looked for: most often it is the next that has it. A bound, since a run may make very many calls.
const NEAR: usize = 64;

#[derive(Clone)]
enum Heard {
    One(Found),
    Many(Page),
    Error(FhirError),
    Nothing,
}

/// Passes reads on and keeps what is said.
pub(crate) struct Tape {
    inner: Arc<dyn FhirReads>,
    heard: Mutex<Vec<(String, Heard)>>,
}

impl Tape {
    pub(crate) fn of(inner: Arc<dyn FhirReads>) -> Self {
        Self { inner, heard: Mutex::default() }
    }

    fn heard(&self) -> MutexGuard<'_, Vec<(String, Heard)>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer has the place in which it was asked for: those that are under way together may come in any order.
    async fn keep<T: Clone>(
        &self,
        asked: String,
        answer: impl Future<Output = Result<T, FhirError>>,
        heard: fn(T) -> Heard,
    ) -> Result<T, FhirError> {
        let place = {
            let mut all = self.heard();
            all.push((asked, Heard::Nothing));
            all.len() - 1
        };
        let answer = answer.await;
        let told = match &answer {
            Ok(told) => heard(told.clone()),
            Err(error) => Heard::Error(error.clone()),
        };
        if let Some((_, kept)) = self.heard().get_mut(place) {
            *kept = told;
        }
        answer
    }

    /// What was asked, and what was said to it, as the journal has it: what a call was answered is not kept twice.
    pub(crate) fn take(&self, calls: &[Call]) -> (Vec<String>, Vec<Said>) {
        let mut from = 0;
        let mut text = |document: &Document, before: &str| {
            let json = document.json().get();
            let same = |call: &Call| call.response.get().strip_prefix(before).is_some_and(|rest| rest.starts_with(json));
            match calls.iter().skip(from).take(NEAR).position(same) {
                Some(at) => {
                    from += at;
                    Text::In { call: from, from: before.len(), length: json.len() }
                }
                None => Text::Own(document.json().to_owned()),
            }
        };
        let mut said = |heard: Heard| match heard {
            Heard::One(found) => Said::One { version: found.version, resource: text(&found.resource, "{\"ok\":") },
            Heard::Many(page) => Said::Many { bundle: text(&page.bundle, "{\"ok\":{\"bundle\":"), next: page.next },
            Heard::Error(FhirError { code, status, message, outcome }) => {
                Said::Error { code: code.as_str().to_owned(), status, message, outcome }
            }
            Heard::Nothing => Said::Nothing,
        };
        std::mem::take(&mut *self.heard()).into_iter().map(|(asked, heard)| (asked, said(heard))).unzip()
    }
}

#[async_trait]
impl FhirReads for Tape {
    fn capabilities(&self) -> ReadCapabilities {
        self.inner.capabilities()
    }

    async fn read(&self, reference: &Reference) -> Result<Found, FhirError> {
        self.keep(asked::read(reference), self.inner.read(reference), Heard::One).await
    }

    async fn vread(&self, reference: &Reference, version: &VersionId) -> Result<Found, FhirError> {
        self.keep(asked::vread(reference, version), self.inner.vread(reference, version), Heard::One).await
    }

    async fn history(&self, reference: &Reference) -> Result<Page, FhirError> {
        self.keep(asked::history(reference), self.inner.history(reference), Heard::Many).await
    }

    async fn search(&self, resource_type: &ResourceType, query: &str) -> Result<Page, FhirError> {
        self.keep(asked::search(resource_type, query), self.inner.search(resource_type, query), Heard::Many).await
    }

    async fn everything(&self, patient: &Reference, query: &str) -> Result<Page, FhirError> {
        self.keep(asked::everything(patient, query), self.inner.everything(patient, query), Heard::Many).await
    }

    async fn more(&self, next: &str) -> Result<Page, FhirError> {
        self.keep(next.to_owned(), self.inner.more(next), Heard::Many).await
    }
}

/// How a journal names what a source was asked.
mod asked {
    use hob_model::{Reference, ResourceType, VersionId};

    pub(super) fn read(reference: &Reference) -> String {
        reference.to_string()
    }

    pub(super) fn vread(reference: &Reference, version: &VersionId) -> String {
        format!("{reference}/_history/{version}")
    }

    pub(super) fn history(reference: &Reference) -> String {
        format!("{reference}/_history")
    }

    pub(super) fn search(resource_type: &ResourceType, query: &str) -> String {
        format!("{resource_type}?{query}")
    }

    pub(super) fn everything(patient: &Reference, query: &str) -> String {
        format!("{patient}/$everything?{query}")
    }
}

/// Answers by a journal what was asked when it was recorded, in whatever order it is asked now, and has the rest asked anew.
///
/// What was asked several times is answered in the order of then; once more than then, as the last time.
pub(crate) struct Knower {
    capabilities: ReadCapabilities,
    known: Mutex<BTreeMap<String, VecDeque<Heard>>>,
    anew: Arc<dyn FhirReads>,
}

impl Knower {
    pub(crate) fn of(journal: &Journal, anew: Arc<dyn FhirReads>) -> Self {
        let mut known: BTreeMap<String, VecDeque<Heard>> = BTreeMap::new();
        for (asked, said) in journal.asked.iter().zip(&journal.said) {
            // Nothing was answered before the attempt ended, or it cannot be read: nobody knows.
            if let Some(heard @ (Heard::One(_) | Heard::Many(_) | Heard::Error(_))) = heard(said, &journal.calls) {
                known.entry(asked.clone()).or_default().push_back(heard);
            }
        }
        Self { capabilities: ReadCapabilities { client_ids: journal.given.client_ids }, known: Mutex::new(known), anew }
    }

    fn known(&self, asked: &str) -> Option<Heard> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let answers = known.get_mut(asked)?;
        if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() }
    }

    fn one(&self, asked: &str) -> Option<Result<Found, FhirError>> {
        match self.known(asked)? {
            Heard::One(found) => Some(Ok(found)),
            Heard::Error(error) => Some(Err(error)),
            Heard::Many(_) | Heard::Nothing => None,
        }
    }

    fn many(&self, asked: &str) -> Option<Result<Page, FhirError>> {
        match self.known(asked)? {
            Heard::Many(page) => Some(Ok(page)),
            Heard::Error(error) => Some(Err(error)),
            Heard::One(_) | Heard::Nothing => None,
        }
    }
}

#[async_trait]
impl FhirReads for Knower {
    fn capabilities(&self) -> ReadCapabilities {
        self.capabilities
    }

    async fn read(&self, reference: &Reference) -> Result<Found, FhirError> {
        match self.one(&asked::read(reference)) {
            Some(known) => known,
            None => self.anew.read(reference).await,
        }
    }

    async fn vread(&self, reference: &Reference, version: &VersionId) -> Result<Found, FhirError> {
        match self.one(&asked::vread(reference, version)) {
            Some(known) => known,
            None => self.anew.vread(reference, version).await,
        }
    }

    async fn history(&self, reference: &Reference) -> Result<Page, FhirError> {
        match self.many(&asked::history(reference)) {
            Some(known) => known,
            None => self.anew.history(reference).await,
        }
    }

    async fn search(&self, resource_type: &ResourceType, query: &str) -> Result<Page, FhirError> {
        match self.many(&asked::search(resource_type, query)) {
            Some(known) => known,
            None => self.anew.search(resource_type, query).await,
        }
    }

    async fn everything(&self, patient: &Reference, query: &str) -> Result<Page, FhirError> {
        match self.many(&asked::everything(patient, query)) {
            Some(known) => known,
            None => self.anew.everything(patient, query).await,
        }
    }

    async fn more(&self, next: &str) -> Result<Page, FhirError> {
        match self.many(next) {
            Some(known) => known,
            None => self.anew.more(next).await,
        }
    }
}

/// Says again what a journal has. Where it has nothing more, or something else than is asked for, the attempt ends.
pub(crate) struct Player {
    capabilities: ReadCapabilities,
    said: Mutex<VecDeque<Heard>>,
    answers: Mutex<VecDeque<Result<HttpResponse, HttpError>>>,
}

impl Player {
    pub(crate) fn of(journal: &Journal) -> Self {
        let heard = |said: &Said| heard(said, &journal.calls).unwrap_or(Heard::Nothing);
        let sent = journal.calls.iter().filter(|call| call.function == "http.send");
        Self {
            capabilities: ReadCapabilities { client_ids: journal.given.client_ids },
            said: Mutex::new(journal.said.iter().map(heard).collect()),
            answers: Mutex::new(sent.filter_map(answer).collect()),
        }
    }

    fn next(&self) -> Heard {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).pop_front().unwrap_or(Heard::Nothing)
    }

    fn one(&self) -> Result<Found, FhirError> {
        match self.next() {
            Heard::One(found) => Ok(found),
            Heard::Error(error) => Err(error),
            Heard::Many(_) | Heard::Nothing => Err(ends()),
        }
    }

    fn many(&self) -> Result<Page, FhirError> {
        match self.next() {
            Heard::Many(page) => Ok(page),
            Heard::Error(error) => Err(error),
            Heard::One(_) | Heard::Nothing => Err(ends()),
        }
    }
}

fn ends() -> FhirError {
    FhirError { code: FhirErrorCode::Ends, status: None, message: String::new(), outcome: None }
}

fn heard(said: &Said, calls: &[Call]) -> Option<Heard> {
    let document = |text: &Text| Document::parse(text.of(calls)?.as_bytes()).ok();
    Some(match said {
        Said::One { version, resource } => Heard::One(Found { version: version.clone(), resource: document(resource)? }),
        Said::Many { bundle, next } => Heard::Many(Page { bundle: document(bundle)?, next: next.clone() }),
        Said::Error { code, status, message, outcome } => Heard::Error(FhirError {
            code: FhirErrorCode::named(code)?,
            status: *status,
            message: message.clone(),
            outcome: outcome.clone(),
        }),
        Said::Nothing => Heard::Nothing,
    })
}

/// What a recorded `http.send` was answered; none where the manifest did not allow it, for then nobody was asked.
pub(crate) fn answer(call: &Call) -> Option<Result<HttpResponse, HttpError>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Response {
        Ok { status: u16, headers: Vec<(String, String)>, body: String },
        Error(Value),
    }
    let failed = |error: &Value| {
        let text = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let code = text("code");
        let Some(code) = ["refused", "too-large", "later", "unknown"].into_iter().find(|word| *word == code) else {
            let failure = Failure { kind: FailureKind::Fatal, code, message: text("message"), retry_after: None };
            return HttpError::Ends(failure);
        };
        let wait = error.get("retry-after-ms").and_then(Value::as_u64).map(std::time::Duration::from_millis);
        HttpError::Told { code, message: text("message"), retry_after: wait }
    };
    // What cannot be read must not let the answers after it move up.
    let unread = || Some(Err(HttpError::Ends(ended())));
    let Ok(response) = serde_json::from_str(call.response.get()) else { return unread() };
    match response {
        Response::Ok { status, headers, body } => match BASE64.decode(body.as_bytes()) {
            Ok(body) => Some(Ok(HttpResponse { status, headers, body: body.into() })),
            Err(_) => unread(),
        },
        Response::Error(error) if error.get("code").and_then(Value::as_str) == Some("not-allowed") => None,
        Response::Error(error) => Some(Err(failed(&error))),
    }
}

#[async_trait]
impl FhirReads for Player {
    fn capabilities(&self) -> ReadCapabilities {
        self.capabilities
    }

    async fn read(&self, _: &Reference) -> Result<Found, FhirError> {
        self.one()
    }

    async fn vread(&self, _: &Reference, _: &VersionId) -> Result<Found, FhirError> {
        self.one()
    }

    async fn history(&self, _: &Reference) -> Result<Page, FhirError> {
        self.many()
    }

    async fn search(&self, _: &ResourceType, _: &str) -> Result<Page, FhirError> {
        self.many()
    }

    async fn everything(&self, _: &Reference, _: &str) -> Result<Page, FhirError> {
        self.many()
    }

    async fn more(&self, _: &str) -> Result<Page, FhirError> {
        self.many()
    }
}

#[async_trait]
impl Outbound for Player {
    async fn send(&self, _: HttpRequest) -> Result<HttpResponse, HttpError> {
        let next = self.answers.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        next.unwrap_or_else(|| Err(HttpError::Ends(ended())))
    }
}

/// A repeat is given what was recorded: signatures as they were, and marks for what was exposed.
impl Secrets for Player {
    fn value(&self, _: &str) -> Result<String, String> {
        Err("a repeat has no secrets".to_owned())
    }
}

/// The failure that ends an attempt which asks what nobody can answer.
pub(crate) fn ended() -> Failure {
    let message = "the journal ends here".to_owned();
    Failure { kind: FailureKind::Fatal, code: ENDS.to_owned(), message, retry_after: None }
}
