//! The host of a case: a world of given resources, the manifest's settings and scopes, and a record of what was done.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::SystemTime;

use hob_model::Manifest;
use hob_sdk::testing::World;
use hob_sdk::{Created, Error, FhirError, Host, HttpError, Kind, Message, Page, Refused, Request, Response};
use hob_search::Criteria;
use serde_json::{Map, Value, json};

use crate::case::Case;
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
    reads: Vec<String>,
    writes: Vec<Value>,
    timers: Vec<Value>,
    /// What the scopes refused.
    denied: Vec<String>,
    /// Pages still to be asked for, by the number in their token.
    pages: Vec<Vec<Value>>,
}

impl Stage {
    pub(crate) fn set(case: &Case, manifest: &Manifest, scopes: Rc<Scopes>) -> Result<Self, String> {
        let mut world = World::new().at(case.now());
        for resource in &case.resources {
            world = world.with(resource.clone());
        }
        for (name, spec) in &manifest.settings {
            if let Some(value) = case.settings.get(name).or(spec.default.as_ref()) {
                if !spec.kind.takes(value) {
                    return Err(format!("settings: {name} is not of the type that bot.toml gives"));
                }
                world = world.with_setting(name, value.clone());
            }
        }
        if let Some(name) = case.settings.keys().find(|name| !manifest.settings.contains_key(*name)) {
            return Err(format!("settings: bot.toml has no {name}"));
        }
        Ok(Self { world, scopes, done: RefCell::default() })
    }

    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    /// All that was done. A failed run writes nothing, as on a real host.
    pub(crate) fn outcome(self, failure: Option<Error>) -> Result<Value, String> {
        let done = self.done.into_inner();
        if let Some(denied) = done.denied.first() {
            return Err(denied.clone());
        }
        let failure = failure.map(|error| {
            let kind = if error.kind == Kind::Retry { "retry" } else { "reject" };
            json!({ "kind": kind, "code": error.code, "message": error.message })
        });
        let (writes, timers) = if failure.is_some() { (vec![], vec![]) } else { (done.writes, done.timers) };
        Ok(json!({ "reads": done.reads, "writes": writes, "timers": timers, "failure": failure }))
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
        self.done.borrow_mut().reads.push(read);
    }

    fn wrote(&self, what: &str, resource: Value, more: Option<(&str, &str)>) {
        let mut write = Map::new();
        write.insert(what.to_owned(), resource);
        write.extend(more.map(|(key, value)| (key.to_owned(), json!(value))));
        self.done.borrow_mut().writes.push(Value::Object(write));
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
            let mut shown = resource.clone();
            let version = shown.as_object_mut().and_then(|members| members.shift_remove("meta"));
            let version = version.as_ref().and_then(|meta| meta.get("versionId")?.as_str()).unwrap_or_default();
            self.wrote("update", shown, Some(("if-match", version)));
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
        self.done.borrow_mut().timers.push(json!({ "set": key, "at": at, "payload": payload }));
        Ok(())
    }

    fn cancel_timer(&self, key: &str) -> Result<(), Refused> {
        self.done.borrow_mut().timers.push(json!({ "cancel": key }));
        Ok(())
    }

    fn ask(&self, request: &Request) -> Result<Response, HttpError> {
        self.world.ask(request)
    }

    fn send(&self, message: &Message) -> Result<(), Refused> {
        self.world.send(message)
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
