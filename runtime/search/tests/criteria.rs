//! Criteria over real resources, refusals, and what may be shown of them.

use std::fs;
use std::path::Path;

use hob_search::{Criteria, CriteriaError, ServerBases, patients_of};
use serde_json::{Value, json};

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/resources").join(name);
    let text = fs::read_to_string(path).unwrap_or_default();
    let resource: Value = serde_json::from_str(&text).unwrap_or_default();
    assert!(resource.is_object(), "{name}");
    resource
}

#[test]
fn cases_over_real_resources() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases.tsv")).unwrap();
    let (mut judged, mut wrong) = (0, Vec::new());
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let [file, expected, criteria] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let bases = ServerBases::new(["https://fhir.example.org/r4"]);
        let compiled = Criteria::parse(criteria).unwrap_or_else(|e| panic!("{criteria}: {e}")).with_server_bases(bases);
        if compiled.matches(&fixture(file)) != (expected == "yes") {
            wrong.push(line);
        }
        judged += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(judged > 100);
}

#[test]
fn what_cannot_be_used_is_refused_with_a_reason() {
    let messages: Vec<String> = [
        "Tusk?status=ready",
        "task",
        "",
        "Task?state=ready",
        "Task?authoredOn=2020",
        "Task?status",
        "Task?=ready",
        "Task?status=",
        "Task?status=a,,b",
        "Task?status=%zz",
        "Task?status=|",
        "Task?status:exact=ready",
        "Task?status:text=ready",
        "Task?code:in=http://example.org/vs",
        "Task?owner:missing=maybe",
        "Task?patient.name=x",
        "Task?subject:Patient.name=x",
        "Task?_has:Provenance:target:agent=x",
        "Task?_filter=status eq ready",
        "Task?_text=x",
        "Task?_sort=status",
        "Task?status=ready&_count=10",
        "Task?authored-on=yesterday",
        "Task?authored-on=2020-01-01T10:00:00+01:00",
        "Task?subject:Nobody=1",
        "Location?near=42|83",
        "Bundle?composition=1",
        "Observation?value-quantity=5|mg",
        "Observation?value-quantity=about5",
        "Observation?code-value-quantity=1234-5",
        "RiskAssessment?probability=x",
        "CarePlan?instantiates-uri:below=urn:oid:1.2",
        "MolecularSequence?chromosome-variant-coordinate=1$2$3",
    ]
    .iter()
    .map(|text| format!("{text}  =>  {}", Criteria::parse(text).unwrap_err()))
    .collect();
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn queries_may_shape_their_result() {
    let query = "status=ready&_sort=-authored-on&_count=5&_include=Task:owner&_summary=count";
    let criteria = Criteria::parse_query("Task", query).unwrap();
    assert_eq!(criteria.resource_type(), "Task");
    assert_eq!(criteria.parameters().len(), 1);
    assert!(criteria.matches(&json!({"resourceType": "Task", "status": "ready"})));
    let error = Criteria::parse_query("Task", "status=ready&owner.name=x").unwrap_err();
    assert!(matches!(error, CriteriaError::NotJudgeable { position: 13, .. }));
}

#[test]
fn parameters_are_listed_as_written() {
    let criteria = Criteria::parse(r"Patient?name:exact=a\,b,c&birthdate=ge2000&identifier=http%3A//x|1").unwrap();
    let seen: Vec<_> = criteria.parameters().iter().map(|p| (p.name(), p.modifier(), p.values().join(" or "))).collect();
    assert_eq!(
        seen,
        [
            ("name", Some("exact"), "a,b or c".to_owned()),
            ("birthdate", None, "ge2000".to_owned()),
            ("identifier", None, "http://x|1".to_owned()),
        ]
    );
}

#[test]
fn values_are_never_shown() {
    let secret = "canary4711";
    let criteria = Criteria::parse(&format!("Patient?name={secret}&identifier:not=x|{secret}")).unwrap();
    assert_eq!(format!("{criteria:?}"), "Patient?name=…&identifier:not=…");
    assert!(!format!("{:?}", criteria.parameters()).contains(secret));
    for text in
        ["birthdate=SECRET", "name:in=SECRET", "identifier=a|SECRET|c|d", "active:missing=SECRET", "name=%ffSECRET", "SECRET"]
    {
        let error = Criteria::parse(&format!("Patient?{}", text.replace("SECRET", secret))).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(secret), "{text}");
    }
}

#[test]
fn malformed_resources_do_not_match() {
    let criteria = Criteria::parse("Task?status=ready").unwrap();
    for resource in [
        json!(null),
        json!([{"resourceType": "Task", "status": "ready"}]),
        json!({"status": "ready"}),
        json!({"resourceType": ["Task"], "status": "ready"}),
        json!({"resourceType": "Task", "status": {"value": "ready"}}),
        json!({"resourceType": "Task", "status": [["ready"]]}),
    ] {
        assert!(!criteria.matches(&resource), "{resource}");
    }
}

#[test]
fn an_element_with_only_extensions_is_missing() {
    let absent = json!([{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]);
    let task = json!({"resourceType": "Task", "_status": {"extension": absent}, "code": {"extension": absent}, "owner": {"display": "?"}});
    assert!(Criteria::parse("Task?status:missing=true&code:missing=true&owner:missing=false").unwrap().matches(&task));
}

#[test]
fn patients_of_real_resources() {
    for (file, patients) in [
        ("task-example1.json", vec!["example"]),
        ("task-example3.json", vec!["f001"]),
        ("patient-example.json", vec!["example"]),
        ("appointment-example.json", vec!["example"]),
        ("coverage-example.json", vec!["4"]),
        ("communicationrequest-example.json", vec!["example"]),
        ("questionnaireresponse-example-bluebook.json", vec![]),
        ("plandefinition-protocol-example.json", vec![]),
    ] {
        assert_eq!(patients_of(&fixture(file)), patients, "{file}");
    }
}
