//! Another release on recorded runs, and releases that are observed, on the test server: the scenarios that run on HAPI too, and the real task router over some
//! hundreds of Tasks.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails says so by a panic")]
#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "a test binary has no users, and what it shares has more than it uses"
)]

mod router;
#[path = "../fhir_testserver/server.rs"]
mod server;

use hob_tests::hapi::Options;
use hob_tests::scenarios::trial;
use hob_tests::site::Site;

async fn site(name: &str) -> Site {
    Site::on(&server::base(Options::PLAIN), name).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_release_is_tried_on_what_was_recorded() {
    trial::try_another_release(site("trial").await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_is_observed_before_it_acts() {
    trial::observe_a_release(site("observed").await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_release_is_observed() {
    trial::observe_a_first_release(site("first").await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_the_runs_whose_writes_change_are_told() {
    router::exactly_the_runs_whose_writes_change(site("router").await).await;
}
