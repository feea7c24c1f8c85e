//! Pruning against a simple truth, space, backups and a drill, a full file system.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hob_model::{Digest, OutboxItem, RunState, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::contract::{Given, change, notification};
use crate::{BackupNote, DeadFilter, Level, PruneCursor, PruneRules, Receipt, RestoreFrom, RunFilter, RunKey, Upkeep as _};

fn at(n: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + n)
}

fn note() -> BackupNote {
    BackupNote { host_id: "0123456789abcdef".to_owned(), made: at(1) }
}

fn request(key: &str) -> OutboxItem {
    OutboxItem {
        key: key.to_owned(),
        method: "POST".to_owned(),
        url: "https://sms.example/".to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
    }
}

async fn prune_all(ledger: &dyn Ledger, epoch: crate::Epoch, rules: PruneRules) -> usize {
    let (mut from, mut gone) = (PruneCursor::BEGIN, 0);
    while !from.is_end() {
        let pruned = ledger.prune(epoch, &rules, from, 3).await.unwrap();
        (from, gone) = (pruned.next, gone + pruned.runs);
    }
    gone
}

/// What a run is in the truth: when it was made and, where it ended, how and when.
#[derive(Debug, Clone, Copy)]
struct Truth {
    received: i64,
    ended: Option<(RunState, i64)>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Any interleaving of changes, ends, passes and restarts: what is open or young stays and runs, what is old goes, and no change that the
    /// mark has passed makes a run again.
    #[test]
    fn pruning_takes_what_is_over_and_nothing_else(steps in proptest::collection::vec((0_u8..6, 0_u64..6, 0_i64..40), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (_folder, path) = at_path("hob.db");
            let mut given = Given::a(Arc::new(SqliteLedger::open(&path, master()).unwrap())).await;
            let mut truth: BTreeMap<RunKey, Truth> = BTreeMap::new();
            let mut versions: BTreeMap<u64, u64> = BTreeMap::new();
            let mut now = 10;
            for (what, id, number) in steps {
                now += 1;
                let open: Vec<RunKey> = truth.iter().filter(|(_, t)| t.ended.is_none()).map(|(k, _)| k.clone()).collect();
                let one = open.get(usize::try_from(number).unwrap() % open.len().max(1)).cloned();
                match (what, one) {
                    (0 | 1, _) => {
                        let version = versions.entry(id).or_default();
                        *version += 1;
                        let change = change("t", &id.to_string(), *version);
                        let run = given.a_run(&id.to_string(), Opening::Pending);
                        let resolved = ResolvedChange { change, ordinal: Some(*version), received: at(now), hop: 0, runs: vec![run] };
                        let made = given.ledger.resolve(given.epoch, given.resolution(vec![resolved])).await.unwrap().heads;
                        assert_eq!(made.len(), 1);
                        truth.insert(made[0].key.clone(), Truth { received: now, ended: None });
                    }
                    (2, Some(run)) => {
                        given.ledger.supersede(given.epoch, &run, at(now)).await.unwrap();
                        truth.get_mut(&run).unwrap().ended = Some((RunState::Superseded, now));
                    }
                    (3, Some(run)) => {
                        let failure = hob_model::Failure { kind: hob_model::FailureKind::Fatal, code: "c".into(), message: "m".into(), retry_after: None };
                        let attempt = hob_model::Attempt { number: 1, started: at(now), ended: at(now), failure: Some(failure) };
                        let tried = crate::Tried { attempt, release: Digest::of(b"r"), journal: None };
                        given.ledger.fail(given.epoch, &run, tried, crate::Next::Dead).await.unwrap();
                        truth.get_mut(&run).unwrap().ended = Some((RunState::Dead, now));
                    }
                    (4, _) => {
                        let (ended, dead) = (now - number, now - 2 * number);
                        prune_all(&*given.ledger, given.epoch, PruneRules { ended: at(ended), dead: at(dead) }).await;
                        truth.retain(|_, t| t.ended.is_none_or(|(state, when)| when >= if state == RunState::Dead { dead } else { ended }));
                    }
                    _ => {
                        drop(given);
                        given = Given::a(Arc::new(SqliteLedger::open(&path, master()).unwrap())).await;
                    }
                }
                let rows = given.ledger.runs(&given.tenant, &RunFilter { limit: 1000, ..RunFilter::default() }).await.unwrap();
                let kept: BTreeSet<_> = rows.iter().map(|row| row.run).collect();
                assert_eq!(kept, truth.keys().map(|key| key.run).collect());
                for (key, t) in &truth {
                    let record = given.ledger.load(key).await.unwrap();
                    assert_eq!((record.head.state, record.event.received), (t.ended.map_or(RunState::Pending, |(s, _)| s), at(t.received)));
                }
                for (id, version) in &versions {
                    let mark = given.ledger.mark(&change("t", &id.to_string(), 1).key.resource).await.unwrap().unwrap();
                    assert_eq!(mark.version.number(), Some(*version), "the mark that dedupes stays");
                }
            }
            let findings = given.ledger.upkeep().unwrap().check(at(now), true).await.unwrap();
            assert!(findings.iter().all(|finding| finding.level == Level::Ok), "{findings:?}");
        });
    }
}

#[tokio::test]
async fn space_is_given_back_in_steps() {
    let (_folder, path) = at_path("hob.db");
    let given = Given::a(Arc::new(SqliteLedger::open(&path, master()).unwrap())).await;
    let ledger = &given.ledger;
    let mut large = notification("t", 1);
    large.verdict = crate::Verdict::Control;
    large.body = vec![b'x'; 100_000].into();
    drop(ledger.accept(vec![large; 40]).await.unwrap());
    let upkeep = ledger.upkeep().unwrap();
    let full = upkeep.space().await.unwrap();
    assert!(full.used > 4_000_000 && full.free < 100_000, "{full:?}");
    prune_all(&**ledger, given.epoch, PruneRules { ended: at(9), dead: at(9) }).await;
    let freed = upkeep.space().await.unwrap();
    assert!(freed.free > 3_900_000 && freed.used < full.used - 3_900_000, "{freed:?}");
    let step = upkeep.give_back(given.epoch, 100).await.unwrap();
    assert_eq!(step.free, freed.free - 100 * 4096);
    while upkeep.give_back(given.epoch, 100).await.unwrap().free > 0 {}
    ledger.close().await.unwrap();
    assert!(std::fs::metadata(&path).unwrap().len() < 500_000);
}

/// Fill, back up while writing, restore, check, go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_a_ledger_in_use_is_whole_and_goes_on() {
    let (folder, path) = at_path("hob.db");
    let given = Given::deployed(Arc::new(SqliteLedger::open(&path, master()).unwrap())).await;
    let (done, open) = (given.pending("1").await.key, given.pending("2").await.key);
    given.ledger.supersede(given.epoch, &done, at(5)).await.unwrap();
    // Of two requests one is on its way.
    let mut ended = given.done(1);
    ended.outbox = ["leaves", "waits"].map(request).to_vec();
    given.ledger.finish(given.epoch, &given.pending("3").await.key, ended).await.unwrap();
    assert_eq!(given.ledger.begin_outbox(given.epoch, at(1_000), 1, 9).await.unwrap()[0].key.key, "leaves");
    let (stop, writer) = (Arc::new(std::sync::atomic::AtomicBool::new(false)), Arc::clone(&given.ledger));
    let writes = {
        let stop = Arc::clone(&stop);
        tokio::spawn(async move {
            let mut seqs = BTreeSet::new();
            for n in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                seqs.extend(writer.accept(vec![notification("t", n)]).await.unwrap().iter().map(Receipt::seq));
            }
            seqs
        })
    };
    let file = folder.path().join("backup.hob");
    let before = given.ledger.accept(vec![notification("t", 1)]).await.unwrap().remove(0).seq();
    let manifest = given.ledger.upkeep().unwrap().backup(&file, note()).await.unwrap();
    let after = given.ledger.accept(vec![notification("t", 1)]).await.unwrap().remove(0).seq();
    stop.store(true, Ordering::Relaxed);
    let mut written = writes.await.unwrap();
    written.extend([before, after]);
    assert_eq!(
        (manifest.host_id.as_str(), manifest.epoch, manifest.master_key.as_str()),
        ("0123456789abcdef", given.epoch.get(), master().id().as_str())
    );
    assert_eq!(manifest.data_keys.iter().map(|key| key.tenant.as_str()).collect::<Vec<_>>(), ["t"]);
    let again = given.ledger.upkeep().unwrap().backup(&file, note()).await;
    assert!(matches!(again, Err(LedgerError::Storage { .. })), "a backup is never written over");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o077, 0);
    }
    assert!(!std::fs::read(&file).unwrap().windows(64).any(|w| w == master().to_hex().as_bytes()));

    // Not there, not under that key, not over another.
    let new = folder.path().join("restored").join("hob.db");
    let other = MasterKey::generate();
    assert!(matches!(restore(&file, &new, other, RestoreFrom::Backup), Err(LedgerError::WrongKey { .. })));
    assert!(!new.exists());
    assert!(matches!(restore(&file, &path, master(), RestoreFrom::Backup), Err(LedgerError::InUse { .. })));
    assert!(
        matches!(restore(&path, &new, master(), RestoreFrom::Backup), Err(LedgerError::Corrupt { .. })),
        "a ledger is no backup"
    );

    // As it was: what was open is open.
    let restored = restore(&file, &new, master(), RestoreFrom::Backup).unwrap();
    assert_eq!((restored.runs, restored.notifications, &restored.manifest), (0, 0, &manifest));
    assert!(restore(&file, &new, master(), RestoreFrom::Backup).is_err());
    let ledger = SqliteLedger::open(&new, master()).unwrap();
    let kept: BTreeSet<_> = ledger.unresolved(NotificationSeq::ZERO, 1_000_000).await.unwrap().iter().map(|n| n.seq).collect();
    assert!(kept.contains(&before) && kept.is_subset(&written));
    assert_eq!(ledger.load(&open).await.unwrap().head.state, RunState::Pending);
    assert_eq!(ledger.sending_outbox().await.unwrap().iter().map(|one| one.key.key.as_str()).collect::<Vec<_>>(), ["leaves"]);
    let findings = ledger.check(at(9), true).await.unwrap();
    assert!(findings.iter().all(|finding| finding.level == Level::Ok), "{findings:?}");
    assert!(ledger.claim().await.unwrap() > given.epoch);
    drop(ledger.accept(vec![notification("t", 7)]).await.unwrap());

    // From now on: nothing of it runs, all of it can be seen and retried.
    let second = folder.path().join("second").join("hob.db");
    let restored = restore(&file, &second, master(), RestoreFrom::Now(at(1_000))).unwrap();
    assert_eq!((restored.runs, restored.notifications, restored.requests), (1, kept.len(), 2));
    let ledger = SqliteLedger::open(&second, master()).unwrap();
    let epoch = ledger.claim().await.unwrap();
    assert!(ledger.unresolved(NotificationSeq::ZERO, 9).await.unwrap().is_empty());
    let row = ledger.show(&open).await.unwrap().row;
    assert_eq!((row.state, row.failure.unwrap().code.as_str()), (RunState::Dead, "restored"));
    let of = DeadFilter { code: Some("restored".to_owned()), ..DeadFilter::default() };
    assert_eq!(ledger.dead_runs(&given.tenant, &of, None, 9).await.unwrap().len(), 1);
    let requests = ledger.dead_requests(&given.tenant, &of, None, 9).await.unwrap();
    assert_eq!(requests.iter().map(|one| one.key.key.as_str()).collect::<Vec<_>>(), ["waits", "leaves"]);
    assert!(ledger.sending_outbox().await.unwrap().is_empty() && ledger.next_outbox(9).await.unwrap().is_none());
    assert_eq!(
        ledger.dead_notifications(&given.tenant, &DeadFilter::default(), None, 1).await.unwrap()[0].reason.code,
        "restored"
    );
    assert_eq!(ledger.deployments(None).await.unwrap()[0].deployed, at(1_000));
    assert_eq!(ledger.retry(epoch, &open).await.unwrap().state, RunState::Pending);
}

#[tokio::test]
async fn a_check_finds_what_should_not_be() {
    let (_folder, path) = at_path("hob.db");
    let given = Given::a(Arc::new(SqliteLedger::open(&path, master()).unwrap())).await;
    given.pending("1").await;
    drop(given.ledger.accept(vec![notification("t", 1)]).await.unwrap());
    let worst = async |ledger: &dyn Ledger, now| {
        let findings = ledger.upkeep().unwrap().check(now, false).await.unwrap();
        findings.into_iter().filter(|finding| finding.level != Level::Ok).map(|finding| finding.check).collect::<Vec<_>>()
    };
    assert!(worst(&*given.ledger, at(1)).await.is_empty());
    assert_eq!(worst(&*given.ledger, at(3_600_000_000)).await, ["notifications-unresolved"]);
    drop(given);
    let db = Connection::open(&path).unwrap();
    db.execute_batch(
        "PRAGMA foreign_keys = OFF; UPDATE runs SET state = 'recorded'; DELETE FROM events;
         INSERT INTO fences VALUES ('t', 's', 0, 'Basic/0', '1', 'run_nobody');
         UPDATE notifications SET body = X'00';",
    )
    .unwrap();
    drop(db);
    let ledger = SqliteLedger::open(&path, master()).unwrap();
    let expected = ["ledger-references", "keys", "runs-without-event", "recorded-without-effects", "fences-held-by-ended-runs"];
    assert_eq!(worst(&ledger, at(1)).await, expected);
}

/// The child of the test below: fills its disk, says so, and goes on when there is room.
#[test]
fn child_fills_its_disk() {
    let Ok(path) = std::env::var("HOB_LEDGER_FULL") else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let ledger = SqliteLedger::open(path, master()).unwrap();
        let mut large = notification("t", 1);
        large.body = vec![b'x'; 20_000].into();
        let mut kept = Vec::new();
        let error = loop {
            match ledger.accept(vec![large.clone()]).await {
                Ok(receipts) => kept.extend(receipts.iter().map(Receipt::seq)),
                Err(error) => break error,
            }
            assert!(kept.len() < 1_000, "the limit does not hold");
        };
        assert_eq!(error, LedgerError::Full);
        assert_eq!(
            ledger.accept(vec![large.clone()]).await.map(drop),
            Err(LedgerError::Full),
            "it stays full and does not break"
        );
        let found = ledger.unresolved(NotificationSeq::ZERO, 9_999).await.unwrap();
        assert_eq!(found.iter().map(|n| n.seq).collect::<Vec<_>>(), kept, "all that was answered, and no half of what was not");
        println!("\nfull");
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
        drop(ledger.accept(vec![large]).await.unwrap());
        assert_eq!(ledger.unresolved(NotificationSeq::ZERO, 9_999).await.unwrap().len(), kept.len() + 1);
        println!("\nresumed");
    });
}

/// A file system that takes no more, made without being root: the kernel refuses writes over a file's size limit, until the limit is
/// lifted.
#[cfg(target_os = "linux")]
#[test]
fn a_file_system_that_takes_no_more_is_said_and_got_over() {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::process::{Command, Stdio};
    let (_folder, path) = at_path("hob.db");
    let mut child = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -S -f 4096; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["sqlite::tests::keeping::child_fills_its_disk", "--exact", "--nocapture"])
        .env("HOB_LEDGER_FULL", &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(std::result::Result::ok);
    assert!(lines.any(|line| line == "full"), "the child did not come to the end of its disk");
    let lifted = Command::new("prlimit").args(["--pid", &child.id().to_string(), "--fsize=unlimited"]).status().unwrap();
    assert!(lifted.success());
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert!(lines.any(|line| line == "resumed"));
    assert!(child.wait().unwrap().success());
}
