//! Bots that take what all bots share: the slots of the pool that instances, memories and tables come from.

use std::sync::Arc;

use hob_engine::{Engine, EngineConfig, Offline, Outside, Release};
use hob_model::ManualClock;
use serde_json::json;

use crate::case::{Case, Scene, scene};
use crate::core::component;
use crate::memory::more_modules;
use crate::server::Server;
use crate::stage::{self, SMALL};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        scene("pool-of-core-instances", || Box::pin(starved(|| more_modules(&asleep(), "", 40))) as Scene),
        scene("pool-of-memories", || Box::pin(starved(|| more_modules(&asleep(), "(memory 1)", 3))) as Scene),
        scene("pool-of-tables", || Box::pin(starved(|| more_modules(&asleep(), "(table 1 funcref)", 40))) as Scene),
        scene("pool-after-aborted-runs", || Box::pin(aborted()) as Scene),
    ]
}

/// Runs at once of the engine here.
const RUNS: u32 = 16;

fn small_engine() -> Engine {
    Engine::new(EngineConfig { concurrent_runs: RUNS, tick_ms: stage::TICK_MS, ..EngineConfig::default() }).unwrap()
}

/// A component that sleeps.
fn asleep() -> Vec<u8> {
    component("sleep-for-ever")
}

async fn run(release: &Arc<Release>) -> hob_engine::RunOutput {
    let server = Arc::new(Server::with([json!({ "resourceType": "Task", "id": "1", "status": "ready" })]));
    let outside = Outside {
        fhir: server,
        http: Arc::new(Offline),
        secrets: Arc::new(Offline),
        clock: Arc::new(ManualClock::new(stage::now())),
    };
    let steps = json!([["read", "Task/1"], ["create", { "resourceType": "Task", "status": "draft" }], ["runs"]]);
    release.run(stage::input(&steps), outside).await
}

/// All places but one are taken by runs that sleep, each with as much as one component may have. There is one place left: a neighbour gets it.
async fn starved(sleeper: fn() -> Vec<u8>) -> Result<String, String> {
    let engine = small_engine();
    let limits = SMALL.replace("wall-ms = 2000", "wall-ms = 1500");
    let sleeper = engine.prepare(&sleeper(), &stage::manifest(&limits)).map_err(|why| why.to_string())?;
    let good =
        engine.prepare(&hob_tests::built::component("actor"), &stage::manifest("scopes = [\"system/*.cruds\"]\n")).unwrap();
    let sleepers: Vec<_> = (1..RUNS)
        .map(|_| {
            let sleeper = Arc::clone(&sleeper);
            tokio::spawn(async move { run(&sleeper).await })
        })
        .collect();
    let mut wrong = None;
    for _ in 0..20 {
        if let Err(why) = crate::neighbour::right(&run(&good).await) {
            wrong.get_or_insert(why);
        }
        tokio::task::yield_now().await;
    }
    let mut slept = 0;
    for sleeper in sleepers {
        let output = sleeper.await.map_err(|why| why.to_string())?;
        slept += u32::from(output.result.is_err_and(|failure| failure.code == "limit-wall"));
    }
    match wrong {
        Some(why) => Err(format!("a neighbour found no place: {why}")),
        None if slept + 1 < RUNS => Err(format!("of {} runs that sleep only {slept} found a place", RUNS - 1)),
        None => Ok(format!("{slept} sleep, a neighbour works")),
    }
}

/// Runs that are dropped in their midst, as by a host that stops, give back what they had.
async fn aborted() -> Result<String, String> {
    let engine = small_engine();
    let sleeper = engine.prepare(&asleep(), &stage::manifest(SMALL)).map_err(|why| why.to_string())?;
    let good =
        engine.prepare(&hob_tests::built::component("actor"), &stage::manifest("scopes = [\"system/*.cruds\"]\n")).unwrap();
    for _ in 0..10 {
        let sleepers: Vec<_> = (0..RUNS)
            .map(|_| {
                let sleeper = Arc::clone(&sleeper);
                tokio::spawn(async move { run(&sleeper).await })
            })
            .collect();
        tokio::task::yield_now().await;
        for sleeper in sleepers {
            sleeper.abort();
            drop(sleeper.await);
        }
        crate::neighbour::right(&run(&good).await)?;
    }
    Ok("160 runs aborted, the neighbour works".to_owned())
}

#[test]
fn pools() {
    crate::judge::group("pools", cases());
}
