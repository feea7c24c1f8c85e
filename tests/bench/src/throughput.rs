//! `throughput` and `cpu-per-change`: changes in a second from POST to write-back, 64 at a time, each for a Task of its own.
//!
//! Ours is a host in a process of its own, with the smallest bot, before a null FHIR server. The floor is the least that the promises allow: a service
//! on the same HTTP stack that takes the same notification, appends it to a raw file, appends what would be recorded, each with group commit,
//! and POSTs a transaction of the same bytes over connections that it keeps. Goal: half of that.
//!
//! `cpu-per-change` is the CPU time of the host's process for each change, kernel included, less the guest's own: what a run of the same bot on the same
//! event takes, instance, guest and host functions, as the engine meters it. Goal: 300 us.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::any;
use hob_engine::{Engine, EngineConfig};
use hob_model::Manifest;
use hyper::Method;
use tokio::task::JoinSet;

use crate::accepts::count;
use crate::child::HostProcess;
use crate::client::Connection;
use crate::ground::{self, Bot, Ground, TOKEN};
use crate::raw_log::RawLog;
use crate::report::{Goal, Outcome, Row};
use crate::sink::Sink;
use crate::stopwatch::{Rounds, Stopwatch, median};
use crate::whole_run::{Server, outside};
use crate::write_back::run;
use crate::{stack, tasks};

const WIDTH: usize = 64;
const SPANS: usize = 7;
const SPAN: Duration = Duration::from_millis(2_000);

/// Measures both.
pub(crate) async fn bench() -> Outcome<Vec<Row>> {
    eprintln!("throughput: {SPANS} rounds of {} ms each, {WIDTH} at a time", SPAN.as_millis());
    let guest = guest().await?;
    let (sink, address) = Sink::start().await?;
    let ground = Ground::prepare(&format!("http://{address}/fhir"), Some(Bot::smallest()?)).await?;
    let mut host = HostProcess::start(&ground).await?;
    let mut webhooks = Connection::open_all(host.webhooks(), WIDTH).await?;
    let folder = crate::scratch()?;
    let (floor, floor_at) = Floor::start(&folder.path().join("raw"), &sink).await?;
    let (mut rounds, mut cpus) = (Rounds::default(), Vec::new());
    let mut before = host.admin.quiet().await?;
    // The first round warms up; it also makes the fences.
    for round in 0..=SPANS {
        let (done, ours);
        let cpu = host.cpu()?;
        (webhooks, (done, ours)) = span(webhooks, Some(&sink)).await?;
        let cpu = (host.cpu()? - cpu).as_secs_f64() * 1e6 / count(done);
        let now = host.admin.quiet().await?;
        // New ones: a server lets go of connections that rest for long.
        floor.connect(address).await?;
        let direct = Connection::open_all(floor_at, WIDTH).await?;
        let (_, (_, least)) = span(direct, None).await?;
        if round > 0 {
            let writes = |of: u64| count(usize::try_from(of).unwrap_or(usize::MAX));
            eprintln!(
                "  {ours:.0} changes a second, the floor {least:.0}; {:.1} ledger writes in a commit; {cpu:.0} us of CPU a change, {guest:.0} of them the guest's",
                writes(now.writes - before.writes) / writes(now.commits - before.commits)
            );
            rounds.ours.push(ours);
            rounds.floor.push(least);
            rounds.n += done;
            cpus.push(cpu - guest);
        }
        before = now;
    }
    sink.check()?;
    host.stop().await?;
    let (rate, floor) = (median(rounds.ours), median(rounds.floor));
    Ok(vec![
        Row { name: "throughput", n: rounds.n, median: rate, unit: "1/s", floor: Some(floor), goal: Goal::AtLeast(0.5) },
        Row { name: "cpu-per-change", n: rounds.n, median: median(cpus), unit: "us", floor: None, goal: Goal::AtMost(300.0) },
    ])
}

/// What a run of the bot takes in the engine, in microseconds of CPU.
async fn guest() -> Outcome<f64> {
    let Bot { manifest, component } = Bot::smallest()?;
    let manifest = Manifest::parse(manifest, "bot.toml")?;
    let release = Engine::new(EngineConfig::default())?.prepare(&component, &manifest)?;
    let (mut figures, nothing) = (Vec::new(), Arc::new(Server::NOTHING));
    for _ in 0..1_000 {
        let id = tasks::new_id();
        let input = tasks::run_input(&id)?;
        let output = release.run(input, outside(nothing.clone())).await;
        if output.effects.writes.len() != 1 {
            return Err("the bot did not write".into());
        }
        figures.push(output.cpu.as_secs_f64() * 1e6);
    }
    Ok(median(figures))
}

/// The service of the floor.
struct Floor {
    raw: RawLog,
    sink: Arc<Sink>,
    idle: Mutex<Vec<Connection>>,
}

impl Floor {
    async fn start(path: &std::path::Path, sink: &Arc<Sink>) -> Outcome<(Arc<Self>, SocketAddr)> {
        let floor = Arc::new(Self { raw: RawLog::create(path)?, sink: Arc::clone(sink), idle: Mutex::default() });
        let router = Router::new().route("/{*rest}", any(through)).with_state(Arc::clone(&floor));
        Ok((floor, stack::serve(router).await?))
    }

    async fn connect(&self, sink: SocketAddr) -> Outcome<()> {
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = Connection::open_all(sink, WIDTH).await?;
        Ok(())
    }

    async fn pass(&self, body: Bytes) -> Outcome<()> {
        self.raw.append(body).await?;
        let transaction = self.sink.last();
        self.raw.append(transaction.clone()).await?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = idle.ok_or("more requests than connections")?;
        connection.call(Method::POST, "/fhir", "", transaction).await?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Ok(())
    }
}

async fn through(State(floor): State<Arc<Floor>>, body: Bytes) -> StatusCode {
    if floor.pass(body).await.is_ok() { StatusCode::OK } else { StatusCode::BAD_GATEWAY }
}

/// Changes over all connections at once: until their write-back, or, without a sink, until the answer. Gives how many, and how many in a second.
async fn span(connections: Vec<Connection>, sink: Option<&Arc<Sink>>) -> Outcome<(Vec<Connection>, (usize, f64))> {
    let begun = Stopwatch::start();
    let mut clients = JoinSet::new();
    for mut connection in connections {
        let sink = sink.map(Arc::clone);
        clients.spawn(async move {
            let mut done = 0_usize;
            while begun.elapsed() < SPAN {
                if let Some(sink) = &sink {
                    run(&mut connection, sink).await?;
                } else {
                    let id = tasks::new_id();
                    connection.call(Method::PUT, &ground::path(&id), TOKEN, tasks::body(&id)).await?;
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
