//! One seed, from the first change to the verdict.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hob_ledger::Ledger as _;
use hob_model::{Digest, RunState};
use tokio::sync::{mpsc, watch};

use super::{Breach, Matrix, World, host, judge};
use crate::ledger::ModelLedger;
use crate::mutation::Mutant;

/// What is to be played.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Decides everything.
    pub seed: u64,
    /// How many changes people make.
    pub changes: u32,
    /// What is wrong on purpose.
    pub mutant: Option<Mutant>,
    /// Whether the story is kept.
    pub told: bool,
    /// A file that holds the word `simulated`: the host's secrets.
    pub secret: PathBuf,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Promises that were broken.
    pub breaches: Vec<Breach>,
    /// Which faults struck where.
    pub matrix: Matrix,
    /// Runs by state at the end.
    pub runs: BTreeMap<RunState, u64>,
    /// How long it took, in simulated time.
    pub simulated: Duration,
    /// The lines about the first breach, where the story was told.
    pub story: Vec<String>,
    /// Of the server's whole history: the same for the same seed.
    pub digest: Digest,
}

/// How long after the last fault all must have come to rest: the longest waits of retries, sweeps and late requests many times over.
const PATIENCE: Duration = Duration::from_secs(4 * 3600);
/// Between two looks at whether it has: no part of a minute, or each look could fall on the run of a cron trigger.
const LOOK: Duration = Duration::from_secs(7);
/// How long it must stay at rest: longer than the pause between two sweeps.
const REST: Duration = Duration::from_secs(240);

/// Plays a seed.
///
/// # Errors
/// What keeps the simulation itself from running.
pub fn play(plan: &Plan) -> std::io::Result<Outcome> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    // Whom tokio wakes first of those who wait for one channel is by chance, which only an unstable part of it lets us decide.
    #[cfg(tokio_unstable)]
    builder.rng_seed(tokio::runtime::RngSeed::from_bytes(&plan.seed.to_le_bytes()));
    let runtime = builder.enable_time().start_paused(true).build()?;
    let outcome = runtime.block_on(async {
        let (orders, taken) = mpsc::channel(64);
        let world = World::new(plan, orders);
        let (ready, mut is_ready) = watch::channel(false);
        let supervisor = tokio::spawn(host::supervise(Arc::clone(&world), taken, plan.secret.clone(), ready));
        drop(is_ready.wait_for(|ready| *ready).await);
        world.let_faults_strike();
        Arc::clone(&world).people(plan.changes).await;
        world.heal();
        let rested = rest(&world).await;
        supervisor.abort();
        let ledger = ModelLedger::open(Arc::clone(&world.store));
        let mut breaches = judge::judge(&world).await;
        if !rested {
            let stats = ledger.stats().await.unwrap_or_default();
            let left = format!(
                "work is left after hours without a fault: runs {:?}, {} notifications, {} requests, {} timers, {} posts",
                stats.runs,
                stats.unresolved,
                stats.outbox,
                stats.timers,
                world.state().posts
            );
            breaches.push(Breach::new("never-ended", &"!", left));
        }
        let runs = ledger.run_counts(&world.tenant, None).await.unwrap_or_default();
        let mut state = world.state();
        // Host and world hold each other.
        state.router = None;
        let words = breaches.first().map(|breach| breach.subject.clone()).unwrap_or_default();
        Outcome {
            seed: plan.seed,
            matrix: state.matrix.clone(),
            runs,
            simulated: world.clocks.elapsed(),
            story: state.story.about(&words, 200),
            digest: digest(&state.server),
            breaches,
        }
    });
    // Tasks of dead hosts wait for ever.
    runtime.shutdown_background();
    Ok(outcome)
}

/// Waits until nothing is left to do; false where that never comes.
async fn rest(world: &World) -> bool {
    let ledger = ModelLedger::open(Arc::clone(&world.store));
    let until = world.clocks.elapsed() + PATIENCE;
    let mut quiet = Duration::ZERO;
    while world.clocks.elapsed() < until {
        tokio::time::sleep(LOOK).await;
        let stats = ledger.stats().await.unwrap_or_default();
        let open: u64 = stats.runs.iter().filter(|(state, _)| state.is_open()).map(|(_, count)| count).sum();
        let busy = open + stats.unresolved + stats.outbox + stats.timers > 0 || world.state().posts > 0;
        quiet = if busy { Duration::ZERO } else { quiet + LOOK };
        if quiet >= REST {
            return true;
        }
    }
    false
}

fn digest(server: &hob_testserver::Server) -> Digest {
    let lines: Vec<String> = server
        .versions()
        .map(|v| format!("{} {}/{}/{} {:?}", v.sequence, v.resource_type, v.id, v.version, v.interaction))
        .collect();
    let parts: Vec<&[u8]> = lines.iter().map(String::as_bytes).collect();
    Digest::of_parts(&parts)
}
