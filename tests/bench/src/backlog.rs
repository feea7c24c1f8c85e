//! `backlog-rate`, `backlog-memory`, `backlog-restart`: what a host does when 1,000,000 changes wait, each in a lane of its own.
//!
//! The ledger is filled through its own trait, with the runs as resolve makes them. Then a host works on it while one more notification is posted for each
//! write-back that arrives, so that the backlog keeps its length; the floor of the rate is the same host, treated the same, on a ledger with 1,000. The hosts are
//! processes of their own, started in turns and killed (`kill -9`) after each turn.
//!
//! Memory is the most that the process ever held resident. Restart is from the start of the process to the first write-back, with the ledger as
//! the kill left it.

use std::sync::Arc;
use std::time::Duration;

use hob_host::SystemClock;
use hob_ledger::{Ledger, NewRun, Opening, Resolution, ResolvedChange};
use hob_model::{Change, Clock as _, Digest, Interaction, LaneKey};
use hyper::Method;
use tokio::task::JoinSet;

use crate::accepts::count;
use crate::child::HostProcess;
use crate::client::Connection;
use crate::ground::{self, Bot, Ground, TENANT, TOKEN};
use crate::report::{Goal, Outcome, Row};
use crate::sink::Sink;
use crate::stopwatch::{Rounds, Stopwatch, median};
use crate::tasks;

const LONG: usize = 1_000_000;
const SHORT: usize = 1_000;
const BATCH: usize = 1_000;

const TURNS: usize = 5;
const WARM_UP: Duration = Duration::from_millis(1_500);
const SPAN: Duration = Duration::from_millis(3_000);
const SENDERS: usize = 16;

/// A host that has not written anything back by then will not.
const PATIENCE: Duration = Duration::from_secs(60);

/// Measures all three.
pub(crate) async fn bench() -> Outcome<Vec<Row>> {
    let (mut long, mut short) = (Side::new(LONG).await?, Side::new(SHORT).await?);
    eprintln!("backlog: {TURNS} turns of {} ms each", SPAN.as_millis());
    let (mut rates, mut memory, mut restarts) = (Rounds::default(), Vec::new(), Vec::new());
    // The first turn makes the fences and fills the caches of the disk.
    for turn in 0..=TURNS {
        let ours = long.turn().await?;
        let floor = short.turn().await?;
        if turn > 0 {
            eprintln!(
                "  {:.0} changes a second, the floor {:.0}; at most {:.0} MB, the floor {:.0}; first write-back after {:.2} s, the floor {:.2}",
                ours.rate, floor.rate, ours.peak, floor.peak, ours.restart, floor.restart
            );
            rates.ours.push(ours.rate);
            rates.floor.push(floor.rate);
            rates.n += ours.done;
            memory.push(ours.peak);
            restarts.push(ours.restart);
        }
    }
    let (rate, floor) = (median(rates.ours), median(rates.floor));
    let largest = memory.iter().copied().fold(0.0, f64::max);
    Ok(vec![
        Row { name: "backlog-rate", n: rates.n, median: rate, unit: "1/s", floor: Some(floor), goal: Goal::AtLeast(0.8) },
        Row { name: "backlog-memory", n: TURNS, median: largest, unit: "MB", floor: None, goal: Goal::AtMost(300.0) },
        Row { name: "backlog-restart", n: TURNS, median: median(restarts), unit: "s", floor: None, goal: Goal::AtMost(5.0) },
    ])
}

/// A ledger with its backlog, and the server that its host writes to.
struct Side {
    ground: Ground,
    sink: Arc<Sink>,
}

/// What one turn gave.
struct Figures {
    done: usize,
    rate: f64,
    peak: f64,
    restart: f64,
}

impl Side {
    async fn new(changes: usize) -> Outcome<Self> {
        let (sink, address) = Sink::start().await?;
        let bot = Bot::smallest()?;
        let release = bot.digest();
        let ground = Ground::prepare(&format!("http://{address}/fhir"), Some(bot)).await?;
        let filling = Stopwatch::start();
        fill(&ground, changes, release).await?;
        let took = filling.elapsed().as_secs_f64();
        let megabytes = std::fs::metadata(ground.ledger())?.len() / 1_000_000;
        eprintln!("backlog: {changes} changes put into a ledger in {took:.1} s; it has {megabytes} MB");
        Ok(Self { ground, sink })
    }

    async fn turn(&mut self) -> Outcome<Figures> {
        let sink = &self.sink;
        let before = sink.came();
        let starting = Stopwatch::start();
        let host = HostProcess::start(&self.ground).await?;
        while sink.came() == before {
            if starting.elapsed() > PATIENCE {
                return Err("the host writes nothing back: HOB_LOG=info says more".into());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let restart = starting.elapsed().as_secs_f64();
        let mut feeders = JoinSet::new();
        for connection in Connection::open_all(host.webhooks(), SENDERS).await? {
            feeders.spawn(feed(connection, Arc::clone(sink)));
        }
        tokio::time::sleep(WARM_UP).await;
        let (begun, then) = (Stopwatch::start(), sink.came());
        tokio::time::sleep(SPAN).await;
        let done = usize::try_from(sink.came() - then)?;
        let rate = count(done) / begun.elapsed().as_secs_f64();
        feeders.shutdown().await;
        let peak = host.peak()?;
        host.kill().await?;
        sink.check()?;
        Ok(Figures { done, rate, peak, restart })
    }
}

/// Posts one notification for each write-back, until it is stopped.
async fn feed(mut connection: Connection, sink: Arc<Sink>) -> Outcome<()> {
    loop {
        sink.permits.acquire().await?.forget();
        let id = tasks::new_id();
        connection.call(Method::PUT, &ground::path(&id), TOKEN, tasks::body(&id)).await?;
    }
}

/// Puts changes and their runs into the ledger, as resolve does.
async fn fill(ground: &Ground, changes: usize, release: Digest) -> Outcome<()> {
    let ledger = Arc::new(ground::open(&ground.ledger())?);
    let epoch = ledger.claim().await?;
    let mut writes = JoinSet::new();
    let mut left = changes;
    while left > 0 {
        let batch = (0..left.min(BATCH)).map(|_| resolved(release)).collect::<Outcome<Vec<_>>>()?;
        left -= batch.len();
        let resolution = Resolution { tenant: TENANT.parse()?, notifications: Vec::new(), changes: batch, seen: Vec::new() };
        let ledger = Arc::clone(&ledger);
        writes.spawn(async move { ledger.resolve(epoch, resolution).await });
        // Two at a time: one is made while the other is written.
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

/// A change of a new Task, with the run that it makes.
pub(crate) fn resolved(release: Digest) -> Outcome<ResolvedChange> {
    let id = tasks::new_id();
    let now = SystemClock.now();
    let change = Change {
        key: tasks::key(&id)?,
        interaction: Interaction::Create,
        previous: None,
        occurred: Some(now),
        resource: Some(tasks::resource(&id)),
    };
    let run = NewRun {
        bot: "bench-bot".parse()?,
        release,
        lane: LaneKey::new(format!("resource:Task/{id}"))?,
        opening: Opening::Pending,
        supersedes_earlier: false,
    };
    Ok(ResolvedChange { change, ordinal: Some(1), received: now, hop: 0, runs: vec![run] })
}
