//! Some seeds for every run of the tests, and the mistakes that are seen soonest; `cargo xtask sim` plays as many as there is time for.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use hob_simulation::ledger::Mutation;
use hob_simulation::mutation::Mutant;
use hob_simulation::world::{Outcome, Plan, play};

fn seeds(count: u64, mutant: Option<Mutant>) -> impl Iterator<Item = Outcome> {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "simulated").unwrap();
    (0..count).map(move |seed| {
        let _alive = &folder;
        play(&Plan { seed, changes: 200, mutant, told: true, secret: secret.clone() }).unwrap()
    })
}

#[test]
fn nothing_is_lost_doubled_or_out_of_order() {
    for outcome in seeds(40, None) {
        assert!(outcome.breaches.is_empty(), "seed {}: {:#?}\n{}", outcome.seed, outcome.breaches, outcome.story.join("\n"));
        let runs: u64 = outcome.runs.values().sum();
        assert!(runs >= 150, "seed {}: hardly anything happened", outcome.seed);
    }
}

#[test]
fn a_mistake_is_seen() {
    for mutant in [Mutant::Ledger(Mutation::LanesOff), Mutant::Ledger(Mutation::NoDedupe), Mutant::NoFence] {
        assert!(seeds(200, Some(mutant)).any(|outcome| !outcome.breaches.is_empty()), "{mutant} is not seen");
    }
}
