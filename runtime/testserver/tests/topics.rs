//! Subscriptions to topics (R4 backport).

#![allow(clippy::unwrap_used, reason = "a test that fails says so by a panic")]

mod common;

use common::{Site, patient, with_id};
use serde_json::{Value, json};

const URL: &str = "http://example.org/topics/patients";
const BACKPORT: &str = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport";

/// Tells of male patients, by the criteria before and after.
fn topic() -> Value {
    let name = |part: &str| format!("http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic.{part}");
    let query = json!([{"url": "previous", "valueString": "Patient?gender:not=male"}, {"url": "current", "valueString": "Patient?gender=male"},
        {"url": "requireBoth", "valueBoolean": true}]);
    json!({"resourceType": "Basic", "code": {"text": "topic"}, "extension": [
        {"url": name("url"), "valueUri": URL},
        {"url": name("resourceTrigger"), "extension": [
            {"url": "resource", "valueUri": "http://hl7.org/fhir/StructureDefinition/Patient"},
            {"url": "supportedInteraction", "valueCode": "create"}, {"url": "supportedInteraction", "valueCode": "update"},
            {"url": "queryCriteria", "extension": query}]},
    ]})
}

fn subscription(content: &str, filter: &str) -> Value {
    json!({
        "resourceType": "Subscription", "status": "requested", "reason": "test", "criteria": URL,
        "_criteria": {"extension": [{"url": format!("{BACKPORT}-filter-criteria"), "valueString": filter}]},
        "channel": {
            "type": "rest-hook", "endpoint": "http://hob.test/in", "payload": "application/fhir+json", "header": ["Authorization: Bearer x"],
            "_payload": {"extension": [{"url": format!("{BACKPORT}-payload-content"), "valueCode": content}]},
        },
    })
}

fn told(site: &mut Site) -> Vec<Value> {
    let posts = site.server.take_posts();
    assert!(posts.iter().all(|post| post.request.method() == "POST" && post.request.headers()["authorization"] == "Bearer x"));
    posts.iter().map(|post| serde_json::from_slice(post.request.body()).unwrap()).collect()
}

fn parameter<'a>(bundle: &'a Value, name: &str) -> &'a Value {
    let all = bundle["entry"][0]["resource"]["parameter"].as_array().unwrap();
    all.iter().find(|one| one["name"] == name).unwrap_or(&Value::Null)
}

#[test]
fn a_topic_tells_what_it_fires_on_and_numbers_it() {
    let mut site = Site::new(|_| {});
    site.create(&topic());
    site.create(&subscription("full-resource", "Patient?active=true"));
    let greeting = told(&mut site).remove(0);
    assert_eq!(parameter(&greeting, "type")["valueCode"], "handshake");
    assert_eq!(parameter(&greeting, "events-since-subscription-start")["valueString"], "0");

    let active = |gender: &str| json!({"resourceType": "Patient", "gender": gender, "active": true});
    site.create(&active("male"));
    site.create(&active("female"));
    site.create(&patient("male"));
    let bundles = told(&mut site);
    assert_eq!(bundles.len(), 1, "the topic wants male ones, the filter active ones");
    assert_eq!(bundles[0]["type"], "history");
    assert_eq!(parameter(&bundles[0], "topic")["valueCanonical"], URL);
    let part = &parameter(&bundles[0], "notification-event")["part"];
    assert_eq!(part[0], json!({"name": "event-number", "valueString": "1"}));
    assert_eq!(part[2]["valueReference"]["reference"], "http://fhir.test/r4/Patient/3");
    assert_eq!(
        (&bundles[0]["entry"][1]["resource"]["id"], &bundles[0]["entry"][1]["request"]["method"]),
        (&json!("3"), &json!("POST"))
    );

    site.put(&with_id(active("male"), "3"), None);
    site.put(&with_id(json!({"resourceType": "Patient", "gender": "male", "active": true, "birthDate": "2000"}), "3"), None);
    assert!(told(&mut site).is_empty(), "it was male before");
    site.put(&with_id(active("male"), "4"), None);
    assert_eq!(parameter(&told(&mut site)[0], "events-since-subscription-start")["valueString"], "2");
    site.delete("Patient/4");
    assert!(told(&mut site).is_empty(), "deletes are no interaction of the topic");

    let status = site.get("Subscription/2/$status").body;
    assert_eq!((&status["type"], &parameter(&status, "type")["valueCode"]), (&json!("searchset"), &json!("query-status")));
    let events = site.get("Subscription/2/$events?eventsSinceNumber=2&content=id-only").body;
    assert_eq!(parameter(&events, "notification-event")["part"][0]["valueString"], "2");
    assert_eq!(
        (&events["entry"][1]["fullUrl"], events["entry"][1].get("resource")),
        (&json!("http://fhir.test/r4/Patient/4"), None)
    );
    assert_eq!(events["entry"].as_array().unwrap().len(), 2);
}

#[test]
fn payloads_tell_as_much_as_was_asked_for_and_hapi_does_not_greet() {
    for (content, entries, has_focus) in [("empty", 1, false), ("id-only", 2, true)] {
        let mut site = Site::hapi();
        site.create(&topic());
        site.create(&subscription(content, "Patient?"));
        assert!(told(&mut site).is_empty());
        site.create(&patient("male"));
        let bundle = told(&mut site).remove(0);
        assert_eq!(bundle["entry"].as_array().unwrap().len(), entries, "{content}");
        let part = parameter(&bundle, "notification-event")["part"].as_array().unwrap();
        assert_eq!(part.iter().any(|part| part["name"] == "focus"), has_focus, "{content}");
        assert_eq!(site.get("Subscription/2/$status").status, 400, "HAPI has none");
    }
    let mut site = Site::new(|_| {});
    assert_eq!(site.create(&subscription("everything", "Patient?")).status, 422);
    assert_eq!(site.create(&subscription("empty", "Patient?colour=red")).status, 422);
}
