//! The arrows between rooms, held by a table. See ARCHITECTURE.md for why each is as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::shell;

/// A room and the rooms of ours that it may name outside its tests.
const ARROWS: &[(&str, &[&str])] = &[
    ("hob-model", &[]),
    ("hob-search", &["hob-model"]),
    ("hob-ingress", &["hob-model"]),
    ("hob-ledger", &["hob-model"]),
    ("hob-dispatch", &["hob-model"]),
    ("hob-engine", &["hob-model", "hob-search"]),
    ("hob-fhir", &["hob-model"]),
    // For tests, the simulation and the author's loop.
    ("hob-testserver", &["hob-model", "hob-search"]),
    ("hob-host", &["hob-model", "hob-search", "hob-ingress", "hob-ledger", "hob-dispatch", "hob-engine", "hob-fhir"]),
    ("hob-cases", &["hob-model"]),
    ("hob-author", &["hob-cases", "hob-engine", "hob-fhir", "hob-host", "hob-model", "hob-testserver"]),
    ("hob-cli", &["hob-author", "hob-host", "hob-model", "hob-ingress"]),
    ("hob-sdk", &[]),
    ("clinic", &[]),
    // For the bots' tests only: it judges cases by their manifests as the host would.
    ("case-runner", &["hob-cases", "hob-model", "hob-search", "hob-sdk"]),
    ("xtask", &[]),
    ("hob-simulation", &["hob-host", "hob-ledger", "hob-engine", "hob-model", "hob-fhir", "hob-testserver"]),
    ("hob-crash", &["hob-host", "hob-model", "hob-simulation", "hob-testserver", "hob-tests"]),
    // For its compiler; the rest it names in its tests.
    ("hob-hostile", &["hob-engine"]),
    // For the digest of what a component is made from; the rest it names in its tests.
    ("hob-python", &["hob-model"]),
    ("hob-bench", &["hob-host", "hob-ledger", "hob-engine", "hob-model", "hob-python", "clinic"]),
];

/// A library and the one room that may name it.
const OWNERS: &[(&str, &str)] = &[
    ("wasmtime", "hob-engine"),
    ("wasmtime-wasi", "hob-engine"),
    ("rusqlite", "hob-ledger"),
    ("octofhir-fhirpath", "hob-engine"),
];

/// What a room may name though another owns it: the benches measure the engine against bare wasmtime.
const LENT: &[(&str, &str)] = &[("wasmtime", "hob-bench"), ("wasmtime-wasi", "hob-bench")];

/// Rooms that must stay pure: no I/O library may enter them.
const PURE: &[&str] = &["hob-model", "hob-search", "hob-ingress", "hob-dispatch", "clinic"];
const IMPURE: &[&str] = &["tokio", "reqwest", "hyper", "axum", "rusqlite", "wasmtime"];

/// Lines above which a file must be split.
const LONGEST: usize = 500;

/// Checks every manifest and every file's length.
pub(crate) fn check() -> Result<(), String> {
    let metadata = shell::output(shell::cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata).map_err(|e| format!("cargo metadata: {e}"))?;
    let arrows: BTreeMap<&str, BTreeSet<&str>> = ARROWS.iter().map(|(room, to)| (*room, to.iter().copied().collect())).collect();
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names: BTreeSet<&str> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
    let mut breaches = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let to = dependency["name"].as_str().unwrap_or_default();
            let for_tests = dependency["kind"] == "dev";
            let is_bot = !arrows.contains_key(name);
            if !for_tests && names.contains(to) && !is_bot && !arrows[name].contains(to) {
                breaches.push(format!("{name} must not name {to}: arrows point down (xtask/src/rooms.rs has the table)"));
            }
            if !for_tests && is_bot && name != "hob-tests" && names.contains(to) && !["hob-sdk", "clinic"].contains(&to) {
                breaches.push(format!("{name} is a bot: of ours it may name hob-sdk and clinic, not {to}"));
            }
            // What makes receipts of nothing must not come near a host that answers 2xx by them.
            let models = dependency["features"].as_array().is_some_and(|all| all.iter().any(|feature| feature == "testing"));
            if !for_tests && models && name != "hob-simulation" {
                breaches.push(format!("{name} must not ask for the feature `testing` of {to}: only tests do"));
            }
            let lent = LENT.contains(&(to, name));
            if let Some((_, owner)) = OWNERS.iter().find(|(library, owner)| *library == to && *owner != name && !lent) {
                breaches.push(format!("{name} must not name {to}: only {owner} does"));
            }
            if !for_tests && PURE.contains(&name) && IMPURE.contains(&to) {
                breaches.push(format!("{name} is pure and must not name {to}: pass in what it needs"));
            }
        }
    }
    let mut long = Vec::new();
    for folder in ["runtime", "sdk", "bots", "tests", "xtask"] {
        long_files(&shell::root().join(folder), &mut long);
    }
    breaches.extend(long);
    if breaches.is_empty() {
        println!("   {} packages keep to their rooms", packages.len());
        Ok(())
    } else {
        Err(format!("rooms:\n  {}", breaches.join("\n  ")))
    }
}

fn long_files(folder: &Path, found: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            long_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let lines = std::fs::read_to_string(&path).map_or(0, |text| text.lines().count());
            if lines > LONGEST {
                found.push(format!("{} has {lines} lines, over {LONGEST}: would two names say it better?", path.display()));
            }
        }
    }
}
