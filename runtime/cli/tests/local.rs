//! Commands that need no host.

#![allow(clippy::unwrap_used, reason = "a test may; clippy does not see that its helpers are of a test")]

mod support;

use support::hob;

const FIXTURES: &str = "../../tests/fixtures/notifications";

#[test]
fn explains_notifications() {
    for (name, file) in [
        ("backport_multi", "backport-ig/Bundle-r4-notification-multi-resource.json"),
        ("handshake", "hl7-spec-r5/notification-handshake.json"),
        ("hapi_delete", "hapi-capture/delete.json"),
        ("medplum", "medplum-capture/webhooks-raw.json"),
    ] {
        let path = format!("{FIXTURES}/{file}");
        insta::assert_snapshot!(format!("explain_{name}"), hob(&["explain", &path], &[], ""));
    }
}

#[test]
fn explains_as_json() {
    let path = format!("{FIXTURES}/hapi-capture/topic-id-only-put.json");
    insta::assert_snapshot!(hob(&["explain", "--json", &path], &[], ""));
}

#[test]
fn explains_stdin() {
    insta::assert_snapshot!(hob(&["explain", "-"], &[], r#"{"resourceType":"Task","id":"12","meta":{"versionId":"3"}}"#));
}

#[test]
fn what_is_no_notification_is_refused_with_the_reason() {
    let message = format!("{FIXTURES}/hl7-spec-r5/notification-message-full-resource.json");
    let all = [
        hob(&["explain", &message], &[], ""),
        hob(&["explain", "-"], &[], "not json"),
        hob(&["explain", "-"], &[], r#"{"name":"Erika"}"#),
        hob(&["explain", "--json", "-"], &[], "[]"),
        hob(&["explain", "no/such/file.json"], &[], ""),
    ];
    insta::assert_snapshot!(all.join("\n"));
    assert!(!all.join("").contains("Erika"));
}

#[test]
fn init_writes_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hob.toml");
    let path = file.to_str().unwrap();
    let seen = [hob(&["init", "--config", path], &[], ""), hob(&["init", "--config", path], &[], "")].join("\n");
    insta::assert_snapshot!(seen.replace(dir.path().to_str().unwrap(), "DIR"));
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("admin-token = { env = \"HOB_ADMIN_TOKEN\" }"));
}
