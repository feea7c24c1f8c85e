//! The FHIR client on the test server: the scenarios that run on HAPI in `fhir_hapi`, and the source check on servers of several manners. So what
//! is tested on the test server holds on HAPI, and the other way round.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails says so by a panic")]
#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "a test binary has no users, and some of what it shares only HAPI's uses"
)]

mod check;
#[path = "../fhir_hapi/client.rs"]
mod client;
#[path = "../fhir_hapi/commits.rs"]
mod commits;
mod server;
#[path = "../fhir_hapi/world.rs"]
mod world;

macro_rules! on_both {
    ($($module:ident :: $test:ident),* $(,)?) => {
        mod plain {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$module::$test(hob_tests::hapi::Options::PLAIN).await;
            })*
        }
        mod strict {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$module::$test(hob_tests::hapi::Options::STRICT).await;
            })*
        }
    };
}

// All but the source check, which is in `check`.
on_both![
    commits::happens_once_however_often_it_is_sent,
    commits::of_eight_at_once_one_happens,
    commits::a_lost_answer_is_found_out_and_others_work_stands,
    commits::a_late_send_is_stopped_by_a_burn,
    commits::what_moved_on_is_a_conflict_and_leaves_nothing,
    commits::a_slot_that_somebody_deletes_lets_nothing_through,
    commits::guards_hold_and_make_no_version,
    commits::deletes_and_conditional_creates_are_looked_at_before,
    client::reads_versions_and_histories,
    client::searches_are_strict_and_paged,
    client::subscriptions_are_made_changed_and_set_off,
    client::validates_and_knows_final_ids,
];
