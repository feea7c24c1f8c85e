//! Single interactions.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by a panic")]

mod common;

use common::{Site, patient, with_id};
use hob_testserver::{ConflictStatus, VersionIds};
use serde_json::{Value, json};

#[test]
fn versions_count_and_a_delete_is_one() {
    let mut site = Site::new(|_| {});
    let made = site.create(&with_id(patient("male"), "ignored"));
    assert_eq!((made.status, made.etag.as_deref()), (201, Some("W/\"1\"")));
    assert_eq!(made.location.as_deref(), Some("http://fhir.test/r4/Patient/1/_history/1"));
    assert_eq!(made.body["meta"], json!({"versionId": "1", "lastUpdated": "2027-01-15T08:00:01.000000Z"}));
    assert_eq!(site.put(&with_id(patient("female"), "1"), None).etag.as_deref(), Some("W/\"2\""));
    let current = site.get("Patient/1").body;
    let same = site.put(&made_with(current), Some("2"));
    assert_eq!((same.status, same.etag.as_deref()), (200, Some("W/\"2\"")), "equal content makes no version");
    let gone = site.delete("Patient/1");
    assert_eq!((gone.status, gone.etag.as_deref()), (204, Some("W/\"3\"")));
    assert_eq!(site.delete("Patient/1").etag.as_deref(), Some("W/\"3\""), "and no second one");
    assert_eq!(site.get("Patient/1").status, 410);
    assert_eq!(site.get("Patient/1/_history/3").status, 410);
    assert_eq!(site.get("Patient/1/_history/2").body["gender"], "female");
    assert_eq!(site.get("Patient/1/_history/4").status, 404);
    assert_eq!(site.get("Patient/2").status, 404);
    assert_eq!(site.put(&with_id(patient("male"), "1"), None).etag.as_deref(), Some("W/\"4\""), "it goes on counting");
    assert_eq!(site.pages("Patient/1/_history?_count=3"), ["Patient/1/4", "Patient/1/3", "Patient/1/2", "Patient/1/1"]);
}

fn made_with(mut resource: Value) -> Value {
    resource["meta"]["lastUpdated"] = json!("2001-01-01T00:00:00Z");
    resource
}

#[test]
fn if_match_holds_as_the_settings_say() {
    for (conflict, status) in [(ConflictStatus::PreconditionFailed, 412), (ConflictStatus::Conflict, 409)] {
        let mut site = Site::new(|settings| settings.conflict = conflict);
        site.create(&patient("male"));
        assert_eq!(site.put(&with_id(patient("female"), "1"), Some("2")).status, status);
        assert_eq!(site.put(&with_id(patient("female"), "1"), Some("1")).status, 200);
        assert_eq!(site.send("DELETE", "Patient/1", &[("if-match", "W/\"1\"")], &Value::Null).status, status);
        assert_eq!(site.put(&with_id(patient("other"), "new"), Some("0")).status, status);
        site.delete("Patient/1");
        assert_eq!(site.put(&with_id(patient("female"), "1"), Some("2")).status, status, "deleted in between");
    }
    // HAPI: a create-once fence, and deletes that are not looked at.
    let mut site = Site::hapi();
    assert_eq!(site.put(&with_id(patient("male"), "a"), Some("0")).status, 201);
    assert_eq!(site.put(&with_id(patient("male"), "a"), Some("0")).status, 409);
    assert_eq!(site.send("DELETE", "Patient/a", &[("if-match", "W/\"7\"")], &Value::Null).status, 200);
    assert_eq!(site.put(&with_id(patient("male"), "a"), Some("0")).status, 409, "also after it was deleted");
}

#[test]
fn ids_are_whose_the_settings_say() {
    let mut site = Site::new(|settings| settings.client_ids = false);
    assert_eq!(site.put(&with_id(patient("male"), "mine"), None).status, 405);
    let mut site = Site::new(|_| {});
    assert_eq!(site.put(&with_id(patient("male"), "1"), None).status, 201);
    assert_eq!(site.create(&patient("male")).body["id"], "2", "an id that is taken is passed over");
    assert_eq!(site.put(&with_id(patient("male"), "no_underscore"), None).status, 400);
}

#[test]
fn opaque_versions_tell_nothing_and_are_found() {
    let mut site = Site::new(|settings| settings.versions = VersionIds::Opaque);
    let first = site.create(&patient("male")).body["meta"]["versionId"].as_str().unwrap().to_owned();
    let second = site.put(&with_id(patient("female"), "1"), Some(&first)).body["meta"]["versionId"].clone();
    assert_ne!(second, first.as_str());
    assert_eq!(site.get(&format!("Patient/1/_history/{first}")).body["gender"], "male");
    assert_eq!(site.put(&with_id(patient("other"), "1"), Some(&first)).status, 412);
}

#[test]
fn creates_happen_once_by_their_condition() {
    let mut site = Site::new(|_| {});
    let named = json!({"resourceType": "Patient", "identifier": [{"system": "urn:s", "value": "a,b"}]});
    let ask = |site: &mut Site| site.send("POST", "Patient", &[("if-none-exist", "identifier=urn:s%7Ca%5C%2Cb")], &named);
    assert_eq!(ask(&mut site).status, 201);
    let found = ask(&mut site);
    assert_eq!((found.status, found.body["id"].as_str(), found.etag.as_deref()), (200, Some("1"), Some("W/\"1\"")));
    site.create(&named);
    assert_eq!(ask(&mut site).status, 412);
    site.delete("Patient/1");
    assert_eq!(ask(&mut site).body["id"], "2");
    for (bad, status) in [("_count=1", 400), ("nonsense=1", 400), ("identifier=", 400)] {
        assert_eq!(site.send("POST", "Patient", &[("if-none-exist", bad)], &named).status, status, "{bad}");
    }
}

#[test]
fn patches_are_json_patches() {
    let mut site = Site::new(|_| {});
    site.create(&patient("male"));
    let kind = [("content-type", "application/json-patch+json")];
    let replace = json!([{"op": "replace", "path": "/gender", "value": "female"}]);
    assert_eq!(site.send("PATCH", "Patient/1", &kind, &replace).body["gender"], "female");
    assert_eq!(site.send("PATCH", "Patient/1", &kind, &json!([])).etag.as_deref(), Some("W/\"2\""), "nothing changes");
    let test = json!([{"op": "test", "path": "/gender", "value": "male"}]);
    assert_eq!(site.send("PATCH", "Patient/1", &kind, &test).status, 422);
    assert_eq!(site.send("PATCH", "Patient/1", &kind, &json!([{"op": "remove", "path": "/id"}])).status, 400);
    assert_eq!(site.send("PATCH", "Patient/1", &[], &replace).status, 415);
    assert_eq!(site.send("PATCH", "Patient/9", &kind, &replace).status, 404);
}

#[test]
fn what_makes_no_sense_is_refused_with_an_outcome() {
    let mut site = Site::new(|_| {});
    for (method, path, body, status) in [
        ("GET", "Tusk", "", 404),
        ("POST", "Patient", "{", 400),
        ("POST", "Patient", "[]", 400),
        ("POST", "Patient", r#"{"resourceType": "Task"}"#, 400),
        ("PUT", "Patient/1", r#"{"resourceType": "Patient", "id": "2"}"#, 400),
        ("POST", "Patient/$nonsense", "", 404),
        ("POST", "", r#"{"resourceType": "Patient"}"#, 400),
        ("GET", "http://fhir.test/r4x/Patient", "", 404),
    ] {
        let response = site.raw(method, path, &[], body.to_owned());
        let outcome: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(
            (response.status().as_u16(), &outcome["resourceType"]),
            (status, &json!("OperationOutcome")),
            "{method} {path}"
        );
    }
    assert_eq!(site.get("metadata").body["fhirVersion"], "4.0.1");
    assert_eq!(site.server.versions().count(), 0);
}
