//! Transactions and batches.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by a panic")]

mod common;

use common::{Site, patient, with_id};
use hob_testserver::Server;
use serde_json::{Value, json};

const FIRST: &str = "urn:uuid:00000000-0000-4000-8000-000000000001";
const SECOND: &str = "urn:uuid:00000000-0000-4000-8000-000000000002";

fn post(urn: &str, resource: Value) -> Value {
    json!({"fullUrl": urn, "resource": resource, "request": {"method": "POST", "url": resource["resourceType"]}})
}

fn put(resource: Value, if_match: &str) -> Value {
    let url = format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
    json!({"resource": resource, "request": {"method": "PUT", "url": url, "ifMatch": if_match}})
}

/// An empty patch, as Hob sends it.
fn guard(url: &str, if_match: &str) -> Value {
    json!({
        "resource": {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": "W10="},
        "request": {"method": "PATCH", "url": url, "ifMatch": if_match},
    })
}

fn state(server: &Server) -> Vec<String> {
    server.versions().map(|kept| format!("{kept:?}")).collect()
}

#[test]
fn a_transaction_is_done_whole_and_names_become_ids() {
    let mut site = Site::new(|_| {});
    site.create(&json!({"resourceType": "Basic", "code": {"text": "fence"}}));
    site.create(&patient("male"));
    site.create(&patient("male"));
    let observation = json!({
        "resourceType": "Observation", "status": "final", "subject": {"reference": SECOND},
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": SECOND}],
    });
    let fence = json!({
        "resourceType": "Basic", "id": "1",
        "extension": [{"url": "urn:x", "valueUri": FIRST}, {"url": "urn:x", "valueUri": SECOND}, {"url": "urn:x", "valueUri": "urn:other"}],
    });
    let done = site.transaction(json!([
        post(FIRST, observation),
        post(SECOND, patient("female")),
        {"request": {"method": "DELETE", "url": "Patient/2", "ifMatch": "W/\"1\""}},
        guard("Patient/3", "W/\"1\""),
        put(fence, "W/\"1\""),
        {"request": {"method": "GET", "url": "Patient/2"}},
        {"request": {"method": "GET", "url": "http://fhir.test/r4/Patient/5"}},
    ]));
    assert_eq!(done.status, 200, "{}", done.body);
    let entries = done.body["entry"].as_array().unwrap();
    let seen: Vec<_> = entries
        .iter()
        .map(|entry| {
            [&entry["response"]["status"], &entry["response"]["location"], &entry["response"]["etag"]].map(Value::as_str)
        })
        .collect();
    assert_eq!(
        seen,
        [
            [Some("201 Created"), Some("Observation/4/_history/1"), Some("W/\"1\"")],
            [Some("201 Created"), Some("Patient/5/_history/1"), Some("W/\"1\"")],
            [Some("204 No Content"), Some("Patient/2/_history/2"), Some("W/\"2\"")],
            [Some("200 OK"), Some("Patient/3/_history/1"), Some("W/\"1\"")],
            [Some("200 OK"), Some("Basic/1/_history/2"), Some("W/\"2\"")],
            [Some("410 Gone"), None, None],
            [Some("200 OK"), None, Some("W/\"1\"")],
        ]
    );
    assert_eq!(entries[6]["resource"]["gender"], "female");
    let made = site.get("Observation/4").body;
    assert_eq!((&made["subject"]["reference"], &made["identifier"][0]["value"]), (&json!("Patient/5"), &json!(SECOND)));
    let uris: Vec<_> = site.get("Basic/1").body["extension"].as_array().unwrap().iter().map(|e| e["valueUri"].clone()).collect();
    assert_eq!(uris, ["Observation/4", "Patient/5", "urn:other"]);
    let stamps: Vec<_> = site.server.versions().filter(|kept| kept.sequence > 3).map(|kept| kept.at).collect();
    assert!(stamps.len() == 4 && stamps.windows(2).all(|two| two[0] == two[1]), "one instant for all");
}

#[test]
fn a_transaction_that_is_refused_leaves_nothing() {
    let mut site = Site::new(|_| {});
    site.create(&patient("male"));
    site.put(&with_id(patient("female"), "1"), None);
    let before = state(&site.server);
    let change = |id: &str| with_id(patient("other"), id);
    for (last, status) in [
        (put(change("1"), "W/\"1\""), 412),
        (guard("Patient/1", "W/\"1\""), 412),
        (json!({"request": {"method": "DELETE", "url": "Patient/1", "ifMatch": "W/\"1\""}}), 412),
        (post("urn:uuid:3", json!({"resourceType": "Task"})), 400),
        (put(change("9"), "W/\"1\""), 412),
        (
            json!({"request": {"method": "PATCH", "url": "Patient/1"}, "resource": {"resourceType": "Binary", "data": "W10="}}),
            400,
        ),
        (json!({"request": {"method": "PUT", "url": "Patient"}, "resource": patient("male")}), 405),
        (json!({"resource": patient("male")}), 400),
        (post(FIRST, patient("male")), 400),
    ] {
        let mut last = last;
        if status == 400 && last["fullUrl"] == "urn:uuid:3" {
            last["request"]["url"] = json!("Patient");
        }
        let refused = site.transaction(json!([post(FIRST, patient("male")), last]));
        assert_eq!((refused.status, &refused.body["resourceType"]), (status, &json!("OperationOutcome")), "{last}");
        assert_eq!(state(&site.server), before, "{last}");
    }
    let twice = site.transaction(json!([put(change("1"), "W/\"2\""), guard("Patient/1", "W/\"2\"")]));
    assert_eq!(twice.status, 400);
    assert_eq!(state(&site.server), before);
    assert_eq!(site.create(&patient("male")).body["id"], "2", "no id was spent");
}

#[test]
fn conditional_creates_look_at_the_store_and_at_the_bundle() {
    let mut site = Site::new(|_| {});
    let named = |value: &str| json!({"resourceType": "Basic", "identifier": [{"system": "urn:s", "value": value}]});
    let once = |urn: &str, value: &str| {
        let mut entry = post(urn, named(value));
        entry["request"]["ifNoneExist"] = json!(format!("identifier=urn:s%7C{value}"));
        entry
    };
    site.create(&named("a"));
    site.create(&named("b"));
    let user = json!({"resourceType": "Task", "focus": {"reference": "urn:uuid:a"}, "for": {"reference": "urn:uuid:c2"}});
    let done = site.transaction(json!([
        once("urn:uuid:a", "a"),
        {"request": {"method": "DELETE", "url": "Basic/2"}},
        once("urn:uuid:b", "b"),
        once("urn:uuid:c1", "c"),
        once("urn:uuid:c2", "c"),
        post("urn:uuid:t", user),
    ]));
    let seen: Vec<_> =
        done.body["entry"].as_array().unwrap().iter().map(|entry| entry["response"]["location"].as_str().unwrap()).collect();
    assert_eq!(
        seen,
        [
            "Basic/1/_history/1",
            "Basic/2/_history/2",
            "Basic/3/_history/1",
            "Basic/4/_history/1",
            "Basic/4/_history/1",
            "Task/5/_history/1"
        ]
    );
    assert_eq!(done.body["entry"][0]["response"]["status"], "200 OK");
    let task = site.get("Task/5").body;
    assert_eq!((&task["focus"]["reference"], &task["for"]["reference"]), (&json!("Basic/1"), &json!("Basic/4")));
    site.create(&named("c"));
    assert_eq!(site.transaction(json!([once("urn:uuid:d", "c")])).status, 412);
}

#[test]
fn a_batch_does_what_it_can() {
    let mut site = Site::new(|_| {});
    site.create(&patient("male"));
    let entries = json!([
        {"request": {"method": "POST", "url": "Patient"}, "resource": patient("female")},
        put(with_id(patient("other"), "1"), "W/\"7\""),
        guard("Patient/1", "W/\"1\""),
        {"request": {"method": "GET", "url": "Patient?gender=female"}},
        {"request": {"method": "POST", "url": "/"}, "resource": {"resourceType": "Bundle", "type": "batch"}},
        {"request": {"method": "FLY", "url": "Patient/1"}},
    ]);
    let done = site.send("POST", "", &[], &json!({"resourceType": "Bundle", "type": "batch", "entry": entries}));
    let entries = done.body["entry"].as_array().unwrap();
    let statuses: Vec<_> = entries.iter().map(|entry| entry["response"]["status"].as_str().unwrap().split_at(3).0).collect();
    assert_eq!(statuses, ["201", "412", "200", "200", "400", "400"]);
    assert_eq!(done.body["type"], "batch-response");
    assert_eq!(entries[1]["response"]["outcome"]["resourceType"], "OperationOutcome");
    assert_eq!(entries[3]["resource"]["entry"][0]["resource"]["id"], "2");
}

#[test]
fn integrity_is_that_of_what_a_transaction_would_leave() {
    let mut site = Site::new(|settings| settings.integrity = true);
    let task = |patient: &str| json!({"resourceType": "Task", "for": {"reference": patient}});
    assert_eq!(site.create(&task("Patient/1")).status, 400);
    site.create(&patient("male"));
    assert_eq!(site.create(&task("http://fhir.test/r4/Patient/1/_history/1")).status, 201);
    for elsewhere in ["urn:uuid:x", "http://elsewhere.test/Patient/9", "#p", "Patient?identifier=x"] {
        assert_eq!(site.create(&task(elsewhere)).status, 201, "{elsewhere}");
    }
    assert_eq!(site.delete("Patient/1").status, 409);
    let delete = |url: &str| json!({"request": {"method": "DELETE", "url": url}});
    let moved = put(with_id(task(FIRST), "2"), "W/\"1\"");
    assert_eq!(site.transaction(json!([delete("Patient/1"), post(SECOND, task("Patient/1"))])).status, 409);
    assert_eq!(site.transaction(json!([post(FIRST, patient("male")), post(SECOND, task("Patient/9"))])).status, 400);
    assert_eq!(site.transaction(json!([delete("Patient/1"), moved, post(FIRST, patient("female"))])).status, 200);
    assert_eq!(site.get("Task/2").body["for"]["reference"], "Patient/7");
    assert_eq!(site.delete("Patient/7").status, 409, "no longer the one before, but this one");
    assert_eq!(site.transaction(json!([delete("Patient/7"), delete("Task/2")])).status, 200);
}
