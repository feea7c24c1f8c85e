//! The cloud feeds, as their vendors document them; each module of `formats` says what it was checked against. All ids are
//! made up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[path = "common/post.rs"]
mod post;

use data_encoding::BASE64;
use hob_ingress::{Format, Kind, ParseError, reply_for};
use hob_model::Interaction;
use post::{post, send, told};
use serde_json::{Value, json};

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
    assert_eq!((got.format, got.kind), (Format::EventGrid, Kind::EventNotification));
    let expected = [
        (focus.clone(), Some(Interaction::Create), Some("1".to_owned()), false),
        (focus.clone(), Some(Interaction::Delete), Some("3".to_owned()), false),
    ];
    assert_eq!(told(&got), expected);
    assert_eq!(got.events[0].id.as_deref(), Some("e-1"));

    let mut cloud = grid("", 2);
    let object = cloud.as_object_mut().unwrap();
    object.remove("eventType");
    object.insert("specversion".into(), json!("1.0"));
    object.insert("type".into(), json!("Microsoft.HealthcareApis.FhirResourceUpdated"));
    object.insert("time".into(), json!("2022-02-03T16:48:09.6223354Z"));
    let got = post(&cloud).unwrap();
    assert_eq!(told(&got), [(focus, Some(Interaction::Update), Some("2".into()), false)]);
    assert!(got.events[0].timestamp.is_some());

    assert_eq!(
        post(&json!([grid("Microsoft.HealthcareApis.DicomImageCreated", 1)])).unwrap_err().code(),
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
    assert_eq!((reply.status, reply.content_type), (200, "application/json"));
    assert_eq!(&reply.body[..], br#"{"validationResponse":"512d38b6"}"#);

    let got = send("OPTIONS", "", &[("WebHook-Request-Origin", "eventgrid.azure.net")], "").unwrap();
    let allowed = ("WebHook-Allowed-Origin", "eventgrid.azure.net".to_owned());
    assert!(reply_for(&got).headers.contains(&allowed));
    assert!(send("OPTIONS", "", &[("WebHook-Request-Origin", "a\r\nb: c")], "").is_err());
    assert_eq!(send("OPTIONS", "", &[], "").unwrap_err(), ParseError::Method);
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
    let attributes = [("versionId", "MTY4"), ("lastUpdatedTime", "Wed, 01 Jan 2020 00:00:00 UTC"), ("payloadType", "NameOnly")];
    let got = post(&pushed("CreateResource", name, &attributes)).unwrap();
    assert_eq!((got.format, got.kind), (Format::PubSub, Kind::EventNotification));
    assert_eq!(told(&got), [("Patient/ee33".into(), Some(Interaction::Create), Some("MTY4".into()), false)]);
    assert_eq!(got.events[0].timestamp.unwrap().to_string(), "2020-01-01T00:00:00.000000Z");
    assert_eq!(got.events[0].id.as_deref(), Some("42"));

    let full = json!({ "resourceType": "Patient", "id": "1", "meta": { "versionId": "v" } }).to_string();
    let got = post(&pushed("PatchResource", &full, &[])).unwrap();
    assert_eq!(told(&got), [("Patient/1".into(), Some(Interaction::Update), Some("v".into()), true)]);
    let got = post(&pushed("DeleteResource", &full, &[("versionId", "v")])).unwrap();
    assert_eq!(told(&got), [("Patient/1".into(), Some(Interaction::Delete), None, true)]);

    assert_eq!(post(&pushed("ImportResources", name, &[])).unwrap_err().code(), "notification-shape");
    assert_eq!(post(&pushed("CreateResource", "no name", &[])).unwrap_err().code(), "notification-shape");
}

#[test]
fn event_bridge_says_that_something_changed() {
    let event = |kind: &str, detail: Value| json!({ "version": "0", "id": "e", "detail-type": kind, "source": "aws.healthlake", "time": "2026-01-02T03:04:05Z", "detail": detail });
    let call = |name: &str| {
        event("AWS API Call via CloudTrail", json!({ "eventSource": "healthlake.amazonaws.com", "eventName": name }))
    };
    let got = post(&call("UpdateResource")).unwrap();
    assert_eq!((got.format, got.kind), (Format::EventBridge, Kind::EventNotification));
    assert_eq!(told(&got), [(String::new(), Some(Interaction::Update), None, false)]);
    assert_eq!(told(&post(&event("Import Job Completed", json!({}))).unwrap()), [(String::new(), None, None, false)]);
    assert_eq!(post(&call("ReadResource")).unwrap_err().code(), "notification-unsupported");
    assert_eq!(post(&event("Data Store Active", json!({}))).unwrap_err().code(), "notification-unsupported");
    let failed = event("AWS API Call via CloudTrail", json!({ "eventName": "UpdateResource", "errorCode": "AccessDenied" }));
    assert_eq!(post(&failed).unwrap_err().code(), "notification-unsupported");
}
