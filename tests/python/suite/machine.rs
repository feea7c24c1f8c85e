//! What a Python bot sees of the machine is the run's own, and the same when it is repeated.

use std::collections::BTreeSet;
use std::sync::Arc;

use hob_engine::RunInput;
use serde_json::json;

use crate::fake::Fake;
use crate::stage::{actor, answers, run, run_twice, steps};

#[tokio::test]
async fn randomness_clocks_and_hashes_are_the_seeds_and_repeated() {
    let fhir = Arc::new(Fake::default());
    let look = steps(&json!([["machine"], ["machine"]]));
    let first = run_twice(actor(), look.clone(), &fhir).await;
    let again = run(actor(), look.clone(), &fhir).await;
    assert_eq!(answers(&first), answers(&again));
    let other = run_twice(actor(), RunInput { seed: 43, ..look.clone() }, &fhir).await;
    let (ours, theirs) = (answers(&first), answers(&other));
    for what in ["random", "shuffled", "system"] {
        assert_ne!(ours[0][what], theirs[0][what], "{what} is not of the seed");
        assert_ne!(ours[0][what], ours[1][what], "{what} stands still");
    }
    assert_ne!(ours[0]["uuid"][0], theirs[0]["uuid"][0]);
    assert_eq!((&ours[0]["hash"], &ours[0]["set"]), (&theirs[0]["hash"], &theirs[0]["set"]));
    let year = ours[0]["now"][0].as_str().unwrap();
    assert!(year.starts_with("2026-01-01T12:00:00"), "{year}");
    let later = RunInput { now: look.now + std::time::Duration::from_secs(60), ..look };
    let later = answers(&run_twice(actor(), later, &fhir).await);
    assert!(later[0]["now"][0].as_str().unwrap().starts_with("2026-01-01T12:01:00"));
}

#[tokio::test]
async fn fifty_seeds_are_fifty_sequences_each_repeated() {
    let fhir = Arc::new(Fake::default());
    let mut seen = BTreeSet::new();
    for seed in 0..50 {
        let input = RunInput { seed, ..steps(&json!([["machine"], ["setting"]])) };
        let output = run_twice(actor(), input, &fhir).await;
        seen.insert(answers(&output)[0]["random"].to_string());
    }
    assert_eq!(seen.len(), 50);
}

#[tokio::test]
async fn memory_is_fresh_in_every_run() {
    let fhir = Arc::new(Fake::default());
    for _ in 0..3 {
        let output = run(actor(), steps(&json!([["count"], ["count"]])), &fhir).await;
        assert_eq!(answers(&output), json!([1, 2]));
    }
}

#[tokio::test]
async fn zones_and_late_imports_are_there_without_files() {
    let fhir = Arc::new(Fake::default());
    let ask = steps(&json!([
        ["zone", "2026-07-01T12:00:00+00:00", "America/New_York"],
        ["zone", "2026-01-01T12:00:00+00:00", "Asia/Kathmandu"],
        ["late"]
    ]));
    let output = run_twice(actor(), ask, &fhir).await;
    assert_eq!(answers(&output), json!(["2026-07-01T08:00:00-04:00", "2026-01-01T17:45:00+05:45", ["3.30", "3.30"]]));
}
