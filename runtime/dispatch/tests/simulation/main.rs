//! Random histories through the dispatcher, each repeatable by its seed, against a model that knows every run.
//!
//! `HOB_SEED=n cargo test -p hob-dispatch --test simulation` repeats one; `HOB_SEEDS=n` plays n of them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking; the lint sees only functions marked as tests")]

mod model;
mod world;

use world::{Mode, World};

fn seeds(count: u64) -> Vec<u64> {
    let number = |name| std::env::var(name).ok().and_then(|number| number.parse::<u64>().ok());
    number("HOB_SEED").map_or((0..number("HOB_SEEDS").unwrap_or(count)).collect(), |seed| vec![seed])
}

/// Small memory, slow pages, delayed and doubled news, crashes: order, caps and bounds hold, and every run ends once.
#[test]
fn under_pressure_nothing_is_lost_doubled_or_out_of_order() {
    for seed in seeds(60) {
        World::new(seed, Mode::Pressed).play(400);
    }
}

/// Memory for all and news at once: what starts and what `Wait` says is exactly what the model expects.
#[test]
fn with_room_for_all_it_does_what_the_model_says() {
    for seed in seeds(25) {
        World::new(seed, Mode::Exact).play(200);
    }
}

/// The same inputs give the same outputs.
#[test]
fn a_seed_is_a_history() {
    for seed in seeds(10) {
        let [a, b] = [(); 2].map(|()| World::new(seed, Mode::Pressed).play(200));
        assert_eq!(a, b, "seed {seed}");
        assert!(a.len() > 100, "seed {seed}: hardly anything happened");
    }
}
