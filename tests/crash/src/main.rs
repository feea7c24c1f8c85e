//! Kills a real host again and again under load, at named commit points and at any moment, and compares what is on the FHIR server afterwards
//! with what a run without kills gives. `cargo xtask crash` runs it.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a task talks to the person at the terminal")]

mod child;
mod front;
mod host;
mod kill;
mod receiver;
mod run;
mod site;
mod story;
mod verdict;
mod writer;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use hob_tests::hapi::{Hapi, Options};

use crate::kill::Strike;
use crate::run::Wish;
use crate::writer::Load;

/// Kills a real host under load and counts what was lost, doubled or out of order
#[derive(Debug, Parser)]
#[command(after_help = "Examples:
  cargo xtask crash --kills 500
  cargo xtask crash --kills 20 --fhir hapi
  cargo xtask crash --kills 50 --seed 7 --json
  cargo xtask crash --kills 3 --changes 100000 --patients 1000 --behind 100000

Exit codes: 0 nothing lost, nothing doubled, in order; 1 otherwise, and the folder of the run is kept.")]
struct Args {
    /// How often the host is killed
    #[arg(long, default_value_t = 50)]
    kills: u32,
    /// Where kills and changes are drawn from; random unless given
    #[arg(long)]
    seed: Option<u64>,
    /// Changes by others, at least; 40 for each kill unless given
    #[arg(long)]
    changes: Option<u64>,
    /// Patients; each changes again and again
    #[arg(long, default_value_t = 200)]
    patients: usize,
    /// Versions that may wait for their results before the writers pause: the longest backlog
    #[arg(long, default_value_t = 400)]
    behind: u64,
    /// The FHIR server
    #[arg(long, value_enum, default_value = "memory")]
    fhir: Fhir,
    /// The server gives each notification one try, and deletes follow at once: what is lost is Hob's to find
    #[arg(long)]
    gaps: bool,
    /// The figures as JSON
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Fhir {
    /// The test server, in memory
    Memory,
    /// HAPI, started from tests/servers/hapi
    Hapi,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// The process that is killed
    #[command(hide = true)]
    Host { config: PathBuf, strike: Option<Strike> },
}

fn main() -> ExitCode {
    let args = Args::parse();
    match try_main(args) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn try_main(args: Args) -> Result<ExitCode, String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|e| e.to_string())?;
    if let Some(Role::Host { config, strike }) = args.role {
        runtime.block_on(host::run(&config, strike))?;
        return Ok(ExitCode::SUCCESS);
    }
    let hapi = match args.fhir {
        Fhir::Memory => None,
        Fhir::Hapi => Some(Hapi::start(Options::PLAIN).map_err(|e| e.to_string())?),
    };
    let wish = Wish {
        kills: args.kills,
        changes: args.changes.unwrap_or(u64::from(args.kills) * 40),
        load: Load { patients: args.patients, behind: args.behind },
        seed: args.seed.unwrap_or_else(rand::random),
        elsewhere: hapi.as_ref().map(|hapi| hapi.base_url().to_owned()),
        gaps: args.gaps,
    };
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let ended = runtime.block_on(run::run(&wish, folder.path(), &|line| eprintln!("{line}")));
    if let Ok(outcome) = &ended {
        println!("{}", if args.json { outcome.json().to_string() } else { outcome.table() });
    }
    if ended.as_ref().is_ok_and(story::Outcome::is_clean) {
        return Ok(ExitCode::SUCCESS);
    }
    let folder = folder.keep();
    let story = std::fs::read_to_string(folder.join("story.txt")).unwrap_or_default();
    let lines: Vec<&str> = story.lines().collect();
    eprintln!("\nthe end of the story (all of it: {}):", folder.join("story.txt").display());
    for line in &lines[lines.len().saturating_sub(40)..] {
        eprintln!("  {line}");
    }
    let server = if args.fhir == Fhir::Hapi { " --fhir hapi" } else { "" };
    let gaps = if wish.gaps { " --gaps" } else { "" };
    eprintln!(
        "\nkept: {}\nagain: cargo xtask crash --kills {} --changes {} --patients {} --behind {} --seed {}{server}{gaps}",
        folder.display(),
        wish.kills,
        wish.changes,
        wish.load.patients,
        wish.load.behind,
        wish.seed
    );
    ended.map(|_| ExitCode::FAILURE)
}
