//! Fairness, the bound on memory, and speed, each with many runs.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking; the lint sees only functions marked as tests"
)]

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use hob_dispatch::{Config, Dispatcher, Input, Outcome, Output, Policy, RunHead};
use hob_model::{OnDead, Retry, RunId, Timestamp};

const NOW: Timestamp = Timestamp::from_micros(1_000_000);

fn live(dispatcher: &mut Dispatcher, tenant: &str, bot: &str, concurrency: u32) {
    let policy =
        Policy::Live { retry: Retry::default(), concurrency: NonZeroU32::new(concurrency).unwrap(), on_dead: OnDead::Continue };
    dispatcher.handle(Input::Policy { tenant: tenant.parse().unwrap(), bot: bot.parse().unwrap(), policy }, NOW);
}

fn head(seq: u64, tenant: &str, bot: &str, lane: u64) -> RunHead {
    RunHead {
        seq,
        run: RunId::of_parts(&[&seq.to_be_bytes()]),
        tenant: tenant.parse().unwrap(),
        bot: bot.parse().unwrap(),
        source: Some("hapi".parse().unwrap()),
        resource: Some(format!("Task/{lane}").parse().unwrap()),
        lane: format!("Task/{lane}").parse().unwrap(),
        recorded: false,
        held: false,
        not_before: None,
        failures: 0,
        conflicts: 0,
    }
}

/// Drains; answers questions with `page` (of a seq after which to read and a limit); gives back what started.
fn drain(
    dispatcher: &mut Dispatcher,
    now: Timestamp,
    page: impl Fn(&str, u64, usize) -> (Vec<RunHead>, bool),
) -> Vec<(String, RunId)> {
    let mut started = Vec::new();
    loop {
        match dispatcher.poll(now) {
            Output::Start { bot, run, .. } => started.push((bot.to_string(), run)),
            Output::NeedMore(request) => {
                let (heads, more) = page(request.bot.as_str(), request.after_seq, request.limit);
                dispatcher.handle(Input::Page { request, heads, more }, now);
            }
            Output::Retry { .. } | Output::End { .. } => {}
            Output::Wait(_) => return started,
        }
    }
}

fn nothing(_: &str, _: u64, _: usize) -> (Vec<RunHead>, bool) {
    (Vec::new(), false)
}

#[test]
fn a_flood_of_one_bot_delays_another_by_one_start() {
    let config = Config { in_flight: 2, per_source: 10, ..Config::default() };
    let mut dispatcher = Dispatcher::new(config, 1);
    live(&mut dispatcher, "a", "flood", 10);
    live(&mut dispatcher, "b", "quiet", 10);
    drain(&mut dispatcher, NOW, nothing);
    for seq in 1..=5_000 {
        dispatcher.handle(Input::Queued(head(seq, "a", "flood", seq)), NOW);
    }
    let mut flying = drain(&mut dispatcher, NOW, nothing);
    for round in 0..50 {
        dispatcher.handle(Input::Queued(head(10_000 + round, "b", "quiet", round)), NOW);
        assert!(drain(&mut dispatcher, NOW, nothing).is_empty(), "the host is at its cap");
        let mut order = Vec::new();
        while order.last().is_none_or(|bot| bot != "quiet") {
            let (_, run) = flying.remove(0);
            dispatcher.handle(Input::Ended { run, outcome: Outcome::Finished }, NOW);
            for (bot, run) in drain(&mut dispatcher, NOW, nothing) {
                order.push(bot.clone());
                flying.push((bot, run));
            }
            assert!(order.len() <= 2, "round {round}: {order:?}");
        }
    }
}

/// A bot has filled memory with runs that cannot start; then another is deployed.
#[test]
fn a_backlog_that_cannot_move_gives_way_to_a_new_bot() {
    let config = Config { heads: 100, heads_per_bot: 100, ..Config::default() };
    let mut dispatcher = Dispatcher::new(config, 1);
    live(&mut dispatcher, "a", "stuck", 10);
    let until = NOW + Duration::from_secs(3_600);
    let (tenant, source) = ("a".parse().unwrap(), "hapi".parse().unwrap());
    dispatcher.handle(Input::SourceDown { tenant, source, until }, NOW);
    let backlog = |bot: &str, after: u64, limit: usize| match bot {
        "stuck" => ((after + 1..=1_000).take(limit).map(|seq| head(seq, "a", "stuck", seq)).collect(), after + 100 < 1_000),
        _ => nothing(bot, after, limit),
    };
    assert!(drain(&mut dispatcher, NOW, backlog).is_empty());
    assert_eq!(dispatcher.heads(), 100);
    live(&mut dispatcher, "b", "late", 1);
    drain(&mut dispatcher, NOW, backlog);
    for seq in 2_000..2_040 {
        dispatcher.handle(Input::Queued(head(seq, "b", "late", seq)), NOW);
        let started = drain(&mut dispatcher, NOW, backlog);
        assert_eq!(started.len(), 1, "{seq}");
        dispatcher.handle(Input::Ended { run: started[0].1, outcome: Outcome::Finished }, NOW);
        assert!(dispatcher.heads() <= 100);
    }
    // What had to leave is read again, and all of it runs in the end.
    let mut left: Vec<u64> = (1..=1_000).collect();
    let mut now = until;
    while !left.is_empty() {
        let open = left.clone();
        let page = |bot: &str, after: u64, limit: usize| match bot {
            "stuck" => {
                let mut rest = open.iter().copied().filter(|seq| *seq > after);
                let heads: Vec<_> = rest.by_ref().take(limit).map(|seq| head(seq, "a", "stuck", seq)).collect();
                (heads, rest.next().is_some())
            }
            _ => nothing(bot, after, limit),
        };
        let started = drain(&mut dispatcher, now, page);
        assert!(!started.is_empty(), "{} are left", left.len());
        for (_, run) in started {
            left.retain(|seq| RunId::of_parts(&[&seq.to_be_bytes()]) != run);
            dispatcher.handle(Input::Ended { run, outcome: Outcome::Finished }, now);
        }
        now = now + Duration::from_millis(1);
    }
}

/// A sanity bound, not a benchmark: far above what an unoptimised build needs, far below what a search through all runs would.
#[test]
fn a_hundred_thousand_runs_go_through_quickly() {
    let config = Config { in_flight: 256, per_source: 256, ..Config::default() };
    let mut dispatcher = Dispatcher::new(config, 1);
    let bots = ["one", "two", "three", "four", "five", "six", "seven", "eight"];
    for bot in bots {
        live(&mut dispatcher, "a", bot, 64);
    }
    drain(&mut dispatcher, NOW, nothing);
    let heads: Vec<RunHead> =
        (1..=100_000_u64).map(|seq| head(seq, "a", bots[usize::try_from(seq % 8).unwrap()], seq % 5_000)).collect();
    #[allow(clippy::disallowed_methods, reason = "the bound is on real time")]
    let start = Instant::now();
    let mut done = 0;
    let mut flying = Vec::new();
    let mut heads = heads.into_iter();
    while heads.len() > 0 {
        for head in heads.by_ref().take(100) {
            dispatcher.handle(Input::Queued(head), NOW);
        }
        flying.extend(drain(&mut dispatcher, NOW, nothing));
        for (_, run) in std::mem::take(&mut flying) {
            dispatcher.handle(Input::Ended { run, outcome: Outcome::Finished }, NOW);
            flying.extend(drain(&mut dispatcher, NOW, nothing));
            done += 1;
        }
    }
    while let Some((_, run)) = flying.pop() {
        dispatcher.handle(Input::Ended { run, outcome: Outcome::Finished }, NOW);
        flying.extend(drain(&mut dispatcher, NOW, nothing));
        done += 1;
    }
    let took = start.elapsed();
    println!("100000 runs in {took:?}");
    assert_eq!(done, 100_000);
    assert!(took < Duration::from_secs(20), "{took:?}");
}
