//! The notifications that the benches post: a Task of about 1 KB, as HAPI sends one by PUT.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use serde_json::json;

/// An id that no Task had before in this process.
pub(crate) fn new_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The first version of a Task.
pub(crate) fn body(id: &str) -> Bytes {
    let task = json!({
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
    });
    task.to_string().into()
}
