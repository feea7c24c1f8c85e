//! What is SQLite's own: the file, the lock, group commit, a full disk, a kill.

mod encryption;
mod keeping;
mod observe;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hob_model::RunId;
use proptest::prelude::*;

use super::*;
use crate::contract::{Given, change, hold, notification};
use crate::{Ledger, MasterKey, NewRun, NotificationSeq, Opening, Receipt, ResolvedChange, RunFilter};

fn master() -> MasterKey {
    MasterKey::parse(&"5a".repeat(32)).unwrap()
}

fn at_path(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new").join(name);
    (folder, path)
}

#[tokio::test]
async fn holds_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    hold(|name| {
        let path = folder.path().join(name.replace("::", "-"));
        async move { Arc::new(SqliteLedger::open(path, master()).unwrap()) as Arc<dyn Ledger> }
    })
    .await;
}

#[tokio::test]
async fn a_second_host_is_told_who_holds_the_file() {
    let (_folder, path) = at_path("hob.db");
    let first = SqliteLedger::open(&path, master()).unwrap();
    let error = SqliteLedger::open(&path, master()).unwrap_err();
    assert_eq!(error, LedgerError::InUse { path: path.clone(), by: Some(std::process::id()) });
    assert!(error.to_string().contains("hob.db") && error.to_string().contains(&std::process::id().to_string()));
    first.close().await.unwrap();
    assert!(!open::beside(&path, "-wal").exists(), "the file alone is whole");
    SqliteLedger::open(&path, master()).unwrap();
}

#[tokio::test]
async fn what_is_no_ledger_is_not_touched() {
    let (_folder, path) = at_path("hob.db");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let text = b"a text that is long enough to be taken for a database header, perhaps, but is none at all".repeat(20);
    std::fs::write(&path, &text).unwrap();
    assert!(matches!(SqliteLedger::open(&path, master()), Err(LedgerError::Corrupt { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), text);
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_folder, path) = at_path("hob.db");
    let ledger = SqliteLedger::open(&path, master()).unwrap();
    drop(ledger.accept(vec![notification("t", 1)]).await.unwrap());
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let mode = std::fs::metadata(open::beside(&path, suffix)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{suffix}");
    }
}

#[tokio::test]
async fn opens_where_it_was_left_and_never_gives_an_epoch_or_a_seq_twice() {
    let (_folder, path) = at_path("hob.db");
    let mut epochs = Vec::new();
    let mut seqs = Vec::new();
    for round in 1..=3 {
        let ledger: Arc<dyn Ledger> = Arc::new(SqliteLedger::open(&path, master()).unwrap());
        let given = Given::a(Arc::clone(&ledger)).await;
        epochs.push(given.epoch);
        let open = ledger.unresolved(NotificationSeq::ZERO, 99).await.unwrap();
        assert_eq!(open.len(), usize::from(round > 1));
        let mut resolution = given.resolution(Vec::new());
        resolution.notifications = open.iter().map(|n| n.seq).collect();
        ledger.resolve(given.epoch, resolution).await.unwrap();
        seqs.extend(ledger.accept(vec![notification("t", round)]).await.unwrap().iter().map(Receipt::seq));
        // Dropped, not closed.
    }
    assert!(epochs.windows(2).all(|w| w[0] < w[1]) && seqs.windows(2).all(|w| w[0] < w[1]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_that_wait_share_a_commit() {
    let (_folder, path) = at_path("hob.db");
    let ledger = Arc::new(SqliteLedger::open(&path, master()).unwrap());
    let calls = (0..300).map(|n| {
        let ledger = Arc::clone(&ledger);
        tokio::spawn(async move { ledger.accept(vec![notification("t", n)]).await.unwrap().remove(0).seq() })
    });
    let calls: Vec<_> = calls.collect();
    let mut seqs = BTreeSet::new();
    for call in calls {
        seqs.insert(call.await.unwrap());
    }
    let stats = ledger.stats().await.unwrap();
    assert_eq!((seqs.len(), stats.writes, stats.unresolved), (300, 300, 300));
    assert!(stats.commits <= 100, "{} commits for 300 writes", stats.commits);
}

#[tokio::test]
async fn one_call_that_is_refused_takes_nothing_with_it() {
    let (_folder, path) = at_path("hob.db");
    let ledger: Arc<dyn Ledger> = Arc::new(SqliteLedger::open(&path, master()).unwrap());
    let old = Given::a(Arc::clone(&ledger)).await;
    let given = Given::a(ledger).await;
    let change = |id| ResolvedChange {
        change: change("t", id, 1),
        ordinal: Some(1),
        received: hob_model::Timestamp::from_micros(0),
        hop: 0,
        runs: vec![given.a_run("l", Opening::Pending)],
    };
    // Polled together, they stand in the queue together.
    let (lost, kept) = tokio::join!(
        old.ledger.resolve(old.epoch, given.resolution(vec![change("1")])),
        given.ledger.resolve(given.epoch, given.resolution(vec![change("2")])),
    );
    assert!(matches!(lost, Err(LedgerError::LeaseLost { .. })));
    assert_eq!(kept.unwrap().heads.len(), 1);
    assert_eq!(given.ledger.runs(&given.tenant, &RunFilter::default()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_full_disk_is_said_and_got_over() {
    let (_folder, path) = at_path("hob.db");
    let ledger = SqliteLedger::open_with(&path, master().into(), |db| {
        let pages: i64 = db.pragma_query_value(None, "page_count", |row| row.get(0))?;
        db.pragma_update(None, "max_page_count", pages + 20)
    })
    .unwrap();
    let mut kept = Vec::new();
    let error = loop {
        let mut large = notification("t", 1);
        large.body = vec![b'x'; 10_000].into();
        match ledger.accept(vec![large.clone(), large]).await {
            Ok(receipts) => kept.extend(receipts.iter().map(Receipt::seq)),
            Err(error) => break error,
        }
        assert!(kept.len() < 100);
    };
    assert_eq!(error, LedgerError::Full);
    let found = ledger.unresolved(NotificationSeq::ZERO, 999).await.unwrap();
    assert_eq!(found.iter().map(|n| n.seq).collect::<Vec<_>>(), kept, "all that was answered, and no half of what was not");
    // Room again.
    ledger.write("test", None, false, |db| Ok(db.pragma_update(None, "max_page_count", 1_000_000)?)).await.unwrap();
    assert_eq!(ledger.accept(vec![notification("t", 2)]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn more_than_the_queue_holds_is_refused_and_not_kept_in_memory() {
    let (_folder, path) = at_path("hob.db");
    let ledger = SqliteLedger::open(&path, master()).unwrap();
    let all = ledger.reserve(QUEUED_BYTES - 10).unwrap();
    assert_eq!(ledger.accept(vec![notification("t", 1)]).await.map(drop), Err(LedgerError::Busy));
    drop(all);
    assert_eq!(ledger.accept(vec![notification("t", 1)]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn damage_is_said_without_what_stands_there() {
    let (_folder, path) = at_path("hob.db");
    let given = Given::a(Arc::new(SqliteLedger::open(&path, master()).unwrap())).await;
    let key = given.pending("1").await.key;
    drop(given);
    let damaged = |sql: &str| {
        let db = Connection::open(&path).unwrap();
        assert_eq!(db.execute(sql, []).unwrap(), 1, "{sql}");
    };
    for sql in [
        "UPDATE runs SET resource = 'Patient/Jane Doe'",
        "UPDATE runs SET resource = NULL, failures = -5",
        "UPDATE runs SET failures = 0, state = 'dead', failure = CAST('{\"kind\":\"Jane Doe\"}' AS BLOB)",
        "UPDATE runs SET failure = NULL, lane = 'Jane' || char(10)",
        "UPDATE events SET body = CAST('{\"Jane Doe\":1}' AS BLOB)",
    ] {
        damaged(sql);
        let ledger = SqliteLedger::open(&path, master()).unwrap();
        let error = ledger.show(&key).await.unwrap_err();
        assert!(matches!(error, LedgerError::Corrupt { .. }), "{sql}: {error:?}");
        assert!(!format!("{error} {error:?}").contains("Jane"), "{error:?}");
    }
}

/// The child of the test below: accepts and says so, until it is killed.
#[test]
fn child_accepts_until_it_is_killed() {
    let Ok(path) = std::env::var("HOB_LEDGER_KILL") else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    runtime.block_on(async {
        let ledger = Arc::new(SqliteLedger::open(path, master()).unwrap());
        for round in 0_u64.. {
            let calls: Vec<_> = (0..8)
                .map(|n| {
                    let ledger = Arc::clone(&ledger);
                    tokio::spawn(async move { ledger.accept(vec![notification("t", round * 8 + n)]).await })
                })
                .collect();
            for call in calls {
                println!("\nkept {}", call.await.unwrap().unwrap().remove(0).seq());
            }
        }
    });
}

#[tokio::test]
async fn what_was_answered_survives_a_kill() {
    use std::io::{BufRead as _, BufReader};
    let (_folder, path) = at_path("hob.db");
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["sqlite::tests::child_accepts_until_it_is_killed", "--exact", "--nocapture"])
        .env("HOB_LEDGER_KILL", &path)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let seq = |line: &str| line.strip_prefix("kept ").and_then(|n| n.trim().parse().ok()).map(NotificationSeq::new);
    let mut told: BTreeSet<NotificationSeq> = BTreeSet::new();
    while told.len() < 40 {
        told.extend(lines.next().unwrap().ok().as_deref().and_then(seq));
    }
    child.kill().unwrap();
    // What was told between the last line read and the kill counts too.
    told.extend(lines.map_while(std::result::Result::ok).filter_map(|line| seq(&line)));
    child.wait().unwrap();
    let ledger = SqliteLedger::open(&path, master()).unwrap();
    let kept: BTreeSet<_> = ledger.unresolved(NotificationSeq::ZERO, 1_000_000).await.unwrap().iter().map(|n| n.seq).collect();
    assert!(told.is_subset(&kept), "{} told, {} kept", told.len(), kept.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Any interleaving of duplicates, redeploys, sweeps, late versions and restarts gives one run for each bot and version.
    #[test]
    fn a_change_is_run_once_by_each_bot(steps in proptest::collection::vec((0_u8..3, 1_u64..5, 0_u8..4, any::<bool>(), 0_u8..8), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (_folder, path) = at_path("hob.db");
            let mut given = Given::a(Arc::new(SqliteLedger::open(&path, master()).unwrap())).await;
            let mut wanted: BTreeMap<RunId, usize> = BTreeMap::new();
            let mut made = 0;
            for (id, version, bots, late, restart) in steps {
                if restart == 0 {
                    drop(given);
                    given = Given::a(Arc::new(SqliteLedger::open(&path, master()).unwrap())).await;
                }
                let id = id.to_string();
                let runs: Vec<NewRun> = ["b", "c"].iter().zip([1, 2]).filter(|(_, bit)| bots & bit != 0).map(|(bot, _)| NewRun {
                    bot: bot.parse().unwrap(),
                    supersedes_earlier: version % 2 == 0,
                    ..given.a_run(&id, if late { Opening::Late } else { Opening::Pending })
                }).collect();
                let change = change("t", &id, version);
                for run in &runs {
                    *wanted.entry(RunId::new(&given.tenant, &run.bot, change.key.event_id())).or_default() += 1;
                }
                let resolved = ResolvedChange {
                    change,
                    ordinal: (!late).then_some(version),
                    received: hob_model::Timestamp::from_micros(1),
                    hop: 0,
                    runs,
                };
                made += given.ledger.resolve(given.epoch, given.resolution(vec![resolved])).await.unwrap().heads.len();
            }
            let rows = given.ledger.runs(&given.tenant, &RunFilter { limit: 1000, ..RunFilter::default() }).await.unwrap();
            let mut ids: Vec<RunId> = rows.iter().map(|row| row.run).collect();
            ids.sort();
            assert_eq!(ids, wanted.keys().copied().collect::<Vec<_>>());
            assert!(made <= ids.len());
        });
    }
}
