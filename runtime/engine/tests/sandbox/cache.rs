//! Compiled code on disk: used where it is this host's, refused and built again where it is not.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use hob_engine::{Engine, EngineConfig};
use serde_json::json;

use crate::fake::Fake;
use crate::stage::{ALL, actor, answers, manifest, run};

fn compiled(dir: &tempfile::TempDir) -> Vec<PathBuf> {
    let all = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.extension().is_some_and(|extension| extension == "cwasm")).collect()
}

fn start_in(dir: &tempfile::TempDir) -> Engine {
    let cache_dir = Some(dir.path().to_owned());
    Engine::new(EngineConfig { cache_dir, concurrent_runs: 2, ..EngineConfig::default() }).unwrap()
}

#[tokio::test]
async fn a_file_that_was_changed_is_refused_and_built_again() {
    let dir = tempfile::tempdir().unwrap();
    let works = || async {
        let release = start_in(&dir).prepare(actor(), &manifest(ALL)).unwrap();
        assert_eq!(answers(&run(&release, json!([["runs"]]), &Arc::new(Fake::default())).await), json!([1]));
    };
    works().await;
    let [file] = &compiled(&dir)[..] else { panic!("one file") };
    let whole = fs::read(file).unwrap();
    let changed = |change: fn(&mut Vec<u8>)| {
        let mut bytes = whole.clone();
        change(&mut bytes);
        fs::write(file, bytes).unwrap();
    };
    let tampers: [fn(&mut Vec<u8>); 4] = [
        |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        },
        |bytes| bytes.truncate(bytes.len() / 2),
        |bytes| bytes.clear(),
        |bytes| bytes[8..40].fill(0),
    ];
    for tamper in tampers {
        changed(tamper);
        works().await;
        assert_eq!(fs::read(file).unwrap().len(), whole.len(), "built again and kept");
    }
    // Another host's file of the same component: the right name and code, under another key.
    let other = tempfile::tempdir().unwrap();
    start_in(&other).prepare(actor(), &manifest(ALL)).unwrap();
    let [foreign] = &compiled(&other)[..] else { panic!("one file") };
    assert_eq!(foreign.file_name(), file.file_name());
    fs::copy(foreign, file).unwrap();
    works().await;
    assert_ne!(fs::read(file).unwrap(), fs::read(foreign).unwrap(), "built again under this host's key");
}

/// The same component to all but the cache: with a section of its own that says nothing.
fn another() -> Vec<u8> {
    [actor(), &[0, 4, 3], b"one"].concat()
}

#[tokio::test]
async fn code_that_gave_way_to_others_is_loaded_again_or_built() {
    let dir = tempfile::tempdir().unwrap();
    let config =
        EngineConfig { cache_dir: Some(dir.path().to_owned()), concurrent_runs: 2, loaded_mib: 0, ..EngineConfig::default() };
    let engine = Engine::new(config).unwrap();
    let (one, other) = (engine.prepare(actor(), &manifest(ALL)).unwrap(), engine.prepare(&another(), &manifest(ALL)).unwrap());
    let works =
        async |release| assert_eq!(answers(&run(release, json!([["runs"]]), &Arc::new(Fake::default())).await), json!([1]));
    for _ in 0..2 {
        works(&one).await;
        works(&other).await;
    }
    // Whoever clears the folder of a running host costs it a compilation.
    for file in compiled(&dir) {
        fs::remove_file(file).unwrap();
    }
    works(&one).await;
    works(&other).await;
    assert_eq!(compiled(&dir).len(), 2);
}
