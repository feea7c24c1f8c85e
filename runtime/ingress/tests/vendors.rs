//! Formats of which there is no capture, as their vendors document them; each module of `formats` says what it was checked
//! against. All ids are made up.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test"
)]

use data_encoding::BASE64;
use hob_ingress::{
    Focus, Format, Kind, Notification, ParseError, SubscriptionState, WireRequest, parse, reply_for,
};
use hob_model::{Interaction, VersionId};
use serde_json::{Value, json};

fn send(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Notification, ParseError> {
    parse(&WireRequest {
        method: method.into(),
        path_rest: path.into(),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        body: body.to_owned().into(),
    })
}

fn post(body: &Value) -> Result<Notification, ParseError> {
    send("POST", "", &[], &body.to_string())
}

/// Focus, interaction, version and whether the resource is there, of each event.
fn told(notification: &Notification) -> Vec<(String, Option<Interaction>, Option<String>, bool)> {
    let events = notification.events.iter();
    events
        .map(|event| {
            (
                event
                    .focus
                    .as_ref()
                    .map(Focus::to_string)
                    .unwrap_or_default(),
                event.interaction,
                event
                    .version
                    .as_ref()
                    .map(|version| VersionId::as_str(version).to_owned()),
                event.resource.is_some(),
            )
        })
        .collect()
}

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
    let got = send(
        "POST",
        "",
        &[("Content-Type", "text/plain; charset=utf-8")],
        &body,
    )
    .unwrap();
    assert_eq!(
        (got.format, got.kind, got.state),
        (
            Format::Microsoft,
            Kind::EventNotification,
            Some(SubscriptionState::Active)
        )
    );
    assert_eq!(got.subscription.as_deref(), Some("sub-1"));
    assert_eq!(
        told(&got),
        [(
            "https://fhir.com/Task/7".into(),
            Some(Interaction::Update),
            Some("2".into()),
            true
        )]
    );
    assert_eq!(got.events[0].number, None);
    assert_eq!(
        got.events[0].timestamp.unwrap().to_string(),
        "2026-01-02T03:04:05.000000Z"
    );

    let none = post(&microsoft("None", "handshake")).unwrap();
    assert_eq!((none.kind, none.state), (Kind::Handshake, None));
    let error = post(&microsoft("Active", "gossip")).unwrap_err();
    assert_eq!(
        (
            error.code(),
            error.to_string().contains("/entry/0/resource/parameter/3")
        ),
        ("notification-shape", true)
    );
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
    assert_eq!(
        (got.format, got.subscription.as_deref()),
        (Format::Aidbox, Some("AidboxTopicDestination/d"))
    );
    assert_eq!(got.events[1].number, Some(2));
    // 17 counts over the server: it does not make the PUT an update.
    let version = Some("17".to_owned());
    let expected = [
        (
            "Task/a".to_owned(),
            Some(Interaction::Create),
            version.clone(),
            true,
        ),
        ("Task/b".into(), None, version, true),
    ];
    assert_eq!(told(&got), expected);
}

#[test]
fn firely_posts_and_puts_the_resource() {
    let body =
        json!({ "resourceType": "Task", "id": "1", "meta": { "versionId": "5f0c" } }).to_string();
    for (method, path) in [("POST", ""), ("PUT", "/Task/1"), ("POST", "/Task/1")] {
        let got = send(method, path, &[], &body).unwrap();
        assert_eq!((got.format, got.kind), (Format::Resource, Kind::Resource));
        assert_eq!(
            told(&got),
            [("Task/1".into(), None, Some("5f0c".into()), true)]
        );
    }
    assert_eq!(
        send("PUT", "/Task/2", &[], &body).unwrap_err().code(),
        "notification-shape"
    );
    assert_eq!(
        send("PUT", "/else", &[], &body).unwrap_err().code(),
        "notification-path"
    );
}

#[test]
fn what_has_a_path_is_a_resource_also_if_it_is_a_bundle() {
    let body = json!({ "resourceType": "Bundle", "id": "b", "type": "message" }).to_string();
    assert_eq!(
        told(&send("PUT", "/Bundle/b", &[], &body).unwrap()),
        [("Bundle/b".into(), None, None, true)]
    );
    let document = json!({ "resourceType": "Bundle", "id": "b", "type": "document" });
    assert_eq!(post(&document).unwrap().kind, Kind::Resource);
    assert_eq!(
        told(&send("PUT", "/Task/1", &[("If-Match", "W/\"4\"")], "").unwrap())[0]
            .2
            .as_deref(),
        Some("4")
    );
}

fn grid(event_type: &str, version: u64) -> Value {
    json!({
        "id": "e-1", "topic": "/subscriptions/s/resourceGroups/g/providers/Microsoft.HealthcareApis/workspaces/w",
        "subject": "acc.fhir.azurehealthcareapis.com/Patient/p",
        "data": { "resourceType": "Patient", "resourceFhirAccount": "acc.fhir.azurehealthcareapis.com", "resourceFhirId": "p", "resourceVersionId": version },
        "eventType": event_type, "dataVersion": "1", "metadataVersion": "1", "eventTime": "2021-09-08T01:14:04.5613214Z",
    })
}

#[test]
fn event_grid_in_both_schemas() {
    let focus = "https://acc.fhir.azurehealthcareapis.com/Patient/p".to_owned();
    let got = post(&json!([
        grid("Microsoft.HealthcareApis.FhirResourceCreated", 1),
        grid("Microsoft.HealthcareApis.DicomImageCreated", 1),
        grid("Microsoft.HealthcareApis.FhirResourceDeleted", 3),
    ]))
    .unwrap();
    assert_eq!(
        (got.format, got.kind),
        (Format::EventGrid, Kind::EventNotification)
    );
    let expected = [
        (
            focus.clone(),
            Some(Interaction::Create),
            Some("1".to_owned()),
            false,
        ),
        (
            focus.clone(),
            Some(Interaction::Delete),
            Some("3".to_owned()),
            false,
        ),
    ];
    assert_eq!(told(&got), expected);
    assert_eq!(got.events[0].id.as_deref(), Some("e-1"));

    let mut cloud = grid("", 2);
    let object = cloud.as_object_mut().unwrap();
    object.remove("eventType");
    object.insert("specversion".into(), json!("1.0"));
    object.insert(
        "type".into(),
        json!("Microsoft.HealthcareApis.FhirResourceUpdated"),
    );
    object.insert("time".into(), json!("2022-02-03T16:48:09.6223354Z"));
    let got = post(&cloud).unwrap();
    assert_eq!(
        told(&got),
        [(focus, Some(Interaction::Update), Some("2".into()), false)]
    );
    assert!(got.events[0].timestamp.is_some());

    assert_eq!(
        post(&json!([grid(
            "Microsoft.HealthcareApis.DicomImageCreated",
            1
        )]))
        .unwrap_err()
        .code(),
        "notification-unsupported"
    );
    assert_eq!(post(&json!([])).unwrap_err().code(), "notification-empty");
}

#[test]
fn event_grid_handshakes_get_their_answer() {
    let event = json!([{
        "id": "1", "topic": "/subscriptions/s", "subject": "", "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "eventTime": "2018-01-25T22:12:19.4556811Z", "metadataVersion": "1", "dataVersion": "1",
        "data": { "validationCode": "512d38b6", "validationUrl": "https://rp-eastus2.eventgrid.azure.net/x" },
    }]);
    let got = post(&event).unwrap();
    assert_eq!((got.kind, got.events.len()), (Kind::Handshake, 0));
    let reply = reply_for(&got);
    assert_eq!(
        (reply.status, reply.content_type),
        (200, "application/json")
    );
    assert_eq!(&reply.body[..], br#"{"validationResponse":"512d38b6"}"#);

    let got = send(
        "OPTIONS",
        "",
        &[("WebHook-Request-Origin", "eventgrid.azure.net")],
        "",
    )
    .unwrap();
    let allowed = ("WebHook-Allowed-Origin", "eventgrid.azure.net".to_owned());
    assert!(reply_for(&got).headers.contains(&allowed));
    assert!(
        send(
            "OPTIONS",
            "",
            &[("WebHook-Request-Origin", "a\r\nb: c")],
            ""
        )
        .is_err()
    );
    assert_eq!(
        send("OPTIONS", "", &[], "").unwrap_err(),
        ParseError::Method
    );
}

#[test]
fn every_other_reply_is_a_bundle() {
    let got = send("DELETE", "/Task/1", &[], "").unwrap();
    let reply = reply_for(&got);
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(
        (reply.status, reply.content_type, &body["resourceType"]),
        (200, "application/fhir+json", &json!("Bundle"))
    );
}

fn pushed(action: &str, data: &str, attributes: &[(&str, &str)]) -> Value {
    let mut all = json!({ "action": action, "resourceType": "Patient" });
    for (name, value) in attributes {
        all[*name] = json!(value);
    }
    let message = json!({ "attributes": all, "data": BASE64.encode(data.as_bytes()), "messageId": "42", "publishTime": "2022-01-25T22:39:23.602Z" });
    json!({ "message": message, "subscription": "projects/p/subscriptions/s" })
}

#[test]
fn pub_sub_by_name_and_in_full() {
    let name = "projects/p/locations/l/datasets/d/fhirStores/f/fhir/Patient/ee33";
    let attributes = [
        ("versionId", "MTY4"),
        ("lastUpdatedTime", "Wed, 01 Jan 2020 00:00:00 UTC"),
        ("payloadType", "NameOnly"),
    ];
    let got = post(&pushed("CreateResource", name, &attributes)).unwrap();
    assert_eq!(
        (got.format, got.kind),
        (Format::PubSub, Kind::EventNotification)
    );
    assert_eq!(
        told(&got),
        [(
            "Patient/ee33".into(),
            Some(Interaction::Create),
            Some("MTY4".into()),
            false
        )]
    );
    assert_eq!(
        got.events[0].timestamp.unwrap().to_string(),
        "2020-01-01T00:00:00.000000Z"
    );
    assert_eq!(got.events[0].id.as_deref(), Some("42"));

    let full =
        json!({ "resourceType": "Patient", "id": "1", "meta": { "versionId": "v" } }).to_string();
    let got = post(&pushed("PatchResource", &full, &[])).unwrap();
    assert_eq!(
        told(&got),
        [(
            "Patient/1".into(),
            Some(Interaction::Update),
            Some("v".into()),
            true
        )]
    );
    let got = post(&pushed("DeleteResource", &full, &[("versionId", "v")])).unwrap();
    assert_eq!(
        told(&got),
        [("Patient/1".into(), Some(Interaction::Delete), None, true)]
    );

    assert_eq!(
        post(&pushed("ImportResources", name, &[]))
            .unwrap_err()
            .code(),
        "notification-shape"
    );
    assert_eq!(
        post(&pushed("CreateResource", "no name", &[]))
            .unwrap_err()
            .code(),
        "notification-shape"
    );
}

#[test]
fn event_bridge_says_that_something_changed() {
    let event = |kind: &str, detail: Value| json!({ "version": "0", "id": "e", "detail-type": kind, "source": "aws.healthlake", "time": "2026-01-02T03:04:05Z", "detail": detail });
    let call = |name: &str| {
        event(
            "AWS API Call via CloudTrail",
            json!({ "eventSource": "healthlake.amazonaws.com", "eventName": name }),
        )
    };
    let got = post(&call("UpdateResource")).unwrap();
    assert_eq!(
        (got.format, got.kind),
        (Format::EventBridge, Kind::EventNotification)
    );
    assert_eq!(
        told(&got),
        [(String::new(), Some(Interaction::Update), None, false)]
    );
    assert_eq!(
        told(&post(&event("Import Job Completed", json!({}))).unwrap()),
        [(String::new(), None, None, false)]
    );
    assert_eq!(
        post(&call("ReadResource")).unwrap_err().code(),
        "notification-unsupported"
    );
    assert_eq!(
        post(&event("Data Store Active", json!({})))
            .unwrap_err()
            .code(),
        "notification-unsupported"
    );
    let failed = event(
        "AWS API Call via CloudTrail",
        json!({ "eventName": "UpdateResource", "errorCode": "AccessDenied" }),
    );
    assert_eq!(
        post(&failed).unwrap_err().code(),
        "notification-unsupported"
    );
}

#[test]
fn what_is_none_says_why() {
    for (body, code) in [
        (json!({}), "notification-empty"),
        (json!(7), "notification-shape"),
        (json!({ "hello": "world" }), "notification-shape"),
        (
            json!({ "resourceType": "Bundle", "type": "history", "entry": [] }),
            "notification-shape",
        ),
        (
            json!({ "resourceType": "Bundle", "type": "transaction-response" }),
            "notification-unsupported",
        ),
        (
            json!({ "resourceType": "Bundle", "type": "transaction", "entry": 7 }),
            "notification-shape",
        ),
        (
            json!({ "resourceType": "Bundle", "type": "transaction", "entry": [{}] }),
            "notification-shape",
        ),
        (
            json!({ "resourceType": "Task", "id": "not an id" }),
            "notification-shape",
        ),
        (
            json!({ "resourceType": "SubscriptionStatus" }),
            "notification-shape",
        ),
    ] {
        assert_eq!(post(&body).unwrap_err().code(), code, "{body}");
    }
    assert_eq!(
        send("GET", "", &[], "").unwrap_err().code(),
        "notification-method"
    );
    assert_eq!(
        send("DELETE", "", &[], "").unwrap_err().code(),
        "notification-path"
    );
    assert_eq!(send("POST", "", &[], "  ").unwrap().kind, Kind::Ping);
}
