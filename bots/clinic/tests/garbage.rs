//! Whatever a server sends, routing and reminding answer and do not panic, and write nothing to what is not theirs.

// The helpers are test code too, which the lint does not see.
#![allow(clippy::unwrap_used)]

use clinic::reminding::{Input as PlanInput, Settings, plan};
use clinic::routing::{Candidates, Input, Rules, decide, writes};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

fn anything() -> impl Strategy<Value = Value> {
    let keys = vec![
        "address",
        "state",
        "use",
        "period",
        "start",
        "end",
        "extension",
        "url",
        "valueCode",
        "valueCodeableConcept",
        "coding",
        "system",
        "code",
        "reference",
        "practitioner",
        "qualification",
        "birthDate",
        "telecom",
        "value",
        "provision",
        "type",
        "status",
        "restriction",
        "display",
    ];
    let texts = vec![
        "NY",
        "home",
        "ready",
        "deny",
        "Patient/p1",
        "Practitioner/a",
        "2026",
        "2026-11-22",
        "0000-01-01",
        "9999-12-31T23:59:59Z",
        "2026-13-40",
        "",
        "http://hl7.org/fhir/StructureDefinition/timezone",
        "America/New_York",
        "http://snomed.info/sct",
        "158965000",
        "complete-questionnaire",
        "http://hl7.org/fhir/uv/sdc/CodeSystem/temp",
        "é/é",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(|b| json!(b)),
        any::<i64>().prop_map(|n| json!(n)),
        prop::sample::select(texts).prop_map(|s| json!(s)),
    ];
    leaf.prop_recursive(5, 48, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((prop::sample::select(keys.clone()), inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_panics(
        fields in prop::collection::btree_map(
            prop::sample::select(vec!["status", "code", "for", "owner", "performerType", "restriction", "executionPeriod", "extension", "note", "authoredOn"]),
            anything(), 0..8),
        patient in anything(), role in anything(), person in anything(), consent in anything(),
        due in prop::sample::select(vec!["0000-01-01", "9999-12-31T23:59:59Z", "2026-11-22", "1900-01-01T00:00:00-14:00"]),
        now in prop::sample::select(vec!["0001-01-01T00:00:00Z", "2026-11-22T05:00:00Z", "9998-12-31T23:59:59Z"]),
    ) {
        let mut task = json!({ "resourceType": "Task", "id": "t1", "status": "ready", "for": { "reference": "Patient/p1" },
            "restriction": { "period": { "end": due } },
            "performerType": [{ "coding": [{ "system": "http://snomed.info/sct", "code": "158965000" }] }] });
        for (key, value) in fields {
            task[key] = value;
        }
        let named = |mut value: Value, kind: &str, id: &str| {
            if !value.is_object() {
                value = json!({ "qualification": value, "address": value, "code": value });
            }
            value["resourceType"] = json!(kind);
            value["id"] = json!(id);
            value
        };
        let (patient, role, person) = (named(patient, "Patient", "p1"), named(role, "PractitionerRole", "r"), named(person, "Practitioner", "a"));
        let (rules, now) = (Rules::starter(), now.parse().unwrap());
        let decision = decide(&Input {
            task: &task, patient: Some(&patient), encounter: Some(&role),
            candidates: Candidates { roles: &[role.clone(), patient.clone()], practitioners: &[person.clone(), Value::Null], load: &BTreeMap::new() },
            now, rules: &rules,
        }).unwrap();
        writes(&decision, &task, &rules, now).unwrap();
        let mut survey = task.clone();
        survey["code"] = json!({ "coding": [{ "system": "http://hl7.org/fhir/uv/sdc/CodeSystem/temp", "code": "complete-questionnaire" }] });
        for task in [&task, &survey] {
            plan(&PlanInput { task, patient: &patient, consents: std::slice::from_ref(&consent), sent: &BTreeSet::new(), now, settings: &Settings::default() }).unwrap();
        }
    }
}
