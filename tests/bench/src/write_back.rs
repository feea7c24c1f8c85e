//! `write-back`: from one notification's POST to the transaction's arrival at a FHIR server, through the whole host, one at a time.
//!
//! The server is null: what it costs is its HTTP stack. The bot completes the Task that it is run on, so the transaction is one update and the
//! fence. The floor is what the promises cost at least: three times on disk, one after the other (the notification, the run that it makes, what
//! the run decided), then the POST. Goal: 3 times that; the host also parses, judges and makes an instance, and none of that should cost
//! more than the disk does.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;

use crate::accepts::count;
use crate::client::Connection;
use crate::ground::{self, Bot, TOKEN};
use crate::hosted::Hosted;
use crate::raw_log::RawLog;
use crate::report::{Goal, Outcome, Row};
use crate::sink::Sink;
use crate::stopwatch::{Rounds, Stopwatch, median};
use crate::tasks;

/// What the path cannot do without: accept, resolve, record.
const SYNCS: usize = 3;

const ROUNDS: usize = 16;
const ROUND: usize = 25;

/// A run that takes longer than this will not end.
const PATIENCE: Duration = Duration::from_secs(20);

/// Measures.
pub(crate) async fn bench() -> Outcome<Row> {
    eprintln!("write-back: {ROUNDS} rounds of {ROUND}");
    let (sink, address) = Sink::start().await?;
    let mut hosted = Hosted::start(&format!("http://{address}/fhir"), Some(Bot::smallest()?)).await?;
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
    let per_run = |now: u64, then: u64| count(usize::try_from(now - then).unwrap_or(usize::MAX)) / count(rounds.n);
    eprintln!(
        "  a run is {:.1} ledger writes in {:.1} commits, its end included; the POST alone takes {:.2} ms",
        per_run(after.writes, before.writes),
        per_run(after.commits, before.commits),
        median(post_alone)
    );
    sink.check()?;
    hosted.stop().await?;
    let (median, floor) = (median(rounds.ours), median(rounds.floor));
    Ok(Row { name: "write-back", n: rounds.n, median, unit: "ms", floor: Some(floor), goal: Goal::AtMost(3.0) })
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

/// From the POST of a new Task's notification to the arrival of the transaction that completes it.
pub(crate) async fn run(webhook: &mut Connection, sink: &Arc<Sink>) -> Outcome<Duration> {
    let id = tasks::new_id();
    let arrival = sink.expect(&id);
    let body = tasks::body(&id);
    let begun = Stopwatch::start();
    webhook.call(Method::PUT, &ground::path(&id), TOKEN, body).await?;
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
