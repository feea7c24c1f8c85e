//! Project tasks. `cargo xtask` lists them.
//!
//! Each task does its own set-up, so that a newcomer needs one command: a missing prerequisite is named with the way to get it.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a task talks to the person at the terminal")]

use std::process::ExitCode;

mod bench;
mod book;
mod bots;
mod crash;
mod demo;
mod rooms;
mod setup;
mod shell;
mod sim;
mod test;

const HELP: &str = "cargo xtask TASK

  demo [--keep]      a synthetic clinic morning on a FHIR server, step by step and checked (--fhir hapi: on a real HAPI)
  test [--quick]     format, lints, arrows between rooms, units, bots' cases, end to end on HAPI (--quick: without HAPI)
  bench [--json]     speed as ratios to a floor taken in the same run
  sim [--seeds N]    the real host over a simulated server, network and people, by seed (--help: mutants, JSON)
  crash [--kills N]  a real host killed under load, and what is on the server judged (--help: seed, HAPI, JSON)
  bots               build the bots and the test components
  book [--open]      the pages of docs as a book, into target/book (needs mdbook)
  rooms              check the arrows between rooms and who may name what
  setup [python]     the wasm target, the Python for bots, and what else the tasks need
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["demo", rest @ ..] => demo::run(rest),
        ["test", rest @ ..] => test::run(rest),
        ["bench", rest @ ..] => bench::run(rest),
        ["sim", rest @ ..] => sim::run(rest),
        ["crash", rest @ ..] => crash::run(rest),
        ["bots"] => setup::wasm_target().and_then(|()| bots::build()),
        ["book", rest @ ..] => book::run(rest),
        ["rooms"] => rooms::check(),
        ["setup", "python"] => setup::python(),
        ["setup"] => setup::wasm_target().and_then(|()| setup::python()).and_then(|()| setup::java()),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => Err(format!("no such task: {}\n\n{HELP}", args.join(" "))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
