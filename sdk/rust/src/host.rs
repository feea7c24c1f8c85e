//! What a bot can ask of the host. [`Host`] is the plain contract that the sandbox and the tests implement; bots use the typed views
//! that its methods `fhir`, `timers`, `outbox`, `http`, `settings` and `secret` give.

use std::time::SystemTime;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{Error, FhirError, Http, HttpError, Refused, Request, Response, Secret};

/// A page of a search or a history.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The Bundle.
    pub bundle: Value,
    /// Names the next page; none on the last.
    pub next: Option<String>,
}

impl Page {
    /// The resources that the search is for, without those that were included.
    pub fn matches(&self) -> impl Iterator<Item = &Value> {
        let entries = self.bundle.get("entry").and_then(Value::as_array).into_iter().flatten();
        entries
            .filter(|entry| entry.pointer("/search/mode").and_then(Value::as_str).is_none_or(|mode| mode == "match"))
            .filter_map(|entry| entry.get("resource"))
    }
}

/// What a create gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// What may be put into references of other staged resources, timers and outbox items.
    pub reference: String,
    /// Whether the id in it is final.
    pub is_final: bool,
    /// Whether `if-none-exist` found it: nothing was staged.
    pub existed: bool,
}

/// A request to somebody outside, sent once after the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Unique within the run; the reply's trigger bears it.
    pub key: String,
    /// An HTTP method.
    pub method: String,
    /// Allowed by an `[[http]]` rule of the manifest.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// The contract, as plain calls. Each error is what the host said.
#[allow(clippy::missing_errors_doc, reason = "each is the contract's error; see sdk/wit/bot.wit")]
pub trait Host {
    /// Where the run's clock stands. A run sees time hardly pass, and a replay sees the same: take this, not `SystemTime::now`, so
    /// that a test can say when it is.
    fn now(&self) -> SystemTime;
    /// The resource as staged, else as the server has it.
    fn read(&self, reference: &str) -> Result<Value, FhirError>;
    /// One version.
    fn vread(&self, reference: &str, version: &str) -> Result<Value, FhirError>;
    /// The versions, newest first.
    fn history(&self, reference: &str) -> Result<Page, FhirError>;
    /// The first page of a search.
    fn search(&self, resource_type: &str, query: &str) -> Result<Page, FhirError>;
    /// The page that [`Page::next`] names.
    fn more(&self, next: &str) -> Result<Page, FhirError>;
    /// An operation that only asks, on one resource; see the contract for those that a host does.
    fn operation(&self, name: &str, reference: &str, query: &str) -> Result<Page, FhirError>;
    /// Reads made at once: `Type/id`, `Type/id/_history/version` or `Type?search` (its first page's Bundle).
    fn batch(&self, urls: &[String]) -> Vec<Result<Value, FhirError>>;
    /// Stages a new resource.
    fn create(&self, resource: &Value, if_none_exist: Option<&str>) -> Result<Created, FhirError>;
    /// Stages new content.
    fn update(&self, resource: &Value) -> Result<(), FhirError>;
    /// Stages a JSON Patch.
    fn patch(&self, reference: &str, patch: &Value) -> Result<(), FhirError>;
    /// Stages the end of a resource.
    fn delete(&self, reference: &str) -> Result<(), FhirError>;
    /// Makes the commit fail if the resource is no longer at this version.
    fn guard(&self, reference: &str, version: &str) -> Result<(), FhirError>;
    /// Sets or moves a timer.
    fn set_timer(&self, key: &str, at: &str, payload: &Value) -> Result<(), Refused>;
    /// Takes a timer back.
    fn cancel_timer(&self, key: &str) -> Result<(), Refused>;
    /// Stages a request to somebody outside.
    fn send(&self, message: &Message) -> Result<(), Refused>;
    /// Sends a request to somebody outside now, and waits for the answer.
    fn ask(&self, request: &Request) -> Result<Response, HttpError>;
    /// A setting as JSON; none for a name that the manifest does not have.
    fn setting(&self, name: &str) -> Option<Value>;
    /// What stands for a secret in requests to others.
    fn placeholder(&self, name: &str) -> Result<String, Refused>;
    /// The signature of bytes with a secret.
    fn sign(&self, name: &str, algorithm: &str, bytes: &[u8]) -> Result<Vec<u8>, Refused>;
    /// The value of a secret that the manifest exposes.
    fn expose(&self, name: &str) -> Result<String, Refused>;
    /// Evaluates FHIRPath (R4) on a resource.
    fn fhirpath(&self, resource: &Value, expression: &str) -> Result<Vec<Value>, Refused>;
}

impl dyn Host + '_ {
    /// Reads and staged writes at the event's source.
    #[must_use]
    pub fn fhir(&self) -> Fhir<'_> {
        Fhir(self)
    }

    /// Durable timers.
    #[must_use]
    pub fn timers(&self) -> Timers<'_> {
        Timers(self)
    }

    /// Requests to somebody outside whose answer the run needs.
    #[must_use]
    pub fn http(&self) -> Http<'_> {
        Http(self)
    }

    /// Requests to somebody outside, sent after the commit.
    #[must_use]
    pub fn outbox(&self) -> Outbox<'_> {
        Outbox(self)
    }

    /// What the deployment set.
    #[must_use]
    pub fn settings(&self) -> Settings<'_> {
        Settings(self)
    }

    /// A secret of the manifest.
    #[must_use]
    pub fn secret<'a>(&'a self, name: &'a str) -> Secret<'a> {
        Secret { host: self, name }
    }
}

/// Reads and staged writes. All writes commit together when the bot returns ok.
#[derive(Clone, Copy)]
pub struct Fhir<'a>(&'a dyn Host);

#[allow(clippy::missing_errors_doc, reason = "each is the contract's error; see sdk/wit/bot.wit")]
impl Fhir<'_> {
    /// The resource as staged, else as the server has it.
    pub fn read(self, reference: &str) -> Result<Value, FhirError> {
        self.0.read(reference)
    }

    /// The resource, or none where there is none (any more).
    pub fn find(self, reference: &str) -> Result<Option<Value>, FhirError> {
        match self.0.read(reference) {
            Err(error) if error.is_absent() => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// One version.
    pub fn vread(self, reference: &str, version: &str) -> Result<Value, FhirError> {
        self.0.vread(reference, version)
    }

    /// The versions, newest first.
    pub fn history(self, reference: &str) -> Result<Page, FhirError> {
        self.0.history(reference)
    }

    /// The first page of a search.
    pub fn search(self, resource_type: &str, query: &str) -> Result<Page, FhirError> {
        self.0.search(resource_type, query)
    }

    /// The matches of every page.
    pub fn search_all(self, resource_type: &str, query: &str) -> Result<Vec<Value>, FhirError> {
        let mut page = self.0.search(resource_type, query)?;
        let mut found: Vec<Value> = page.matches().cloned().collect();
        while let Some(next) = &page.next {
            page = self.0.more(next)?;
            found.extend(page.matches().cloned());
        }
        Ok(found)
    }

    /// What the scopes show of all that is about a patient (Patient/$everything), every page of it. `query` may have `_since`, `_type`, `start` and `end`.
    pub fn everything(self, patient: &str, query: &str) -> Result<Vec<Value>, FhirError> {
        let mut page = self.0.operation("everything", patient, query)?;
        let mut found: Vec<Value> = page.matches().cloned().collect();
        while let Some(next) = &page.next {
            page = self.0.more(next)?;
            found.extend(page.matches().cloned());
        }
        Ok(found)
    }

    /// Reads made at once: `Type/id`, `Type/id/_history/version` or `Type?search` (its first page's Bundle).
    #[must_use]
    pub fn batch(self, urls: &[String]) -> Vec<Result<Value, FhirError>> {
        self.0.batch(urls)
    }

    /// Stages a new resource.
    pub fn create(self, resource: &Value) -> Result<Created, FhirError> {
        self.0.create(resource, None)
    }

    /// Stages a new resource unless the search finds one already; [`Created::existed`] tells.
    pub fn create_if_none_exist(self, resource: &Value, search: &str) -> Result<Created, FhirError> {
        self.0.create(resource, Some(search))
    }

    /// Stages new content. The commit fails, and the event is run again on fresh reads, if the resource is no longer as this run read it.
    pub fn update(self, resource: &Value) -> Result<(), FhirError> {
        self.0.update(resource)
    }

    /// Stages a JSON Patch (RFC 6902).
    pub fn patch(self, reference: &str, patch: &Value) -> Result<(), FhirError> {
        self.0.patch(reference, patch)
    }

    /// Stages the end of a resource.
    pub fn delete(self, reference: &str) -> Result<(), FhirError> {
        self.0.delete(reference)
    }

    /// Makes the commit fail if this resource, as it was read, has changed until then.
    pub fn guard(self, resource: &Value) -> Result<(), FhirError> {
        let text = |pointer: &str| resource.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        self.0.guard(&format!("{}/{}", text("/resourceType"), text("/id")), text("/meta/versionId"))
    }
}

/// Durable timers in the lane of the run.
#[derive(Clone, Copy)]
pub struct Timers<'a>(&'a dyn Host);

impl Timers<'_> {
    /// Sets or moves the timer `key` to `at` (RFC 3339); it fires as an event with this payload.
    ///
    /// # Errors
    /// [`Refused`] for a bad key or instant.
    pub fn set(self, key: &str, at: &str, payload: &impl Serialize) -> Result<(), Error> {
        Ok(self.0.set_timer(key, at, &json!(payload))?)
    }

    /// Takes the timer back, also when it has fired but not started.
    ///
    /// # Errors
    /// [`Refused`] for a bad key.
    pub fn cancel(self, key: &str) -> Result<(), Refused> {
        self.0.cancel_timer(key)
    }
}

/// Requests to somebody outside.
#[derive(Clone, Copy)]
pub struct Outbox<'a>(&'a dyn Host);

impl Outbox<'_> {
    /// Stages a request; it is sent once, after the commit.
    ///
    /// # Errors
    /// [`Refused`] where no rule of the manifest allows it, or the key is taken.
    pub fn send(self, message: &Message) -> Result<(), Refused> {
        self.0.send(message)
    }

    /// Stages a POST of JSON.
    ///
    /// # Errors
    /// As for [`Outbox::send`].
    pub fn post_json(self, key: &str, url: &str, body: &Value) -> Result<(), Refused> {
        let Request { method, url, headers, body } = Request::post_json(url, body);
        self.send(&Message { key: key.to_owned(), method, url, headers, body })
    }
}

/// What the deployment set.
#[derive(Clone, Copy)]
pub struct Settings<'a>(&'a dyn Host);

impl Settings<'_> {
    /// The value: what the deployment set, else the manifest's default.
    ///
    /// # Errors
    /// Rejects with `setting` where the manifest does not have it, nobody set it, or it is of another type.
    pub fn get<T: DeserializeOwned>(self, name: &str) -> Result<T, Error> {
        let value = self.0.setting(name).ok_or_else(|| Error::reject("setting", format!("the setting {name} is not set")))?;
        serde_json::from_value(value).map_err(|why| Error::reject("setting", format!("the setting {name}: {why}")))
    }
}
