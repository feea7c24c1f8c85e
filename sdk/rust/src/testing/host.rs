//! The world as a host.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::{NOON, Staged, Timer, World, fhir_error, reference_of, refused, search};
use crate::{Created, FhirError, Host, HttpError, Message, Page, Refused, Request, Response};

impl Host for World {
    fn now(&self) -> SystemTime {
        self.now.unwrap_or(SystemTime::UNIX_EPOCH + NOON)
    }

    fn read(&self, reference: &str) -> Result<Value, FhirError> {
        let inner = self.inner.borrow();
        match inner.store.get(reference).and_then(|versions| versions.last()) {
            None => Err(fhir_error("not-found", "no such resource")),
            Some(Value::Null) => Err(fhir_error("gone", "it was deleted")),
            Some(resource) => Ok(resource.clone()),
        }
    }

    fn vread(&self, reference: &str, version: &str) -> Result<Value, FhirError> {
        let inner = self.inner.borrow();
        let at = version.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let found = inner.store.get(reference).zip(at).and_then(|(versions, at)| versions.get(at));
        found.filter(|resource| !resource.is_null()).cloned().ok_or_else(|| fhir_error("not-found", "no such version"))
    }

    fn history(&self, reference: &str) -> Result<Page, FhirError> {
        let inner = self.inner.borrow();
        let versions = inner.store.get(reference).ok_or_else(|| fhir_error("not-found", "no such resource"))?;
        let entry: Vec<Value> =
            versions
                .iter()
                .rev()
                .map(|version| {
                    if version.is_null() { json!({ "request": { "method": "DELETE" } }) } else { json!({ "resource": version }) }
                })
                .collect();
        Ok(Page { bundle: json!({ "resourceType": "Bundle", "type": "history", "entry": entry }), next: None })
    }

    fn search(&self, resource_type: &str, query: &str) -> Result<Page, FhirError> {
        let own = self.search.as_ref().and_then(|search| search(resource_type, query));
        let found = match own {
            Some(found) => found,
            None => search::find(self.resources(resource_type), query)?,
        };
        let total = found.len();
        let entry: Vec<Value> =
            found.into_iter().map(|resource| json!({ "resource": resource, "search": { "mode": "match" } })).collect();
        Ok(Page { bundle: json!({ "resourceType": "Bundle", "type": "searchset", "total": total, "entry": entry }), next: None })
    }

    fn more(&self, _: &str) -> Result<Page, FhirError> {
        Err(fhir_error("invalid", "every search of this world has one page"))
    }

    fn operation(&self, name: &str, reference: &str, _: &str) -> Result<Page, FhirError> {
        if name != "everything" || !reference.starts_with("Patient/") {
            return Err(fhir_error("refused", "this world does `everything` of a Patient"));
        }
        let patient = self.read(reference)?;
        let inner = self.inner.borrow();
        let current = inner.store.values().filter_map(|versions| versions.last());
        let about = current.filter(|resource| **resource != patient && mentions(resource, reference)).cloned();
        let entry: Vec<Value> = std::iter::once(patient.clone())
            .chain(about)
            .map(|resource| json!({ "resource": resource, "search": { "mode": "match" } }))
            .collect();
        Ok(Page { bundle: json!({ "resourceType": "Bundle", "type": "searchset", "entry": entry }), next: None })
    }

    fn batch(&self, urls: &[String]) -> Vec<Result<Value, FhirError>> {
        let one = |url: &String| {
            if let Some((kind, query)) = url.split_once('?') {
                return self.search(kind, query).map(|page| page.bundle);
            }
            match url.split_once("/_history/") {
                Some((reference, version)) => self.vread(reference, version),
                None => self.read(url),
            }
        };
        urls.iter().map(one).collect()
    }

    fn create(&self, resource: &Value, if_none_exist: Option<&str>) -> Result<Created, FhirError> {
        let kind = resource["resourceType"].as_str().ok_or_else(|| fhir_error("invalid", "no resourceType"))?;
        if let Some(query) = if_none_exist {
            let page = self.search(kind, query)?;
            let found: Vec<&Value> = page.matches().collect();
            match found[..] {
                [] => {}
                [one] => return Ok(Created { reference: reference_of(one).unwrap_or_default(), is_final: true, existed: true }),
                _ => return Err(fhir_error("conflict", "if-none-exist finds more than one")),
            }
        }
        let mut resource = resource.clone();
        let id = {
            let mut inner = self.inner.borrow_mut();
            inner.created += 1;
            format!("created-{}", inner.created)
        };
        resource["id"] = json!(id);
        let reference = format!("{kind}/{id}");
        self.put(resource.clone());
        self.inner.borrow_mut().staged.push(Staged::Create(resource));
        Ok(Created { reference, is_final: true, existed: false })
    }

    fn update(&self, resource: &Value) -> Result<(), FhirError> {
        let reference = reference_of(resource).ok_or_else(|| fhir_error("invalid", "an update needs resourceType and id"))?;
        if self.read(&reference)? != *resource {
            self.put(resource.clone());
            self.inner.borrow_mut().staged.push(Staged::Update(resource.clone()));
        }
        Ok(())
    }

    fn patch(&self, reference: &str, patch: &Value) -> Result<(), FhirError> {
        let mut resource = self.read(reference)?;
        for op in patch.as_array().ok_or_else(|| fhir_error("invalid", "a JSON Patch is an array"))? {
            search::apply(&mut resource, op)?;
        }
        self.update(&resource)
    }

    fn delete(&self, reference: &str) -> Result<(), FhirError> {
        self.read(reference)?;
        let mut inner = self.inner.borrow_mut();
        inner.store.entry(reference.to_owned()).or_default().push(Value::Null);
        inner.staged.push(Staged::Delete(reference.to_owned()));
        Ok(())
    }

    fn guard(&self, reference: &str, version: &str) -> Result<(), FhirError> {
        self.inner.borrow_mut().staged.push(Staged::Guard(reference.to_owned(), version.to_owned()));
        Ok(())
    }

    fn set_timer(&self, key: &str, at: &str, payload: &Value) -> Result<(), Refused> {
        let timer = Timer { at: at.to_owned(), payload: payload.clone() };
        self.inner.borrow_mut().timers.insert(key.to_owned(), timer);
        Ok(())
    }

    fn cancel_timer(&self, key: &str) -> Result<(), Refused> {
        let mut inner = self.inner.borrow_mut();
        inner.timers.remove(key);
        inner.cancelled.push(key.to_owned());
        Ok(())
    }

    fn send(&self, message: &Message) -> Result<(), Refused> {
        let mut inner = self.inner.borrow_mut();
        if inner.outbox.iter().any(|other| other.key == message.key) {
            return Err(refused("outbox", "this run already has an outbox item of this key"));
        }
        inner.outbox.push(message.clone());
        Ok(())
    }

    fn ask(&self, request: &Request) -> Result<Response, HttpError> {
        self.inner.borrow_mut().asked.push(request.clone());
        let nobody = || HttpError {
            code: "not-allowed".to_owned(),
            message: "nobody answers in this world: see World::answer_with".to_owned(),
            retry_after: None,
        };
        self.answer.as_ref().map_or_else(|| Err(nobody()), |answer| answer(request))
    }

    fn setting(&self, name: &str) -> Option<Value> {
        self.inner.borrow().settings.get(name).cloned()
    }

    fn placeholder(&self, name: &str) -> Result<String, Refused> {
        let known = self.inner.borrow().secrets.iter().any(|secret| secret == name);
        if known { Ok(format!("hob-secret:{name}:test")) } else { Err(refused("secret", "there is no such secret")) }
    }

    fn sign(&self, name: &str, algorithm: &str, bytes: &[u8]) -> Result<Vec<u8>, Refused> {
        self.placeholder(name)?;
        let nobody = || refused("secret", "nobody signs in this world: see World::sign_with");
        self.sign.as_ref().map(|sign| sign(name, algorithm, bytes)).ok_or_else(nobody)
    }

    fn expose(&self, name: &str) -> Result<String, Refused> {
        let exposed = self.inner.borrow().exposed.get(name).cloned();
        exposed.ok_or_else(|| refused("secret", "the world does not expose it: see World::with_exposed"))
    }

    fn fhirpath(&self, resource: &Value, expression: &str) -> Result<Vec<Value>, Refused> {
        match &self.fhirpath {
            Some(fhirpath) => Ok(fhirpath(resource, expression)),
            None => Err(refused("fhirpath", "a native test has no FHIRPath: give the world answers with fhirpath_with")),
        }
    }
}

/// Whether a reference stands anywhere in a value.
fn mentions(value: &Value, reference: &str) -> bool {
    match value {
        Value::String(text) => text == reference,
        Value::Array(items) => items.iter().any(|item| mentions(item, reference)),
        Value::Object(members) => members.values().any(|member| mentions(member, reference)),
        _ => false,
    }
}
