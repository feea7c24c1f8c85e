//! The CapabilityStatement: enough for a client to know what it talks to.

use bytes::Bytes;
use hob_model::Timestamp;
use serde_json::json;

use crate::Settings;

pub(crate) fn statement(settings: &Settings, now: Timestamp) -> Bytes {
    let interactions = ["transaction", "batch"].map(|code| json!({"code": code}));
    let statement = json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": now.to_string(),
        "kind": "instance",
        "software": {"name": settings.software, "version": settings.software_version},
        "implementation": {"description": "For tests: everything is in memory", "url": settings.base.as_str()},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "patchFormat": ["application/json-patch+json"],
        "rest": [{"mode": "server", "interaction": interactions}],
    });
    Bytes::from(statement.to_string())
}
