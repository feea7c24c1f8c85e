//! The CapabilityStatement: what the server does, no more, made of the same tables that it is done by.

use std::sync::LazyLock;

use bytes::Bytes;
use hob_model::Timestamp;
use serde_json::{Value, json};

use crate::Settings;

/// The search parameters of each type, which no setting changes.
static PARAMETERS: LazyLock<Vec<(&'static str, Value)>> = LazyLock::new(|| {
    let of = |resource_type| {
        let listed = hob_search::listed(resource_type).into_iter();
        let parameters: Vec<Value> = listed.map(|one| json!({"name": one.code, "type": one.kind.as_str()})).collect();
        Value::Array(parameters)
    };
    hob_search::resource_types().map(|resource_type| (resource_type, of(resource_type))).collect()
});

pub(crate) fn statement(settings: &Settings, now: Timestamp) -> Bytes {
    let codes = |names: &[&str]| names.iter().map(|code| json!({"code": code})).collect::<Vec<_>>();
    let mut interactions = vec!["read", "vread", "update", "patch", "delete", "create", "search-type"];
    if settings.instance_history {
        interactions.push("history-instance");
    }
    let mut system = vec!["transaction", "batch"];
    if settings.type_history {
        interactions.push("history-type");
        system.push("history-system");
    }
    let operation = |name: &str| json!({"name": name, "definition": format!("http://hl7.org/fhir/OperationDefinition/{name}")});
    let resources: Vec<Value> = PARAMETERS
        .iter()
        .map(|(resource_type, parameters)| {
            let mut operations = vec![operation("Resource-validate"), operation("Resource-meta")];
            if *resource_type == "Patient" {
                operations.push(operation("Patient-everything"));
            }
            json!({
                "type": resource_type,
                "interaction": codes(&interactions),
                "versioning": "versioned-update",
                "readHistory": true,
                "updateCreate": settings.client_ids,
                "conditionalCreate": true,
                "conditionalRead": "full-support",
                "conditionalUpdate": true,
                "conditionalDelete": "single",
                "referencePolicy": [if settings.integrity { "enforced" } else { "literal" }],
                "searchInclude": ["*"],
                "searchRevInclude": ["*"],
                "searchParam": parameters,
                "operation": operations,
            })
        })
        .collect();
    let statement = json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": now.to_string(),
        "kind": "instance",
        "software": {"name": settings.software, "version": settings.software_version},
        "implementation": {"description": "For tests: everything is in memory", "url": settings.base.as_str()},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "patchFormat": ["application/json-patch+json", "application/fhir+json"],
        "rest": [{"mode": "server", "resource": resources, "interaction": codes(&system)}],
    });
    Bytes::from(statement.to_string())
}
