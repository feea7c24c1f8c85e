//! Trials and observations as people see them.

#![allow(clippy::unwrap_used, reason = "a test may; clippy does not see that its helpers are of a test")]

mod support;

use support::Canned;

const ROUTER: &str = r#"{"name":"task-router","version":"0.1.0","release":"sha256:0f3a5c7e9b1d2f4a6c8e0f3a5c7e9b1d2f4a6c8e0f3a5c7e9b1d2f4a6c8e0f3a","source":"hapi",
  "deployed":"2026-11-22T05:10:00.000000Z","description":"Routes ready tasks.","triggers":["change Task?status=ready","cron 0 0 9 * * Mon-Fri"],
  "subscriptions":[{"key":"task-router.0","reference":"Subscription/5","criteria":"Task?status=ready","status":"active"}],"runs":{"pending":1,"done":20}}"#;

/// Ids of runs are of a checked type: these are two that exist.
fn ids(text: &str) -> String {
    let id = |part: &[u8]| hob_model::RunId::of_parts(&[part]).to_string();
    text.replace("RUN_A", &id(b"a")).replace("RUN_B", &id(b"b"))
}

const CHANGED: &str = r#"{"run":"RUN_A","group":"changed","received":"2026-11-22T05:00:01.000000Z","trigger":"change","subject":"Task/7 v2","recorded":{"outcome":"done","writes":1,"timers":0,"outbox":0},
    "now":{"outcome":"done","writes":2,"timers":0,"outbox":0},"changes":[{"in":"update","of":"Task/7","path":"/owner/reference","old":"Practitioner/a","new":"Practitioner/b"},
    {"in":"create","of":"Communication","path":"","new":{"resourceType":"Communication","payload":[{"contentString":"call back"}]}}],"more":3}"#;
const UNKNOWN: &str = r#"{"run":"RUN_B","group":"undecidable","received":"2026-11-22T05:00:02.000000Z","trigger":"change","subject":"Task/8 v1","recorded":{"outcome":"done","writes":1,"timers":0,"outbox":0},
    "now":{"outcome":"trap","message":"unreachable","writes":0,"timers":0,"outbox":0},"changes":[],"marks":[{"why":"now","asked":"Task?owner=Practitioner/a"},{"why":"unknown","asked":"POST sms.example"}],"asked":2}"#;
const GROUPS: &str = r#""groups":{"same":9000,"changed":40,"new-failure":0,"failure-gone":0,"not-triggered":0,"undecidable":1}"#;

#[test]
fn a_release_is_tried() {
    let line = |text: &str| format!("{}\n", ids(text).replace('\n', ""));
    let sum = format!(
        r#"{{"release":"sha256:0123456789abcdef","found":10000,"looked":9041,{GROUPS},"skipped":{{"no-journal":2}},"asked":2}}"#
    );
    let whole = [line(r#"{"looked":250,"of":9043}"#), line(CHANGED), line(UNKNOWN), line(&sum)].concat();
    let host = Canned::start(&[
        ("POST /v1/tenants/default/bots/router/replay", 200, &whole),
        ("POST /v1/tenants/default/bots/cut/replay", 200, &line(CHANGED)),
        (
            "POST /v1/tenants/default/bots/busy/replay",
            409,
            r#"{"error":{"code":"replay-busy","message":"another release is being tried","help":"wait"}}"#,
        ),
    ]);
    let all = [
        host.hob(&[
            "replay",
            "--bot",
            "router",
            "--since",
            "2026-11-22",
            "--sample",
            "9043",
            "--set",
            "rules={\"a\":1}",
            "--set",
            "word=b",
        ]),
        host.hob(&[
            "replay",
            "--bot",
            "router",
            "--release",
            "sha256:ab",
            "--deidentify",
            "--examples",
            "0",
            "--color",
            "always",
        ]),
        host.hob(&["replay", "--bot", "router", "--json"]),
        host.hob(&["replay", "--bot", "cut"]),
        host.hob(&["replay", "--bot", "busy"]),
        host.hob(&["replay"]),
        host.hob(&["replay", "--bot", "router", "--until", "yesterday"]),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn observe() {
    let counts = format!(
        r#""bot":"router","release":"sha256:0123456789abcdef","source":"hapi","began":"2026-11-22T05:00:00.000000Z","looked":9041,{GROUPS},"skipped":{{}}"#
    );
    let one = ids(&format!(r#"{{{counts},"first":false,"missed":7,"examples":[{CHANGED},{UNKNOWN}]}}"#));
    let first = ids(&format!(r#"{{{counts},"first":true,"missed":0,"examples":[]}}"#));
    let host = Canned::start(&[
        ("GET /v1/tenants/default/observe", 200, &format!(r#"{{"observed":[{{{counts},"first":false,"missed":7}}]}}"#)),
        ("GET /v1/tenants/empty/observe", 200, r#"{"observed":[]}"#),
        ("GET /v1/tenants/default/observe/router?examples=3", 200, &one),
        ("GET /v1/tenants/default/observe/first?examples=1&deidentify=true", 200, &first),
        (
            "POST /v1/tenants/default/observe/router/promote",
            200,
            &format!(r#"{{"bot":{ROUTER},"changes":["task-router runs release sha256:ab"],"manual_steps":[]}}"#),
        ),
        ("DELETE /v1/tenants/default/observe/router", 200, r#"{"changes":["router is not observed any more"]}"#),
    ]);
    let all = [
        host.hob(&["observe"]),
        host.hob(&["observe", "--tenant", "empty"]),
        host.hob(&["observe", "show", "router"]),
        host.hob(&["observe", "show", "first", "--examples", "1", "--deidentify"]),
        host.hob(&["observe", "promote", "router"]),
        host.hob(&["observe", "drop", "router"]),
    ];
    insta::assert_snapshot!(all.join("\n"));
}
