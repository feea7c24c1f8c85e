//! How long a well-behaved bot takes alone, and beside a hostile one.
//!
//! Both share the engine and the runtime's two workers. Alone and beside alternate, a batch each, so that what else the machine does falls on
//! both; of the batches' 99th percentiles the medians are compared. A machine may still be busy for just so long, and where others use it two threads
//! of ours wait longer for a core than one, whatever they do. So where a comparison fails, the same is done with a well-behaved bot in the hostile
//! one's place, and beside the hostile one it may take twice as long as beside that one; and all of it is tried three times at most. A
//! hostile bot that truly harms its neighbour fails all three.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::server::Server;
use crate::stage::{self, TICK_MS, actor, answers};

/// Batches of each kind in one comparison.
const BATCHES: usize = 3;
/// Runs of the neighbour in one batch: 210 alone and 210 beside in a comparison.
const RUNS: usize = 70;
/// What the neighbour may be slower beside, times.
const TIMES: u32 = 2;
/// And what it may be slower in any case: a run that wakes on the worker of a guest that burns CPU waits for the end of that guest's tick, once
/// when it starts and once when it is woken; and on two cores the ticker, the compiler and the test itself take a slice of the system's
/// scheduler (4 ms) from one of the workers now and then.
const FLOOR: Duration = Duration::from_millis(2 * TICK_MS + 4);
/// Comparisons before it is believed.
const TRIES: usize = 3;

/// 99th percentiles.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beside {
    pub(crate) alone: Duration,
    pub(crate) beside: Duration,
}

impl std::fmt::Display for Beside {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let millis = |time: Duration| time.as_secs_f64() * 1_000.0;
        let (alone, beside) = (millis(self.alone), millis(self.beside));
        write!(out, "{alone:.1} alone, {beside:.1} x{:.1}", beside / alone)
    }
}

impl Beside {
    fn holds(&self) -> bool {
        self.beside <= self.alone * TIMES + FLOOR
    }
}

/// Compares, while `hostile` is done again and again.
///
/// # Errors
/// The neighbour does wrong, is too slow, or a repeat of `hostile` ends otherwise than the first.
pub(crate) async fn compare<F>(hostile: impl Fn() -> F) -> Result<Beside, String>
where
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    let mut found = None;
    for _ in 0..TRIES {
        let beside = once(&hostile).await?;
        if beside.holds() {
            return Ok(beside);
        }
        let good = once(&|| async { p99_of(3).await.map(drop) }).await?;
        if (Beside { alone: good.beside, ..beside }).holds() {
            return Ok(beside);
        }
        found = Some((beside, good.beside));
    }
    let (Beside { alone, beside }, good) = found.expect("there was a try");
    Err(format!("a neighbour's p99 is {beside:?} beside it, {good:?} beside a good bot and {alone:?} alone"))
}

async fn once<F>(hostile: &impl Fn() -> F) -> Result<Beside, String>
where
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..BATCHES {
        alone.push(p99().await?);
        let stop = Arc::new(AtomicBool::new(false));
        let neighbour = {
            let stop = Arc::clone(&stop);
            tokio::spawn(async move {
                let found = p99().await;
                stop.store(true, Ordering::SeqCst);
                found
            })
        };
        loop {
            // On a worker, as in a host, and not on the test's thread.
            tokio::spawn(hostile()).await.map_err(|why| why.to_string())??;
            if stop.load(Ordering::SeqCst) {
                break;
            }
        }
        beside.push(neighbour.await.map_err(|why| why.to_string())??);
    }
    alone.sort();
    beside.sort();
    Ok(Beside { alone: alone[BATCHES / 2], beside: beside[BATCHES / 2] })
}

async fn p99() -> Result<Duration, String> {
    p99_of(RUNS).await
}

async fn p99_of(runs: usize) -> Result<Duration, String> {
    let release = actor("scopes = [\"system/*.cruds\"]\n");
    let server = Arc::new(Server::with([json!({ "resourceType": "Task", "id": "1", "status": "ready" })]));
    let batch = async move {
        let mut took = Vec::with_capacity(runs);
        for _ in 0..runs {
            let began = Instant::now();
            let steps = json!([["read", "Task/1"], ["create", { "resourceType": "Task", "status": "draft" }], ["runs"]]);
            let output = stage::run(&release, &steps, &server).await;
            took.push(began.elapsed());
            right(&output).map_err(|why| format!("a neighbour did wrong: {why}"))?;
        }
        took.sort();
        Ok(took[(runs * 99 / 100).max(1) - 1])
    };
    tokio::spawn(batch).await.map_err(|why| why.to_string())?
}

/// Whether the neighbour did its work.
///
/// # Errors
/// What it did.
pub(crate) fn right(output: &hob_engine::RunOutput) -> Result<(), String> {
    let answers = answers(output)?;
    let right = answers[0]["ok"]["status"] == "ready" && answers[2] == 1 && output.effects.writes.len() == 1;
    if right { Ok(()) } else { Err(answers.to_string()) }
}

#[test]
fn who_holds_the_workers_is_noticed() {
    let _turn = stage::turn();
    let found = stage::runtime().block_on(once(&|| async {
        // As a host function would that does not give its worker back: on both of them, and for ten ticks.
        let hold = || tokio::spawn(async { std::thread::sleep(Duration::from_millis(10 * TICK_MS)) });
        let (one, other) = (hold(), hold());
        one.await.and(other.await).map_err(|why| why.to_string())
    }));
    let beside = found.unwrap();
    assert!(!beside.holds(), "{beside}");
}
