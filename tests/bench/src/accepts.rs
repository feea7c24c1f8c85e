//! `durable-accepts`: notifications that are on disk and answered, in a second, over one connection and over 64.
//!
//! Ours is the whole host: routing, authentication, parsing, the ledger's commit, the answer; and, beside it, resolve, which works off what came in. The
//! floor is the same HTTP stack before a raw file with the same group commit. The difference is what it costs to know what was accepted,
//! and to be able to find it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::any;
use hyper::Method;
use tokio::task::JoinSet;

use crate::client::Connection;
use crate::ground::{self, TOKEN};
use crate::hosted::Hosted;
use crate::raw_log::RawLog;
use crate::report::{Goal, Outcome, Row};
use crate::stopwatch::{Rounds, Stopwatch, median};
use crate::{stack, tasks};

const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(1_000);
const WARM_UP: Duration = Duration::from_millis(300);

/// Measures both numbers of connections.
pub(crate) async fn bench() -> Outcome<Vec<Row>> {
    // No bot is in service, so the base is never asked.
    let mut hosted = Hosted::start("http://127.0.0.1:9/fhir", None).await?;
    let folder = crate::scratch()?;
    let raw = RawLog::create(&folder.path().join("raw"))?;
    let floor = stack::serve(Router::new().route("/{*rest}", any(append)).with_state(Arc::new(raw))).await?;
    let mut rows = Vec::new();
    for (name, connections) in [("durable-accepts-1", 1), ("durable-accepts-64", 64)] {
        eprintln!("{name}: {ROUNDS} rounds of {} ms each", ROUND.as_millis());
        let mut ours = Connection::open_all(hosted.webhooks(), connections).await?;
        let mut theirs = Connection::open_all(floor, connections).await?;
        let mut rounds = Rounds::default();
        (ours, _) = round(ours, WARM_UP).await?;
        (theirs, _) = round(theirs, WARM_UP).await?;
        for _ in 0..ROUNDS {
            let (done, rate);
            (ours, (done, rate)) = round(ours, ROUND).await?;
            rounds.n += done;
            rounds.ours.push(rate);
            // What is left of resolve must not disturb the floor.
            let resting = Stopwatch::start();
            hosted.quiet().await?;
            eprintln!("  {rate:.0}/s; resolve was done {:.0} ms later", resting.elapsed().as_secs_f64() * 1e3);
            let rate;
            (theirs, (_, rate)) = round(theirs, ROUND).await?;
            rounds.floor.push(rate);
        }
        let (median, floor) = (median(rounds.ours), median(rounds.floor));
        rows.push(Row { name, n: rounds.n, median, unit: "1/s", floor: Some(floor), goal: Goal::AtLeast(0.8) });
    }
    hosted.stop().await?;
    Ok(rows)
}

async fn append(State(raw): State<Arc<RawLog>>, body: Bytes) -> StatusCode {
    if raw.append(body).await.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// Posts over all connections at once for as long as `span`; gives how many were accepted, and how many in a second.
async fn round(connections: Vec<Connection>, span: Duration) -> Outcome<(Vec<Connection>, (usize, f64))> {
    let begun = Stopwatch::start();
    let mut clients = JoinSet::new();
    for mut connection in connections {
        clients.spawn(async move {
            let mut done = 0_usize;
            while begun.elapsed() < span {
                let id = tasks::new_id();
                connection.call(Method::PUT, &ground::path(&id), TOKEN, tasks::body(&id)).await?;
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

/// A count as a figure.
pub(crate) fn count(of: usize) -> f64 {
    f64::from(u32::try_from(of).unwrap_or(u32::MAX))
}
