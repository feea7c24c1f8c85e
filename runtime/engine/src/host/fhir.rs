//! `fhir`: reads at the event's source. A read is planned (scope, staged, already read), fetched, and finished (scope on the content,
//! kept for the rest of the run), so that `batch` can fetch many at once. Writes are in `writes.rs`.

use std::sync::Arc;

use futures::StreamExt;
use hob_model::{Reference, ResourceId, ResourceType, VersionId};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use wasmtime::component::Resource;

use crate::bindings::hob::bot::fhir::{Created, Error, Host, Page as WitPage, Request};
use crate::query::{self, Refused};
use crate::scopes::{Missing, Need};
use crate::staging::{Base, Seen};
use crate::state::{Known, Next, Shape, State};
use crate::stop::Stop;
use crate::{Denial, Document, FhirError, FhirErrorCode, FhirReads, Found, Page, tape};

/// Reads of one batch that are under way at once.
const AT_ONCE: usize = 8;

/// Why a call gives no answer: the guest is told, or is stopped.
pub(crate) enum Trouble {
    Say(Error),
    Stop(wasmtime::Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Say(error)
    }
}

impl From<wasmtime::Error> for Trouble {
    fn from(error: wasmtime::Error) -> Self {
        Self::Stop(error)
    }
}

impl From<FhirError> for Trouble {
    fn from(error: FhirError) -> Self {
        if error.code == FhirErrorCode::Ends {
            return Self::Stop(wasmtime::Error::new(Stop(tape::ended())));
        }
        Self::Say(Error {
            code: error.code.as_str().to_owned(),
            status: error.status,
            message: error.message,
            outcome: error.outcome.map(|outcome| outcome.to_string()),
        })
    }
}

pub(crate) type Answer<T> = Result<T, Trouble>;

pub(crate) fn say(code: &str, message: impl Into<String>) -> Trouble {
    Trouble::Say(Error { code: code.to_owned(), status: None, message: message.into(), outcome: None })
}

/// One read.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    Read(Reference),
    Vread(Reference, VersionId),
    History(Reference),
    /// `narrowed` where the scopes cover only a part of the type.
    Search {
        kind: ResourceType,
        query: String,
        narrowed: bool,
    },
    More(Next),
    /// `whole` where the scopes cover all that may be in it; that is found out before it is asked.
    Everything {
        patient: Reference,
        query: String,
        whole: bool,
    },
}

enum Plan {
    Ready(Document),
    Fetch(Ask),
}

enum Fetched {
    One(Found),
    Many(Page),
}

/// What a read answers: a document, and for pages the next one's token.
struct Got {
    document: Document,
    next: Option<String>,
}

/// What the journal keeps of an answer.
#[derive(Serialize)]
struct PageRecord<'a> {
    bundle: &'a RawValue,
    next: &'a Option<String>,
}

impl State {
    /// The resource that a text of the guest names: `Type/id`, or the `urn:uuid:…` of a staged create.
    pub(crate) fn target(&self, text: &str) -> Answer<Reference> {
        if let Some(id) = text.strip_prefix("urn:uuid:") {
            let staged = self.staging.by_id(id);
            return staged.cloned().ok_or_else(|| say("not-found", "this run has staged no create of that urn:uuid"));
        }
        text.parse().map_err(|why| say("invalid", format!("{why}; give Type/id")))
    }

    /// The attempt's end for want of a scope.
    pub(crate) fn denied(&mut self, missing: &Missing) -> Trouble {
        let failure = self.deny(missing);
        match self.denial {
            Denial::Ends => Trouble::Stop(wasmtime::Error::new(Stop(failure))),
            Denial::IsTold => say("scope", failure.message),
        }
    }

    /// As [`State::denied`], or what the bot has to ask otherwise.
    pub(crate) fn refused(&mut self, refused: Refused) -> Trouble {
        match refused {
            Refused::Scope(missing) => self.denied(&missing),
            Refused::Otherwise(why) => say("invalid", why),
        }
    }

    fn plan(&mut self, ask: Ask) -> Answer<Plan> {
        let kind = match &ask {
            Ask::Read(target) | Ask::Vread(target, _) | Ask::History(target) => &target.resource_type,
            Ask::Search { kind, query, .. } => {
                let asked = query::permit(&self.access, kind, query).map_err(|refused| self.refused(refused))?;
                let search = Ask::Search { kind: kind.clone(), query: asked.query, narrowed: asked.narrowed };
                return Ok(Plan::Fetch(search));
            }
            // Only a page that was allowed has a next, and an operation was judged before.
            Ask::More(_) | Ask::Everything { .. } => return Ok(Plan::Fetch(ask)),
        };
        let access = self.access.clone();
        let grant = access.grant(kind, Need::Read).map_err(|missing| self.denied(&missing))?;
        let Ask::Read(target) = &ask else { return Ok(Plan::Fetch(ask)) };
        let seen = match self.staging.seen(target) {
            Seen::Content(document) => document.clone(),
            Seen::Deleted => return Err(say("gone", "this run has staged its delete")),
            Seen::Unstaged => match self.known.get(target) {
                Some(known) if !known.from_event => known.base.resource.clone(),
                _ => return Ok(Plan::Fetch(ask)),
            },
        };
        grant.check(seen.value()).map_err(|missing| self.denied(&missing))?;
        Ok(Plan::Ready(seen))
    }

    fn finish_read(&mut self, ask: &Ask, fetched: Fetched) -> Answer<Got> {
        match (ask, fetched) {
            (Ask::Read(target) | Ask::Vread(target, _), Fetched::One(found)) => {
                let access = self.access.clone();
                let grant = access.grant(&target.resource_type, Need::Read).map_err(|missing| self.denied(&missing))?;
                grant.check(found.resource.value()).map_err(|missing| self.denied(&missing))?;
                let document = found.resource.clone();
                if matches!(ask, Ask::Read(_)) {
                    self.know(target.clone(), found);
                }
                Ok(Got { document, next: None })
            }
            (Ask::Search { kind, query, narrowed }, Fetched::Many(page)) => {
                let counts = !*narrowed && query::counts(query);
                let shape = Shape { history: false, partial: query::is_partial(query), narrowed: *narrowed, counts };
                let bundle = self.overlay(kind, query, page.bundle, shape);
                Ok(self.page(bundle, page.next, shape))
            }
            (Ask::History(target), Fetched::Many(page)) => {
                let grant = self.access.grant(&target.resource_type, Need::Read);
                let narrowed = !grant.is_ok_and(|grant| grant.is_whole());
                let shape = Shape { history: true, partial: false, narrowed, counts: !narrowed };
                let bundle = self.permitted(page.bundle, shape);
                Ok(self.page(bundle, page.next, shape))
            }
            (Ask::Everything { whole, .. }, Fetched::Many(page)) => {
                let shape = Shape { history: true, partial: false, narrowed: !*whole, counts: *whole };
                let bundle = self.permitted(page.bundle, shape);
                let bundle = self.laid_over(bundle, None);
                Ok(self.page(bundle, page.next, shape))
            }
            (Ask::More(Next { shape, .. }), Fetched::Many(page)) => {
                let bundle = self.permitted(page.bundle, *shape);
                Ok(self.page(bundle, page.next, *shape))
            }
            _ => Err(say("invalid", "the server's answer is of another kind than what was asked")),
        }
    }

    /// Keeps a resource as read: the first version that a run sees is the one that its writes hang on.
    pub(crate) fn know(&mut self, target: Reference, found: Found) {
        let base = Base { version: found.version, resource: found.resource };
        self.known.insert(target, Known { base, from_event: false });
    }

    /// Gives a page's next link a name that the guest can hold but not make up.
    fn page(&mut self, document: Document, link: Option<String>, shape: Shape) -> Got {
        let next = link.map(|link| {
            self.nexts.push(Next { link, shape });
            format!("page:{}", self.nexts.len())
        });
        Got { document, next }
    }

    /// Charges what the run keeps of an answer to its end, whatever of it is shown.
    fn keeps(&mut self, fetched: &Fetched) -> wasmtime::Result<()> {
        match fetched {
            Fetched::One(found) => self.budget.hold(found.resource.weight()),
            Fetched::Many(page) => self.budget.hold(page.bundle.weight()),
        }
    }

    async fn get(&mut self, mut ask: Ask) -> Answer<Got> {
        if let Ask::Everything { patient, query, whole } = &mut ask {
            *whole = self.may_have_everything(patient, query).await?;
        }
        match self.plan(ask)? {
            Plan::Ready(document) => Ok(Got { document, next: None }),
            Plan::Fetch(ask) => {
                let fetched = fetch(Arc::clone(&self.fhir), ask.clone()).await?;
                self.keeps(&fetched)?;
                self.finish_read(&ask, fetched)
            }
        }
    }

    /// The resource as the server has it, read now where the run has not seen it: what a write hangs on.
    pub(crate) async fn base(&mut self, target: &Reference) -> Answer<Base> {
        if let Some(known) = self.known.get(target) {
            return Ok(known.base.clone());
        }
        let found = self.fhir.read(target).await?;
        self.budget.hold(found.resource.weight())?;
        let base = Base { version: found.version.clone(), resource: found.resource.clone() };
        self.know(target.clone(), found);
        Ok(base)
    }

    async fn one(
        &mut self,
        function: &'static str,
        request: Value,
        ask: Answer<Ask>,
    ) -> wasmtime::Result<Result<Resource<Document>, Error>> {
        self.budget.call()?;
        let at = self.recorder.begin();
        let got = match ask {
            Ok(ask) => self.get(ask).await,
            Err(trouble) => Err(trouble),
        };
        let answer = told(got)?;
        let grown =
            self.recorder.end(function, at, request, answer.as_ref().map(|got| got.document.json()).map_err(ErrorRecord::from));
        self.budget.hold(grown)?;
        match answer {
            Ok(got) => self.hand_out(got.document).map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn many(
        &mut self,
        function: &'static str,
        request: Value,
        ask: Answer<Ask>,
    ) -> wasmtime::Result<Result<WitPage, Error>> {
        self.budget.call()?;
        let at = self.recorder.begin();
        let got = match ask {
            Ok(ask) => self.get(ask).await,
            Err(trouble) => Err(trouble),
        };
        let answer = told(got)?;
        let record =
            answer.as_ref().map(|got| PageRecord { bundle: got.document.json(), next: &got.next }).map_err(ErrorRecord::from);
        let grown = self.recorder.end(function, at, request, record);
        self.budget.hold(grown)?;
        match answer {
            Ok(got) => Ok(Ok(WitPage { bundle: self.hand_out(got.document)?, next: got.next })),
            Err(error) => Ok(Err(error)),
        }
    }

    fn ask(&self, url: &str) -> Answer<Ask> {
        if let Some((kind, query)) = url.split_once('?') {
            return Ok(Ask::Search { kind: resource_type(kind)?, query: query.to_owned(), narrowed: false });
        }
        match url.split_once("/_history/") {
            Some((reference, version)) => Ok(Ask::Vread(self.target(reference)?, version_id(version)?)),
            None => Ok(Ask::Read(self.target(url)?)),
        }
    }

    async fn batched(&mut self, requests: &[Request]) -> wasmtime::Result<Vec<Result<Got, Error>>> {
        let plan = |request: &Request| -> Answer<Plan> {
            let ask = self.ask(&request.url)?;
            self.plan(ask)
        };
        let plans: Vec<Answer<Plan>> = requests.iter().map(plan).collect();
        let asks: Vec<(usize, Ask)> = plans
            .iter()
            .enumerate()
            .filter_map(|(at, plan)| match plan {
                Ok(Plan::Fetch(ask)) => Some((at, ask.clone())),
                _ => None,
            })
            .collect();
        let fhir = Arc::clone(&self.fhir);
        let mut under_way = futures::stream::iter(asks)
            .map(|(at, ask)| {
                let fhir = Arc::clone(&fhir);
                async move { (at, fetch(fhir, ask).await) }
            })
            .buffered(AT_ONCE);
        let mut fetched: Vec<(usize, Answer<Fetched>)> = Vec::new();
        while let Some((at, answer)) = under_way.next().await {
            if let Ok(fetched) = &answer {
                self.keeps(fetched)?;
            }
            fetched.push((at, answer));
        }
        fetched.reverse();
        let mut answers = Vec::with_capacity(plans.len());
        for (at, plan) in plans.into_iter().enumerate() {
            let got = match plan {
                Err(trouble) => Err(trouble),
                Ok(Plan::Ready(document)) => Ok(Got { document, next: None }),
                Ok(Plan::Fetch(ask)) => match fetched.pop() {
                    Some((of, fetched)) if of == at => fetched.and_then(|fetched| self.finish_read(&ask, fetched)),
                    _ => Err(say("unavailable", "the read was not made")),
                },
            };
            answers.push(told(got)?);
        }
        Ok(answers)
    }
}

impl Host for State {
    async fn read(&mut self, reference: String) -> wasmtime::Result<Result<Resource<Document>, Error>> {
        let ask = self.target(&reference).map(Ask::Read);
        self.one("fhir.read", json!([reference]), ask).await
    }

    async fn vread(&mut self, reference: String, version: String) -> wasmtime::Result<Result<Resource<Document>, Error>> {
        let ask = self.target(&reference).and_then(|target| Ok(Ask::Vread(target, version_id(&version)?)));
        self.one("fhir.vread", json!([reference, version]), ask).await
    }

    async fn history(&mut self, reference: String) -> wasmtime::Result<Result<WitPage, Error>> {
        let ask = self.target(&reference).map(Ask::History);
        self.many("fhir.history", json!([reference]), ask).await
    }

    async fn search(&mut self, kind: String, query: String) -> wasmtime::Result<Result<WitPage, Error>> {
        let ask = resource_type(&kind).map(|kind| Ask::Search { kind, query: query.clone(), narrowed: false });
        self.many("fhir.search", json!([kind, query]), ask).await
    }

    async fn more(&mut self, next: String) -> wasmtime::Result<Result<WitPage, Error>> {
        let number = next.strip_prefix("page:").and_then(|number| number.parse::<usize>().ok());
        let known = number.and_then(|number| self.nexts.get(number.checked_sub(1)?)).cloned();
        let ask = known.map(Ask::More).ok_or_else(|| say("invalid", "give what an earlier page of this run called next"));
        self.many("fhir.more", json!([next]), ask).await
    }

    async fn operation(&mut self, name: String, reference: String, query: String) -> wasmtime::Result<Result<WitPage, Error>> {
        let ask = self.known_operation(&name, &reference, &query);
        self.many("fhir.operation", json!([name, reference, query]), ask).await
    }

    async fn batch(&mut self, requests: Vec<Request>) -> wasmtime::Result<Vec<Result<Resource<Document>, Error>>> {
        for _ in &requests {
            self.budget.call()?;
        }
        let at = self.recorder.begin();
        let answers = self.batched(&requests).await?;
        let urls: Vec<&str> = requests.iter().map(|request| request.url.as_str()).collect();
        let records: Vec<BatchRecord<'_>> = answers
            .iter()
            .map(|answer| match answer {
                Ok(got) => BatchRecord::Ok(got.document.json()),
                Err(error) => BatchRecord::Error(ErrorRecord::from(error)),
            })
            .collect();
        let grown = self.recorder.end("fhir.batch", at, urls, Ok::<_, ()>(records));
        self.budget.hold(grown)?;
        let mut handles = Vec::with_capacity(answers.len());
        for answer in answers {
            handles.push(match answer {
                Ok(got) => Ok(self.hand_out(got.document)?),
                Err(error) => Err(error),
            });
        }
        Ok(handles)
    }

    async fn create(&mut self, body: Vec<u8>, if_none_exist: Option<String>) -> wasmtime::Result<Result<Created, Error>> {
        self.write("fhir.create", body, if_none_exist).await
    }

    async fn update(&mut self, body: Vec<u8>) -> wasmtime::Result<Result<(), Error>> {
        self.begin_write("fhir.update", super::writes::Op::Update(body)).await
    }

    async fn patch(&mut self, reference: String, body: String) -> wasmtime::Result<Result<(), Error>> {
        self.begin_write("fhir.patch", super::writes::Op::Patch(reference, body)).await
    }

    async fn delete(&mut self, reference: String) -> wasmtime::Result<Result<(), Error>> {
        self.begin_write("fhir.delete", super::writes::Op::Delete(reference)).await
    }

    async fn guard(&mut self, reference: String, version: String) -> wasmtime::Result<Result<(), Error>> {
        self.begin_write("fhir.guard", super::writes::Op::Guard(reference, version)).await
    }
}

/// An error as the journal keeps it.
#[derive(Serialize)]
pub(crate) struct ErrorRecord<'a> {
    code: &'a str,
    status: Option<u16>,
    message: &'a str,
    outcome: Option<&'a str>,
}

impl<'a> From<&'a Error> for ErrorRecord<'a> {
    fn from(error: &'a Error) -> Self {
        Self { code: &error.code, status: error.status, message: &error.message, outcome: error.outcome.as_deref() }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum BatchRecord<'a> {
    Ok(&'a RawValue),
    Error(ErrorRecord<'a>),
}

/// Parts what the guest is told from what stops it.
pub(crate) fn told<T>(answer: Answer<T>) -> wasmtime::Result<Result<T, Error>> {
    match answer {
        Ok(got) => Ok(Ok(got)),
        Err(Trouble::Say(error)) => Ok(Err(error)),
        Err(Trouble::Stop(error)) => Err(error),
    }
}

async fn fetch(fhir: Arc<dyn FhirReads>, ask: Ask) -> Answer<Fetched> {
    Ok(match ask {
        Ask::Read(target) => Fetched::One(fhir.read(&target).await?),
        Ask::Vread(target, version) => Fetched::One(fhir.vread(&target, &version).await?),
        Ask::History(target) => Fetched::Many(fhir.history(&target).await?),
        Ask::Search { kind, query, .. } => Fetched::Many(fhir.search(&kind, &query).await?),
        Ask::More(next) => Fetched::Many(fhir.more(&next.link).await?),
        Ask::Everything { patient, query, .. } => Fetched::Many(fhir.everything(&patient, &query).await?),
    })
}

pub(crate) fn resource_type(text: &str) -> Answer<ResourceType> {
    ResourceType::new(text).map_err(|why| say("invalid", why.to_string()))
}

pub(crate) fn resource_id(text: &str) -> Answer<ResourceId> {
    ResourceId::new(text).map_err(|why| say("invalid", why.to_string()))
}

pub(crate) fn version_id(text: &str) -> Answer<VersionId> {
    VersionId::new(text).map_err(|why| say("invalid", why.to_string()))
}
