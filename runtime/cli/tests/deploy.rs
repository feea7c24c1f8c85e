//! `hob deploy`: what is read, what is sent, what is said.

#![allow(clippy::unwrap_used, reason = "a test may; clippy does not see that its helpers are of a test")]

mod support;

use std::path::Path;

use support::{Canned, hob};

const MANIFEST: &str = r#"name = "some-bot"
version = "0.1.0"
description = "Does some thing."
scopes = ["system/Task.ru"]

[[on]]
change = "Task?status=ready"

[settings.quiet-from]
type = "integer"
default = 20

[settings.label]
type = "string"
"#;

const ANSWER: &str = r#"{"bot":{"name":"some-bot","version":"0.1.0","release":"sha256:0f3a5c7e9b1d2f4a6c8e0f3a5c7e9b1d2f4a6c8e0f3a5c7e9b1d2f4a6c8e0f3a","source":"hapi",
  "deployed":"2026-11-22T05:10:00Z","description":"Does some thing.","triggers":["change Task?status=ready"],"subscriptions":[],"runs":{}},
  "changes":["created Subscription/5: Task?status=ready"],"manual_steps":["turn on delete notifications in the server's console"]}"#;

/// A component's preamble, which is all that the command itself looks at.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

fn bot(dir: &Path, manifest: &str) -> String {
    std::fs::write(dir.join("bot.toml"), manifest).unwrap();
    std::fs::write(dir.join("some_bot.wasm"), COMPONENT).unwrap();
    dir.to_str().unwrap().to_owned()
}

#[test]
fn sends_manifest_component_and_settings_and_says_what_changed() {
    let dir = tempfile::tempdir().unwrap();
    let path = bot(dir.path(), MANIFEST);
    let host = Canned::start(&[("POST /v1/tenants/default/bots", 200, ANSWER)]);
    let deploy = ["deploy", &path, "--source", "hapi", "--set", "label=a b", "--set", "quiet-from=21"];
    insta::assert_snapshot!(host.hob(&deploy).replace(&path, "DIR"));
    let json: Vec<&str> = deploy.into_iter().chain(["--json"]).collect();
    assert!(host.hob(&json).contains("\"manual_steps\": ["));
}

#[test]
fn what_is_wrong_is_told_before_anything_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let host = Canned::start(&[]);
    let folder = |name: &str, manifest: &str| {
        let folder = dir.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        bot(&folder, manifest)
    };
    let good = folder("good", MANIFEST);
    let module = dir.path().join("module.wasm");
    std::fs::write(&module, b"\0asm\x01\0\0\0").unwrap();
    let unbuilt = folder("unbuilt", MANIFEST);
    std::fs::remove_file(Path::new(&unbuilt).join("some_bot.wasm")).unwrap();
    let deploy = |dir: &str, more: &[&str]| {
        let args: Vec<&str> = ["deploy", dir, "--source", "hapi"].iter().chain(more).copied().collect();
        host.hob(&args)
    };
    let all = [
        deploy("no/such/folder", &[]),
        deploy(&folder("unknown-key", &MANIFEST.replace("scopes", "scope")), &[]),
        deploy(&folder("wrong-type", &MANIFEST.replace("version = \"0.1.0\"", "version = 1")), &[]),
        deploy(&good, &[]),
        deploy(&good, &["--set", "label=x", "--set", "quiet=1"]),
        deploy(&good, &["--set", "label=x", "--set", "quiet-from=late"]),
        deploy(&good, &["--set", "label=x", "--component", module.to_str().unwrap()]),
        deploy(&unbuilt, &["--set", "label=x"]),
    ]
    .join("\n")
    .replace(dir.path().to_str().unwrap(), "DIR");
    assert!(!all.contains("--- asked"), "something was sent");
    insta::assert_snapshot!(all);
}

#[test]
fn a_host_that_refuses_is_passed_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = bot(dir.path(), &MANIFEST.replace("[settings.label]\ntype = \"string\"\n", ""));
    let host = Canned::start(&[(
        "POST /v1/tenants/default/bots",
        422,
        r#"{"error":{"code":"scope-missing","message":"the criteria `Task?status=ready` need system/Task.s","help":"add it to `scopes`"}}"#,
    )]);
    insta::assert_snapshot!(host.hob(&["deploy", &path, "--source", "hapi"]).replace(&path, "DIR"));
    let unreachable =
        hob(&["deploy", &path, "--source", "hapi", "--host", "http://127.0.0.1:1"], &[("HOB_ADMIN_TOKEN", "t")], "");
    assert!(unreachable.contains("exit 69"), "{unreachable}");
}
