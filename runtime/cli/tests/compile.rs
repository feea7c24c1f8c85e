//! The compiler's process of a host, as the `hob` in service has it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may; clippy does not see that its helpers are of a test")]

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use hob_engine::{CompileLimits, Compiler, Engine, EngineConfig, EngineError};
use hob_model::Manifest;

const HOB: &str = env!("CARGO_BIN_EXE_hob");
/// A component with nothing in it.
const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

fn compile(limits: &[&str], component: &[u8]) -> Output {
    let mut command = Command::new(HOB);
    command.arg("compile-component").args(limits).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // One that refuses its limits reads nothing.
    let _ = child.stdin.take().unwrap().write_all(component);
    child.wait_with_output().unwrap()
}

#[test]
fn what_it_compiles_is_what_the_engine_of_a_host_loads() {
    let compiler = Compiler::Process(HOB.into(), CompileLimits::default());
    let engine = Engine::new(EngineConfig { compiler, concurrent_runs: 1, ..EngineConfig::default() }).unwrap();
    let manifest = Manifest::parse("name = \"b\"\nversion = \"1\"\n[[on]]\ninvoke = true\n", "bot.toml").unwrap();
    // It is compiled and loaded; that it is no bot is found out after that.
    assert!(matches!(engine.prepare(EMPTY, &manifest), Err(EngineError::Export { export: "handle", .. })));
}

#[test]
fn it_says_what_came_of_it_in_one_frame_and_nothing_without_limits() {
    let made = compile(&["9", "4096"], EMPTY);
    assert!(made.status.success() && made.stdout.starts_with(b"hobcode1"), "{made:?}");
    let refused = compile(&["9", "4096"], b"\0asm\x0d\0\x01\0\xff");
    assert!(refused.status.success() && refused.stdout.starts_with(b"hobnope1"), "{refused:?}");
    for limits in [&[][..], &["9"], &["9", "much"], &["9", "4096", "1"]] {
        let output = compile(limits, EMPTY);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{limits:?}");
    }
}

#[test]
fn no_help_speaks_of_it() {
    let help = Command::new(HOB).arg("--help").output().unwrap();
    assert!(help.status.success() && !String::from_utf8(help.stdout).unwrap().contains("compile"));
}
