//! Subscriptions of type rest-hook.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by a panic")]

mod common;

use common::{Site, patient, with_id};
use hob_testserver::{Activation, SEND_DELETES};
use serde_json::{Value, json};

fn subscription(criteria: &str, deletes: bool) -> Value {
    json!({
        "resourceType": "Subscription", "status": "requested", "reason": "test", "criteria": criteria,
        "channel": {
            "type": "rest-hook", "endpoint": "http://hob.test/in/a", "payload": "application/fhir+json",
            "header": ["Authorization: Bearer x"],
            "extension": [{"url": SEND_DELETES, "valueBoolean": deletes}],
        },
    })
}

#[test]
fn what_meets_the_criteria_is_posted_as_hapi_does() {
    let mut site = Site::hapi();
    let made = site.create(&subscription("Patient?gender=male", true));
    assert_eq!((&made.body["status"], made.etag.as_deref()), (&json!("requested"), Some("W/\"1\"")));
    let active = site.get("Subscription/1").body;
    assert_eq!((&active["status"], &active["meta"]["versionId"]), (&json!("active"), &json!("2")));

    site.create(&patient("male"));
    let post = site.server.take_posts().remove(0);
    let header = |name: &str| post.request.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(
        (post.request.method().as_str(), post.request.uri().to_string()),
        ("PUT", "http://hob.test/in/a/Patient/2".to_owned())
    );
    assert_eq!((header("if-match"), header("authorization")), ("W/\"1\"".to_owned(), "Bearer x".to_owned()));
    assert_eq!(header("content-type"), "application/fhir+json; charset=UTF-8");
    let body: Value = serde_json::from_slice(post.request.body()).unwrap();
    assert_eq!((&body["id"], &body["meta"]["versionId"]), (&json!("2"), &json!("1")));

    site.put(&with_id(patient("male"), "2"), None);
    assert!(site.posts().is_empty(), "equal content is no version and no notification");
    site.put(&with_id(patient("female"), "2"), None);
    site.create(&json!({"resourceType": "Task"}));
    assert!(site.posts().is_empty(), "it does not meet the criteria");
    site.delete("Patient/2");
    site.delete("Patient/2");
    assert_eq!(site.posts(), ["DELETE http://hob.test/in/a/Patient/2"], "a delete is judged by its type alone");
}

#[test]
fn a_transactions_posts_come_in_the_order_of_its_commits() {
    let mut site = Site::new(|_| {});
    site.create(&subscription("Patient?", false));
    let mut bare = subscription("Patient?gender=male", false);
    bare["channel"].as_object_mut().unwrap().shift_remove("payload");
    site.create(&bare);
    site.create(&patient("female"));
    site.server.take_posts();
    site.transaction(json!([
        {"request": {"method": "PUT", "url": "Patient/3"}, "resource": with_id(patient("male"), "3")},
        {"request": {"method": "POST", "url": "Patient"}, "resource": patient("male")},
    ]));
    assert_eq!(
        site.posts(),
        [
            "PUT http://hob.test/in/a/Patient/4",
            "POST http://hob.test/in/a",
            "PUT http://hob.test/in/a/Patient/3",
            "POST http://hob.test/in/a",
        ]
    );
    let refused = site.transaction(json!([
        {"request": {"method": "POST", "url": "Patient"}, "resource": patient("male")},
        {"request": {"method": "PUT", "url": "Patient/3", "ifMatch": "W/\"1\""}, "resource": with_id(patient("other"), "3")},
    ]));
    assert_eq!((refused.status, site.posts().len()), (412, 0), "what did not happen is not told");
}

#[test]
fn only_what_is_active_posts() {
    let mut site = Site::new(|settings| settings.activation = Activation::WhenTold);
    site.create(&subscription("Patient?", true));
    site.create(&patient("male"));
    assert!(site.posts().is_empty(), "requested");
    let now = site.time();
    assert_eq!((site.server.activate(now), site.server.activate(now)), (1, 0));
    site.create(&patient("male"));
    assert_eq!(site.posts().len(), 1, "active");
    for status in ["off", "error"] {
        let mut resource = site.get("Subscription/1").body;
        resource["status"] = json!(status);
        site.put(&resource, None);
        site.create(&patient("male"));
        assert!(site.posts().is_empty(), "{status}");
    }
    let mut resource = site.get("Subscription/1").body;
    resource["status"] = json!("requested");
    site.put(&resource, None);
    let now = site.time();
    assert_eq!(site.server.activate(now), 1);
    site.delete("Subscription/1");
    site.create(&patient("male"));
    assert!(site.posts().is_empty(), "deleted");
}

#[test]
fn one_that_could_never_post_is_refused() {
    let mut site = Site::new(|_| {});
    for (pointer, value) in [
        ("/criteria", json!("Patient?nonsense=1")),
        ("/criteria", json!("Patient?general-practitioner.name=x")),
        ("/channel/endpoint", json!("in/a")),
        ("/channel/endpoint", json!("http://hob.test/in?a=1")),
        ("/channel/payload", json!("application/fhir+xml")),
        ("/channel/header", json!(["Authorization"])),
    ] {
        let mut resource = subscription("Patient?", false);
        *resource.pointer_mut(pointer).unwrap() = value;
        assert_eq!(site.create(&resource).status, 422, "{pointer}");
    }
    let mut mail = subscription("nonsense", false);
    mail["channel"]["type"] = json!("email");
    assert_eq!(site.create(&mail).status, 201, "others are kept and do nothing");
}
