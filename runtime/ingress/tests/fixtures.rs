//! Every fixture is what MANIFEST.tsv says, by `parse` and by `explain`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod common;

use common::{Line, manifest, read, request};
use hob_ingress::{ExplainError, Explanation, Format, Kind, Notification, Signature, explain, parse};
use hob_model::Interaction;

fn format_of(line: &Line) -> Format {
    let lone = !line.bundle_type.contains('/');
    match (line.file.split('/').next().unwrap(), line.bundle_type.as_str()) {
        ("athenahealth", _) => Format::Athenahealth,
        ("hapi-capture", "") if line.expected_type == "ping" => Format::Ping,
        ("hapi-capture", "") => Format::Delete,
        ("hapi-capture", "XML") => Format::ResourceXml,
        (_, "Bundle/transaction") => Format::HapiSearch,
        (_, "SubscriptionStatus") => Format::SubscriptionStatus,
        (_, _) if lone => Format::Resource,
        (_, other) if other.ends_with("/Parameters") => Format::R4Backport,
        _ if line.fhir_version == "R5" => Format::R5,
        _ => Format::R4b,
    }
}

fn focus_of(notification: &Notification) -> Vec<String> {
    notification.events.iter().filter_map(|event| event.focus.as_ref().map(ToString::to_string)).collect()
}

fn check(line: &Line) {
    let file = &line.file;
    let parsed = parse(&request(file));
    if line.expected_type.starts_with("FHIR messaging") {
        assert_eq!(parsed.unwrap_err().code(), "notification-unsupported", "{file}");
        return;
    }
    if line.expected_type.is_empty() && !String::from_utf8(read(file)).unwrap().contains("\"id\"") {
        // A sample that was never on a server: without an id it is no version of anything.
        assert_eq!(parsed.unwrap_err().code(), "notification-shape", "{file}");
        return;
    }
    let parsed = parsed.unwrap_or_else(|error| panic!("{file}: {error}"));
    assert_eq!(parsed.format, format_of(line), "{file}");

    let focus = focus_of(&parsed);
    match line.expected_type.as_str() {
        // The manifest expects nothing of what is no notification: a status is read as what it states, the rest is a resource.
        "" if line.bundle_type == "SubscriptionStatus" => {
            assert_eq!(parsed.kind, Kind::EventNotification, "{file}")
        }
        "" => {
            assert_eq!(parsed.kind, Kind::Resource, "{file}");
            assert!(focus[0].starts_with(&format!("{}/", line.bundle_type)), "{file}");
        }
        expected => assert_eq!(parsed.kind.to_string(), expected, "{file}"),
    }
    if let Some((events, since)) = line.expected_events.split_once(" (since=") {
        assert_eq!(parsed.events.len().to_string(), events, "{file}");
        assert_eq!(parsed.events_since_start.unwrap().to_string(), since.trim_end_matches(')'), "{file}");
        assert!(parsed.events.iter().all(|event| event.number.is_some()), "{file}");
        assert_eq!(focus.join(";"), line.focus_refs, "{file}");
        assert!(parsed.subscription.is_some(), "{file}");
    } else if !line.focus_refs.is_empty() {
        assert_eq!(focus.join(";"), line.focus_refs, "{file}");
    }
    let Ok(Explanation::One(explained)) = explain(&read(file)) else { panic!("{file}: one request") };
    assert_eq!(explained.kind, parsed.kind, "{file}");
    for (event, explained) in parsed.events.iter().zip(&explained.events) {
        let deleted = event.interaction == Some(Interaction::Delete);
        match line.payload_level.as_str() {
            "full-resource" => assert_eq!(explained.has_resource, !deleted, "{file}"),
            "id-only" | "empty" => assert!(!explained.has_resource, "{file}"),
            _ => {}
        }
        if line.payload_level == "empty" && line.bundle_type.contains('/') {
            assert_eq!(event.focus, None, "{file}");
        }
    }
}

#[test]
fn every_line_of_the_manifest() {
    let lines = manifest();
    assert_eq!(lines.len(), 80);
    lines.iter().for_each(check);
}

#[test]
fn what_was_done_is_said_where_it_is_known() {
    for (file, interaction, version) in [
        ("hapi-capture/put-create.json", Some(Interaction::Create), Some("1")),
        ("hapi-capture/put-update.json", Some(Interaction::Update), Some("2")),
        ("hapi-capture/put-xml.json", Some(Interaction::Create), Some("1")),
        ("hapi-capture/delete.json", Some(Interaction::Delete), None),
        ("hapi-capture/topic-id-only-put.json", None, None),
        ("hapi-capture/topic-id-only-delete.json", Some(Interaction::Delete), None),
        ("hapi-capture/topic-full-resource-put.json", Some(Interaction::Update), Some("6")),
        ("hapi-capture/search-criteria-payload.json", Some(Interaction::Create), Some("1")),
        ("gematik-isik/Bundle-SubscriptionNotificationBundleExample.json", Some(Interaction::Update), Some("2")),
        ("backport-ig/Bundle-r4-notification-multi-resource.json", Some(Interaction::Create), None),
        ("hl7-spec-r5/notification-query-event.json", Some(Interaction::Create), Some("1")),
        ("hl7-spec-r4b/notification-id-only-query.json", Some(Interaction::Create), None),
        ("athenahealth/patient-notification.json", None, None),
    ] {
        let parsed = parse(&request(file)).unwrap();
        let event = &parsed.events[0];
        assert_eq!(event.interaction, interaction, "{file}");
        assert_eq!(event.version.as_ref().map(hob_model::VersionId::as_str), version, "{file}");
    }
    let event = &parse(&request("athenahealth/order-notification.json")).unwrap().events[0];
    assert!(event.id.is_some());
}

#[test]
fn medplum_signatures_verify_and_a_flipped_byte_does_not() {
    let file = read("medplum-capture/webhooks-raw.json");
    let Ok(Explanation::Many(all)) = explain(&file) else { panic!("many requests") };
    let count = |signature| all.iter().filter(|one| one.signature == Some(signature)).count();
    assert!(all.iter().all(|one| one.format == Format::Medplum && one.kind == Kind::Resource));
    assert_eq!((count(Signature::Verified), count(Signature::Wrong)), (signed(&file), 0));
    assert!(count(Signature::Absent) > 0);
    let deleted = all.iter().find(|one| one.events[0].interaction == Some(Interaction::Delete)).unwrap();
    assert!(deleted.events[0].focus.is_some() && !deleted.events[0].has_resource);

    let text = String::from_utf8(file).unwrap();
    let flipped = text.replace(r#"\"family\":\"Cap\""#, r#"\"family\":\"Cat\""#);
    assert_ne!(flipped, text);
    let Ok(Explanation::Many(after)) = explain(flipped.as_bytes()) else { panic!("many requests") };
    assert!(after.iter().any(|one| one.signature == Some(Signature::Wrong)));
    let another = text.replace(r#""secret": "topsecret""#, r#""secret": "another""#);
    let Ok(Explanation::Many(after)) = explain(another.as_bytes()) else { panic!("many requests") };
    assert!(after.iter().all(|one| one.signature != Some(Signature::Verified)));
}

/// How many requests of the capture bear a signature.
fn signed(file: &[u8]) -> usize {
    String::from_utf8_lossy(file).matches("\"X-Signature\"").count()
}

/// One document of all fixtures' explanations, so that a change in any of them is seen.
#[test]
fn explanations() {
    let mut files: Vec<String> = manifest().into_iter().map(|line| line.file).collect();
    files.push("medplum-capture/webhooks-raw.json".into());
    let mut all = serde_json::Map::new();
    for file in files {
        let value = match explain(&read(&file)) {
            Ok(explanation) => serde_json::to_value(explanation).unwrap(),
            Err(ref error @ ExplainError::Request { .. }) => {
                serde_json::json!({ "error": error.code(), "reason": error.to_string() })
            }
            Err(error) => panic!("{file}: {error}"),
        };
        all.insert(file, value);
    }
    insta::assert_json_snapshot!(all);
}
