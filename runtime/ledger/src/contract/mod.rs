//! The suite that every [`Ledger`] must pass: what the trait's documentation says, as checks on a fresh ledger each.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a check that fails panics: this is test code that other crates' tests call"
)]

mod fixtures;
mod intake;
mod keeping;
mod lists;
mod resolve;
mod runs;
mod schedule;

use std::sync::Arc;

use std::pin::Pin;

use crate::Ledger;
pub use fixtures::{Given, change, notification};

/// A check and its name.
pub type Check = (&'static str, fn(Arc<dyn Ledger>) -> Pin<Box<dyn Future<Output = ()> + Send>>);

macro_rules! checks {
    ($($room:ident: $($name:ident),+;)+) => {
        &[$($((concat!(stringify!($room), "::", stringify!($name)), |ledger| Box::pin($room::$name(ledger)))),+),+]
    };
}

/// All checks. Each wants a fresh ledger and closes none.
pub const CHECKS: &[Check] = checks! {
    intake: keeps_what_it_accepts, buries_what_cannot_be_resolved, gives_pages_over_tenants, ends_older_leases;
    resolve: makes_one_run_of_a_change, moves_marks_forward_only, supersedes_what_waits, keeps_what_is_not_run, knows_its_own_writes;
    runs: goes_from_record_to_done, counts_failures_once, stops_an_attempt_that_was_overtaken, opens_ended_runs_again,
        keeps_tenants_apart, hands_out_fences;
    schedule: fires_timers_once, takes_timers_back, fires_cron_once, sends_the_outbox_once;
    keeping: forgets_what_is_over, keeps_what_is_needed, keeps_the_loop_guard, forgets_notifications;
    lists: keeps_the_registry, lists_runs_and_logs, says_when_there_is_news, answers_closed_after_the_close;
};

/// Runs every check, each on a ledger that `fresh` makes.
pub async fn hold<F, G>(fresh: F)
where
    F: Fn(&'static str) -> G,
    G: Future<Output = Arc<dyn Ledger>>,
{
    for (name, check) in CHECKS {
        check(fresh(name).await).await;
    }
}
