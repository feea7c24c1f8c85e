//! The compiler in a process of its own: it gives what one in this process gives, and whatever is fed to it ends, at a limit that has a name.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use hob_engine::{CompileLimits, Compiler, Engine, EngineConfig, EngineError};
use proptest::prelude::*;
use serde_json::json;

use crate::fake::Fake;
use crate::stage::{ALL, actor, answers, engine, manifest, release, run};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sandbox-compiler");

fn with(compiler: Compiler, cache_dir: Option<&Path>) -> Engine {
    let cache_dir = cache_dir.map(Path::to_owned);
    Engine::new(EngineConfig { compiler, cache_dir, concurrent_runs: 2, ..EngineConfig::default() }).unwrap()
}

fn limited(limits: CompileLimits) -> Engine {
    with(Compiler::Process(PROGRAM.into(), limits), None)
}

/// What becomes of a component under these limits.
fn refused(limits: CompileLimits, component: &[u8]) -> EngineError {
    limited(limits).prepare(component, &manifest(ALL)).err().unwrap()
}

/// Functions that in each of many blocks may branch to each of the others: within all maxima, and much work for a compiler.
fn bomb() -> Vec<u8> {
    const DEPTH: usize = 700;
    let open = |at: usize| (0..DEPTH - at).map(|label| format!("{label} ")).collect::<String>();
    let block = |at: usize| match at % 8 {
        0 => format!("local.get 0 br_table {} end ", open(at)),
        _ => "local.get 0 i32.const 7 i32.add local.set 0 end ".to_owned(),
    };
    let blocks: String = (0..DEPTH).map(block).collect();
    let function = format!("(func (param i32) {} {blocks})", "block ".repeat(DEPTH));
    wat::parse_str(format!("(component (core module {}))", function.repeat(48))).unwrap()
}

#[tokio::test]
async fn what_the_process_compiles_runs_with_a_cache_and_without() {
    let dir = tempfile::tempdir().unwrap();
    let compiler = Compiler::Process(PROGRAM.into(), CompileLimits::default());
    for cache in [None, Some(dir.path())] {
        let release = with(compiler.clone(), cache).prepare(actor(), &manifest(ALL)).unwrap();
        assert_eq!(answers(&run(&release, json!([["runs"]]), &Arc::new(Fake::default())).await), json!([1]));
    }
    // What was kept is loaded where there is no compiler any more.
    let nobody = Compiler::Process("/no/such/program".into(), CompileLimits::default());
    let release = with(nobody.clone(), Some(dir.path())).prepare(actor(), &manifest(ALL)).unwrap();
    assert_eq!(answers(&run(&release, json!([["runs"]]), &Arc::new(Fake::default())).await), json!([1]));
    let error = with(nobody, None).prepare(actor(), &manifest(ALL)).err().unwrap();
    assert!(error.code() == "compile-failed" && error.to_string().contains("/no/such/program"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_ends_at_its_limit_while_a_run_on_the_same_engine_goes_on() {
    let limits = CompileLimits { cpu_s: 1, ..CompileLimits::default() };
    let engine = limited(limits);
    let neighbour = release(ALL);
    let bombed = engine.clone();
    let deploy = tokio::task::spawn_blocking(move || bombed.prepare(&bomb(), &manifest(ALL)).err().unwrap());
    let mut runs = 0;
    while !deploy.is_finished() {
        assert_eq!(answers(&run(&neighbour, json!([["runs"]]), &Arc::new(Fake::default())).await), json!([1]));
        runs += 1;
    }
    let error = deploy.await.unwrap();
    assert_eq!(error.code(), "compile-cpu", "{error}");
    assert!(error.to_string().contains("1 s of CPU time"), "{error}");
    assert!(runs > 0);
}

#[test]
fn the_process_is_restricted_before_it_has_read_a_byte() {
    let mut command = Command::new(PROGRAM);
    command.args(["compile-component", "9", "4096"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let limits = || std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    // Nothing is written to it, so it waits for ever once it reads. The last of its limits is the one to look for.
    let is = |text: &str, name: &str, soft: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().next() == Some(soft)
    };
    while !is(&limits(), "Max processes", "0") {
        std::thread::yield_now();
    }
    let text = limits();
    for (name, soft) in [
        ("Max cpu time", "9"),
        ("Max address space", "4294967296"),
        ("Max core file size", "0"),
        ("Max file size", "0"),
        ("Max open files", "0"),
    ] {
        assert!(is(&text, name, soft), "{name}: {text}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn each_limit_has_its_name() {
    let small = CompileLimits { memory_mib: 96, ..CompileLimits::default() };
    assert_eq!(refused(small, &bomb()).code(), "compile-memory");
    let hasty = CompileLimits { wall_s: 0, ..CompileLimits::default() };
    assert_eq!(refused(hasty, &bomb()).code(), "compile-wall");
    let huge = wat::parse_str(format!("(component (core module {}))", "(func)".repeat(200_001))).unwrap();
    let error = refused(CompileLimits::default(), &huge);
    assert_eq!((error.code(), error.to_string().contains("200001 functions")), ("component-size", true), "{error}");
}

/// A program that is no compiler, in the place of one.
fn script(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("compiler");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    path
}

#[test]
fn a_process_that_dies_or_says_half_is_an_error_and_its_answer_is_not_taken() {
    let program = PROGRAM;
    for (text, word) in [
        ("exit 3", "3"),
        ("kill -SEGV $$", "signal 11"),
        ("echo hobcode1", "exit status: 0"),
        // Whole, and then it fails.
        (&format!("{program} \"$@\"; exit 4"), "4"),
        (&format!("{program} \"$@\" | head -c 3000"), "exit status: 0"),
        (&format!("{program} \"$@\"; echo more"), "exit status: 0"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let engine = with(Compiler::Process(script(folder.path(), text), CompileLimits::default()), None);
        let error = engine.prepare(actor(), &manifest(ALL)).err().unwrap();
        assert!(error.code() == "compile-failed" && error.to_string().contains(word), "{text}: {error}");
    }
}

#[test]
fn the_process_sees_nothing_of_the_hosts_environment() {
    let folder = tempfile::tempdir().unwrap();
    let path = script(folder.path(), &format!("[ -z \"$HOME$CARGO$USER\" ] && [ \"$PWD\" = / ] && exec {PROGRAM} \"$@\""));
    let engine = with(Compiler::Process(path, CompileLimits::default()), None);
    assert!(engine.prepare(actor(), &manifest(ALL)).is_ok());
}

#[test]
fn what_is_malformed_is_refused_by_both_compilers() {
    let invalid = wat::parse_str("(component (core module (func (result i32) i64.const 0)))").unwrap();
    let process = limited(CompileLimits::default());
    for engine in [&process, engine()] {
        for bytes in [&invalid[..], &actor()[..actor().len() / 2], &actor()[..9], b"", b"not wasm"] {
            let error = engine.prepare(bytes, &manifest(ALL)).err().unwrap();
            assert!(matches!(error, EngineError::Compile(_)), "{error}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_component_that_was_damaged_anywhere_is_refused_or_compiled_and_the_host_goes_on(at in 0.0..1.0_f64, flip in 1_u8..) {
        let small = wat::parse_str("(component (core module (func (export \"f\") (param i32) (result i32) local.get 0) (memory 1) (data (i32.const 0) \"abc\")) (core instance (instantiate 0)))").unwrap();
        let mut changed = small.clone();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "of a short length")]
        let at = (at * small.len() as f64) as usize;
        changed[at.min(small.len() - 1)] ^= flip;
        let error = limited(CompileLimits::default()).prepare(&changed, &manifest(ALL)).err().unwrap();
        prop_assert!(error.code().starts_with("component"), "{error}");
    }
}
