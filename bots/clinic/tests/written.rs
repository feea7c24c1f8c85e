//! Every kind of resource that the rules write, held to files that a FHIR server has validated.
//!
//! After a change that is meant, run with `CLINIC_WRITE=1`, look at the diff, and validate the files again (`$validate`).

// The helpers are test code too, which the lint does not see.
#![allow(clippy::unwrap_used, clippy::panic)]

use chrono::{DateTime, Utc};
use clinic::pro::{INSTRUMENTS, Rules as ProRules, ScoreWrite, evaluate};
use clinic::reminding::{CallReason, Channel, Input as PlanInput, Plan, Settings, call_task, plan, request};
use clinic::routing::{Candidates, Input, Rules, decide, writes};
use clinic::{STATES, ids};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

fn hold(name: &str, resource: &Value) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/clinic/written").join(format!("{name}.json"));
    if std::env::var_os("CLINIC_WRITE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("{}\n", serde_json::to_string_pretty(resource).unwrap())).unwrap();
    }
    let held: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(*resource, held, "{name}");
}

fn now() -> DateTime<Utc> {
    "2026-11-22T15:00:00Z".parse().unwrap()
}

#[test]
fn scores_and_red_flags() {
    let rules: ProRules = serde_json::from_value(json!({ "crisis": {
        "owner": "CareTeam/on-call", "acknowledge_within_minutes": 15,
        "assessment": { "performer_types": [{ "system": ids::SNOMED, "code": "158965000", "display": "Doctor" }], "within_minutes": 60 } } }))
    .unwrap();
    for instrument in INSTRUMENTS {
        let items: Vec<Value> = instrument
            .items
            .iter()
            .map(|item| json!({ "linkId": item.link_ids[0], "answer": [{ "valueInteger": 2 }] }))
            .collect();
        let response = json!({ "resourceType": "QuestionnaireResponse", "id": "r1", "status": "completed", "subject": { "reference": "Patient/p1" },
            "source": { "reference": "Patient/p1" }, "encounter": { "reference": "Encounter/e1" }, "authored": "2026-11-22T09:55:00-05:00", "item": items });
        let assessment = evaluate(&response, None, &rules).unwrap().remove(0);
        let ScoreWrite::Create(observation) = assessment.observation(&response, None) else { panic!("not created") };
        hold(&format!("score-{}", instrument.name.to_lowercase()), &observation);
        for (n, task) in assessment.red_flag_tasks(&response, &rules, now()).iter().enumerate() {
            hold(["red-flag", "red-flag-assessment"][n], task);
        }
        if instrument.name == "PHQ-9" {
            let mut withdrawn = response.clone();
            withdrawn["status"] = json!("entered-in-error");
            let ScoreWrite::Update(observation) =
                evaluate(&withdrawn, None, &rules).unwrap()[0].observation(&withdrawn, Some(&observation))
            else {
                panic!("not withdrawn")
            };
            hold("score-withdrawn", &observation);
        }
    }
}

#[test]
fn routed_tasks() {
    let rules = Rules::starter();
    let practitioner = json!({ "resourceType": "Practitioner", "id": "a", "qualification": [{
        "code": { "coding": [{ "system": ids::V2_0360, "code": "MD" }] }, "period": { "end": "2027-06-30" },
        "extension": [{ "url": ids::PLAN_NET_QUALIFICATION, "extension": [
            { "url": "status", "valueCode": "active" },
            { "url": "whereValid", "valueCodeableConcept": { "coding": [{ "system": ids::USPS, "code": "NY" }] } }] }] }] });
    let role = json!({ "resourceType": "PractitionerRole", "id": "ra", "practitioner": { "reference": "Practitioner/a" },
        "code": [{ "coding": [{ "system": ids::SNOMED, "code": "158965000" }] }] });
    for (name, code, state) in [("assigned", "review", "NY"), ("nobody", "review", "NJ"), ("crisis", "red-flag", "NY")] {
        let task = json!({ "resourceType": "Task", "id": "t1", "status": "ready", "intent": "order", "authoredOn": "2026-11-22T14:00:00Z",
            "code": { "coding": [{ "system": ids::TASK_CODES, "code": code }] }, "for": { "reference": "Patient/p1" },
            "performerType": [{ "coding": [{ "system": ids::SNOMED, "code": "158965000", "display": "Doctor" }] }] });
        let patient = json!({ "resourceType": "Patient", "id": "p1", "address": [{ "use": "home", "state": state }] });
        let decision = decide(&Input {
            task: &task,
            patient: Some(&patient),
            encounter: None,
            candidates: Candidates {
                roles: std::slice::from_ref(&role),
                practitioners: std::slice::from_ref(&practitioner),
                load: &BTreeMap::new(),
            },
            now: now(),
            rules: &rules,
        })
        .unwrap();
        let written = writes(&decision, &task, &rules, now()).unwrap();
        hold(&format!("routed-{name}"), &written.task.unwrap());
        assert_eq!(written.escalation.is_some(), name == "nobody");
        if let Some(escalation) = written.escalation {
            hold("escalation", &escalation);
        }
    }
}

#[test]
fn reminders() {
    let task = json!({ "resourceType": "Task", "id": "t1", "status": "ready", "for": { "reference": "Patient/p1" },
        "code": { "coding": [{ "system": ids::SDC_TASK_CODES, "code": "complete-questionnaire" }] },
        "restriction": { "period": { "end": "2026-11-22T15:00:00Z" } } });
    let patient = json!({ "resourceType": "Patient", "id": "p1", "birthDate": "1980-01-01", "address": [{ "state": STATES[37].code }],
        "telecom": [{ "system": "phone", "value": "555-0100" }, { "system": "email", "value": "a@example.org" }] });
    let consent = json!({ "resourceType": "Consent", "status": "active", "patient": { "reference": "Patient/p1" },
        "provision": { "type": "permit", "code": [{ "coding": [{ "system": ids::CONSENT_CODES, "code": "sms" }] }] } });
    for channel in [Channel::Sms, Channel::Email, Channel::Portal] {
        let settings = Settings {
            clinic: "Elm Street Clinic".to_owned(),
            link: "https://elm.example/forms".to_owned(),
            channels: vec![channel],
            ..Settings::default()
        };
        let plan = plan(&PlanInput {
            task: &task,
            patient: &patient,
            consents: std::slice::from_ref(&consent),
            sent: &BTreeSet::new(),
            now: now(),
            settings: &settings,
        })
        .unwrap();
        let Plan::SendAt(reminder) = plan else { panic!("{plan:?}") };
        let name = serde_json::to_value(channel).unwrap();
        hold(&format!("reminder-{}", name.as_str().unwrap()), &request(&reminder, &task, &patient, &settings, now()).unwrap());
    }
    hold("call", &call_task(CallReason::ZoneUnknown, &task, &Settings::default(), now()).unwrap());
}
