//! Bots in Medplum's style, as they are: each is run by Medplum's own tools on its own mock (vitest, `tests/medplum`), which records what it writes, and then
//! built by `hob-componentize` and run in the sandbox on the same resources, whose transaction is committed to the test server. The writes must be the same, on
//! a server that takes clients' ids and on one that gives its own.
//!
//! Needs Node 20 and npm. `HOB_MEDPLUM_BOTS=bmi,letter` plays these alone. What was built is kept in `target/medplum` by its content.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails says so by a panic")]
#![allow(clippy::print_stderr, reason = "which bot took how much is worth reading, with --nocapture")]

mod case;
mod clinic;
mod compare;
mod errors;
mod toolchain;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use hob_engine::{CodeFor, Engine, EngineConfig, Release};

use crate::case::Case;
use crate::toolchain::Tools;

/// The bots of the suite: every file of `tests/medplum/src` with the case of its name.
fn names() -> Vec<String> {
    let stem =
        |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned();
    let mut names: Vec<String> = std::fs::read_dir(toolchain::suite().join("src")).unwrap().map(stem).collect();
    names.sort();
    names
}

fn config() -> EngineConfig {
    let cache: PathBuf = toolchain::target().join("compiled");
    EngineConfig { cache_dir: Some(cache), concurrent_runs: 8, code: CodeFor::Author, ..EngineConfig::default() }
}

fn engine() -> Engine {
    Engine::new(config()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_writes_what_it_writes_on_medplums_mock() {
    let tools = Tools::ready();
    let recorded = tools.vitest();
    let mut names = names();
    assert!(names.len() >= 20, "{names:?}");
    // While one works on some of them.
    if let Ok(some) = std::env::var("HOB_MEDPLUM_BOTS") {
        names.retain(|name| some.split(',').any(|one| one == name));
    }
    let components = tools.build_all(&names);
    let engine = engine();
    let mut wrong = BTreeMap::new();
    for name in &names {
        let case = Case::read(name);
        let component = std::fs::read(&components[name]).unwrap();
        // The limits are those of a manifest that says nothing of them.
        let release: Arc<Release> = engine.prepare(&component, &case.manifest(name)).unwrap();
        for client_ids in [true, false] {
            let done = clinic::run(&release, &case, client_ids).await;
            let verdict = compare::judge(&recorded[name], &done, &case);
            let on = format!("{name}, {}", if client_ids { "clients' ids" } else { "the server's ids" });
            eprintln!(
                "{on}: {}, {} us of CPU",
                if verdict.is_ok() { "the same" } else { "another" },
                done.output.cpu.as_micros()
            );
            if let Err(why) = verdict {
                eprintln!("{why}");
                wrong.insert(on, why);
            }
        }
    }
    let told: Vec<String> = wrong.iter().map(|(name, why)| format!("== {name}\n{why}")).collect();
    assert!(told.is_empty(), "{} of {} differ:\n{}", told.len(), 2 * names.len(), told.join("\n"));
}
