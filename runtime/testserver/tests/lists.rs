//! Searches and histories.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by a panic")]

mod common;

use common::{Site, patient, with_id};
use serde_json::{Value, json};

fn three() -> Site {
    let mut site = Site::new(|_| {});
    for gender in ["male", "female", "male"] {
        site.create(&patient(gender));
    }
    site.put(&with_id(patient("unknown"), "2"), None);
    site
}

#[test]
fn a_types_history_is_newest_first_with_deletes() {
    let mut site = three();
    site.delete("Patient/1");
    let all = ["Patient/1/2", "Patient/2/2", "Patient/3/1", "Patient/2/1", "Patient/1/1"];
    assert_eq!(site.pages("Patient/_history"), all);
    assert_eq!(site.pages("Patient/_history?_count=2"), all);
    assert_eq!(site.pages("Patient/_history?_since=2027-01-15T08%3A00%3A03Z&_count=1"), all[..3]);
    assert!(site.pages("Patient/_history?_since=2028-01-15T08%3A00%3A03Z").is_empty());
    assert!(site.pages("Task/_history").is_empty());
    let newest = site.get("Patient/_history").body["entry"][0].clone();
    assert_eq!(newest["request"], json!({"method": "DELETE", "url": "Patient/1/_history/2"}));
    assert_eq!(newest["response"]["lastModified"], "2027-01-15T08:00:05.000000Z");
    for bad in ["_since=yesterday", "_count=x", "_cursor=1", "_at=2027"] {
        assert_eq!(site.get(&format!("Patient/_history?{bad}")).status, 400, "{bad}");
    }

    let mut site = Site::hapi();
    site.create(&patient("male"));
    site.delete("Patient/1");
    assert_eq!(site.get("Patient/_history").body["entry"][0]["response"].get("lastModified"), None);
    let mut site = Site::new(|settings| (settings.type_history, settings.instance_history) = (false, false));
    site.create(&patient("male"));
    assert_eq!((site.get("Patient/_history").status, site.get("Patient/1/_history").status), (404, 404));
}

#[test]
fn a_clock_that_goes_back_hides_nothing() {
    let mut site = Site::new(|_| {});
    site.create(&patient("male"));
    site.now -= 100;
    site.create(&patient("male"));
    site.now += 200;
    site.create(&patient("male"));
    assert_eq!(site.pages("Patient/_history?_since=2027-01-15T08%3A00%3A01Z"), ["Patient/3/1", "Patient/1/1"]);
    assert_eq!(site.pages("Patient?_lastUpdated=ge2027-01-15T08%3A00%3A01Z"), ["Patient/1/1", "Patient/3/1"]);
    assert_eq!(site.pages("Patient?_lastUpdated=lt2027-01-15T08%3A00%3A01Z"), ["Patient/2/1"]);
    assert_eq!(site.pages("Patient?_sort=-_lastUpdated&_count=1"), ["Patient/3/1", "Patient/1/1", "Patient/2/1"]);
}

#[test]
fn searches_choose_sort_and_count() {
    let mut site = three();
    for (query, found) in [
        ("gender=male", &["Patient/1/1", "Patient/3/1"][..]),
        ("gender=male&_sort=-_id&_count=1", &["Patient/3/1", "Patient/1/1"]),
        ("_id=2,1,9", &["Patient/1/1", "Patient/2/2"]),
        ("_sort=_lastUpdated", &["Patient/1/1", "Patient/3/1", "Patient/2/2"]),
        ("_lastUpdated=gt2027-01-15T08:00:03Z", &["Patient/2/2"]),
        ("_lastUpdated=ge2027-01-15T08:00:02Z&_lastUpdated=lt2027-01-15T08:00:04Z", &["Patient/3/1"]),
    ] {
        assert_eq!(site.pages(&format!("Patient?{query}")), found, "{query}");
    }
    site.delete("Patient/1");
    assert_eq!(site.pages("Patient?gender=male"), ["Patient/3/1"], "what is deleted is not found");
    let counted = site.get("Patient?gender=male,unknown&_summary=count").body;
    assert_eq!((counted["total"].as_u64(), counted.get("entry")), (Some(2), None));
}

#[test]
fn identifiers_are_found_by_each_way_to_write_them() {
    let mut site = Site::new(|_| {});
    let named = |system: Option<&str>, value: &str| {
        let identifier = system.map_or(json!({"value": value}), |system| json!({"system": system, "value": value}));
        json!({"resourceType": "Basic", "identifier": [identifier]})
    };
    for resource in [named(Some("urn:a"), "1"), named(Some("urn:b"), "1"), named(None, "1"), named(Some("urn:a"), "2")] {
        site.create(&resource);
    }
    // The index still names it; the search does not.
    site.put(&with_id(named(Some("urn:a"), "3"), "4"), None);
    for (token, found) in [
        ("urn:a%7C1", &["Basic/1/1"][..]),
        ("1", &["Basic/1/1", "Basic/2/1", "Basic/3/1"]),
        ("%7C1", &["Basic/3/1"]),
        ("urn:a%7C", &["Basic/1/1", "Basic/4/2"]),
        ("urn:a%7C2", &[]),
        ("urn:a%7C3,urn:b%7C1", &["Basic/2/1", "Basic/4/2"]),
    ] {
        assert_eq!(site.pages(&format!("Basic?identifier={token}")), found, "{token}");
    }
}

#[test]
fn pages_stand_still_while_others_write() {
    let mut site = three();
    let first = site.get("Patient?_sort=_lastUpdated&_count=1").body;
    let next = first["link"][1]["url"].as_str().unwrap().to_owned();
    let history = site.get("Patient/_history?_count=3").body["link"][1]["url"].as_str().unwrap().to_owned();
    site.put(&with_id(patient("other"), "3"), None);
    site.delete("Patient/1");
    assert_eq!(site.pages(&next), ["Patient/3/1", "Patient/2/2"]);
    assert_eq!(site.pages(&history), ["Patient/1/1"]);
}

#[test]
fn the_self_link_says_what_was_used() {
    let mut site = three();
    let own = |body: &Value| body["link"][0]["url"].as_str().unwrap().to_owned();
    let lenient = site.get("Patient?gender=male&licence=x&_count=1");
    assert_eq!(own(&lenient.body), "http://fhir.test/r4/Patient?gender=male&_count=1");
    let strict = [("prefer", "handling=strict")];
    for query in ["licence=x", "_sort=colour", "_contained=true", "_include=Patient:gender"] {
        assert_eq!(site.send("GET", &format!("Patient?{query}"), &strict, &Value::Null).status, 400, "{query}");
    }
    for query in ["gender=", "general-practitioner.colour=x", "_has:Task:colour:status=ready", "gender:exactly=x"] {
        assert_eq!(site.get(&format!("Patient?{query}")).status, 400, "{query}");
    }
}
