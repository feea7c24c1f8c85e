//! Formats of which there is no capture, as their vendors document them; each module of `formats` says what it was checked
//! against. All ids are made up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[path = "common/post.rs"]
mod post;

use hob_ingress::{Format, Kind, SubscriptionState, reply_for};
use hob_model::Interaction;
use post::{post, send, told};
use serde_json::{Value, json};

fn microsoft(state: &str, kind: &str) -> Value {
    json!({
        "resourceType": "Bundle", "type": "transaction",
        "entry": [
            { "fullUrl": "urn:uuid:1", "request": { "method": "POST", "url": "http://fhir" }, "resource": {
                "resourceType": "Parameters", "id": "1", "parameter": [
                    { "name": "subscription", "valueReference": { "reference": "sub-1" } },
                    { "name": "topic", "valueUri": "http://azurehealthcareapis.com/data-extentions/SubscriptionTopics/transactions" },
                    { "name": "status", "valueCode": state },
                    { "name": "type", "valueCode": kind },
                    { "name": "notification-event", "part": [
                        { "name": "focus", "valueUri": "https://fhir.com/Task/7" },
                        { "name": "timestamp", "valueDateTime": "2026-01-02T03:04:05+00:00" },
                    ] },
                ],
            } },
            { "fullUrl": "https://fhir.com/Task/7", "request": { "method": "PUT", "url": "Task/7" },
              "resource": { "resourceType": "Task", "id": "7", "meta": { "versionId": "2" } } },
        ],
    })
}

#[test]
fn microsoft_open_source() {
    let body = microsoft("Active", "event-notification").to_string();
    let got = send("POST", "", &[("Content-Type", "text/plain; charset=utf-8")], &body).unwrap();
    assert_eq!((got.format, got.kind, got.state), (Format::Microsoft, Kind::EventNotification, Some(SubscriptionState::Active)));
    assert_eq!(got.subscription.as_deref(), Some("sub-1"));
    assert_eq!(told(&got), [("https://fhir.com/Task/7".into(), Some(Interaction::Update), Some("2".into()), true)]);
    assert_eq!(got.events[0].number, None);
    assert_eq!(got.events[0].timestamp.unwrap().to_string(), "2026-01-02T03:04:05.000000Z");

    let none = post(&microsoft("None", "handshake")).unwrap();
    assert_eq!((none.kind, none.state), (Kind::Handshake, None));
    let error = post(&microsoft("Active", "gossip")).unwrap_err();
    assert_eq!((error.code(), error.to_string().contains("/entry/0/resource/parameter/3")), ("notification-shape", true));
}

#[test]
fn aidbox_batches() {
    let event = |number: f64, focus: &str| json!({ "eventNumber": number, "focus": { "reference": focus } });
    let entry = |method: &str, id: &str| {
        let resource = json!({ "resourceType": "Task", "id": id, "meta": { "versionId": "17" } });
        json!({ "fullUrl": format!("http://aidbox/fhir/Task/{id}"), "request": { "method": method, "url": "/fhir/Task" }, "resource": resource })
    };
    let got = post(&json!({
        "resourceType": "Bundle", "type": "history", "timestamp": "2025-05-05T09:54:29Z",
        "entry": [
            { "resource": {
                "resourceType": "AidboxSubscriptionStatus", "status": "active", "type": "event-notification",
                "notificationEvent": [event(1.0, "Task/a"), event(2.0, "Task/b")],
                "topic": "tasks", "topic-destination": { "reference": "AidboxTopicDestination/d" },
            } },
            entry("POST", "a"), entry("PUT", "b"),
        ],
    }))
    .unwrap();
    assert_eq!((got.format, got.subscription.as_deref()), (Format::Aidbox, Some("AidboxTopicDestination/d")));
    assert_eq!(got.events[1].number, Some(2));
    // 17 counts over the server: it does not make the PUT an update.
    let version = Some("17".to_owned());
    let expected =
        [("Task/a".to_owned(), Some(Interaction::Create), version.clone(), true), ("Task/b".into(), None, version, true)];
    assert_eq!(told(&got), expected);
}

#[test]
fn firely_posts_and_puts_the_resource() {
    let body = json!({ "resourceType": "Task", "id": "1", "meta": { "versionId": "5f0c" } }).to_string();
    for (method, path) in [("POST", ""), ("PUT", "/Task/1"), ("POST", "/Task/1")] {
        let got = send(method, path, &[], &body).unwrap();
        assert_eq!((got.format, got.kind), (Format::Resource, Kind::Resource));
        assert_eq!(told(&got), [("Task/1".into(), None, Some("5f0c".into()), true)]);
    }
    assert_eq!(send("PUT", "/Task/2", &[], &body).unwrap_err().code(), "notification-shape");
    assert_eq!(send("PUT", "/else", &[], &body).unwrap_err().code(), "notification-path");
}

#[test]
fn what_has_a_path_is_a_resource_also_if_it_is_a_bundle() {
    let body = json!({ "resourceType": "Bundle", "id": "b", "type": "message" }).to_string();
    assert_eq!(told(&send("PUT", "/Bundle/b", &[], &body).unwrap()), [("Bundle/b".into(), None, None, true)]);
    let document = json!({ "resourceType": "Bundle", "id": "b", "type": "document" });
    assert_eq!(post(&document).unwrap().kind, Kind::Resource);
    assert_eq!(told(&send("PUT", "/Task/1", &[("If-Match", "W/\"4\"")], "").unwrap())[0].2.as_deref(), Some("4"));
}

#[test]
fn every_other_reply_is_a_bundle() {
    let got = send("DELETE", "/Task/1", &[], "").unwrap();
    let reply = reply_for(&got);
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!((reply.status, reply.content_type, &body["resourceType"]), (200, "application/fhir+json", &json!("Bundle")));
}

#[test]
fn what_is_none_says_why() {
    for (body, code) in [
        (json!({}), "notification-empty"),
        (json!(7), "notification-shape"),
        (json!({ "hello": "world" }), "notification-shape"),
        (json!({ "resourceType": "Bundle", "type": "history", "entry": [] }), "notification-shape"),
        (json!({ "resourceType": "Bundle", "type": "transaction-response" }), "notification-unsupported"),
        (json!({ "resourceType": "Bundle", "type": "transaction", "entry": 7 }), "notification-shape"),
        (json!({ "resourceType": "Bundle", "type": "transaction", "entry": [{}] }), "notification-shape"),
        (json!({ "resourceType": "Task", "id": "not an id" }), "notification-shape"),
        (json!({ "resourceType": "SubscriptionStatus" }), "notification-shape"),
    ] {
        assert_eq!(post(&body).unwrap_err().code(), code, "{body}");
    }
    assert_eq!(send("GET", "", &[], "").unwrap_err().code(), "notification-method");
    assert_eq!(send("DELETE", "", &[], "").unwrap_err().code(), "notification-path");
    assert_eq!(send("POST", "", &[], "  ").unwrap().kind, Kind::Ping);
}
