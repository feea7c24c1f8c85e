//! `hob run`: what is refused before anything is asked of a FHIR server. Runs of real bots are in the tests across rooms.

#![allow(clippy::unwrap_used, reason = "a test may; clippy does not see that its helpers are of a test")]

mod support;

use support::hob;

const MANIFEST: &str = "name = \"some-bot\"\nversion = \"0.1.0\"\ndescription = \"x\"\n\n[[on]]\ninvoke = true\n";

#[test]
fn what_cannot_be_run_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let event = dir.path().join("event.json");
    std::fs::write(&event, "{}").unwrap();
    std::fs::write(dir.path().join("bot.toml"), MANIFEST).unwrap();
    let run = |more: &[&str]| {
        let args: Vec<&str> = ["run", path, "--fhir", "http://127.0.0.1:1/fhir"].iter().chain(more).copied().collect();
        hob(&args, &[], "{}")
    };
    let unbuilt = run(&["--event", "-"]);
    // An empty component is one, and has none of what a bot must export.
    std::fs::write(dir.path().join("some_bot.wasm"), b"\0asm\x0d\0\x01\0").unwrap();
    let all = [
        unbuilt,
        run(&["--event", "no/such/file"]),
        run(&["--event", "-"]),
        run(&["--event", "-", "--set", "a=b"]),
        run(&["--event", "-", "--auth", "basic", "--user", "u", "--password", "hunter2"])
            .replace("--password hunter2", "--password …"),
    ];
    let all = all.join("\n").replace(path, "DIR");
    assert!(!all.contains("hunter2"));
    insta::assert_snapshot!(all);
}
