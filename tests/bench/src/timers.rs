//! `timers`: 1,000,000 timers that come due within one minute, in lanes of 1,000 each, fired by a host that also runs its bot on them.
//!
//! The timers are put into the ledger through its own trait, as runs that are done set them. Fired means: the timer is gone and its run is in the ledger. The
//! figure is all of them by the time from the first one's instant to the last one's firing; after it every timer has made exactly one run. Goal:
//! 5,000 a second.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hob_host::SystemClock;
use hob_ledger::{Finish, Ledger, Resolution, RunHead, Tried};
use hob_model::{Attempt, Clock as _, Digest, TimerOp, Timestamp};
use serde_json::json;
use tokio::task::JoinSet;

use crate::accepts::count;
use crate::backlog::resolved;
use crate::child::HostProcess;
use crate::ground::{self, Bot, Ground, TENANT};
use crate::report::{Goal, Outcome, Row};
use crate::sink::Sink;
use crate::stopwatch::Stopwatch;

const TIMERS: usize = 1_000_000;
const LANES: usize = 1_000;
/// They are spread over this.
const MINUTE: Duration = Duration::from_secs(60);
/// What the filling of the ledger and the start of the host may take before the first is due.
const AHEAD: Duration = Duration::from_secs(120);
/// No bench waits longer for the last one.
const PATIENCE: Duration = Duration::from_secs(1_200);

/// Measures.
pub(crate) async fn bench() -> Outcome<Row> {
    let (sink, address) = Sink::start().await?;
    let bot = Bot::smallest()?;
    let release = bot.digest();
    let ground = Ground::prepare(&format!("http://{address}/fhir"), Some(bot)).await?;
    let (filling, first) = (Stopwatch::start(), SystemClock.now() + AHEAD);
    fill(&ground, release, first).await?;
    eprintln!("timers: {TIMERS} timers put into a ledger in {:.1} s", filling.elapsed().as_secs_f64());
    let mut host = HostProcess::start(&ground).await?;
    let (left, before) = host.admin.timers().await?;
    if left != TIMERS {
        return Err("some timers were due before the host was ready".into());
    }
    tokio::time::sleep(first.since(SystemClock.now())).await;
    host.reconnect().await?;
    let begun = Stopwatch::start();
    let rate = loop {
        let (left, _) = host.admin.timers().await?;
        let took = begun.elapsed();
        if left == 0 {
            break count(TIMERS) / took.as_secs_f64();
        }
        if took > PATIENCE {
            return Err(format!("{left} timers are left").into());
        }
        // Each look counts a million rows: looks twice a second took a fourth of the host's CPU.
        tokio::time::sleep(Duration::from_secs(10)).await;
    };
    let (_, after) = host.admin.timers().await?;
    if after - before != TIMERS {
        return Err(format!("{TIMERS} timers made {} runs", after - before).into());
    }
    eprintln!("timers: the host held at most {:.0} MB", host.peak()?);
    host.kill().await?;
    sink.check()?;
    Ok(Row { name: "timers", n: TIMERS, median: rate, unit: "1/s", floor: None, goal: Goal::AtLeast(5_000.0) })
}

/// Puts the timers into the ledger: one done run for each lane sets all of that lane.
async fn fill(ground: &Ground, release: Digest, first: Timestamp) -> Outcome<()> {
    let ledger = Arc::new(ground::open(&ground.ledger())?);
    let epoch = ledger.claim().await?;
    let changes = (0..LANES).map(|_| resolved(release)).collect::<Outcome<Vec<_>>>()?;
    let resolution = Resolution { tenant: TENANT.parse()?, notifications: Vec::new(), changes, seen: Vec::new() };
    let queued = ledger.resolve(epoch, resolution).await?;
    let mut writes = JoinSet::new();
    for (lane, head) in queued.heads.into_iter().enumerate() {
        let finish = done(&head, lane, release, first);
        let ledger = Arc::clone(&ledger);
        writes.spawn(async move { ledger.finish(epoch, &head.key, finish).await });
        while writes.len() >= 2
            && let Some(written) = writes.join_next().await
        {
            written??;
        }
    }
    while let Some(written) = writes.join_next().await {
        written??;
    }
    ledger.close().await?;
    Ok(())
}

/// The end of a run that sets a lane's timers, due one after the other over the whole minute.
fn done(head: &RunHead, lane: usize, release: Digest, first: Timestamp) -> Finish {
    let now = SystemClock.now();
    let each = TIMERS / LANES;
    let timer = |n: usize| TimerOp::Set {
        key: format!("t{n}"),
        at: first + MINUTE.mul_f64((count(n) + count(lane) / count(LANES)) / count(each)),
        payload: json!({ "n": n, "of": head.key.run.to_string() }),
    };
    let attempt = Attempt { number: 1, started: now, ended: now, failure: None };
    Finish {
        tried: Tried { attempt, release, journal: None },
        recorded: None,
        wrote: Vec::new(),
        references: BTreeMap::new(),
        timers: (0..each).map(timer).collect(),
        outbox: Vec::new(),
        fence: None,
    }
}
