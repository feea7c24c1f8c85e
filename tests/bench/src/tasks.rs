//! The Tasks that the benches post or put into ledgers, of about 1 KB each.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use hob_engine::{Document, RunInput};
use hob_host::SystemClock;
use hob_model::{Cause, ChangeKey, Clock as _, Event, Interaction, Payload, ResourceKey, RunId};
use serde_json::{Value, json};

use crate::ground::{SOURCE, TENANT};
use crate::report::Outcome;

/// An id that no Task had before in this process.
pub(crate) fn new_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The first version of a Task, as HAPI sends one by PUT.
pub(crate) fn body(id: &str) -> Bytes {
    resource(id).to_string().into()
}

/// The same as a change.
pub(crate) fn key(id: &str) -> Outcome<ChangeKey> {
    let resource = ResourceKey { tenant: TENANT.parse()?, source: SOURCE.parse()?, resource: format!("Task/{id}").parse()? };
    Ok(ChangeKey { resource, version: "1".parse()? })
}

/// A run on it, as the engine takes it.
pub(crate) fn run_input(id: &str) -> Outcome<RunInput> {
    let (key, now, bytes) = (key(id)?, SystemClock.now(), body(id));
    let event = Event {
        id: key.event_id(),
        tenant: key.resource.tenant.clone(),
        source: Some(key.resource.source.clone()),
        cause: Cause::Change { key, interaction: Interaction::Create, previous: None },
        occurred: None,
        received: now,
        hop: 0,
    };
    Ok(RunInput {
        run: RunId::of_parts(&[id.as_bytes()]),
        event,
        resource: Some(Document::parse(&bytes)?),
        payload: Payload { content_type: "application/fhir+json".to_owned(), bytes },
        previous: None,
        attempt: 1,
        seed: 1,
        now,
        settings: BTreeMap::new(),
    })
}

/// The first version of a Task.
pub(crate) fn resource(id: &str) -> Value {
    json!({
        "resourceType": "Task",
        "id": id,
        // Later than any deploy: what is older is from before the bot, and is not run.
        "meta": { "versionId": "1", "lastUpdated": "2126-01-01T12:00:00.000+00:00", "profile": ["http://example.org/StructureDefinition/follow-up"] },
        "identifier": [{ "system": "http://example.org/tasks", "value": id }],
        "basedOn": [{ "reference": "ServiceRequest/5c2d3f0e-6f2b-4a77-9a35-0b1c7b0a4f11" }],
        "status": "ready",
        "intent": "order",
        "priority": "routine",
        "code": { "coding": [{ "system": "http://hl7.org/fhir/CodeSystem/task-code", "code": "fulfill", "display": "Fulfill the focal request" }] },
        "description": "Call back about the questionnaire of this week and agree on the next appointment.",
        "for": { "reference": "Patient/9f0b7c1a-2c53-4df0-8a57-7d0f3f0f6b52" },
        "authoredOn": "2026-01-01T11:58:00Z",
        "lastModified": "2026-01-01T12:00:00Z",
        "requester": { "reference": "PractitionerRole/0d3c9a44-1b8e-4c62-bb0f-2f3c8f5f1e77" },
        "restriction": { "period": { "end": "2026-01-08T12:00:00Z" } },
        "note": [{ "text": "Synthetic: made by the bench." }]
    })
}
