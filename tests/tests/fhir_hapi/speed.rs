//! What the fence costs, measured on demand: `cargo test -p hob-tests --test fhir_hapi speed -- --ignored --nocapture`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hob_fhir::commit;
use hob_fhir::fence::{self, SlotName};
use hob_tests::hapi::Options;
use serde_json::{Value, json};

use crate::world::{World, committed, effects};

const CONNECTIONS: usize = 4;
const EACH: usize = 100;
const ROUNDS: usize = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: prints, and asserts only that all went through"]
async fn the_fence_against_a_plain_post() {
    for (name, options) in [("plain", Options::PLAIN), ("strict", Options::STRICT)] {
        let world = Arc::new(World::new(options));
        for round in 0..=ROUNDS {
            let mut lines = Vec::new();
            for fenced in [false, true] {
                let started = clock();
                let workers: Vec<_> = (0..CONNECTIONS).map(|n| tokio::spawn(work(Arc::clone(&world), n, fenced))).collect();
                let mut spans = Vec::new();
                for worker in workers {
                    spans.extend(worker.await.unwrap());
                }
                let rate = spans.len() as f64 / started.elapsed().as_secs_f64();
                spans.sort();
                assert_eq!(spans.len(), CONNECTIONS * EACH);
                lines.push(format!(
                    "{name}: POST of two Observations {}: n {}, {rate:.0}/s, median {:?}",
                    if fenced { "with slot fence" } else { "alone" },
                    spans.len(),
                    spans[spans.len() / 2]
                ));
            }
            // The first round warms the server up.
            if round > 0 {
                println!("{}", lines.join("\n"));
            }
        }
    }
}

async fn work(world: Arc<World>, worker: usize, fenced: bool) -> Vec<Duration> {
    let mut slot = fence::ensure(&world.client, &SlotName::new(format!("speed-{worker}")).unwrap()).await.unwrap();
    let mut spans = Vec::new();
    for _ in 0..EACH {
        let two = effects(vec![world.create(world.observation("a")), world.create(world.observation("b"))]);
        let plan = world.plan(&two, &slot);
        if fenced {
            let started = clock();
            slot = committed(commit::commit(&world.client, &plan).await).slot.unwrap();
            spans.push(started.elapsed());
        } else {
            let mut bundle: Value = serde_json::from_slice(&plan.bytes).unwrap();
            bundle["entry"].as_array_mut().unwrap().pop();
            let bytes = json!(bundle).to_string().into();
            let started = clock();
            world.client.transaction(bytes).await.unwrap();
            spans.push(started.elapsed());
        }
    }
    spans
}

#[allow(clippy::disallowed_methods, reason = "measures real time")]
fn clock() -> Instant {
    Instant::now()
}
