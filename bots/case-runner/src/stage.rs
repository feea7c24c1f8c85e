//! The host of a case: a world of given resources, the manifest's settings and scopes, and a record of what was done.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::SystemTime;

use hob_cases::{Case, Happened};
use hob_model::Manifest;
use hob_sdk::testing::World;
use hob_sdk::{Created, Error, FhirError, Host, HttpError, Kind, Message, Outcome, Page, Refused, Request, Response};
use hob_search::Criteria;
use serde_json::{Map, Value, json};

use crate::scopes::Scopes;

/// Entries of a page: few, so that a bot that reads only the first is found out.
const PAGE: usize = 2;

/// The host of a case.
pub(crate) struct Stage {
    world: World,
    scopes: Rc<Scopes>,
    done: RefCell<Done>,
}

#[derive(Default)]
struct Done {
    happened: Happened,
    /// What the scopes refused.
    denied: Vec<String>,
    /// Pages still to be asked for, by the number in their token.
    pages: Vec<Vec<Value>>,
}

impl Stage {
    pub(crate) fn set(case: &Case, manifest: &Manifest, scopes: Rc<Scopes>) -> Result<Self, String> {
        let mut world = World::new().at(case.now.to_utc().into());
        for resource in &case.given {
            world = world.with(resource.clone());
        }
        let settings = case.checked_settings(manifest)?;
        for (name, spec) in &manifest.settings {
            if let Some(value) = settings.get(name).or(spec.default.as_ref()) {
                world = world.with_setting(name, value.clone());
            }
        }
        for (name, value) in &case.secrets {
            world = world.with_exposed(name, value);
        }
        if !case.answers.is_empty() {
            return Err("answers: a native case has none; `hob test` does".to_owned());
        }
        Ok(Self { world, scopes, done: RefCell::default() })
    }

    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    /// All that was done. A failed run writes nothing, as on a real host.
    pub(crate) fn outcome(self, answer: Result<Outcome, Error>) -> Result<Value, String> {
        let Done { mut happened, denied, .. } = self.done.into_inner();
        if let Some(denied) = denied.first() {
            return Err(denied.clone());
        }
        match answer {
            Ok(Outcome::Done) => {}
            Ok(Outcome::Reply(payload)) => {
                let text = String::from_utf8_lossy(&payload.body).into_owned();
                happened.result = Some(serde_json::from_str(&text).unwrap_or(Value::String(text)));
            }
            Err(error) => {
                let kind = if error.kind == Kind::Retry { "retry" } else { "reject" };
                happened.failure = Some(json!({ "kind": kind, "code": error.code, "message": error.message }));
            }
        }
        Ok(happened.document())
    }

    fn check(&self, kind: &str, letter: char, content: Option<&Value>) -> Result<(), FhirError> {
        if self.scopes.allow(kind, letter, content) {
            return Ok(());
        }
        let message = format!("needs system/{kind}.{letter}");
        self.done.borrow_mut().denied.push(message.clone());
        Err(error("scope", message))
    }

    fn note(&self, read: String) {
        self.done.borrow_mut().happened.reads.push(read);
    }

    fn wrote(&self, what: &str, resource: Value, more: Option<(&str, &str)>) {
        let mut write = Map::new();
        write.insert(what.to_owned(), resource);
        write.extend(more.map(|(key, value)| (key.to_owned(), json!(value))));
        let mut done = self.done.borrow_mut();
        let list = if what == "guard" { &mut done.happened.guards } else { &mut done.happened.writes };
        list.push(Value::Object(write));
    }

    /// Everything that a search finds and the scopes show.
    fn find(&self, kind: &str, query: &str) -> Result<Vec<Value>, FhirError> {
        self.check(kind, 's', None)?;
        let criteria = Criteria::parse_query(kind, query).map_err(|why| error("invalid", why.to_string()))?;
        let mut found = self.world.resources(kind);
        found.retain(|resource| criteria.matches(resource));
        found.retain(|resource| ['s', 'r'].iter().any(|letter| self.scopes.allow(kind, *letter, Some(resource))));
        Ok(found)
    }

    fn page(&self, mut found: Vec<Value>, total: usize) -> Page {
        let rest = found.split_off(found.len().min(PAGE));
        let entry: Vec<Value> =
            found.into_iter().map(|resource| json!({ "resource": resource, "search": { "mode": "match" } })).collect();
        let next = (!rest.is_empty()).then(|| {
            let mut done = self.done.borrow_mut();
            done.pages.push(rest);
            format!("{}", done.pages.len() - 1)
        });
        Page { bundle: json!({ "resourceType": "Bundle", "type": "searchset", "total": total, "entry": entry }), next }
    }
}

impl Host for Stage {
    fn now(&self) -> SystemTime {
        self.world.now()
    }

    fn read(&self, reference: &str) -> Result<Value, FhirError> {
        self.note(reference.to_owned());
        let kind = kind(reference);
        self.check(kind, 'r', None)?;
        let resource = self.world.read(reference)?;
        self.check(kind, 'r', Some(&resource))?;
        Ok(resource)
    }

    fn vread(&self, _: &str, _: &str) -> Result<Value, FhirError> {
        Err(error("invalid", "cases know no vread"))
    }

    fn history(&self, _: &str) -> Result<Page, FhirError> {
        Err(error("invalid", "cases know no history"))
    }

    fn search(&self, kind: &str, query: &str) -> Result<Page, FhirError> {
        self.note(format!("{kind}?{query}"));
        let found = self.find(kind, query)?;
        let total = found.len();
        Ok(self.page(found, total))
    }

    fn more(&self, next: &str) -> Result<Page, FhirError> {
        let at: usize = next.parse().map_err(|_| error("invalid", "no such page"))?;
        let found = self.done.borrow().pages.get(at).cloned().ok_or_else(|| error("invalid", "no such page"))?;
        let total = found.len();
        Ok(self.page(found, total))
    }

    fn operation(&self, _: &str, _: &str, _: &str) -> Result<Page, FhirError> {
        Err(error("invalid", "cases know no operations"))
    }

    fn batch(&self, urls: &[String]) -> Vec<Result<Value, FhirError>> {
        let one = |url: &String| match url.split_once('?') {
            Some((kind, query)) => self.search(kind, query).map(|page| page.bundle),
            None => self.read(url),
        };
        urls.iter().map(one).collect()
    }

    fn create(&self, resource: &Value, if_none_exist: Option<&str>) -> Result<Created, FhirError> {
        let kind = resource.get("resourceType").and_then(Value::as_str).unwrap_or_default();
        self.check(kind, 'c', Some(resource))?;
        if let Some(query) = if_none_exist {
            match self.find(kind, query)?.as_slice() {
                [] => {}
                [one] => {
                    let id = one.get("id").and_then(Value::as_str).unwrap_or_default();
                    return Ok(Created { reference: format!("{kind}/{id}"), is_final: true, existed: true });
                }
                _ => return Err(error("conflict", "if-none-exist finds more than one")),
            }
        }
        let created = self.world.create(resource, None)?;
        self.wrote("create", resource.clone(), if_none_exist.map(|query| ("if-none-exist", query)));
        Ok(created)
    }

    fn update(&self, resource: &Value) -> Result<(), FhirError> {
        let name = |key: &str| resource.get(key).and_then(Value::as_str).unwrap_or_default();
        let kind = name("resourceType");
        let before = self.world.read(&format!("{kind}/{}", name("id")))?;
        self.check(kind, 'u', Some(&before))?;
        self.check(kind, 'u', Some(resource))?;
        if before != *resource {
            self.world.update(resource)?;
            let version = resource.pointer("/meta/versionId").and_then(Value::as_str).unwrap_or_default();
            self.wrote("update", hob_cases::shown(resource.clone()), Some(("if-match", version)));
        }
        Ok(())
    }

    fn patch(&self, _: &str, _: &Value) -> Result<(), FhirError> {
        Err(error("invalid", "cases know no patch"))
    }

    fn delete(&self, reference: &str) -> Result<(), FhirError> {
        self.check(kind(reference), 'd', Some(&self.world.read(reference)?))?;
        self.world.delete(reference)?;
        self.wrote("delete", json!(reference), None);
        Ok(())
    }

    fn guard(&self, reference: &str, version: &str) -> Result<(), FhirError> {
        self.check(kind(reference), 'r', Some(&self.world.read(reference)?))?;
        self.wrote("guard", json!(reference), Some(("if-match", version)));
        Ok(())
    }

    fn set_timer(&self, key: &str, at: &str, payload: &Value) -> Result<(), Refused> {
        self.done.borrow_mut().happened.timers.push(json!({ "set": key, "at": at, "payload": payload }));
        Ok(())
    }

    fn cancel_timer(&self, key: &str) -> Result<(), Refused> {
        self.done.borrow_mut().happened.timers.push(json!({ "cancel": key }));
        Ok(())
    }

    fn ask(&self, request: &Request) -> Result<Response, HttpError> {
        self.world.ask(request)
    }

    fn send(&self, message: &Message) -> Result<(), Refused> {
        self.world.send(message)?;
        let headers: Map<String, Value> = message.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let text = String::from_utf8_lossy(&message.body).into_owned();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        let sent = json!({ "send": message.key, "method": message.method, "url": message.url, "headers": headers, "body": body });
        self.done.borrow_mut().happened.outbox.push(sent);
        Ok(())
    }

    fn setting(&self, name: &str) -> Option<Value> {
        self.world.setting(name)
    }

    fn placeholder(&self, name: &str) -> Result<String, Refused> {
        self.world.placeholder(name)
    }

    fn sign(&self, name: &str, algorithm: &str, bytes: &[u8]) -> Result<Vec<u8>, Refused> {
        self.world.sign(name, algorithm, bytes)
    }

    fn expose(&self, name: &str) -> Result<String, Refused> {
        self.world.expose(name)
    }

    fn fhirpath(&self, resource: &Value, expression: &str) -> Result<Vec<Value>, Refused> {
        self.world.fhirpath(resource, expression)
    }
}

fn kind(reference: &str) -> &str {
    reference.split('/').next().unwrap_or_default()
}

fn error(code: &str, message: impl Into<String>) -> FhirError {
    FhirError { code: code.to_owned(), status: None, message: message.into(), outcome: None }
}
