//! Bytes that are no component, and components with bytes cut off or changed.

use std::sync::Arc;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use serde_json::json;

use crate::bytes::{COMPONENT, EXPORT, sections};
use crate::case::{Case, Scene, bytes, scene};
use crate::core::{component, component_of};
use crate::judge::IN_TIME;
use crate::stage::{self, SMALL};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        bytes("nothing-at-all", SMALL, Vec::new).refused("Compile", &["unexpected end-of-file"]),
        bytes("text", SMALL, || b"#!/bin/sh\nrm -rf /\n".to_vec()).refused("Compile", &["magic header"]),
        bytes("preamble-alone", SMALL, || COMPONENT.to_vec()).refused("Export", &["handle"]),
        bytes("half-a-preamble", SMALL, || COMPONENT[..6].to_vec()).refused("Compile", &["unexpected end-of-file"]),
        bytes("preamble-of-tomorrow", SMALL, || b"\0asm\x63\0\x01\0".to_vec()).refused("Compile", &["version"]),
        bytes("core-module", SMALL, || wat::parse_str("(module (func (export \"handle\")))").unwrap())
            .refused("CoreModule", &["wasm32-wasip2"]),
        bytes("precompiled", SMALL, precompiled).refused("Compile", &["precompiled"]),
        bytes("zeros", SMALL, || vec![0; 1 << 20]).refused("Compile", &["magic header"]),
        bytes("section-of-4-gib", SMALL, || [COMPONENT, &[1, 0xff, 0xff, 0xff, 0xff, 0x0f]].concat())
            .refused("Compile", &["too large"]),
        bytes("two-in-one", SMALL, || [component_of(""), component_of("")].concat()).refused("Compile", &["expected section"]),
        scene("cut-short", || Box::pin(cut_short()) as Scene),
        scene("changed", || Box::pin(changed()) as Scene),
    ]
}

/// Machine code as the engine itself made it, out of its cache.
fn precompiled() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let config = hob_engine::EngineConfig { cache_dir: Some(folder.path().to_owned()), concurrent_runs: 1, ..Default::default() };
    hob_engine::Engine::new(config).unwrap().prepare(&component_of(""), &stage::manifest(SMALL)).unwrap();
    let files = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let code = files.into_iter().find(|path| path.extension().is_some_and(|end| end == "cwasm")).unwrap();
    // What comes before the code in the cache: a magic line of 8 bytes and an HMAC of 32.
    std::fs::read(code).unwrap().split_off(40)
}

/// What the properties are made of: one that uses most of the contract.
fn whole() -> Vec<u8> {
    component("flood-of-outbox")
}

/// Cut anywhere it is refused, but between sections after its export: those are names for who debugs it.
async fn cut_short() -> Result<String, String> {
    let whole = whole();
    let sections = sections(&whole);
    let export = sections.iter().rfind(|(id, _)| *id == EXPORT).ok_or("it exports nothing")?.1;
    let is_whole = |end: usize| end >= export && sections.iter().any(|(_, at)| *at == end);
    for end in (0..whole.len()).filter(|end| !is_whole(*end)) {
        ends(whole[..end].to_vec(), false).await.map_err(|why| format!("cut after {end} of {} bytes: {why}", whole.len()))?;
    }
    Ok(format!("refused at each of {} places", whole.len()))
}

/// With any bytes changed, it is refused or runs to some end. `HOB_HOSTILE_SEED` plays a seed again that was printed.
async fn changed() -> Result<String, String> {
    const CHANGES: u32 = 400;
    let seed = std::env::var("HOB_HOSTILE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random::<u64>);
    println!("HOB_HOSTILE_SEED={seed}");
    let mut random = ChaCha12Rng::seed_from_u64(seed);
    let mut ran = 0;
    for number in 0..CHANGES {
        let mut bytes = whole();
        for _ in 0..random.random_range(1..=4) {
            let at = random.random_range(8..bytes.len());
            bytes[at] = random.random();
        }
        ran += u32::from(ends(bytes, true).await.map_err(|why| format!("seed {seed}, change {number}: {why}"))?);
    }
    Ok(format!("{} refused and {ran} run, seed {seed}", CHANGES - ran))
}

/// Whether it was run; that it could be is an error where it must not.
async fn ends(bytes: Vec<u8>, may_run: bool) -> Result<bool, String> {
    let bytes: Arc<[u8]> = bytes.into();
    // In a task, so that a panic is an answer.
    let once = tokio::spawn(async move {
        let Ok(release) = stage::prepare(bytes, SMALL).await else { return false };
        stage::run(&release, &json!({}), &Arc::new(crate::server::Server::with([]))).await;
        true
    });
    match tokio::time::timeout(IN_TIME, once).await {
        Err(_) => Err("it has not ended".to_owned()),
        Ok(Err(panic)) => Err(panic.to_string()),
        Ok(Ok(true)) if !may_run => Err("a release was made of it".to_owned()),
        Ok(Ok(ran)) => Ok(ran),
    }
}

#[test]
fn binaries() {
    crate::judge::group("binaries", cases());
}
