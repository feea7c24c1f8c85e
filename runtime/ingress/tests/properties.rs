//! Nothing that can be posted makes the parser panic, and no error quotes what it read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod common;

use bytes::Bytes;
use common::{manifest, read, request};
use hob_ingress::{WireRequest, explain, parse, reply_for};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Parses by every method, and once as Medplum's.
fn try_all(path: &str, body: &[u8]) {
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "GET", ""] {
        for header in ["X-Medplum-Interaction", "If-Match"] {
            let request = WireRequest {
                method: method.into(),
                path_rest: path.into(),
                headers: vec![(header.into(), "delete".into())],
                body: Bytes::copy_from_slice(body),
            };
            match parse(&request) {
                Ok(notification) => assert_eq!(reply_for(&notification).status, 200),
                Err(error) => assert!(error.code().starts_with("notification-")),
            }
        }
    }
    let _ = explain(body);
}

fn arb_json() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec![
        "resourceType",
        "type",
        "entry",
        "resource",
        "parameter",
        "part",
        "name",
        "valueReference",
        "reference",
        "id",
        "meta",
        "versionId",
        "focus",
        "notificationEvent",
        "eventNumber",
        "fullUrl",
        "request",
        "method",
        "url",
        "data",
        "eventType",
        "message",
        "attributes",
        "detail",
        "detail-type",
        "source",
        "subscription",
        "topic",
        "captures",
        "requests",
        "headers",
    ]);
    let word = prop::sample::select(vec![
        "Bundle",
        "Parameters",
        "SubscriptionStatus",
        "AidboxSubscriptionStatus",
        "history",
        "transaction",
        "searchset",
        "Patient",
        "Patient/1",
        "1",
        "event-notification",
        "PUT",
        "subscription",
        "type",
        "notification-event",
        "focus",
        "Microsoft.HealthcareApis.FhirResourceCreated",
        "CreateResource",
        "aws.healthlake",
        "",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        word.prop_map(Value::from)
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())),
        ]
    })
}

/// Every place of a JSON value, depth first.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Object(object) => object.iter().for_each(|(key, value)| pointers(value, &format!("{at}/{key}"), all)),
        Value::Array(items) => items.iter().enumerate().for_each(|(index, value)| pointers(value, &format!("{at}/{index}"), all)),
        _ => {}
    }
}

proptest! {
    #[test]
    fn any_bytes(path in ".{0,40}", body in prop::collection::vec(any::<u8>(), 0..400)) {
        try_all(&path, &body);
    }

    #[test]
    fn any_json_of_the_formats_words(body in arb_json()) {
        try_all("", body.to_string().as_bytes());
        try_all("/Patient/1", body.to_string().as_bytes());
    }

    #[test]
    fn a_fixture_with_a_value_replaced(file in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), with in arb_json()) {
        let lines = manifest();
        let mut value: Value = serde_json::from_slice(&read(&file.get(&lines).file)).unwrap();
        let mut places = Vec::new();
        pointers(&value, "", &mut places);
        if let Some(slot) = value.pointer_mut(place.get::<String>(&places)) {
            *slot = with;
        }
        try_all("", value.to_string().as_bytes());
    }

    #[test]
    fn a_fixture_with_bytes_cut_and_flipped(file in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut body = request(&file.get(&manifest()).file).body.to_vec();
        if !body.is_empty() {
            let at = at.index(body.len());
            body[at] = byte;
            if cut {
                body.truncate(at);
            }
        }
        try_all("", &body);
    }

    #[test]
    fn no_error_quotes_the_content(place in any::<prop::sample::Index>()) {
        let canary = "Zzyzx-canary";
        let mut value: Value = serde_json::from_slice(&read("hl7-spec-r5/notification-full-resource.json")).unwrap();
        let mut places = Vec::new();
        pointers(&value, "", &mut places);
        *value.pointer_mut(place.get::<String>(&places)).unwrap() = json!(canary);
        for body in [value.to_string(), format!("{{{canary}"), format!("<{canary}>")] {
            let request = WireRequest { method: "POST".into(), path_rest: String::new(), headers: Vec::new(), body: body.into() };
            if let Err(error) = parse(&request) {
                let printed = format!("{error} {error:?}");
                prop_assert!(!printed.contains(canary));
            }
        }
    }
}

fn post(body: String) -> Result<hob_ingress::Notification, hob_ingress::ParseError> {
    parse(&WireRequest { method: "POST".into(), path_rest: String::new(), headers: Vec::new(), body: body.into() })
}

#[test]
fn bounds_hold() {
    let nested = format!("{}{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
    assert_eq!(post(nested).unwrap_err().code(), "notification-json");
    assert_eq!(post("[".repeat(1_000_000)).unwrap_err().code(), "notification-json");

    let events = |count: usize| {
        let events: Vec<Value> = (0..count).map(|number| json!({ "eventNumber": number })).collect();
        let status = json!({ "resourceType": "SubscriptionStatus", "type": "event-notification", "notificationEvent": events });
        json!({ "resourceType": "Bundle", "type": "subscription-notification", "entry": [{ "resource": status }] }).to_string()
    };
    assert_eq!(post(events(1_000)).unwrap().events.len(), 1_000);
    assert_eq!(post(events(1_001)).unwrap_err().code(), "notification-too-many");

    let entries: Vec<Value> = (0..5_000).map(|_| json!({})).collect();
    let bundle = json!({ "resourceType": "Bundle", "type": "history", "entry": entries });
    assert_eq!(post(bundle.to_string()).unwrap_err().code(), "notification-too-many");

    let long = json!({ "resourceType": "SubscriptionStatus", "type": "heartbeat", "topic": "x".repeat(3_000) });
    assert_eq!(post(long.to_string()).unwrap_err().code(), "notification-too-long");
}
