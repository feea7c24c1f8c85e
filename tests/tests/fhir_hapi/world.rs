//! One test's own corner of a shared server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hob_fhir::commit::{CommitOutcome, Committed};
use hob_fhir::fence::{self, FenceUse, Slot, SlotName};
use hob_fhir::plan::{self, CommitPlan};
use hob_fhir::{Client, ClientConfig, Credentials};
use hob_model::{BaseUrl, Effects, ManualClock, Reference, RunId, Timestamp, VersionId, Write};
use hob_tests::hapi::Options;
use serde_json::{Value, json};

pub struct World {
    pub base: String,
    pub client: Client,
    name: String,
    urns: AtomicU32,
    attempts: AtomicU32,
}

static WORLDS: AtomicU32 = AtomicU32::new(1);

impl World {
    pub fn new(options: Options) -> Self {
        let base = crate::server::base(options);
        let number = WORLDS.fetch_add(1, Ordering::SeqCst);
        Self {
            client: client_at(&base, ClientConfig::default()),
            base,
            name: format!("world-{number}"),
            urns: AtomicU32::new(number << 16),
            attempts: AtomicU32::new(1),
        }
    }

    /// A client of another address of the same server that waits no longer than `patience` for an answer.
    pub fn client_through(&self, base: &str, patience: Duration) -> Client {
        client_at(base, ClientConfig { timeout: patience, read_retries: 0, ..ClientConfig::default() })
    }

    pub async fn slot(&self) -> Slot {
        fence::ensure(&self.client, &SlotName::new(&self.name).unwrap()).await.unwrap()
    }

    pub fn plan(&self, effects: &Effects, slot: &Slot) -> CommitPlan {
        let run = RunId::of_parts(&[self.name.as_bytes()]);
        let fence = FenceUse { slot: slot.clone(), run, attempt: self.attempts.fetch_add(1, Ordering::SeqCst) };
        let plan = plan::bundle(effects, &fence).unwrap();
        assert_eq!(CommitPlan::from_bytes(plan.bytes.clone()).unwrap(), plan, "the bytes alone are enough");
        plan
    }

    /// Content that only this world makes.
    pub fn observation(&self, text: &str) -> Value {
        json!({
            "resourceType": "Observation",
            "status": "final",
            "identifier": [{"system": "urn:hob:test", "value": self.name}],
            "code": {"text": text},
        })
    }

    pub fn create(&self, resource: Value) -> Write {
        let number = self.urns.fetch_add(1, Ordering::SeqCst);
        Write::Create {
            resource_type: resource["resourceType"].as_str().unwrap().parse().unwrap(),
            reference: format!("urn:uuid:10000000-0000-4000-8000-{number:012x}"),
            is_final: false,
            if_none_exist: None,
            resource,
        }
    }

    /// A resource that was there before, at version 1.
    pub async fn existing(&self) -> (Reference, Value) {
        let patient = json!({"resourceType": "Patient", "active": true, "gender": "unknown"});
        let stored = self.client.create(&patient, None).await.unwrap();
        assert_eq!(stored.version.unwrap().as_str(), "1");
        (stored.reference, stored.resource.unwrap())
    }

    /// An update of it that changes something.
    pub fn update(&self, target: &Reference, resource: &Value, read: &str) -> Write {
        let mut resource = resource.clone();
        resource["gender"] = json!("other");
        Write::Update { target: target.clone(), read: version(read), resource }
    }

    /// Somebody else's work on it.
    pub async fn somebody_edits(&self, target: &Reference) {
        let mut resource = self.client.read(target).await.unwrap().resource;
        resource["language"] = json!("en");
        self.client.update(&resource, None).await.unwrap();
    }

    pub async fn somebody_deletes(&self, target: &Reference) {
        let mut left = 2;
        // HAPI with referential integrity on refuses the first delete after its start by a conflict of its own making.
        while let Err(e) = self.client.delete(target, None).await {
            assert!(left > 0 && e.status == Some(409), "{e}");
            left -= 1;
        }
    }

    /// How many Observations this world made that are still there.
    pub async fn observations(&self) -> usize {
        let query = format!("identifier=urn:hob:test%7C{}&_count=100", self.name);
        self.client.search(&"Observation".parse().unwrap(), &query).await.unwrap().matches().unwrap().len()
    }

    pub async fn version_of(&self, target: &Reference) -> VersionId {
        self.client.read(target).await.unwrap().version
    }
}

fn client_at(base: &str, config: ClientConfig) -> Client {
    // Each stands at another instant, so that two checks on one server do not share a name.
    let clock = ManualClock::new(Timestamp::from_micros(WORLDS.fetch_add(1, Ordering::SeqCst).into()));
    Client::at(&BaseUrl::new(base).unwrap(), Credentials::None, config, Arc::new(clock)).unwrap()
}

pub fn version(text: &str) -> VersionId {
    text.parse().unwrap()
}

pub fn effects(writes: Vec<Write>) -> Effects {
    Effects { writes, ..Effects::default() }
}

pub fn committed(outcome: CommitOutcome) -> Committed {
    match outcome {
        CommitOutcome::Committed(committed) => committed,
        other => panic!("not committed: {other:?}"),
    }
}

pub fn references(committed: &Committed) -> Vec<Reference> {
    committed.written.iter().map(|written| written.reference.clone().unwrap()).collect()
}

pub fn versions(committed: &Committed) -> Vec<String> {
    committed.written.iter().map(|written| written.version.as_ref().map_or("none".to_owned(), ToString::to_string)).collect()
}
