//! `fhir`: writes. Each is held to the scopes, on the content before and after, and staged; nothing is sent.

use std::time::Duration;

use hob_model::{Guard, Reference};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::fhir::{Answer, ErrorRecord, Trouble, resource_id, resource_type, say, told, version_id};
use super::overlay::resources;
use crate::Document;
use crate::bindings::hob::bot::fhir::{Created, Error};
use crate::budget::{cpu_until, kib, thread_cpu};
use crate::criteria::Criteria;
use crate::document::size;
use crate::query;
use crate::scopes::Need;
use crate::staging::{Base, Seen};
use crate::state::{Shape, State, reference_of};
use crate::stop::Limit;

/// A write that answers nothing.
pub(crate) enum Op {
    Update(Vec<u8>),
    Patch(String, String),
    Delete(String),
    Guard(String, String),
}

impl State {
    pub(crate) async fn write(
        &mut self,
        function: &'static str,
        body: Vec<u8>,
        if_none_exist: Option<String>,
    ) -> wasmtime::Result<Result<Created, Error>> {
        self.budget.call()?;
        let at = self.recorder.begin();
        let (request, answer) = match self.parsed(body).await {
            Ok((resource, text)) => (raw(&(text, &if_none_exist)), self.create_checked(resource, if_none_exist).await),
            Err(trouble) => (raw(&(Value::Null, &if_none_exist)), Err(trouble)),
        };
        let answer = told(answer)?;
        let record = answer
            .as_ref()
            .map(|created| json!({ "reference": created.reference, "is-final": created.is_final, "existed": created.existed }))
            .map_err(ErrorRecord::from);
        let grown = self.recorder.end(function, at, request, record);
        self.budget.hold(grown)?;
        self.check_output()?;
        Ok(answer)
    }

    pub(crate) async fn begin_write(&mut self, function: &'static str, op: Op) -> wasmtime::Result<Result<(), Error>> {
        self.budget.call()?;
        let at = self.recorder.begin();
        let (request, answer) = match op {
            Op::Update(body) => match self.parsed(body).await {
                Ok((resource, text)) => (raw(&[text]), self.update_checked(resource).await),
                Err(trouble) => (raw(&[Value::Null]), Err(trouble)),
            },
            Op::Patch(reference, body) => (raw(&[&reference, &body]), self.patch_checked(&reference, &body).await),
            Op::Delete(reference) => (raw(&[&reference]), self.delete_checked(&reference).await),
            Op::Guard(reference, version) => (raw(&[&reference, &version]), self.guard_checked(&reference, &version).await),
        };
        let answer = told(answer)?;
        let grown = self.recorder.end(function, at, request, answer.as_ref().map(|()| Value::Null).map_err(ErrorRecord::from));
        self.budget.hold(grown)?;
        self.check_output()?;
        Ok(answer)
    }

    /// The resource that the guest gave, and its text for the journal.
    async fn parsed(&mut self, body: Vec<u8>) -> Answer<(Value, Box<RawValue>)> {
        let parse = |body: &[u8]| {
            let text: Box<RawValue> = serde_json::from_slice(body)?;
            Ok((serde_json::from_str::<Value>(text.get())?, text))
        };
        let given = self.given(body, parse).await?;
        let (value, text) = given.map_err(|why| say("invalid", format!("the body is no JSON: {why}")))?;
        if value.is_object() { Ok((value, text)) } else { Err(say("invalid", "the body is no JSON object")) }
    }

    async fn create_checked(&mut self, resource: Value, if_none_exist: Option<String>) -> Answer<Created> {
        let kind = resource_type(resource.get("resourceType").and_then(Value::as_str).unwrap_or_default())?;
        let access = self.access.clone();
        let needs: &[Need] = if if_none_exist.is_some() { &[Need::Create, Need::Search] } else { &[Need::Create] };
        let grant = access.grant(&kind, Need::Create).map_err(|_| self.denied(&access.lacks(&kind, needs)))?;
        grant.check(&resource).map_err(|missing| self.denied(&missing))?;
        self.check_references(&resource, None)?;
        let if_none_exist = match if_none_exist {
            Some(query) if query.is_empty() => {
                return Err(say("invalid", "if-none-exist needs a search, such as identifier=system|value"));
            }
            // What is there and not the bot's to see must not be found: whether it is found is told.
            Some(query) => Some(query::permit(&access, &kind, &query).map_err(|refused| self.refused(refused))?.query),
            None => None,
        };
        if let Some(query) = &if_none_exist
            && let Some(existing) = self.existing(&kind, query).await?
        {
            return Ok(Created { is_final: !existing.starts_with("urn:"), reference: existing, existed: true });
        }
        let is_final = self.fhir.capabilities().client_ids;
        let created = self.staging.create(self.input.run, &kind, resource, if_none_exist, is_final);
        let (_, reference) = created.map_err(|why| say("invalid", why.to_string()))?;
        Ok(Created { reference, is_final, existed: false })
    }

    /// What `if-none-exist` finds, on the server and among staged creates.
    async fn existing(&mut self, kind: &hob_model::ResourceType, query: &str) -> Answer<Option<String>> {
        let staged_here = self.staging.of_type(kind).next().is_some();
        // Only what is staged is judged here; the rest the server has judged.
        let criteria = staged_here.then(|| Criteria::parse_query(kind, query)).transpose();
        let criteria =
            criteria.map_err(|why| say("invalid", format!("if-none-exist cannot be judged on what this run staged: {why}")))?;
        let page = self.fhir.search(kind, query).await?;
        self.budget.hold(page.bundle.weight())?;
        let bundle = self
            .permitted(page.bundle, Shape { history: false, partial: query::is_partial(query), narrowed: false, counts: false });
        let mut found: Vec<String> = Vec::new();
        for resource in
            resources(&bundle).filter(|resource| resource.get("resourceType").and_then(Value::as_str) == Some(kind.as_str()))
        {
            let Some(target) = reference_of(resource) else { continue };
            let still = match self.staging.seen(&target) {
                Seen::Unstaged => true,
                Seen::Deleted => false,
                Seen::Content(document) => criteria.as_ref().is_none_or(|criteria| criteria.matches(document.value())),
            };
            if still {
                found.push(target.to_string());
            }
        }
        let client_ids = self.fhir.capabilities().client_ids;
        for (target, staged, create) in self.staging.of_type(kind) {
            let matches = staged.zip(criteria.as_ref()).is_some_and(|(staged, criteria)| criteria.matches(staged.value()));
            if create && matches {
                found.push(if client_ids { target.to_string() } else { format!("urn:uuid:{}", target.id) });
            }
        }
        if found.len() > 1 {
            return Err(say(
                "conflict",
                format!("if-none-exist finds {} resources of type {kind}: it must find at most one", found.len()),
            ));
        }
        Ok(found.pop())
    }

    async fn update_checked(&mut self, resource: Value) -> Answer<()> {
        let kind = resource_type(resource.get("resourceType").and_then(Value::as_str).unwrap_or_default())?;
        let id =
            resource.get("id").and_then(Value::as_str).ok_or_else(|| say("invalid", "an update needs `id` in the resource"))?;
        let target = Reference { resource_type: kind, id: resource_id(id)? };
        self.replace(target, Change::Whole(resource)).await
    }

    async fn patch_checked(&mut self, reference: &str, body: &str) -> Answer<()> {
        let target = self.target(reference)?;
        if matches!(self.staging.seen(&target), Seen::Deleted) {
            return Err(say("gone", "this run has staged its delete"));
        }
        let patch = self.parse_given::<json_patch::Patch>(body.as_bytes().to_vec()).await?;
        let patch = patch.map_err(|why| say("invalid", format!("not a JSON Patch (RFC 6902): {why}")))?;
        if !self.staging.is_create(&target) {
            let access = self.access.clone();
            if access.grant(&target.resource_type, Need::Read).is_err() {
                return Err(self.denied(&access.lacks(&target.resource_type, &[Need::Read, Need::Update])));
            }
            // Whether a patch applies tells what is there.
            self.may_read(&target).await?;
        }
        self.replace(target, Change::Patch(patch)).await
    }

    /// Stages new content, made of what the run sees of the resource.
    async fn replace(&mut self, target: Reference, change: Change) -> Answer<()> {
        let access = self.access.clone();
        let need = if self.staging.is_create(&target) { Need::Create } else { Need::Update };
        let grant = access.grant(&target.resource_type, need).map_err(|missing| self.denied(&missing))?;
        let base = self.write_base(&target).await?;
        let current = match self.staging.seen(&target) {
            Seen::Content(document) => document.clone(),
            Seen::Deleted | Seen::Unstaged => match &base {
                Some(base) => base.resource.clone(),
                None => return Err(say("gone", "this run has staged its delete")),
            },
        };
        if let Some(base) = &base {
            grant.check(base.resource.value()).map_err(|missing| self.denied(&missing))?;
        }
        let resource = match change {
            Change::Whole(resource) => resource,
            Change::Patch(patch) => {
                let most = kib(self.budget.limits.output_kib);
                let changed = if patch.0.len() > AT_ONCE {
                    let current = current.clone();
                    self.apart(move |left| patched(&current, &patch, most, left)).await?
                } else {
                    Some(patched(&current, &patch, most, Duration::MAX))
                };
                match changed {
                    Some(Patched::Done(resource)) => resource,
                    Some(Patched::Refused(why)) => return Err(say("invalid", why)),
                    Some(Patched::TooMuch) => return Err(Trouble::Stop(self.budget.over(Limit::Output))),
                    Some(Patched::TooLong) => return Err(Trouble::Stop(self.budget.over(Limit::Cpu))),
                    None => return Err(say("invalid", "the patch could not be applied")),
                }
            }
        };
        if reference_of(&resource).as_ref() != Some(&target) {
            return Err(say("invalid", "a write cannot change the type or the id of a resource"));
        }
        grant.check(&resource).map_err(|missing| self.denied(&missing))?;
        self.check_references(&resource, Some(current.value()))?;
        self.staging.update(&target, Document::from(resource), base);
        Ok(())
    }

    /// A reference that is a search (`Patient?identifier=…`) is judged by the server, which writes down whom it found: that is a search of the bot's. What
    /// was there before is not.
    fn check_references(&mut self, content: &Value, before: Option<&Value>) -> Answer<()> {
        let known = before.map(searches_in).unwrap_or_default();
        for text in searches_in(content).into_iter().filter(|text| !known.contains(text)) {
            let (path, query) = text.split_once('?').unwrap_or((text, ""));
            let kind = resource_type(path)?;
            query::permit_reference(&self.access, &kind, query).map_err(|refused| self.refused(refused))?;
        }
        Ok(())
    }

    async fn delete_checked(&mut self, reference: &str) -> Answer<()> {
        let target = self.target(reference)?;
        let access = self.access.clone();
        let need = if self.staging.is_create(&target) { Need::Create } else { Need::Delete };
        let grant = access.grant(&target.resource_type, need).map_err(|missing| self.denied(&missing))?;
        let base = self.write_base(&target).await?;
        if let Some(base) = &base {
            grant.check(base.resource.value()).map_err(|missing| self.denied(&missing))?;
        }
        self.staging.delete(&target, base);
        Ok(())
    }

    /// What the server has of a resource that is to be written; `None` for a staged create.
    async fn write_base(&mut self, target: &Reference) -> Answer<Option<Base>> {
        if self.staging.is_create(target) {
            return Ok(None);
        }
        match self.staging.base(target) {
            Some(base) => Ok(Some(base.clone())),
            None => self.base(target).await.map(Some),
        }
    }

    /// Holds to the scopes what an answer will tell of a resource, though it does not show it.
    pub(super) async fn may_read(&mut self, target: &Reference) -> Answer<()> {
        let access = self.access.clone();
        let grant = access.grant(&target.resource_type, Need::Read).map_err(|missing| self.denied(&missing))?;
        if !grant.is_whole() {
            let base = self.base(target).await?;
            grant.check(base.resource.value()).map_err(|missing| self.denied(&missing))?;
        }
        Ok(())
    }

    async fn guard_checked(&mut self, reference: &str, version: &str) -> Answer<()> {
        let target: Reference = reference.parse().map_err(|why| say("invalid", format!("{why}; give Type/id")))?;
        let version = version_id(version)?;
        self.may_read(&target).await?;
        let guard = Guard { target, version };
        match self.guards.iter().find(|other| other.target == guard.target) {
            Some(other) if other.version != guard.version => {
                Err(say("conflict", "this run already guards the resource at another version"))
            }
            Some(_) => Ok(()),
            None => {
                self.guards.push(guard);
                Ok(())
            }
        }
    }
}

/// New content of a resource.
enum Change {
    Whole(Value),
    Patch(json_patch::Patch),
}

/// Operations of a patch that are done without leaving the run's thread.
const AT_ONCE: usize = 32;

/// What came of a patch.
enum Patched {
    Done(Value),
    Refused(String),
    TooMuch,
    TooLong,
}

/// The resource after the patch. Only `copy` makes more of what is there, and each time anew: it is counted before it is done.
fn patched(current: &Document, patch: &json_patch::Patch, most: usize, left: Duration) -> Patched {
    let until = cpu_until(left);
    let mut resource = current.value().clone();
    let mut copied = 0_usize;
    for operation in &patch.0 {
        if thread_cpu() > until {
            return Patched::TooLong;
        }
        if let json_patch::PatchOperation::Copy(copy) = operation
            && let Some(source) = resource.pointer(copy.from.as_str())
        {
            copied = copied.saturating_add(size(source));
            if copied > most {
                return Patched::TooMuch;
            }
        }
        // The crate's error holds the operation's number and pointer, not values.
        if let Err(why) = json_patch::patch(&mut resource, std::slice::from_ref(operation)) {
            return Patched::Refused(format!("the patch does not apply: {why}"));
        }
    }
    Patched::Done(resource)
}

/// What was asked, for the journal: printed before it is given away, and not copied.
fn raw(request: &impl Serialize) -> Box<RawValue> {
    to_raw_value(request).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// The texts of all references in a content that a server may take for a search: those to another place, with a question mark or not, are URLs.
fn searches_in(content: &Value) -> Vec<&str> {
    let mut found = Vec::new();
    let mut left = vec![content];
    while let Some(value) = left.pop() {
        match value {
            Value::Array(items) => left.extend(items),
            Value::Object(members) => {
                found.extend(members.get("reference").and_then(Value::as_str).filter(|text| is_search(text)));
                left.extend(members.values());
            }
            _ => {}
        }
    }
    found
}

fn is_search(reference: &str) -> bool {
    let elsewhere = ["http://", "https://", "urn:"].iter().any(|scheme| reference.starts_with(scheme));
    reference.contains('?') && !elsewhere
}
