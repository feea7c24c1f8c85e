//! From a request to its answer: which interaction it is, what its headers ask for, what is done.

use bytes::Bytes;
use chrono::DateTime;
use hob_model::Timestamp;
use http::{Method, Request, StatusCode};
use serde_json::Value;

use crate::Server;
use crate::answer::Answer;
use crate::ask::{Ask, etag, unhandled};
use crate::patch::Patch;
use crate::refusal::Refusal;
use crate::search::{self, Handling};
use crate::server::parsed;
use crate::settings::Manners;
use crate::shape::Shape;
use crate::write::Step;
use crate::{bundle, history, matches, metadata, operation, paged};

/// The headers of a request that count.
#[derive(Clone, Copy)]
struct Headers<'r>(&'r Request<Bytes>);

impl<'r> Headers<'r> {
    fn get(self, name: &str) -> Option<&'r str> {
        self.0.headers().get(name).and_then(|value| value.to_str().ok())
    }

    fn prefers(self, what: &str) -> bool {
        self.get("prefer").is_some_and(|prefer| prefer.contains(what))
    }

    fn handling(self) -> Handling {
        if self.prefers("handling=strict") { Handling::Strict } else { Handling::Lenient }
    }
}

impl Server {
    pub(crate) fn answer(&mut self, now: Timestamp, request: &Request<Bytes>) -> Result<Answer, Refusal> {
        let path = request.uri().path();
        let path = path.strip_prefix(self.root.as_str()).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let path = path.ok_or_else(|| Refusal::not_found("the path is not below this server's base URL"))?;
        let manners = self.settings.manners;
        let ask = Ask::read(manners, request.method(), path)?;
        let answer = self.asked(now, ask, request)?;
        let is_empty = *request.method() == Method::HEAD;
        Ok(if is_empty { answer.with_body(None) } else { answer })
    }

    fn asked(&mut self, now: Timestamp, ask: Ask<'_>, request: &Request<Bytes>) -> Result<Answer, Refusal> {
        let query = request.uri().query().unwrap_or_default();
        let headers = Headers(request);
        let if_match = headers.get("if-match");
        match ask {
            Ask::Metadata => Ok(Answer::json(metadata::statement(&self.settings, now))),
            Ask::Bundle => bundle::process(self, now, request.body()),
            Ask::Search(resource_type) if *request.method() == Method::POST => {
                let form = std::str::from_utf8(request.body()).map_err(|_| Refusal::malformed("the form is not text"))?;
                let query = [query, form].join("&");
                search::page(self, resource_type, &query, headers.handling())
            }
            Ask::Search(resource_type) => search::page(self, resource_type, query, headers.handling()),
            Ask::SystemHistory => history::of_system(self, query),
            Ask::TypeHistory(resource_type) => history::of_type(self, resource_type, query),
            Ask::History(resource_type, id) => history::of_instance(self, resource_type, id, query),
            Ask::Read(resource_type, id) => self.version(resource_type, id, None, query, headers),
            Ask::Vread(resource_type, id, version) => self.version(resource_type, id, Some(version), query, headers),
            Ask::Operation(on, name) => operation::run(self, on, name, query, request.body()),
            Ask::Create(resource_type) => {
                let condition = headers.get("if-none-exist").filter(|condition| !condition.is_empty());
                let found = condition.map(|query| search::only(self, resource_type, query)).transpose()?.flatten();
                if let Some(id) = found {
                    return self.write(now, Step::found(resource_type, &id), headers);
                }
                let resource = self.body(request)?;
                if let Some(query) = condition {
                    matches::may_create(self, resource_type, query, &resource)?;
                }
                self.create(now, resource_type, resource, headers)
            }
            Ask::Update(resource_type, id) => {
                let step = self.judge().update(resource_type, id, self.body(request)?, if_match)?;
                self.write(now, step, headers)
            }
            Ask::UpdateWhere(resource_type) => {
                let found = self.found(resource_type, query)?;
                let mut resource = self.body(request)?;
                match found {
                    Some(id) => {
                        matches::rename(&mut resource, &id);
                        let if_match = if_match.filter(|_| self.settings.manners == Manners::Standard);
                        let step = self.judge().update(resource_type, &id, resource, if_match)?;
                        self.write(now, step, headers)
                    }
                    None => {
                        matches::satisfies(self, resource_type, query, &resource)?;
                        self.create(now, resource_type, resource, headers)
                    }
                }
            }
            Ask::Delete(resource_type, id) => {
                let step = self.judge().delete(resource_type, id, if_match)?;
                self.delete(now, step)
            }
            Ask::DeleteWhere(resource_type) => match self.found(resource_type, query)? {
                Some(id) => {
                    let step = self.judge().delete(resource_type, &id, if_match)?;
                    self.delete(now, step)
                }
                None => Ok(match self.settings.manners {
                    Manners::Standard => Answer::empty(StatusCode::NO_CONTENT),
                    Manners::Hapi => Answer::json(Refusal::done("Nothing matches: nothing was deleted")),
                }),
            },
            Ask::Patch(resource_type, id) => self.patch(now, resource_type, id, request),
            Ask::PatchWhere(resource_type) => {
                let found = self.found(resource_type, query)?;
                let id = found.ok_or_else(|| Refusal::not_found("the condition finds nothing to patch"))?;
                self.patch(now, resource_type, &id, request)
            }
        }
    }

    /// What a conditional write finds; one without a condition is no interaction.
    fn found(&self, resource_type: &str, query: &str) -> Result<Option<String>, Refusal> {
        if query.is_empty() {
            return Err(unhandled(self.settings.manners));
        }
        search::only(self, resource_type, query)
    }

    fn body(&self, request: &Request<Bytes>) -> Result<Value, Refusal> {
        let kind = Headers(request).get("content-type").unwrap_or("application/fhir+json");
        let is_json = kind.contains("json");
        if !is_json {
            return Err(match self.settings.manners {
                Manners::Standard => {
                    Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", "this server takes FHIR as JSON alone")
                }
                Manners::Hapi => Refusal::unsupported("this server takes FHIR as JSON alone"),
            });
        }
        let mut resource = parsed(request.body())?;
        if self.settings.manners == Manners::Hapi {
            matches::resolve(self, &mut resource)?;
        }
        Ok(resource)
    }

    fn create(&mut self, now: Timestamp, resource_type: &str, resource: Value, headers: Headers<'_>) -> Result<Answer, Refusal> {
        let (id, next_id) = self.new_id(resource_type, self.store.next_id);
        let step = self.judge().create(resource_type, &id, resource)?;
        let answer = self.write(now, step, headers)?;
        self.store.next_id = next_id;
        Ok(answer)
    }

    fn patch(&mut self, now: Timestamp, resource_type: &str, id: &str, request: &Request<Bytes>) -> Result<Answer, Refusal> {
        let headers = Headers(request);
        let patch = Patch::of_body(headers.get("content-type").unwrap_or_default(), request.body())?;
        let step = self.judge().patch(resource_type, id, &patch, headers.get("if-match"))?;
        self.write(now, step, headers)
    }

    fn version(
        &self,
        resource_type: &str,
        id: &str,
        version: Option<&str>,
        query: &str,
        headers: Headers<'_>,
    ) -> Result<Answer, Refusal> {
        let record = self.store.record(resource_type, id).ok_or_else(|| Refusal::not_found("there is no such resource"))?;
        let found = match version {
            None => record.current(),
            Some(version) => record.version(version),
        };
        let found = found.ok_or_else(|| Refusal::not_found("there is no such version"))?;
        let Some(content) = &found.content else { return Err(Refusal::gone("it was deleted")) };
        let known = headers.get("if-none-match").is_some_and(|known| etag(known) == Ok(&found.id));
        let since = headers.get("if-modified-since").and_then(|since| DateTime::parse_from_rfc2822(since).ok());
        let is_older = since.is_some_and(|since| found.at.micros().div_euclid(1_000_000) <= since.timestamp());
        let mut shape = Shape::default();
        for (_, name, value) in paged::pieces(query) {
            shape.take(self.settings.manners, name, value)?;
        }
        let answer = match shape.apply(self.settings.manners, &content.value) {
            Some(shown) => Answer::json(Bytes::from(shown.to_string())),
            None => Answer::json(content.bytes()),
        };
        let answer = answer.with_etag(&found.id).with_last_modified(found.at);
        Ok(if known || is_older { answer.with_status(StatusCode::NOT_MODIFIED).with_body(None) } else { answer })
    }

    fn write(&mut self, now: Timestamp, step: Step, headers: Headers<'_>) -> Result<Answer, Refusal> {
        let (resource_type, id, status) = (step.resource_type.clone(), step.id.clone(), step.status);
        self.check(std::slice::from_ref(&step))?;
        self.commit(now, vec![step]);
        let Some(version) = self.store.current(&resource_type, &id) else { return Ok(Answer::empty(status)) };
        let answer = match &version.content {
            Some(content) => Answer::json(content.bytes()).with_status(status),
            None => Answer::empty(status),
        };
        let location = format!("{}/{resource_type}/{id}/_history/{}", self.settings.base, version.id);
        let answer = answer.with_etag(&version.id).with_location(&location).with_last_modified(version.at);
        Ok(if headers.prefers("return=minimal") {
            answer.with_body(None)
        } else if headers.prefers("return=OperationOutcome") {
            answer.with_body(Some(Refusal::done("It was written")))
        } else {
            answer
        })
    }

    fn delete(&mut self, now: Timestamp, step: Step) -> Result<Answer, Refusal> {
        let (resource_type, id) = (step.resource_type.clone(), step.id.clone());
        self.check(std::slice::from_ref(&step))?;
        self.commit(now, vec![step]);
        let answer = match self.settings.manners {
            Manners::Standard => Answer::empty(StatusCode::NO_CONTENT),
            Manners::Hapi => Answer::json(Refusal::done("It is deleted")),
        };
        Ok(match self.store.current(&resource_type, &id) {
            Some(version) => answer.with_etag(&version.id),
            None => answer,
        })
    }
}
