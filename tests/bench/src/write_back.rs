//! `write-back` and `throughput`: from a notification's POST to the transaction's arrival at a FHIR server, through the whole host.
//!
//! The server is null: what it costs is its HTTP stack. The bot completes the Task that it is run on, so the transaction is one update and the
//! fence.
//!
//! `write-back` is one at a time. Its floor is what the promises cost at least: three times on disk, one after the other (the notification, the
//! run that it makes, what the run decided), then the POST. Goal: 3 times that; the host also parses, judges, makes an instance
//! and takes a fence, and none of that should cost more than the disk does.
//!
//! `throughput` is 64 at a time, each for a Task of its own. Its floor is plain POSTs of the same transaction, 64 at a time, by a client that
//! keeps nothing. Goal: 0.1 of that. Beside the POST, a run is the webhook's exchange, at least four durable writes one after the other, the
//! sandbox, and a dozen passes over the JSON: about ten times the CPU of the POST alone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use tokio::task::JoinSet;

use crate::accepts::count;
use crate::client::Connection;
use crate::hosted::{Bot, Hosted, TOKEN};
use crate::raw_log::RawLog;
use crate::report::{Goal, Outcome, Row};
use crate::sink::Sink;
use crate::stopwatch::{Rounds, Stopwatch, median};
use crate::tasks;

const MANIFEST: &str = include_str!("../component/bot.toml");

/// What the path cannot do without: accept, resolve, record.
const SYNCS: usize = 3;

const ROUNDS: usize = 16;
const ROUND: usize = 25;

/// A run that takes longer than this will not end.
const PATIENCE: Duration = Duration::from_secs(20);

/// One at a time.
pub(crate) async fn latency() -> Outcome<Row> {
    eprintln!("write-back: {ROUNDS} rounds of {ROUND}");
    let (sink, address) = Sink::start().await?;
    let mut hosted = start(address).await?;
    let mut webhook = Connection::open(hosted.webhooks()).await?;
    let mut direct = Connection::open(address).await?;
    let folder = crate::scratch()?;
    let raw = RawLog::create(&folder.path().join("raw"))?;
    let (mut rounds, mut post_alone) = (Rounds::default(), Vec::new());
    let mut before = hosted.quiet().await?;
    // The first round warms up.
    for round in 0..=ROUNDS {
        let mut figures = Vec::with_capacity(ROUND);
        for _ in 0..ROUND {
            figures.push(millis(run(&mut webhook, &sink).await?));
            // The write of the run's end comes after the arrival, and is not to be in the next figure.
            hosted.quiet().await?;
        }
        let ours = median(figures);
        let transaction = sink.last();
        let (mut figures, mut posts) = (Vec::with_capacity(ROUND), Vec::with_capacity(ROUND));
        for _ in 0..ROUND {
            let begun = Stopwatch::start();
            for _ in 0..SYNCS {
                raw.append(transaction.clone()).await?;
            }
            let posting = Stopwatch::start();
            let arrived = post(&mut direct, &sink, &transaction).await?;
            figures.push(millis(begun.until(arrived)));
            posts.push(millis(posting.until(arrived)));
            // The same rest as ours has: what has just run is faster.
            hosted.quiet().await?;
        }
        if round == 0 {
            before = hosted.quiet().await?;
            continue;
        }
        rounds.ours.push(ours);
        rounds.floor.push(median(figures));
        post_alone.push(median(posts));
        rounds.n += ROUND;
    }
    let after = hosted.quiet().await?;
    let per_run = |now: u64, then: u64| count_of(now - then) / count(rounds.n);
    eprintln!(
        "  a run is {:.1} ledger writes in {:.1} commits, its end included; the POST alone takes {:.2} ms",
        per_run(after.writes, before.writes),
        per_run(after.commits, before.commits),
        median(post_alone)
    );
    sink.check()?;
    hosted.stop().await?;
    let (median, floor) = (median(rounds.ours), median(rounds.floor));
    Ok(Row { name: "write-back", n: rounds.n, median, unit: "ms", floor, goal: Goal::AtMost(3.0) })
}

const WIDTH: usize = 64;
const SPANS: usize = 7;
const SPAN: Duration = Duration::from_millis(1_500);

/// 64 at a time.
pub(crate) async fn throughput() -> Outcome<Row> {
    eprintln!("throughput: {SPANS} rounds of {} ms each, {WIDTH} at a time", SPAN.as_millis());
    let (sink, address) = Sink::start().await?;
    let mut hosted = start(address).await?;
    let mut webhooks = Connection::open_all(hosted.webhooks(), WIDTH).await?;
    let mut direct = Connection::open_all(address, WIDTH).await?;
    let mut rounds = Rounds::default();
    let mut before = hosted.quiet().await?;
    // The first round warms up; it also makes the fences.
    for round in 0..=SPANS {
        let (done, ours, floor);
        (webhooks, (done, ours)) = span(webhooks, &sink, None).await?;
        let now = hosted.quiet().await?;
        (direct, (_, floor)) = span(direct, &sink, Some(sink.last())).await?;
        if round > 0 {
            eprintln!(
                "  {ours:.0} runs a second; {:.1} ledger writes in a commit",
                count_of(now.writes - before.writes) / count_of(now.commits - before.commits)
            );
            rounds.ours.push(ours);
            rounds.floor.push(floor);
            rounds.n += done;
        }
        before = now;
    }
    sink.check()?;
    hosted.stop().await?;
    let (median, floor) = (median(rounds.ours), median(rounds.floor));
    Ok(Row { name: "throughput", n: rounds.n, median, unit: "1/s", floor, goal: Goal::AtLeast(0.1) })
}

fn count_of(of: u64) -> f64 {
    count(usize::try_from(of).unwrap_or(usize::MAX))
}

async fn start(sink: SocketAddr) -> Outcome<Hosted> {
    let bot = Bot { manifest: MANIFEST, component: crate::component("bench_bot.wasm")? };
    Hosted::start(&format!("http://{sink}/fhir"), Some(bot)).await
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

/// From the POST of a new Task's notification to the arrival of the transaction that completes it.
async fn run(webhook: &mut Connection, sink: &Sink) -> Outcome<Duration> {
    let id = tasks::new_id();
    let arrival = sink.expect(&id);
    let body = tasks::body(&id);
    let begun = Stopwatch::start();
    webhook.call(Method::PUT, &Hosted::path(&id), TOKEN, body).await?;
    let arrived =
        tokio::time::timeout(PATIENCE, arrival).await.map_err(|_| "a run did not write back: HOB_LOG=info says more")??;
    Ok(begun.until(arrived))
}

/// A plain POST of `transaction`; gives when it arrived.
async fn post(direct: &mut Connection, sink: &Sink, transaction: &Bytes) -> Outcome<Stopwatch> {
    let task = task_of(transaction)?;
    let arrival = sink.expect(&task);
    direct.call(Method::POST, "/fhir", "", transaction.clone()).await?;
    Ok(arrival.await?)
}

/// The id of the Task that a transaction writes.
fn task_of(transaction: &[u8]) -> Outcome<String> {
    let bundle: serde_json::Value = serde_json::from_slice(transaction)?;
    let url = bundle["entry"][0]["request"]["url"].as_str().and_then(|url| url.strip_prefix("Task/"));
    Ok(url.ok_or("a transaction does not begin with a Task")?.to_owned())
}

/// Runs, or plain POSTs of a transaction, over all connections at once; gives how many were done, and how many in a second.
async fn span(connections: Vec<Connection>, sink: &Arc<Sink>, plain: Option<Bytes>) -> Outcome<(Vec<Connection>, (usize, f64))> {
    let begun = Stopwatch::start();
    let mut clients = JoinSet::new();
    for mut connection in connections {
        let (sink, plain) = (Arc::clone(sink), plain.clone());
        clients.spawn(async move {
            let mut done = 0_usize;
            while begun.elapsed() < SPAN {
                match &plain {
                    None => drop(run(&mut connection, &sink).await?),
                    Some(transaction) => drop(connection.call(Method::POST, "/fhir", "", transaction.clone()).await?),
                }
                done += 1;
            }
            Outcome::Ok((connection, done))
        });
    }
    let (mut connections, mut all) = (Vec::new(), 0);
    while let Some(client) = clients.join_next().await {
        let (connection, done) = client??;
        connections.push(connection);
        all += done;
    }
    let rate = count(all) / begun.elapsed().as_secs_f64();
    Ok((connections, (all, rate)))
}
