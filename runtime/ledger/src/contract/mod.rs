//! The suite that every [`Ledger`] must pass: what the trait's documentation says, as checks on a fresh ledger each.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a check that fails panics: this is test code that other crates' tests call"
)]

mod asks;
mod dead;
mod fixtures;
mod intake;
mod keeping;
mod lists;
mod outbox;
mod resolve;
mod runs;
mod schedule;
mod sweeps;

use std::sync::Arc;

use std::pin::Pin;

use crate::{Ledger, NotificationSeq, Receipt};
pub use fixtures::{Given, change, notification};

/// A check and its name.
pub type Check = (&'static str, fn(Arc<dyn Ledger>) -> Pin<Box<dyn Future<Output = ()> + Send>>);

macro_rules! checks {
    ($($room:ident: $($name:ident),+;)+) => {
        &[$($((concat!(stringify!($room), "::", stringify!($name)), |ledger| Box::pin($room::$name(ledger)))),+),+]
    };
}

/// A receipt, for a model of the ledger whose memory is its disk: the one way to make one outside this crate, and only in tests.
pub const fn receipt(seq: NotificationSeq) -> Receipt {
    Receipt::new(seq)
}

/// All checks. Each wants a fresh ledger and closes none.
pub const CHECKS: &[Check] = checks! {
    intake: keeps_what_it_accepts, buries_what_cannot_be_resolved, gives_pages_over_tenants, ends_older_leases;
    resolve: makes_one_run_of_a_change, moves_marks_forward_only, supersedes_what_waits, keeps_what_is_not_run, knows_its_own_writes;
    runs: goes_from_record_to_done, counts_failures_once, stops_an_attempt_that_was_overtaken, opens_ended_runs_again,
        holds_a_lane_behind_a_dead_letter, keeps_tenants_apart, gives_a_fence_to_one_run;
    schedule: fires_timers_once, shares_timers_over_bots, takes_timers_back, fires_cron_once;
    outbox: sends_the_outbox_once, shares_the_outbox_over_hosts, keeps_requests_that_were_given_up;
    asks: asks_once, asks_again_what_was_not_done;
    dead: finds_dead_runs, opens_a_slice_of_dead_runs, finds_dead_notifications, reads_notifications_again;
    keeping: forgets_what_is_over, keeps_what_is_needed, keeps_the_loop_guard, forgets_notifications;
    sweeps: keeps_how_far_it_swept, gives_each_source_its_own_queue;
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
