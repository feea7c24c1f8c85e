//! Who may do the work, and who never may.
// The helpers are test code too, which the lint does not see.
#![allow(clippy::unwrap_used)]

use chrono::{DateTime, Utc};
use clinic::routing::{Candidates, Decision, Ineligible, Input, NobodyWhy, NotRouted, Rules, decide, writes};
use clinic::{STATES, Whereabouts, ids};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

const DOCTOR: &str = "158965000";
const NURSE: &str = "224535009";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn task(performers: &[&str]) -> Value {
    let performers: Vec<Value> =
        performers.iter().map(|code| json!({ "coding": [{ "system": ids::SNOMED, "code": code }] })).collect();
    json!({ "resourceType": "Task", "id": "t1", "status": "ready", "intent": "order", "for": { "reference": "Patient/p1" },
        "performerType": performers, "code": { "text": "review" } })
}

fn patient(state: &str) -> Value {
    json!({ "resourceType": "Patient", "id": "p1", "address": [{ "use": "home", "state": state }] })
}

fn licence(kind: &str, state: &str, status: Option<&str>, period: Value) -> Value {
    let mut parts =
        vec![json!({ "url": "whereValid", "valueCodeableConcept": { "coding": [{ "system": ids::USPS, "code": state }] } })];
    parts.extend(status.map(|status| json!({ "url": "status", "valueCode": status })));
    let mut qualification = json!({ "code": { "coding": [{ "system": ids::V2_0360, "code": kind }] }, "issuer": { "display": "Board" },
        "extension": [{ "url": ids::PLAN_NET_QUALIFICATION, "extension": parts }] });
    if !period.is_null() {
        qualification["period"] = period;
    }
    qualification
}

fn person(id: &str, licences: &[Value]) -> Value {
    json!({ "resourceType": "Practitioner", "id": id, "active": true, "qualification": licences })
}

fn role(id: &str, code: &str) -> Value {
    json!({ "resourceType": "PractitionerRole", "id": format!("role-{id}-{code}"), "active": true,
        "practitioner": { "reference": format!("Practitioner/{id}") }, "code": [{ "coding": [{ "system": ids::SNOMED, "code": code }] }] })
}

struct Case {
    task: Value,
    patient: Value,
    roles: Vec<Value>,
    people: Vec<Value>,
    load: BTreeMap<String, u32>,
    rules: Rules,
    now: DateTime<Utc>,
}

impl Case {
    fn new(task: Value, state: &str, roles: Vec<Value>, people: Vec<Value>) -> Self {
        Self {
            task,
            patient: patient(state),
            roles,
            people,
            load: BTreeMap::new(),
            rules: Rules::starter(),
            now: at("2026-11-22T15:00:00Z"),
        }
    }

    fn decide(&self) -> Decision {
        decide(&Input {
            task: &self.task,
            patient: Some(&self.patient),
            encounter: None,
            candidates: Candidates { roles: &self.roles, practitioners: &self.people, load: &self.load },
            now: self.now,
            rules: &self.rules,
        })
        .unwrap()
    }

    fn owner(&self) -> Option<String> {
        match self.decide() {
            Decision::Assign(assignment) => Some(assignment.practitioner),
            _ => None,
        }
    }

    fn failed(&self) -> Option<Ineligible> {
        match self.decide() {
            Decision::Nobody(NobodyWhy::Candidates(counts)) => counts.into_keys().next(),
            _ => None,
        }
    }
}

fn one(state: &str, qualification: Value) -> Case {
    Case::new(task(&[DOCTOR]), state, vec![role("a", DOCTOR)], vec![person("a", &[qualification])])
}

#[test]
fn a_licence_needs_evidence_for_the_state_and_every_day() {
    let ending = |end: &str| json!({ "start": "2020-01-01", "end": end });
    let owner = |q: Value| one("NY", q).owner();
    assert!(owner(licence("MD", "NY", Some("active"), ending("2027-01-31"))).is_some());
    assert!(owner(licence("DO", "NY", Some("active"), Value::Null)).is_some());
    assert!(owner(licence("MD", "NY", None, ending("2027-01-31"))).is_some());

    let failed = |q: Value| one("NY", q).failed();
    assert_eq!(failed(licence("MD", "NY", None, Value::Null)), Some(Ineligible::LicenceNotActive));
    assert_eq!(failed(licence("MD", "NY", None, json!({ "start": "2020-01-01" }))), Some(Ineligible::LicenceNotActive));
    for status in ["inactive", "pending", "issued-in-error", "unknown", "Active", ""] {
        assert_eq!(
            failed(licence("MD", "NY", Some(status), ending("2027-01-31"))),
            Some(Ineligible::LicenceNotActive),
            "{status}"
        );
    }
    assert_eq!(failed(licence("MD", "NJ", Some("active"), ending("2027-01-31"))), Some(Ineligible::NotInState));
    assert_eq!(failed(licence("RN", "NY", Some("active"), ending("2027-01-31"))), Some(Ineligible::NoLicence));
    assert_eq!(failed(licence("MD", "NY", Some("active"), ending("2026-11-21"))), Some(Ineligible::LicenceNotOverWindow));
    assert_eq!(
        failed(licence("MD", "NY", Some("active"), json!({ "start": "2026-11-23" }))),
        Some(Ineligible::LicenceNotOverWindow)
    );
    assert_eq!(failed(licence("MD", "NY", Some("active"), ending("someday"))), Some(Ineligible::LicenceNotOverWindow));
    assert_eq!(failed(licence("MD", "NY", Some("revoked"), ending("2027-01-31"))), Some(Ineligible::Restricted));
}

#[test]
fn a_revoked_licence_in_the_state_outweighs_an_active_one() {
    let good = licence("MD", "NY", Some("active"), Value::Null);
    for against in ["revoked", "suspended", "restricted"] {
        let bad = licence("MD", "NY", Some(against), json!({ "end": "2025-01-01" }));
        for order in [vec![good.clone(), bad.clone()], vec![bad.clone(), good.clone()]] {
            let case = Case::new(task(&[DOCTOR]), "NY", vec![role("a", DOCTOR)], vec![person("a", &order)]);
            assert_eq!(case.failed(), Some(Ineligible::Restricted));
        }
    }
    let elsewhere = licence("MD", "NJ", Some("revoked"), Value::Null);
    assert!(Case::new(task(&[DOCTOR]), "NY", vec![role("a", DOCTOR)], vec![person("a", &[elsewhere, good])]).owner().is_some());
}

#[test]
fn the_window_is_the_whole_time_of_the_work_where_the_patient_is() {
    let until = |end: &str| licence("MD", "NY", Some("active"), json!({ "end": end }));
    let mut case = one("NY", until("2026-12-10"));
    case.task["restriction"] = json!({ "period": { "end": "2026-12-10" } });
    assert!(case.owner().is_some());
    case.task["restriction"] = json!({ "period": { "end": "2026-12-11T04:30:00Z" } });
    assert!(case.owner().is_some(), "half past eleven of the tenth in New York");
    case.task["restriction"] = json!({ "period": { "end": "2026-12-11T05:30:00Z" } });
    assert_eq!(case.failed(), Some(Ineligible::LicenceNotOverWindow));
    case.task["restriction"] = json!({ "period": { "start": "2026-12-20" } });
    assert_eq!(case.failed(), Some(Ineligible::LicenceNotOverWindow));
    case.task["restriction"] = json!({ "period": { "end": "2026-01-01" } });
    assert!(case.owner().is_some(), "overdue work is work of today");
    case.task["restriction"] = json!({ "period": { "end": "whenever" } });
    assert_eq!(case.decide(), Decision::Nobody(NobodyWhy::Window));
    // The last day of a licence ends at midnight where the patient is, not in London.
    let mut last_day = one("NY", until("2026-11-22"));
    last_day.now = at("2026-11-23T04:59:00Z");
    assert!(last_day.owner().is_some());
    last_day.now = at("2026-11-23T05:00:00Z");
    assert!(last_day.owner().is_none());
}

#[test]
fn no_compact_stretches_a_licence() {
    // A registered nurse of Texas, an NLC state, for a patient in Florida, another.
    let rn = licence("RN", "TX", Some("active"), Value::Null);
    let case = Case::new(task(&[NURSE]), "FL", vec![role("a", NURSE)], vec![person("a", &[rn])]);
    assert_eq!(case.failed(), Some(Ineligible::NotInState));
}

#[test]
fn people_who_are_not_there() {
    let md = || licence("MD", "NY", Some("active"), Value::Null);
    let mut case = one("NY", md());
    case.people[0]["active"] = json!(false);
    assert_eq!(case.failed(), Some(Ineligible::Inactive));
    let mut case = one("NY", md());
    case.roles[0]["active"] = json!(false);
    assert_eq!(case.failed(), Some(Ineligible::Inactive));
    let mut case = one("NY", md());
    case.roles[0]["period"] = json!({ "end": "2026-11-01" });
    assert_eq!(case.failed(), Some(Ineligible::Inactive));
    let mut case = one("NY", md());
    case.roles[0]["notAvailable"] =
        json!([{ "description": "vacation", "during": { "start": "2026-11-20", "end": "2026-11-30" } }]);
    assert_eq!(case.failed(), Some(Ineligible::Away));
    let mut case = one("NY", md());
    case.rules.barred = vec!["Practitioner/a".to_owned()];
    assert_eq!(case.failed(), Some(Ineligible::Barred));
    let mut case = one("NY", md());
    case.people.clear();
    assert_eq!(case.failed(), Some(Ineligible::NoPractitioner));
    let mut case = one("NY", md());
    case.roles[0]["code"] = json!([{ "coding": [{ "system": ids::SNOMED, "code": NURSE }] }]);
    assert_eq!(case.failed(), Some(Ineligible::Role));
}

#[test]
fn without_a_rule_nobody_is_eligible() {
    let mut case = one("NY", licence("MD", "NY", Some("active"), Value::Null));
    case.rules = Rules::default();
    assert_eq!(case.decide(), Decision::Nobody(NobodyWhy::NoRule));
    let mut case = one("NY", licence("MD", "NY", Some("active"), Value::Null));
    case.task = task(&[]);
    assert_eq!(case.decide(), Decision::Nobody(NobodyWhy::NoRule));
    case.rules.activities = serde_json::from_value(json!([{ "code": { "system": "urn:c", "code": "review" },
        "roles": [{ "system": ids::SNOMED, "code": DOCTOR }], "specialties": [{ "system": "http://nucc.org/provider-taxonomy", "code": "207R00000X" }] }]))
    .unwrap();
    case.task["code"] = json!({ "coding": [{ "system": "urn:c", "code": "review" }] });
    assert_eq!(case.failed(), Some(Ineligible::Specialty));
    case.roles[0]["specialty"] = json!([{ "coding": [{ "system": "http://nucc.org/provider-taxonomy", "code": "207R00000X" }] }]);
    assert_eq!(case.owner().as_deref(), Some("a"));
    // The performer type asks for a nurse, the rule on the code for a doctor: both must hold.
    case.task["performerType"] = task(&[NURSE])["performerType"].clone();
    assert_eq!(case.decide(), Decision::Nobody(NobodyWhy::NoRule));
}

#[test]
fn the_patients_state_must_be_one() {
    let mut case = one("NY", licence("MD", "NY", Some("active"), Value::Null));
    case.patient["address"] = json!([{ "use": "home", "state": "NY" }, { "use": "temp", "state": "FL" }]);
    assert_eq!(case.decide(), Decision::Nobody(NobodyWhy::Place(Whereabouts::OneOf(vec!["FL", "NY"]))));
    case.task["extension"] = json!([{ "url": ids::CONFIRMED_STATE, "valueCode": "NY" }]);
    assert_eq!(case.owner().as_deref(), Some("a"));
    case.patient["id"] = json!("p2");
    assert_eq!(case.decide(), Decision::Nobody(NobodyWhy::NoPatient));
    // The same id on another server is somebody else.
    case.patient["id"] = json!("p1");
    case.task["for"] = json!({ "reference": "https://other.example/fhir/Patient/p1" });
    assert_eq!(case.decide(), Decision::Nobody(NobodyWhy::NoPatient));
    // What needs no licence does not need a state.
    let mut free = Case::new(task(&["768820003"]), "??", vec![role("c", "768820003")], vec![person("c", &[])]);
    assert_eq!(free.owner().as_deref(), Some("c"));
    free.task = task(&["768820003", DOCTOR]);
    assert_eq!(free.owner().as_deref(), Some("c"));
}

#[test]
fn lowest_sufficient_role_then_load_then_a_stable_order() {
    let rn = |id: &str| person(id, &[licence("RN", "NY", Some("active"), Value::Null)]);
    let md = person("d", &[licence("MD", "NY", Some("active"), Value::Null)]);
    let roles = vec![role("d", DOCTOR), role("n1", NURSE), role("n2", NURSE)];
    let mut case = Case::new(task(&[DOCTOR, NURSE]), "NY", roles, vec![md, rn("n1"), rn("n2")]);
    let first = case.owner().unwrap();
    assert_ne!(first, "d");
    case.roles.reverse();
    case.people.reverse();
    assert_eq!(case.owner(), Some(first.clone()), "order of the candidates does not matter");
    case.load.insert(first.clone(), 1);
    let second = case.owner().unwrap();
    assert!(second != first && second != "d");
    // Many equal tasks are shared.
    case.load.clear();
    let mut shares: BTreeMap<String, u32> = BTreeMap::new();
    for n in 0..200 {
        case.task["id"] = json!(format!("t{n}"));
        *shares.entry(case.owner().unwrap()).or_default() += 1;
    }
    assert!(shares.len() == 2 && shares.values().all(|n| *n > 60), "{shares:?}");
}

#[test]
fn tasks_that_are_left_alone() {
    let base = one("NY", licence("MD", "NY", Some("active"), Value::Null));
    let with = |edit: &dyn Fn(&mut Value)| {
        let mut case = one("NY", licence("MD", "NY", Some("active"), Value::Null));
        edit(&mut case.task);
        case.decide()
    };
    assert!(matches!(base.decide(), Decision::Assign(_)));
    assert_eq!(with(&|t| t["owner"] = json!({ "display": "Dr A" })), Decision::NotRouted(NotRouted::Owned));
    for status in ["draft", "requested", "in-progress", "completed", "on-hold", "cancelled"] {
        assert_eq!(with(&|t| t["status"] = json!(status)), Decision::NotRouted(NotRouted::NotReady));
    }
    let survey = json!({ "coding": [{ "system": ids::SDC_TASK_CODES, "code": "complete-questionnaire" }] });
    let open = |t: &mut Value| {
        t["code"] = survey.clone();
        t["performerType"] = json!([]);
    };
    assert_eq!(with(&open), Decision::NotRouted(NotRouted::ForPatient));
}

#[test]
fn nobody_leaves_it_ready_and_escalates_once() {
    let case = one("NJ", licence("MD", "NY", Some("active"), Value::Null));
    let written = writes(&case.decide(), &case.task, &case.rules, case.now).unwrap();
    let task = written.task.unwrap();
    assert_eq!((&task["status"], task.get("owner")), (&json!("ready"), None));
    assert_eq!(task["businessStatus"]["coding"][0]["code"], "nobody-eligible");
    assert_eq!(task["statusReason"]["text"], "Nobody eligible of 1: not licensed in the patient's state (1).");
    let escalation = written.escalation.unwrap();
    assert_eq!(escalation["identifier"][0], json!({ "system": ids::ESCALATION_IDENTIFIER, "value": "t1" }));
    assert_eq!(escalation["focus"]["reference"], "Task/t1");
    // Deciding again on what was written changes nothing; escalations are not routed.
    let mut again = one("NJ", licence("MD", "NY", Some("active"), Value::Null));
    again.task = task;
    assert_eq!(writes(&again.decide(), &again.task, &again.rules, again.now).unwrap().task, None);
    let mut own = escalation;
    own["id"] = json!("e1");
    again.task = own;
    assert_eq!(again.decide(), Decision::NotRouted(NotRouted::ForOperations));
}

#[test]
fn assigning_says_why_and_clears_the_old_reason() {
    let mut case = one("NY", licence("MD", "NY", Some("active"), Value::Null));
    case.task["statusReason"] = json!({ "text": "Nobody eligible: there are no candidates." });
    case.task["note"] = json!([{ "text": "please hurry" }, { "authorString": "hob task-router", "text": "old" }]);
    let task = writes(&case.decide(), &case.task, &case.rules, case.now).unwrap().task.unwrap();
    assert_eq!(task["owner"]["reference"], "Practitioner/a");
    assert_eq!(task["status"], "ready");
    assert!(task.get("statusReason").is_none());
    let notes: Vec<&str> = task["note"].as_array().unwrap().iter().map(|n| n["text"].as_str().unwrap()).collect();
    assert_eq!(
        notes,
        [
            "please hurry",
            "Assigned: role Doctor covers the task; licence MD valid in NY over the time of the work; first of 1 eligible by role, load and a stable order."
        ]
    );
}

#[test]
fn a_red_flag_goes_up_the_crisis_route_whatever_the_licences() {
    let mut case = Case::new(task(&[DOCTOR]), "NY", vec![], vec![]);
    case.rules = serde_json::from_value(json!({ "crisis": { "owner": "CareTeam/on-call" } })).unwrap();
    case.task["code"] = json!({ "coding": [{ "system": ids::TASK_CODES, "code": "red-flag" }] });
    case.patient = json!({});
    assert_eq!(case.decide(), Decision::Crisis);
    let written = writes(&Decision::Crisis, &case.task, &case.rules, case.now).unwrap();
    let task = written.task.unwrap();
    assert_eq!(written.escalation, None);
    assert_eq!(
        (&task["priority"], &task["owner"]["reference"], &task["status"]),
        (&json!("stat"), &json!("CareTeam/on-call"), &json!("ready"))
    );
    assert!(task["performerType"].as_array().unwrap().iter().any(|p| p["coding"][0]["code"] == "crisis"));
    case.task = task;
    assert_eq!(writes(&case.decide(), &case.task, &case.rules, case.now).unwrap().task, None);
    // A person has taken it, or closed it: hands off.
    for status in ["accepted", "in-progress", "completed"] {
        case.task["status"] = json!(status);
        assert_eq!(case.decide(), Decision::NotRouted(NotRouted::Owned));
    }
}

#[test]
fn the_plan_net_examples() {
    let read = |name: &str| -> Value {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/clinic/plan-net").join(name);
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    };
    let people =
        vec![read("Practitioner-HansSolo.json"), read("Practitioner-JoeSmith.json"), read("Practitioner-Counselor.json")];
    let roles: Vec<Value> = ["HansSoloRole1", "JoeSmithRole1", "JoeSmithRole2", "JoeSmithRole3", "CounselorRole1", "AnonRole"]
        .map(|n| read(&format!("PractitionerRole-{n}.json")))
        .into();
    let rules: Rules = serde_json::from_value(json!({ "roles": [{ "role": { "system": "http://hl7.org/fhir/us/davinci-pdex-plan-net/CodeSystem/ProviderRoleCS", "code": "ph" },
        "licences": [{ "system": ids::V2_0360, "code": "MD" }], "rank": 1, "source": "test" }] }))
    .unwrap();
    for (state, expected) in [("IL", true), ("CT", false)] {
        let mut work = task(&[]);
        work["performerType"] = json!([{ "coding": [{ "system": "http://hl7.org/fhir/us/davinci-pdex-plan-net/CodeSystem/ProviderRoleCS", "code": "ph" }] }]);
        let mut case = Case::new(work, state, roles.clone(), people.clone());
        case.rules = rules.clone();
        // The roles work in Connecticut; the licences are of Illinois: only the licence decides.
        assert_eq!(case.owner().is_some(), expected, "{state}: {:?}", case.decide());
    }
}

proptest! {
    /// Whoever is assigned holds, in the patient's state, an active licence of the kind; and somebody is assigned if anybody does.
    #[test]
    fn nobody_unlicensed_is_ever_assigned(
        home in 0usize..56,
        people in prop::collection::vec(prop::collection::vec((0usize..4, 0usize..56, 0usize..4, 0i32..4), 0..4), 0..6),
        ask in prop::sample::subsequence(vec![DOCTOR, NURSE], 1..=2),
    ) {
        const KINDS: [&str; 4] = ["MD", "DO", "RN", "NP"];
        const STATUS: [Option<&str>; 4] = [Some("active"), None, Some("inactive"), Some("revoked")];
        // Few states, so that they meet.
        let code = |n: usize| STATES[n % 3].code;
        let home = code(home);
        let made: Vec<Value> = people.iter().enumerate().map(|(n, licences)| {
            let licences: Vec<Value> = licences.iter().map(|(kind, state, status, year)| {
                licence(KINDS[*kind], code(*state), STATUS[*status], json!({ "end": format!("{}-06-30", 2025 + year) }))
            }).collect();
            person(&format!("x{n}"), &licences)
        }).collect();
        let roles: Vec<Value> = (0..people.len()).flat_map(|n| [role(&format!("x{n}"), DOCTOR), role(&format!("x{n}"), NURSE)]).collect();
        let case = Case::new(task(&ask), home, roles, made);
        let may = |licences: &Vec<(usize, usize, usize, i32)>| {
            ask.iter().any(|asked| {
                let kinds: &[usize] = if *asked == DOCTOR { &[0, 1] } else { &[2] };
                let relevant = || licences.iter().filter(|(kind, state, ..)| kinds.contains(kind) && code(*state) == home);
                let good = relevant().any(|(_, _, status, year)| *status <= 1 && *year >= 2);
                good && relevant().all(|(_, _, status, _)| *status != 3)
            })
        };
        match case.owner() {
            Some(owner) => prop_assert!(may(&people[owner[1..].parse::<usize>().unwrap()])),
            None => prop_assert!(!people.iter().any(may)),
        }
    }
}
