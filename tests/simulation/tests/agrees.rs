//! The model and SQLite, driven by the same calls, answer the same: what the simulation proves on one holds for the other.

#![allow(clippy::unwrap_used, reason = "test code outside of a test's own function")]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use hob_ledger::contract::{Given, change, notification};
use hob_ledger::sqlite::SqliteLedger;
use hob_ledger::{
    AskKey, DeadFilter, DeadKind, DeadReason, Deployment, Epoch, FenceKey, FenceUse, Finish, Ledger, LogFilter, LogSeq,
    MasterKey, NewRun, Next, NotificationSeq, Opening, PruneCursor, PruneRules, Recorded, Resolution, ResolvedChange, RunFilter,
    RunKey, RunSeq, Tried, Wrote,
};
use hob_model::{
    Attempt, Digest, Effects, Failure, FailureKind, Journal, LogLevel, LogLine, OutboxItem, RunId, TimerOp, Timestamp,
};
use hob_simulation::ledger::{ModelLedger, ModelStore, Mutations};
use proptest::prelude::*;

/// One call. Numbers pick from few, so that calls meet; `n` varies what is told.
#[derive(Debug, Clone)]
enum Step {
    Accept { n: u8 },
    Bury { seq: u8 },
    Resolve { id: u8, version: u8, bots: u8, opening: u8, latest: bool, seq: u8 },
    Record { run: u8, n: u8 },
    Finish { run: u8, n: u8 },
    Fail { run: u8, n: u8, next: u8 },
    Supersede { run: u8 },
    GiveUp { run: u8 },
    Retry { run: u8 },
    Ask { run: u8, what: u8, end: u8 },
    Fire { now: u8 },
    Outbox { now: u8, end: u8 },
    Reopen { what: u8, after: u8 },
    PutFence { slot: u8, version: u8 },
    RecordBehind { run: u8, n: u8, slot: u8, version: u8 },
    Prune { ended: u8, dead: u8, page: u8 },
    Claim,
    Stale { run: u8 },
    Deploy { active: bool },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let run = 0_u8..12;
    let n = 0_u8..16;
    let step = prop_oneof![
        2 => n.clone().prop_map(|n| Step::Accept { n }),
        1 => (1_u8..6).prop_map(|seq| Step::Bury { seq }),
        8 => (1_u8..4, 1_u8..4, 0_u8..4, 0_u8..6, any::<bool>(), 0_u8..8)
            .prop_map(|(id, version, bots, opening, latest, seq)| Step::Resolve { id, version, bots, opening, latest, seq }),
        6 => (run.clone(), n.clone()).prop_map(|(run, n)| Step::Record { run, n }),
        6 => (run.clone(), n.clone()).prop_map(|(run, n)| Step::Finish { run, n }),
        5 => (run.clone(), n.clone(), 0_u8..5).prop_map(|(run, n, next)| Step::Fail { run, n, next }),
        1 => run.clone().prop_map(|run| Step::Supersede { run }),
        2 => run.clone().prop_map(|run| Step::GiveUp { run }),
        3 => run.clone().prop_map(|run| Step::Retry { run }),
        4 => (run.clone(), 0_u8..2, 0_u8..4).prop_map(|(run, what, end)| Step::Ask { run, what, end }),
        3 => (0_u8..16).prop_map(|now| Step::Fire { now }),
        4 => (0_u8..60, 0_u8..4).prop_map(|(now, end)| Step::Outbox { now, end }),
        2 => (0_u8..3, 0_u8..4).prop_map(|(what, after)| Step::Reopen { what, after }),
        2 => (0_u8..3, 0_u8..4).prop_map(|(slot, version)| Step::PutFence { slot, version }),
        4 => (run.clone(), n.clone(), 0_u8..3, 0_u8..4)
            .prop_map(|(run, n, slot, version)| Step::RecordBehind { run, n, slot, version }),
        2 => (0_u8..30, 0_u8..30, 1_u8..4).prop_map(|(ended, dead, page)| Step::Prune { ended, dead, page }),
        1 => Just(Step::Claim),
        1 => run.prop_map(|run| Step::Stale { run }),
        2 => any::<bool>().prop_map(|active| Step::Deploy { active }),
    ];
    proptest::collection::vec(step, 1..60)
}

const fn at(n: u8) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + n as i64)
}

/// An answer without the numbers of places: SQLite passes some over, and only their order means anything.
fn told<T: Debug>(answer: T) -> String {
    ["RunSeq(", "OutboxSeq("].iter().fold(format!("{answer:?}"), |text, place| {
        let mut parts = text.split(place);
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |told, part| told + part.trim_start_matches(|c: char| c.is_ascii_digit()))
    })
}

/// A ledger with what the steps work on.
struct Driven {
    given: Given,
    epoch: Epoch,
    deployment: Deployment,
}

impl Driven {
    async fn new(ledger: Arc<dyn Ledger>) -> Self {
        let given = Given::deployed(ledger).await;
        let deployment = given.ledger.deployment(&given.tenant, &given.bot).await.unwrap().unwrap();
        Self { epoch: given.epoch, given, deployment }
    }

    /// One of the runs that the steps can make, or of one that none makes.
    fn key(&self, run: u8) -> RunKey {
        let (id, version) = (run % 3 + 1, run / 3 + 1);
        let event = change("t", &id.to_string(), version.into()).key.event_id();
        RunKey { tenant: self.given.tenant.clone(), run: RunId::new(&self.given.tenant, &self.given.bot, event) }
    }

    fn recorded(&self, n: u8) -> Recorded {
        Recorded {
            attempt: u32::from(n % 3) + 1,
            release: self.given.release,
            effects: Effects { timers: timers(n), ..Effects::default() },
            bundle: Bytes::from(vec![n]),
            fence: None,
            result: None,
        }
    }

    fn tried(&self, n: u8, failure: Option<FailureKind>) -> Tried {
        let message = "m".to_owned();
        let failure = failure.map(|kind| Failure { kind, code: "c".to_owned(), message, retry_after: None });
        let attempt = Attempt { number: u32::from(n % 3) + 1, started: at(n % 2), ended: at(n), failure };
        Tried { attempt, release: self.given.release, journal: n.is_multiple_of(4).then(|| journal(n)) }
    }

    /// Makes the call; gives what it answered.
    async fn step(&mut self, step: &Step) -> String {
        let (ledger, epoch, source) = (Arc::clone(&self.given.ledger), self.epoch, self.given.source.clone());
        match *step {
            Step::Accept { n } => told(ledger.accept(vec![notification("t", n.into()), notification("u", n.into())]).await),
            Step::Bury { seq } => {
                let reason = DeadReason { code: "c".to_owned(), message: "m".to_owned() };
                told(ledger.bury(epoch, &self.given.tenant, NotificationSeq::new(seq.into()), reason).await)
            }
            Step::Resolve { id, version, bots, opening, latest, seq } => {
                let opening = match opening {
                    0 => Opening::Late,
                    1 => Opening::Superseded,
                    _ => Opening::Pending,
                };
                let ordinal = (opening != Opening::Late).then_some(version.into());
                let bots = ["b", "c"].iter().zip([1, 2]).filter(|(_, bit)| bots & bit != 0);
                let run = |bot: &str| NewRun {
                    bot: bot.parse().unwrap(),
                    supersedes_earlier: latest,
                    ..self.given.a_run(&(id % 2).to_string(), opening.clone())
                };
                let runs = bots.map(|(bot, _)| run(bot)).collect();
                let change = change("t", &id.to_string(), version.into());
                let change = ResolvedChange { change, ordinal, received: at(version), hop: id.into(), runs };
                let notifications = vec![NotificationSeq::new(seq.into())];
                let resolution = Resolution { notifications, ..self.given.resolution(vec![change]) };
                told(ledger.resolve(epoch, resolution).await)
            }
            Step::Record { run, n } => told(ledger.record(epoch, &self.key(run), self.recorded(n), journal(n)).await),
            Step::Finish { run, n } => told(ledger.finish(epoch, &self.key(run), self.finish(n)).await),
            Step::Fail { run, n, next } => {
                let next = match next {
                    0 => Next::Again { at: at(n) },
                    1 => Next::Resend { at: at(n) },
                    2 => Next::Dead,
                    3 => Next::DeadUnsure,
                    _ => Next::Rejected,
                };
                let hold = n.is_multiple_of(3);
                let kind = if n.is_multiple_of(2) { FailureKind::Conflict } else { FailureKind::Retry };
                let (key, tried) = (self.key(run), self.tried(n, Some(kind)));
                told(if hold {
                    ledger.fail_and_hold(epoch, &key, tried, next).await
                } else {
                    ledger.fail(epoch, &key, tried, next).await
                })
            }
            Step::Supersede { run } => told(ledger.supersede(epoch, &self.key(run), at(1)).await),
            Step::GiveUp { run } => told(ledger.give_up(epoch, &self.key(run)).await),
            Step::Ask { run, what, end } => {
                let ask = AskKey { run: self.key(run), ask: Digest::of_parts(&[&[what]]) };
                let asked = told(ledger.ask(epoch, &ask).await);
                let ended = match end {
                    0 => told(ledger.answered(epoch, &ask, Bytes::from(vec![run, what])).await),
                    1 => told(ledger.unasked(epoch, &ask).await),
                    _ => String::new(),
                };
                format!("{asked} {ended}")
            }
            Step::Retry { run } => told(ledger.retry(epoch, &self.key(run)).await),
            Step::Fire { now } => told(ledger.fire_timers(epoch, at(now), 2).await),
            Step::Outbox { now, end } => {
                let begun = ledger.begin_outbox(epoch, at(now), 2, 3).await.unwrap();
                let reason = DeadReason { code: "c".to_owned(), message: "m".to_owned() };
                let answer = match (begun.first(), end) {
                    (Some(first), 0) => told(ledger.outbox_done(epoch, &first.key, None).await),
                    (Some(first), 1) => told(ledger.outbox_again(epoch, &first.key, at(now + 1), reason).await),
                    (Some(first), 2) => told(ledger.outbox_dead(epoch, &first.key, at(now), reason, None).await),
                    _ => String::new(),
                };
                told(begun) + &answer
            }
            Step::Reopen { what, after } => {
                let (all, tenant) = (DeadFilter::default(), &self.given.tenant);
                match what {
                    // The number of a place is not the same in both: from the first.
                    0 => told(ledger.retry_dead(epoch, tenant, &all, RunSeq::ZERO, usize::from(after)).await),
                    1 => told(ledger.reopen(epoch, tenant, vec![NotificationSeq::new(after.into())]).await),
                    _ => {
                        let dead = ledger.dead_requests(tenant, &all, None, usize::from(after)).await.unwrap();
                        told(ledger.retry_requests(epoch, dead.into_iter().map(|letter| letter.key).collect(), at(after)).await)
                    }
                }
            }
            Step::PutFence { slot, version } => {
                let key = FenceKey { tenant: self.given.tenant.clone(), source, slot: slot.into() };
                let version = (version > 0).then(|| version.to_string().parse().unwrap());
                told(ledger.put_fence(epoch, &key, "Basic/f".parse().unwrap(), version).await)
            }
            Step::RecordBehind { run, n, slot, version } => {
                let version = (version > 0).then(|| version.to_string().parse().unwrap());
                let fence = FenceUse { slot: slot.into(), reference: "Basic/f".parse().unwrap(), version };
                let recorded = Recorded { fence: Some(fence), ..self.recorded(n) };
                told(ledger.record(epoch, &self.key(run), recorded, journal(n)).await)
            }
            Step::Prune { ended, dead, page } => {
                let rules = PruneRules { ended: at(ended), dead: at(dead) };
                let (mut from, mut answers) = (PruneCursor::BEGIN, Vec::new());
                while !from.is_end() {
                    let pruned = ledger.prune(epoch, &rules, from, page.into()).await.unwrap();
                    from = pruned.next;
                    answers.push(told(pruned));
                }
                answers.concat()
            }
            Step::Claim => {
                self.epoch = ledger.claim().await.unwrap();
                told(self.epoch)
            }
            Step::Stale { run } => told(ledger.supersede(Epoch::ZERO, &self.key(run), at(1)).await),
            Step::Deploy { active: true } => told(ledger.activate(epoch, self.deployment.clone()).await),
            Step::Deploy { active: false } => told(ledger.deactivate(epoch, &self.given.tenant, &self.given.bot, at(9)).await),
        }
    }

    fn finish(&self, n: u8) -> Finish {
        let key = format!("k{}", n % 2);
        let item =
            OutboxItem { key, method: "POST".to_owned(), url: "https://x/".to_owned(), headers: Vec::new(), body: vec![n] };
        let reference: hob_model::Reference = "Task/9".parse().unwrap();
        Finish {
            tried: self.tried(n, None),
            recorded: n.is_multiple_of(3).then(|| self.recorded(n)),
            wrote: vec![Wrote { reference: reference.clone(), version: (n % 3 + 1).to_string().parse().unwrap() }],
            references: BTreeMap::from([("urn:uuid:1".to_owned(), reference)]),
            timers: timers(n),
            outbox: if n.is_multiple_of(2) { vec![item] } else { Vec::new() },
            fence: n.is_multiple_of(2).then(|| n.to_string().parse().unwrap()),
        }
    }

    /// All that can be asked.
    async fn look(&self) -> Vec<String> {
        let (ledger, tenant) = (&self.given.ledger, &self.given.tenant);
        let mut seen = Vec::new();
        for bot in ["b", "c"] {
            seen.push(told(ledger.open_runs(tenant, &bot.parse().unwrap(), RunSeq::ZERO, 99).await));
        }
        for lane in ["0", "1"] {
            let (bot, lane) = (&self.given.bot, lane.parse().unwrap());
            seen.push(told(ledger.open_in_lane(tenant, bot, &lane, RunSeq::ZERO, 99).await));
        }
        seen.push(told(ledger.runs(tenant, &RunFilter::default()).await));
        seen.push(told(ledger.run_counts(tenant, Some(&self.given.bot)).await));
        for run in 0..12 {
            seen.push(told(ledger.load(&self.key(run)).await));
            seen.push(told(ledger.show(&self.key(run)).await));
        }
        seen.push(told(ledger.logs(tenant, &LogFilter { after: Some(LogSeq::ZERO), limit: 999, ..LogFilter::default() }).await));
        seen.push(told(ledger.unresolved(NotificationSeq::ZERO, 99).await));
        let all = DeadFilter::default();
        for kind in [DeadKind::Run, DeadKind::Notification, DeadKind::Request] {
            seen.push(told(ledger.dead_counts(tenant, kind, &all).await));
        }
        seen.push(told(ledger.dead_runs(tenant, &all, None, 99).await));
        seen.push(told(ledger.dead_notifications(tenant, &all, None, 99).await));
        seen.push(told(ledger.dead_notification(tenant, NotificationSeq::new(1)).await));
        seen.push(told(ledger.dead_requests(tenant, &all, None, 99).await));
        seen.push(told((ledger.next_timer().await, ledger.next_outbox(1).await, ledger.next_outbox(9).await)));
        let mut sending = ledger.sending_outbox().await.unwrap();
        sending.sort_by(|a, b| a.key.cmp(&b.key));
        seen.push(told(sending));
        seen.push(told(ledger.fences(tenant, &self.given.source).await));
        for id in ["1", "2", "3"] {
            seen.push(told(ledger.mark(&change("t", id, 1).key.resource).await));
        }
        for version in 1..4 {
            seen.push(told(ledger.wrote(&change("t", "9", version).key).await));
        }
        let stats = ledger.stats().await.unwrap();
        seen.push(told((
            stats.runs,
            stats.unresolved,
            stats.dead_notifications,
            stats.outbox,
            stats.dead_requests,
            stats.timers,
        )));
        seen
    }
}

fn timers(n: u8) -> Vec<TimerOp> {
    let key = format!("t{}", n % 2);
    match n % 4 {
        0 => vec![TimerOp::Set { key, at: at(n), payload: n.into() }],
        1 => vec![TimerOp::Cancel { key }],
        _ => Vec::new(),
    }
}

fn journal(n: u8) -> Journal {
    let log = (0..n % 3).map(|line| LogLine { level: LogLevel::Info, text: format!("{n} {line}") }).collect();
    Journal { seed: n.into(), started: at(n % 2), calls: Vec::new(), log, ..Journal::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_model_answers_as_sqlite_does(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let mut sqlite = Driven::new(Arc::new(SqliteLedger::open(folder.path().join("hob.db"), MasterKey::generate()).unwrap())).await;
            let mut model = Driven::new(Arc::new(ModelLedger::open(ModelStore::new(Mutations::default())))).await;
            for (n, step) in steps.iter().enumerate() {
                assert_eq!(model.step(step).await, sqlite.step(step).await, "step {n}: {step:?}");
            }
            for (model, sqlite) in model.look().await.into_iter().zip(sqlite.look().await) {
                assert_eq!(model, sqlite);
            }
        });
    }
}
