//! `workers`: runs of `pro-scorer` a second in one process, with two workers against one: what runs share must not hold them up.

use std::sync::Arc;

use hob_engine::{Engine, EngineConfig, Release};
use hob_model::Manifest;
use tokio::task::JoinSet;

use crate::accepts::count;
use crate::report::{Goal, Outcome, Row};
use crate::stopwatch::{Rounds, Stopwatch, median};
use crate::whole_run::{Server, outside, scoring};

const ROUNDS: usize = 15;
const RUNS: usize = 1_500;
/// Tasks that run one after the other.
const TASKS: usize = 4;

/// Measures.
pub(crate) async fn bench() -> Outcome<Row> {
    let manifest = Manifest::parse(&std::fs::read_to_string(crate::root().join("bots/pro-scorer/bot.toml"))?, "bot.toml")?;
    let release = Engine::new(EngineConfig::default())?.prepare(&crate::component("pro_scorer.wasm")?, &manifest)?;
    eprintln!("workers: {ROUNDS} rounds of {RUNS} runs in {TASKS} tasks");
    let mut rounds = Rounds::default();
    // The first round warms up.
    for round in 0..=ROUNDS {
        let (ours, floor) = (rate(&release, &manifest, 2).await?, rate(&release, &manifest, 1).await?);
        if round > 0 {
            rounds.ours.push(ours);
            rounds.floor.push(floor);
            rounds.n += RUNS;
        }
    }
    let (median, floor) = (median(rounds.ours), median(rounds.floor));
    Ok(Row { name: "workers", n: rounds.n, median, unit: "1/s", floor: Some(floor), goal: Goal::AtLeast(1.8) })
}

/// Runs a second on so many workers.
async fn rate(release: &Arc<Release>, manifest: &Manifest, workers: usize) -> Outcome<f64> {
    let (release, manifest) = (Arc::clone(release), manifest.clone());
    let measured = tokio::task::spawn_blocking(move || -> Outcome<f64> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()?;
        let begun = Stopwatch::start();
        runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for _ in 0..TASKS {
                let (release, manifest) = (Arc::clone(&release), manifest.clone());
                tasks.spawn(async move {
                    for _ in 0..RUNS / TASKS {
                        let output = release.run(scoring(&manifest)?, outside(Arc::new(Server::NOTHING))).await;
                        output.result.map_err(|failure| failure.code)?;
                    }
                    Outcome::Ok(())
                });
            }
            while let Some(done) = tasks.join_next().await {
                done??;
            }
            Outcome::Ok(())
        })?;
        Ok(count(RUNS) / begun.elapsed().as_secs_f64())
    });
    measured.await?
}
