//! Speed as ratios: each bench measures Hob and, in the same run and in turns with it, the least that any program would have to pay for the same.
//!
//! A figure in microseconds says more about the machine than about the program; a ratio to a floor taken a moment before and after holds
//! on a busy laptop too. Rounds of the two alternate (A B A B …), each gives one figure, and the medians over the rounds are what is printed. Nothing
//! here fails for being slow: speed is read, not tested.
//!
//! `cargo xtask bench [--json] [NAME…]`; names choose benches. Progress and remarks go to standard error.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench talks to the person at the terminal")]

mod accepts;
mod admin;
mod backlog;
mod child;
mod client;
mod deployed;
mod ground;
mod hosted;
mod instance;
mod python;
mod raw_log;
mod report;
mod runs;
mod sink;
mod stack;
mod stopwatch;
mod tasks;
mod throughput;
mod timers;
mod trial;
mod typescript;
mod whole_run;
mod workers;
mod write_back;

// What `pool.rs` needs from its own crate, here for the borrowed copy of it.
pub(crate) use hob_engine::{CodeFor, EngineConfig, EngineError};

/// The engine's own pooling settings for the bare floor: the same file, so that the two cannot drift apart.
#[path = "../../../runtime/engine/src/pool.rs"]
#[allow(dead_code, reason = "the floor takes the settings and leaves the ticker")]
mod pool;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use report::{Outcome, Row};

/// As in the `hob` binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NAMES: [&str; 12] = [
    "durable-accepts",
    "fresh-instance",
    "whole-run",
    "python",
    "typescript",
    "workers",
    "deployed",
    "write-back",
    "throughput",
    "backlog",
    "timers",
    "trial",
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [child::ARGUMENT, folder] = arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        return ended(block_on(child::serve(Path::new(folder))));
    }
    let json = arguments.iter().any(|argument| argument == "--json");
    let chosen: Vec<&str> = arguments.iter().map(String::as_str).filter(|argument| *argument != "--json").collect();
    if let Some(unknown) = chosen.iter().find(|name| !NAMES.contains(*name)) {
        eprintln!("error: no such bench: {unknown}; there are {}", NAMES.join(", "));
        return ExitCode::FAILURE;
    }
    // The host's log is silent unless it is asked for: it would be measured too.
    if std::env::var_os("HOB_LOG").is_some() {
        hob_host::telemetry::init();
    }
    let chosen = |name: &str| chosen.is_empty() || chosen.contains(&name);
    ended(block_on(benches(chosen, json)).map(|rows| {
        if !json {
            print!("{}", report::table(&rows));
        }
    }))
}

fn block_on<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    tokio::runtime::Runtime::new()?.block_on(work)
}

fn ended(how: Outcome<()>) -> ExitCode {
    match how {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn benches(chosen: impl Fn(&str) -> bool, json: bool) -> Outcome<Vec<Row>> {
    let mut rows = Vec::new();
    for name in NAMES {
        if !chosen(name) {
            continue;
        }
        let more = match name {
            "durable-accepts" => accepts::bench().await?,
            "fresh-instance" => vec![instance::bench().await?],
            "whole-run" => vec![whole_run::bench().await?],
            "python" => python::bench().await?.to_vec(),
            "typescript" => typescript::bench().await?,
            "workers" => vec![workers::bench().await?],
            "deployed" => deployed::bench().await?,
            "write-back" => vec![write_back::bench().await?],
            "throughput" => throughput::bench().await?,
            "backlog" => backlog::bench().await?,
            "trial" => trial::bench().await?,
            _ => vec![timers::bench().await?],
        };
        for row in more {
            if json {
                println!("{}", row.json());
            }
            rows.push(row);
        }
    }
    Ok(rows)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A component that `cargo xtask bots` builds.
fn component(name: &str) -> Outcome<Vec<u8>> {
    let path = root().join("target/bots/wasm32-wasip2/bot").join(name);
    std::fs::read(&path).map_err(|error| format!("{}: {error}; `cargo xtask bench` builds it", path.display()).into())
}

/// A folder on the disk that the build is on, which is a real one where a folder for temporary files may be in memory.
fn scratch() -> Outcome<tempfile::TempDir> {
    let under = root().join("target/bench");
    std::fs::create_dir_all(&under)?;
    Ok(tempfile::tempdir_in(under)?)
}
