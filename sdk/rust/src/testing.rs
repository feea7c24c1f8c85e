//! A small world for unit tests of a bot's logic: a FHIR store in memory, settings, timers and an outbox.
//!
//! It is a stand-in for the sandbox, not for a FHIR server: writes show at once, searches know plain equality only (see
//! [`World::search_with`] for the rest), and no scope or limit is enforced. What those do is the engine's to test.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::{Event, FhirError, Refused, Trigger};

mod host;
mod search;

/// Answers a search: type and query to resources, or `None` to leave it to the world.
type Search = Box<dyn Fn(&str, &str) -> Option<Vec<Value>>>;

/// Answers FHIRPath: resource and expression to values.
type FhirPath = Box<dyn Fn(&Value, &str) -> Vec<Value>>;

/// Answers requests to others.
type Answer = Box<dyn Fn(&crate::Request) -> Result<crate::Response, crate::HttpError>>;

/// Signs bytes: by name of the secret and algorithm.
type Sign = Box<dyn Fn(&str, &str, &[u8]) -> Vec<u8>>;

/// What a bot staged, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Staged {
    /// A new resource.
    Create(Value),
    /// New content.
    Update(Value),
    /// The end of a resource.
    Delete(String),
    /// A guard on a version.
    Guard(String, String),
}

/// A timer that stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Timer {
    /// When it fires, RFC 3339.
    pub at: String,
    /// What the bot gets back.
    pub payload: Value,
}

/// 2026-01-01T12:00:00Z, from the epoch: when a test takes place that does not say when.
const NOON: Duration = Duration::from_secs(1_767_268_800);

/// The world of one test.
#[derive(Default)]
pub struct World {
    now: Option<SystemTime>,
    inner: RefCell<Inner>,
    search: Option<Search>,
    fhirpath: Option<FhirPath>,
    answer: Option<Answer>,
    sign: Option<Sign>,
}

#[derive(Default)]
struct Inner {
    /// Versions by reference, oldest first; a null is a delete.
    store: BTreeMap<String, Vec<Value>>,
    settings: BTreeMap<String, Value>,
    secrets: Vec<String>,
    exposed: BTreeMap<String, String>,
    staged: Vec<Staged>,
    timers: BTreeMap<String, Timer>,
    cancelled: Vec<String>,
    outbox: Vec<crate::Message>,
    asked: Vec<crate::Request>,
    created: u32,
}

impl World {
    /// An empty world.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the clock.
    #[must_use]
    pub fn at(mut self, now: SystemTime) -> Self {
        self.now = Some(now);
        self
    }

    /// Puts a resource with `resourceType` and `id` on the server, as its next version.
    #[must_use]
    pub fn with(self, resource: Value) -> Self {
        self.put(resource);
        self
    }

    /// Gives a setting a value.
    #[must_use]
    pub fn with_setting(self, name: &str, value: impl Into<Value>) -> Self {
        self.inner.borrow_mut().settings.insert(name.to_owned(), value.into());
        self
    }

    /// Makes a secret known by name.
    #[must_use]
    pub fn with_secret(self, name: &str) -> Self {
        self.inner.borrow_mut().secrets.push(name.to_owned());
        self
    }

    /// Makes a secret known by name and value.
    #[must_use]
    pub fn with_exposed(self, name: &str, value: &str) -> Self {
        self.inner.borrow_mut().exposed.insert(name.to_owned(), value.to_owned());
        self.with_secret(name)
    }

    /// Signs: a function of the secret's name, the algorithm and the bytes.
    #[must_use]
    pub fn sign_with(mut self, sign: impl Fn(&str, &str, &[u8]) -> Vec<u8> + 'static) -> Self {
        self.sign = Some(Box::new(sign));
        self
    }

    /// Answers searches; `None` leaves one to the world's own plain equality.
    #[must_use]
    pub fn search_with(mut self, search: impl Fn(&str, &str) -> Option<Vec<Value>> + 'static) -> Self {
        self.search = Some(Box::new(search));
        self
    }

    /// Answers FHIRPath, which a native test has no engine for.
    #[must_use]
    pub fn fhirpath_with(mut self, fhirpath: impl Fn(&Value, &str) -> Vec<Value> + 'static) -> Self {
        self.fhirpath = Some(Box::new(fhirpath));
        self
    }

    /// Answers what the bot asks others by [`crate::Http`]. Without it everything is refused as `not-allowed`.
    #[must_use]
    pub fn answer_with(
        mut self,
        answer: impl Fn(&crate::Request) -> Result<crate::Response, crate::HttpError> + 'static,
    ) -> Self {
        self.answer = Some(Box::new(answer));
        self
    }

    /// The current resources of a type, by id.
    #[must_use]
    pub fn resources(&self, resource_type: &str) -> Vec<Value> {
        let inner = self.inner.borrow();
        let current = inner.store.values().filter_map(|versions| versions.last());
        current.filter(|resource| resource["resourceType"] == resource_type).cloned().collect()
    }

    /// What was staged, in order.
    #[must_use]
    pub fn staged(&self) -> Vec<Staged> {
        self.inner.borrow().staged.clone()
    }

    /// Timers that stand, by key.
    #[must_use]
    pub fn timers(&self) -> BTreeMap<String, Timer> {
        self.inner.borrow().timers.clone()
    }

    /// Keys of timers that were taken back, in order.
    #[must_use]
    pub fn cancelled(&self) -> Vec<String> {
        self.inner.borrow().cancelled.clone()
    }

    /// Requests that were put in the outbox, in order.
    #[must_use]
    pub fn outbox(&self) -> Vec<crate::Message> {
        self.inner.borrow().outbox.clone()
    }

    /// Requests that the bot waited for, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<crate::Request> {
        self.inner.borrow().asked.clone()
    }

    fn put(&self, mut resource: Value) {
        let Some(reference) = reference_of(&resource) else { return };
        let mut inner = self.inner.borrow_mut();
        let versions = inner.store.entry(reference).or_default();
        let version = (versions.len() + 1).to_string();
        match resource.get_mut("meta").and_then(Value::as_object_mut) {
            Some(meta) => {
                meta.insert("versionId".to_owned(), json!(version));
            }
            None => resource["meta"] = json!({ "versionId": version }),
        }
        versions.push(resource);
    }
}

fn reference_of(resource: &Value) -> Option<String> {
    Some(format!("{}/{}", resource.get("resourceType")?.as_str()?, resource.get("id")?.as_str()?))
}

fn fhir_error(code: &str, message: impl Into<String>) -> FhirError {
    FhirError { code: code.to_owned(), status: None, message: message.into(), outcome: None }
}

fn refused(what: &'static str, message: impl Into<String>) -> Refused {
    Refused { what, message: message.into() }
}

/// The media type of a change's payload, which is its resource.
const FHIR: &str = "application/fhir+json";

/// An event of an update of this resource.
#[must_use]
pub fn change(resource: Value) -> Event {
    let text = |pointer: &str| resource.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let trigger = Trigger::Change {
        interaction: "update".to_owned(),
        resource_type: text("/resourceType").unwrap_or_default(),
        id: text("/id").unwrap_or_default(),
        version: text("/meta/versionId").unwrap_or_else(|| "1".to_owned()),
        previous_version: None,
    };
    let payload = crate::Payload { content_type: FHIR.to_owned(), body: resource.to_string().into_bytes() };
    Event { resource: Some(resource), payload: Some(payload), ..event(trigger) }
}

/// An event of a timer that came due.
#[must_use]
pub fn timer(key: &str, due: &str, payload: &Value) -> Event {
    let body = payload.to_string().into_bytes();
    Event {
        payload: Some(crate::Payload { content_type: "application/json".to_owned(), body }),
        ..event(Trigger::Timer { key: key.to_owned(), due: due.to_owned() })
    }
}

/// An event with this trigger, without payload and resource.
#[must_use]
pub fn event(trigger: Trigger) -> Event {
    Event {
        id: "evt_test".to_owned(),
        run: "run_test".to_owned(),
        tenant: "test".to_owned(),
        source: Some("test".to_owned()),
        trigger,
        occurred: None,
        received: "2026-01-01T12:00:00Z".to_owned(),
        deadline: "2026-01-01T12:00:30Z".to_owned(),
        attempt: 1,
        hop: 0,
        payload: None,
        resource: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, Host, Kind};

    fn hob(world: &World) -> &dyn Host {
        world
    }

    #[test]
    fn a_write_is_seen_and_kept() {
        let world = World::new().with(json!({ "resourceType": "Task", "id": "1", "status": "ready" }));
        let fhir = hob(&world).fhir();
        let mut task = fhir.read("Task/1").unwrap();
        assert_eq!(task["meta"]["versionId"], "1");
        task["status"] = json!("completed");
        fhir.update(&task).unwrap();
        fhir.patch("Task/1", &json!([{ "op": "add", "path": "/owner", "value": { "reference": "Practitioner/p" } }])).unwrap();
        let created = fhir.create(&json!({ "resourceType": "Flag", "status": "active" })).unwrap();
        assert_eq!(fhir.read(&created.reference).unwrap()["status"], "active");
        assert_eq!(fhir.search_all("Task", "status=completed&owner=Practitioner/p").unwrap().len(), 1);
        assert_eq!(world.staged().len(), 3);
        fhir.delete("Task/1").unwrap();
        assert_eq!(fhir.find("Task/1").unwrap(), None);
        assert_eq!(fhir.read("Task/1").unwrap_err().code, "gone");
    }

    #[test]
    fn everything_of_a_patient_is_what_names_it() {
        let world = World::new()
            .with(json!({ "resourceType": "Patient", "id": "a" }))
            .with(json!({ "resourceType": "Observation", "id": "1", "subject": { "reference": "Patient/a" } }))
            .with(json!({ "resourceType": "Observation", "id": "2", "subject": { "reference": "Patient/b" } }));
        let found = hob(&world).fhir().everything("Patient/a", "").unwrap();
        assert_eq!(found.iter().map(|it| it["id"].as_str().unwrap()).collect::<Vec<_>>(), ["a", "1"]);
        assert_eq!(hob(&world).fhir().everything("Patient/z", "").unwrap_err().code, "not-found");
        assert_eq!(hob(&world).operation("graph", "Patient/a", "").unwrap_err().code, "refused");
    }

    #[test]
    fn if_none_exist_finds_by_identifier() {
        let observation = json!({ "resourceType": "Observation", "id": "o", "identifier": [{ "system": "s", "value": "v" }] });
        let world = World::new().with(observation.clone());
        let fhir = hob(&world).fhir();
        assert!(fhir.create_if_none_exist(&observation, "identifier=s|v").unwrap().existed);
        assert!(!fhir.create_if_none_exist(&observation, "identifier=s|w").unwrap().existed);
    }

    #[test]
    fn errors_say_whether_to_try_again() {
        let world = World::new().with_setting("days", 3);
        let hob = hob(&world);
        assert_eq!(hob.settings().get::<u32>("days"), Ok(3));
        assert_eq!(hob.settings().get::<u32>("weeks").unwrap_err().kind, Kind::Reject);
        let absent: Error = hob.fhir().read("Task/9").unwrap_err().into();
        assert_eq!((absent.kind, absent.code.as_str()), (Kind::Reject, "fhir-not-found"));
        assert_eq!(Error::from(fhir_error("unavailable", "down")).kind, Kind::Retry);
        assert_eq!(hob.fhir().search("Task", "_has:Observation:x=y").unwrap_err().code, "invalid");
    }

    #[test]
    fn secrets_sign_and_are_exposed_as_the_world_says() {
        let world = World::new().with_exposed("token", "t").with_secret("key");
        let secret = |world: &World, name: &str| {
            let secret = hob(world).secret(name);
            (secret.placeholder().is_ok(), secret.sign(crate::Algorithm::Es256, b"x").ok(), secret.expose().ok())
        };
        assert_eq!(secret(&world, "token"), (true, None, Some("t".to_owned())));
        let world = world.sign_with(|name, algorithm, bytes| [name.as_bytes(), algorithm.as_bytes(), bytes].concat());
        assert_eq!(secret(&world, "key"), (true, Some(b"keyes256x".to_vec()), None));
        assert_eq!(secret(&world, "other"), (false, None, None));
    }

    #[test]
    fn timers_and_outbox_are_kept_by_key() {
        let world = World::new().with_secret("token");
        let hob = hob(&world);
        hob.timers().set("due", "2026-01-02T09:00:00Z", &json!({ "n": 1 })).unwrap();
        hob.timers().set("due", "2026-01-03T09:00:00Z", &json!({ "n": 2 })).unwrap();
        assert_eq!(world.timers()["due"].payload, json!({ "n": 2 }));
        hob.timers().cancel("due").unwrap();
        assert!(world.timers().is_empty());
        assert!(hob.secret("token").placeholder().unwrap().contains("token"));
        hob.outbox().post_json("sms", "https://sms.example/", &json!({})).unwrap();
        assert!(hob.outbox().post_json("sms", "https://sms.example/", &json!({})).is_err());
        assert_eq!(world.outbox().len(), 1);
    }
}
