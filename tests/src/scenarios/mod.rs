//! What must hold on every FHIR server, as functions over its options; the test binaries name them.

pub mod changes;
pub mod conflicts;
pub mod crash;
pub mod dead;
pub mod gaps;
pub mod hostile;
pub mod input;
pub mod once;
pub mod outage;
pub mod shipped;
pub mod time;
pub mod trial;

/// Every scenario as a test on a server with these options.
#[macro_export]
macro_rules! e2e {
    ($options:expr) => {
        $crate::e2e! { @ $options;
            changes::create_update_and_delete_reach_a_bot,
            changes::writes_commit_together,
            changes::one_bad_entry_leaves_nothing,
            changes::quick_updates_come_in_order,
            conflicts::an_edit_before_the_commit_is_worked_on,
            conflicts::an_edit_that_no_longer_matches_supersedes,
            crash::killed_between_commit_and_answer,
            crash::killed_and_overtaken,
            crash::a_lost_answer_is_found_out,
            crash::a_doubled_transaction_happens_once,
            dead::a_dead_letter_holds_its_lane,
            dead::an_unknown_outcome_ends_as_the_manifest_says,
            once::one_change_is_one_run,
            gaps::what_came_while_stopped_is_run,
            gaps::quick_updates_with_an_unreachable_host,
            gaps::a_silent_subscription_posts_again,
            gaps::what_would_be_lost_is_said,
            gaps::the_past_is_run_on_purpose,
            hostile::outside_its_scopes,
            hostile::bad_bots_die_and_others_go_on,
            input::strangers_learn_nothing,
            input::what_cannot_be_read_is_kept,
            input::a_bad_deploy_says_what_and_where,
            outage::changes_wait_and_others_go_on,
            time::timers_survive_a_restart,
            time::cron_fires,
            time::outbox_sends_and_hears,
            trial::another_release_is_tried_on_what_was_recorded,
            trial::a_release_is_observed_before_it_acts,
            trial::a_first_release_is_observed,
            shipped::what_the_bots_write_is_valid,
        }
    };
    (@ $options:expr; $($module:ident :: $test:ident),* $(,)?) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            $crate::scenarios::$module::$test($options).await;
        })*
    };
}
