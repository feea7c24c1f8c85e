//! What keeping costs: sealing values, and pruning beside accepts. `cargo bench -p hob-ledger --bench keeping`.
//!
//! Prints figures; those of one table are of one run, in turns, so that the machine's moods meet both sides.

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark prints, and has stopwatches")]

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aes_siv::siv::Aes256Siv;
use bytes::Bytes;
use hob_ledger::sqlite::SqliteLedger;
use hob_ledger::{Ledger, MasterKey, NewEvent, NewNotification, NewRun, Opening, PruneCursor, PruneRules, Upkeep as _, Verdict};
use hob_model::{Cause, Digest, Event, EventId, Timestamp};
use xaes_256_gcm::Xaes256Gcm;
use xaes_256_gcm::aead::{Aead as _, KeyInit as _, Payload};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const RUNS: u32 = 100_000;
const STEP: usize = 50;
const BREATH: Duration = Duration::from_millis(5);

fn at(n: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + n)
}

fn notification(body: &Bytes) -> Outcome<NewNotification> {
    Ok(NewNotification {
        tenant: "t".parse()?,
        source: "s".parse()?,
        subscription: None,
        received: at(1),
        method: "PUT".to_owned(),
        path: "Task/1".to_owned(),
        headers: Vec::new(),
        format: None,
        body: body.clone(),
        size: body.len() as u64,
        verdict: Verdict::Control,
    })
}

fn event(n: u32) -> Outcome<NewEvent> {
    let event = Event {
        id: EventId::of_parts(&[b"bench", &n.to_be_bytes()]),
        tenant: "t".parse()?,
        source: Some("s".parse()?),
        cause: Cause::Invoke { requester: "bench".to_owned() },
        occurred: None,
        received: at(i64::from(n)),
        hop: 0,
    };
    let payload = hob_model::Payload { content_type: "application/fhir+json".to_owned(), bytes: Bytes::from(vec![b'x'; 2_000]) };
    let run = NewRun {
        bot: "b".parse()?,
        release: Digest::of(b"r"),
        lane: "lane".parse()?,
        opening: Opening::Late,
        supersedes_earlier: false,
    };
    Ok(NewEvent { event, payload, runs: vec![run] })
}

/// Accepts one after the other for `span`; gives what each took.
async fn accepts(ledger: &SqliteLedger, span: Duration) -> Outcome<Vec<Duration>> {
    let (body, begin, mut took) = (Bytes::from(vec![b'x'; 4_096]), Instant::now(), Vec::new());
    while begin.elapsed() < span {
        let one = Instant::now();
        drop(ledger.accept(vec![notification(&body)?]).await?);
        took.push(one.elapsed());
    }
    Ok(took)
}

fn told(what: &str, mut took: Vec<Duration>) {
    took.sort();
    let at = |share: usize| took.get((took.len() * share / 1_000).min(took.len().saturating_sub(1))).copied().unwrap_or_default();
    println!("{what:<28} n {:>6}  p50 {:>9.3?}  p99 {:>9.3?}  max {:>9.3?}", took.len(), at(500), at(990), at(1_000));
}

/// Accepts of many notifications in one commit: the writer's own work a notification, with the fsync shared by all.
async fn sealing(ledger: &SqliteLedger, size: usize) -> Outcome<()> {
    let body = Bytes::from(vec![b'x'; size]);
    let batch = (0..500).map(|_| notification(&body)).collect::<Outcome<Vec<_>>>()?;
    let mut took = Vec::new();
    for _ in 0..9 {
        let one = Instant::now();
        drop(ledger.accept(batch.clone()).await?);
        took.push(one.elapsed() / 500);
    }
    took.sort();
    println!("accept of {size:>6} bytes, 500 a commit: {:.1?} each (median of 9)", took[took.len() / 2]);
    Ok(())
}

/// The ciphers alone, as the ledger uses them: a value, and a name.
fn ciphers() -> Outcome<()> {
    let key = Xaes256Gcm::new(&[7; 32].into());
    for size in [500, 4_096, 65_536] {
        let (clear, mut took) = (vec![b'x'; size], Vec::new());
        for n in 0..2_000_u32 {
            let one = Instant::now();
            let mut nonce = [0; 24];
            nonce[..4].copy_from_slice(&n.to_be_bytes());
            let sealed = key
                .encrypt(&nonce.into(), Payload { msg: &clear[..], aad: b"t notifications body" })
                .map_err(|_| "not sealed")?;
            std::hint::black_box(sealed);
            took.push(one.elapsed());
        }
        told(&format!("XAES-256-GCM of {size} bytes"), took);
    }
    let mut took = Vec::new();
    for _ in 0..2_000 {
        let one = Instant::now();
        let sealed = Aes256Siv::new(&[7; 64].into()).encrypt([b"t name lane"], b"Patient/12345678").map_err(|_| "not sealed")?;
        std::hint::black_box(sealed);
        took.push(one.elapsed());
    }
    told("AES-256-SIV of a name", took);
    Ok(())
}

async fn run() -> Outcome<()> {
    ciphers()?;
    let folder = tempfile::tempdir()?;
    let ledger = Arc::new(SqliteLedger::open(folder.path().join("ledger.db"), MasterKey::generate())?);
    let epoch = ledger.claim().await?;
    for size in [500, 4_096, 65_536] {
        sealing(&ledger, size).await?;
    }
    let begin = Instant::now();
    let mut next = 0;
    while next < RUNS {
        let calls = (next..next + 500).map(|n| {
            let ledger = Arc::clone(&ledger);
            async move { Ok::<_, Box<dyn Error + Send + Sync>>(ledger.add_event(epoch, event(n)?).await?) }
        });
        for done in futures_of(calls.collect()).await {
            done?;
        }
        next += 500;
    }
    println!("{RUNS} runs made in {:.1?}; the ledger has {} MiB", begin.elapsed(), ledger.space().await?.used / 1024 / 1024);

    let quiet = accepts(&ledger, Duration::from_secs(15)).await?;
    let pruner = {
        let ledger = Arc::clone(&ledger);
        tokio::spawn(async move {
            let (mut from, mut gone, begin) = (PruneCursor::BEGIN, 0, Instant::now());
            let rules = PruneRules { ended: at(i64::MAX / 4), dead: at(0) };
            // Notifications stay, so that the accepts do not add to the work.
            from.notifications = None;
            while !from.is_end() {
                let pruned = ledger.prune(epoch, &rules, from, STEP).await?;
                (from, gone) = (pruned.next, gone + pruned.runs);
                tokio::time::sleep(BREATH).await;
            }
            let pruned = begin.elapsed();
            while ledger.space().await?.free > 16 * 1024 * 1024 {
                ledger.give_back(epoch, 256).await?;
                tokio::time::sleep(BREATH).await;
            }
            Ok::<_, hob_ledger::LedgerError>((gone, pruned, begin.elapsed()))
        })
    };
    let mut beside = Vec::new();
    while !pruner.is_finished() {
        beside.extend(accepts(&ledger, Duration::from_millis(200)).await?);
    }
    let (gone, pruned, all) = pruner.await??;
    println!("{gone} runs pruned in {pruned:.1?}, space given back by {all:.1?}");
    told("accepts alone, before", quiet);
    told("accepts beside the prune", beside);
    told("accepts alone, after", accepts(&ledger, Duration::from_secs(15)).await?);
    ledger.close().await?;
    Ok(())
}

/// Runs all at once on this task.
async fn futures_of<T>(all: Vec<impl Future<Output = T> + Send + 'static>) -> Vec<T>
where
    T: Send + 'static,
{
    let tasks: Vec<_> = all.into_iter().map(tokio::spawn).collect();
    let mut done = Vec::with_capacity(tasks.len());
    for task in tasks {
        if let Ok(value) = task.await {
            done.push(value);
        }
    }
    done
}

fn main() -> Outcome<()> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(run())
}
