//! Discrete-event loads in simulated time: what a hanging server, a bot with a long queue and a hot patient cost the others.
//!
//! What is measured is the time from a run's arrival to its end, its service included. `HOB_SEED=n` plays another seed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking; the lint sees only functions marked as tests"
)]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::num::NonZeroU32;
use std::time::Duration;

use hob_dispatch::{Config, Dispatcher, Input, Outcome, Output, PageRequest, Policy, RunHead};
use hob_model::{FailureKind, OnDead, Retry, RunId, Timestamp};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// As the host has it where nothing is said: 32 runs, 16 a source, 16 a bot.
const RUNS: usize = 32;
const PER_SOURCE: usize = 16;
const PER_BOT: u32 = 16;
const TIME_OUT: Duration = Duration::from_secs(30);

/// One run that comes.
#[derive(Clone)]
struct Arrival {
    at: Duration,
    bot: usize,
    lane: String,
    resource: String,
}

/// How a server behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Server {
    /// Answers.
    Well,
    /// Answers nothing: each attempt ends at its time-out, as a failure, and nobody finds out that it is down.
    Hangs,
}

struct Load {
    /// The server of each bot.
    servers: Vec<Server>,
    arrivals: Vec<Arrival>,
    /// The mean time that an attempt needs, exponentially distributed.
    service: Duration,
    /// No longer than this.
    until: Duration,
}

impl Load {
    /// Numbers begin at 1.
    fn arrival(&self, seq: u64) -> &Arrival {
        &self.arrivals[usize::try_from(seq).unwrap() - 1]
    }
}

struct Done {
    bot: usize,
    lane: String,
    took: Duration,
}

struct Played {
    done: Vec<Done>,
    inversions: usize,
    heads: usize,
}

impl Played {
    fn p99(&self, of: impl Fn(&Done) -> bool) -> Duration {
        let mut took: Vec<Duration> = self.done.iter().filter(|done| of(done)).map(|done| done.took).collect();
        took.sort_unstable();
        took[took.len() * 99 / 100]
    }
}

fn zero() -> Timestamp {
    Timestamp::from_micros(0)
}

fn head(seq: u64, arrival: &Arrival) -> RunHead {
    RunHead {
        seq,
        run: RunId::of_parts(&[&seq.to_be_bytes()]),
        tenant: "a".parse().unwrap(),
        bot: format!("bot-{}", arrival.bot).parse().unwrap(),
        source: Some(format!("source-{}", arrival.bot).parse().unwrap()),
        resource: Some(arrival.resource.parse().unwrap()),
        lane: arrival.lane.parse().unwrap(),
        recorded: false,
        held: false,
        not_before: None,
        failures: 0,
        conflicts: 0,
    }
}

/// The open runs as a ledger would give them.
#[derive(Default)]
struct Open {
    by_bot: BTreeMap<String, BTreeMap<u64, RunHead>>,
    by_lane: BTreeMap<(String, String), BTreeMap<u64, RunHead>>,
}

impl Open {
    fn insert(&mut self, head: RunHead) {
        let bot = head.bot.to_string();
        self.by_lane.entry((bot.clone(), head.lane.to_string())).or_default().insert(head.seq, head.clone());
        self.by_bot.entry(bot).or_default().insert(head.seq, head);
    }

    fn remove(&mut self, head: &RunHead) {
        self.by_bot.get_mut(head.bot.as_str()).unwrap().remove(&head.seq);
        self.by_lane.get_mut(&(head.bot.to_string(), head.lane.to_string())).unwrap().remove(&head.seq);
    }

    fn read(&self, request: &PageRequest) -> (Vec<RunHead>, bool) {
        let bot = request.bot.to_string();
        let rows = match &request.lane {
            None => self.by_bot.get(&bot),
            Some(lane) => self.by_lane.get(&(bot, lane.to_string())),
        };
        let mut after = rows.into_iter().flat_map(|rows| rows.range(request.after_seq + 1..)).map(|(_, head)| head.clone());
        let heads: Vec<RunHead> = after.by_ref().take(request.limit).collect();
        (heads, after.next().is_some())
    }
}

/// Plays a load to its end.
fn play(seed: u64, config: Config, load: &Load) -> Played {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut dispatcher = Dispatcher::new(config, seed);
    for bot in 0..load.servers.len() {
        let retry = Retry { attempts: 1_000_000, ..Retry::default() };
        let policy = Policy::Live { retry, concurrency: NonZeroU32::new(PER_BOT).unwrap(), on_dead: OnDead::Continue };
        let (tenant, bot) = ("a".parse().unwrap(), format!("bot-{bot}").parse().unwrap());
        dispatcher.handle(Input::Policy { tenant, bot, policy }, zero());
    }
    let mut open = Open::default();
    let mut ends: BinaryHeap<Reverse<(Duration, u64)>> = BinaryHeap::new();
    let seqs: BTreeMap<RunId, u64> =
        (1..=load.arrivals.len() as u64).map(|seq| (RunId::of_parts(&[&seq.to_be_bytes()]), seq)).collect();
    let (mut next, mut wait) = (0, None::<Duration>);
    let mut last: BTreeMap<(usize, String), u64> = BTreeMap::new();
    let mut played = Played { done: Vec::new(), inversions: 0, heads: 0 };
    loop {
        let arrival = load.arrivals.get(next).map(|arrival| arrival.at);
        let end = ends.peek().map(|Reverse((at, _))| *at);
        let Some(now) = arrival.into_iter().chain(end).chain(wait).min().filter(|now| *now <= load.until) else {
            return played;
        };
        let at = zero() + now;
        if arrival == Some(now) {
            let head = head(next as u64 + 1, &load.arrivals[next]);
            open.insert(head.clone());
            dispatcher.handle(Input::Queued(head), at);
            next += 1;
        } else if end == Some(now) {
            let Reverse((_, seq)) = ends.pop().unwrap();
            let arrival = load.arrival(seq);
            let run = RunId::of_parts(&[&seq.to_be_bytes()]);
            let outcome = match load.servers[arrival.bot] {
                Server::Well => {
                    open.remove(&head(seq, arrival));
                    let (bot, lane) = (arrival.bot, arrival.lane.clone());
                    played.inversions += usize::from(last.insert((bot, lane.clone()), seq).is_some_and(|before| before > seq));
                    played.done.push(Done { bot, lane, took: now - arrival.at });
                    Outcome::Finished
                }
                Server::Hangs => Outcome::Failed { kind: FailureKind::Retry, retry_after: None },
            };
            dispatcher.handle(Input::Ended { run, outcome }, at);
        }
        wait = loop {
            match dispatcher.poll(at) {
                Output::Start { run, .. } => {
                    let seq = seqs[&run];
                    let takes = match load.servers[load.arrival(seq).bot] {
                        Server::Well => load.service.mul_f64(-(1.0 - rng.random::<f64>()).ln()),
                        Server::Hangs => TIME_OUT,
                    };
                    ends.push(Reverse((now + takes, seq)));
                }
                Output::NeedMore(request) => {
                    let (heads, more) = open.read(&request);
                    dispatcher.handle(Input::Page { request, heads, more }, at);
                }
                Output::Retry { run, at, failures, .. } => {
                    let mut head = head(seqs[&run], load.arrival(seqs[&run]));
                    (head.not_before, head.failures) = (Some(at), failures);
                    open.insert(head);
                }
                Output::End { .. } => panic!("nothing ends without an answer"),
                Output::Wait(until) => break until.map(|until| until.since(zero())),
            }
        };
        played.heads = played.heads.max(dispatcher.heads());
    }
}

/// Arrivals of one bot, `a_second` of them, each of another lane.
fn poisson(rng: &mut ChaCha8Rng, bot: usize, a_second: f64, until: Duration) -> Vec<Arrival> {
    let mut at = Duration::ZERO;
    let mut all = Vec::new();
    loop {
        at += Duration::from_secs_f64(-(1.0 - rng.random::<f64>()).ln() / a_second);
        if at >= until {
            return all;
        }
        let resource = format!("Task/{bot}-{}", all.len());
        all.push(Arrival { at, bot, lane: resource.clone(), resource });
    }
}

fn seed() -> u64 {
    std::env::var("HOB_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0)
}

fn defaults() -> Config {
    Config { in_flight: RUNS, per_source: PER_SOURCE, ..Config::default() }
}

/// Ten servers of which none, one and three hang for an hour.
#[test]
fn servers_that_hang_for_an_hour_do_not_slow_the_others() {
    let (seed, hour) = (seed(), Duration::from_secs(3_600));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut arrivals: Vec<Arrival> = (0..10).flat_map(|bot| poisson(&mut rng, bot, 2.0, hour)).collect();
    arrivals.sort_by_key(|arrival| arrival.at);
    let service = Duration::from_millis(500);
    let [none, one, three] = [0, 1, 3].map(|hanging| {
        let servers = (0..10).map(|bot| if bot < hanging { Server::Hangs } else { Server::Well }).collect();
        play(seed, defaults(), &Load { servers, arrivals: arrivals.clone(), service, until: hour })
    });
    for (hanging, with) in [(1, one), (3, three)] {
        let [without, with_them] = [&none, &with].map(|played| played.p99(|done| done.bot >= hanging));
        let ratio = with_them.as_secs_f64() / without.as_secs_f64();
        let n = with.done.len();
        println!("seed {seed}: {hanging} of 10 hang: others' p99 {with_them:?}, {ratio:.2} of without, n = {n}");
        assert!(ratio <= 1.2, "seed {seed}: {hanging} of 10 servers hang: {ratio:.2}");
    }
}

#[test]
fn a_bot_with_100_000_waiting_runs_does_not_slow_another() {
    let seed = seed();
    let until = Duration::from_secs(600);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let quiet = poisson(&mut rng, 0, 20.0, until);
    let flood = (0..100_000).map(|n| {
        let resource = format!("Task/flood-{n}");
        Arrival { at: Duration::ZERO, bot: 1, lane: resource.clone(), resource }
    });
    let both: Vec<Arrival> = flood.chain(quiet.iter().cloned()).collect();
    let played = [quiet, both].map(|arrivals| {
        let load = Load { servers: vec![Server::Well; 2], arrivals, service: Duration::from_millis(200), until };
        play(seed, defaults(), &load)
    });
    let [without, with] = [&played[0], &played[1]].map(|played| played.p99(|done| done.bot == 0));
    let ratio = with.as_secs_f64() / without.as_secs_f64();
    println!("seed {seed}: 100,000 wait: the other's p99 {with:?}, {ratio:.2} of without, n = {}", played[1].done.len());
    assert!(ratio <= 2.0, "seed {seed}: {ratio:.2}");
}

/// 100,000 updates over 1,000 patients that wait at once, half of them of one patient, against the same without that patient.
#[test]
fn a_hot_patient_does_not_slow_the_others() {
    let seed = seed();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let updates = (0..100_000_u64).map(|n| {
        let patient = if rng.random_range(0..2) == 0 { 0 } else { rng.random_range(1..1_000) };
        let resource = if n % 2 == 0 { format!("Task/{patient}") } else { format!("Observation/{n}") };
        Arrival { at: Duration::from_micros(n), bot: 0, lane: format!("Patient/{patient}"), resource }
    });
    let hot: Vec<Arrival> = updates.collect();
    let without: Vec<Arrival> = hot.iter().filter(|arrival| arrival.lane != "Patient/0").cloned().collect();
    // Small memory: what is measured is whether the hot lane keeps the others from being read.
    let config = Config { heads_per_bot: 5_000, ..defaults() };
    let played = [without, hot].map(|arrivals| {
        let service = Duration::from_millis(20);
        let load = Load { servers: vec![Server::Well], arrivals, service, until: Duration::from_secs(1_000_000) };
        play(seed, config.clone(), &load)
    });
    let [without, with] = [&played[0], &played[1]].map(|played| played.p99(|done| done.lane != "Patient/0"));
    let ratio = with.as_secs_f64() / without.as_secs_f64();
    let (done, heads) = (played[1].done.len(), played[1].heads);
    println!("seed {seed}: hot patient: others' p99 {with:?}, {ratio:.2} of without, {heads} heads at most, n = {done}");
    assert_eq!((done, played[1].inversions), (100_000, 0), "seed {seed}");
    assert!(heads <= 5_000, "seed {seed}: {heads}");
    assert!(ratio <= 2.0, "seed {seed}: {ratio:.2}");
}
