//! `hob-sim`: plays seeds, says what broke, and how often each fault struck where.
//!
//! Built with `--cfg tokio_unstable`, as `cargo xtask sim` does, a seed is a history: played again it is the same to the last version on the
//! server. Built without, tokio decides by chance whom it wakes first of those who wait for one channel, and a seed may take another turn.

#![allow(clippy::print_stdout, reason = "a program that reports to a terminal")]

/// Most of a seed is small allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Parser;
use hob_simulation::mutation::Mutant;
use hob_simulation::world::{Fault, Matrix, Outcome, Plan, play};
use serde_json::json;

/// Plays the real host over a simulated server, network and people, and judges what came of it.
#[derive(Debug, Parser)]
struct Args {
    /// How many seeds to play
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// The first seed; with `--seeds 1` plays one alone
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Changes that people make in each seed, those of faults not counted
    #[arg(long, default_value_t = 200)]
    changes: u32,
    /// Make a mistake on purpose: then the first seed that sees it is success
    #[arg(long)]
    mutant: Option<Mutant>,
    /// Play each seed a second time and see that it is the same history
    #[arg(long)]
    twice: bool,
    /// One JSON object at the end in place of text
    #[arg(long)]
    json: bool,
}

#[derive(Default)]
struct Total {
    matrix: Matrix,
    runs: u64,
    played: u64,
    /// Seeds that were another history the second time.
    other: Vec<u64>,
    failed: Vec<Outcome>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match all(&args) {
        Ok(total) => report(&args, &total),
        Err(error) => {
            println!("the simulation cannot run: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Plays the seeds on all cores; ends early where a mutant is seen.
fn all(args: &Args) -> std::io::Result<Total> {
    let folder = tempfile::tempdir()?;
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "simulated")?;
    let (next, total) = (AtomicU64::new(0), Mutex::new(Total::default()));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let worker = || -> std::io::Result<()> {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= args.seeds {
                return Ok(());
            }
            // Where a seed is a whole history, its story is told when it is asked for.
            let told = !cfg!(tokio_unstable);
            let plan = Plan { seed: args.from + at, changes: args.changes, mutant: args.mutant, told, secret: secret.clone() };
            let mut outcome = play(&plan)?;
            let same = !args.twice || play(&plan)?.digest == outcome.digest;
            let mut total = total.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            total.matrix.merge(&outcome.matrix);
            total.runs += outcome.runs.values().sum::<u64>();
            total.played += 1;
            if !same {
                total.other.push(outcome.seed);
            }
            if !args.json && total.played.is_multiple_of(500) {
                println!("{} of {} seeds, {} with a breach", total.played, args.seeds, total.failed.len());
            }
            if !outcome.breaches.is_empty() {
                if !told {
                    outcome = play(&Plan { told: true, ..plan })?;
                }
                total.failed.push(outcome);
                if args.mutant.is_some() {
                    next.store(args.seeds, Ordering::Relaxed);
                }
            }
        }
    };
    let done: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
        threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
    });
    for ended in done {
        ended.map_err(|_| std::io::Error::other("a seed panicked"))??;
    }
    Ok(total.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
}

fn report(args: &Args, total: &Total) -> ExitCode {
    let breaches: usize = total.failed.iter().map(|outcome| outcome.breaches.len()).sum();
    let rare = total.matrix.least().map_or(0, |pair| pair.3);
    if args.json {
        let failed: Vec<u64> = total.failed.iter().map(|outcome| outcome.seed).collect();
        let told = json!({"seeds": total.played, "runs": total.runs, "breaches": breaches, "failed": failed, "least_hit": rare, "other": total.other});
        println!("{told}");
    } else {
        table(&total.matrix);
        if let Some(outcome) = total.failed.first() {
            story(outcome);
        }
        println!("{} seeds, {} runs, {breaches} breaches in {} seeds", total.played, total.runs, total.failed.len());
        if args.twice {
            println!("{} of them another history the second time", total.other.len());
        }
        if let Some((point, side, fault, hits)) = total.matrix.least() {
            println!("hit least: {fault} {side} {point}, {hits} times");
        }
    }
    let right = total.failed.is_empty() == args.mutant.is_none() && total.other.is_empty();
    if right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn table(matrix: &Matrix) {
    for (number, fault) in Fault::ALL.into_iter().enumerate() {
        println!("{:>2} {fault}", number + 1);
    }
    let numbers: String = (1..=Fault::ALL.len()).map(|number| format!("{number:>6}")).collect();
    println!("{:<21}{numbers}", "");
    for (point, side) in Matrix::places() {
        let row: String = Fault::ALL.into_iter().map(|fault| format!("{:>6}", matrix.get(point, side, fault))).collect();
        println!("{side:<6} {point:<14}{row}");
    }
}

fn story(outcome: &Outcome) {
    println!("seed {} broke promises, after {:?} of simulated time:", outcome.seed, outcome.simulated);
    for breach in outcome.breaches.iter().take(10) {
        println!("  {}: {}", breach.rule, breach.what);
    }
    for line in &outcome.story {
        println!("{line}");
    }
    println!("again: cargo xtask sim --from {} --seeds 1", outcome.seed);
}
