//! Encryption at rest: what stands in the files, whose it is, and what becomes of it when keys change.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::contract::{CHECKS, Given, notification};
use crate::{BackupNote, DeadFilter, DeadReason, MasterKeys, Upkeep as _, Verdict};
use hob_model::Timestamp;

fn another() -> MasterKey {
    MasterKey::parse(&"a5".repeat(32)).unwrap()
}

/// What stands in a file and in its side files.
fn on_disk(path: &Path) -> Vec<u8> {
    let parts = ["", "-wal", "-shm"].map(|suffix| std::fs::read(open::beside(path, suffix)).unwrap_or_default());
    parts.concat()
}

fn holds(bytes: &[u8], word: &str) -> bool {
    memchr::memmem::find(bytes, word.as_bytes()).is_some()
}

fn note() -> BackupNote {
    BackupNote { host_id: "0123456789abcdef".to_owned(), made: Timestamp::from_micros(1) }
}

/// Whatever the contract suite keeps, in the file, in its WAL and in a backup.
#[tokio::test]
async fn nothing_that_the_contract_suite_keeps_can_be_read_in_the_files() {
    // Of notifications, resources, effects, bundles, results, logs, failures, timers, requests, lanes and keys.
    let words = [
        "Task/",
        "resourceType",
        "bundle 1",
        "bundle 2",
        "told by the bot",
        "sms.example/send",
        "it said no",
        "line 1a",
        "at byte 7",
        "two\n/",
        "{\"n\":1}",
        "xxxxxxxx",
    ];
    let folder = tempfile::tempdir().unwrap();
    let mut rows = 0;
    for (name, check) in CHECKS {
        let path = folder.path().join(name.replace("::", "-"));
        let ledger = Arc::new(SqliteLedger::open(&path, master()).unwrap());
        check(Arc::clone(&ledger) as Arc<dyn Ledger>).await;
        let mut seen = on_disk(&path);
        let backup = folder.path().join("backup");
        if ledger.backup(&backup, note()).await.is_ok() {
            seen.extend(std::fs::read(&backup).unwrap());
            std::fs::remove_file(&backup).unwrap();
        }
        for word in words {
            assert!(!holds(&seen, word), "{word:?} stands in the files of {name}");
        }
        let db = Connection::open(&path).unwrap();
        rows += db.query_row("SELECT count(*) FROM runs", [], |row| row.get::<_, i64>(0)).unwrap();
    }
    assert!(rows > 20, "the suite went through the file: {rows} runs");
}

#[test]
fn every_column_of_bytes_is_sealed_or_known_to_be_no_patient_data() {
    let mut db = Connection::open_in_memory().unwrap();
    schema::migrate(&mut db, Path::new("x"), schema::MIGRATIONS).unwrap();
    let sql =
        "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table' AND c.type = 'BLOB'";
    let mut statement = db.prepare(sql).unwrap();
    let found: Vec<(String, String)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(std::result::Result::unwrap).collect();
    let clear = [("releases", "component"), ("data_keys", "wrapped")];
    for (table, column) in &found {
        let sealed = cell::SEALED.iter().any(|s| s.table == table && s.values.contains(&column.as_str()));
        assert!(sealed != clear.contains(&(table, column)), "{table}.{column}: say in cell::SEALED or here what it is");
    }
    let sealed: usize = cell::SEALED.iter().map(|table| table.values.len()).sum();
    assert_eq!(found.len(), sealed + clear.len());
}

#[tokio::test]
async fn a_value_cannot_be_moved_to_another_tenant_or_column() {
    let (_folder, path) = at_path("hob.db");
    let given = Given::a(Arc::new(SqliteLedger::open(&path, master()).unwrap())).await;
    let run = given.pending("1").await.key;
    drop(given.ledger.accept(vec![notification("t", 1), notification("u", 1)]).await.unwrap());
    drop(given);
    for (moved, tables) in [
        ("UPDATE notifications SET body = (SELECT body FROM notifications WHERE tenant = 't') WHERE tenant = 'u'", "u"),
        ("UPDATE notifications SET body = path WHERE tenant = 't'", "t"),
        ("UPDATE events SET payload = body", "event"),
    ] {
        let db = Connection::open(&path).unwrap();
        assert_eq!(db.execute(moved, []).unwrap(), 1);
        drop(db);
        let ledger = SqliteLedger::open(&path, master()).unwrap();
        let read = match tables {
            "event" => ledger.load(&run).await.map(drop),
            _ => ledger.unresolved(NotificationSeq::ZERO, 9).await.map(drop),
        };
        assert!(matches!(read, Err(LedgerError::Corrupt { .. })), "{moved}: {read:?}");
    }
}

#[tokio::test]
async fn keys_that_a_refused_call_made_are_not_used() {
    let (_folder, path) = at_path("hob.db");
    let ledger = SqliteLedger::open(&path, master()).unwrap();
    let epoch = ledger.claim().await.unwrap();
    let reason = DeadReason { code: "c".to_owned(), message: "m".to_owned() };
    // In one commit: refused, and with it the keys that it made; then one that needs keys and stays.
    let (tenant, none) = ("t".parse().unwrap(), NotificationSeq::new(77));
    let (refused, kept) =
        tokio::join!(ledger.bury(epoch, &tenant, none, reason), ledger.accept(vec![notification("t", 1), notification("t", 2)]));
    assert!(matches!(refused, Err(LedgerError::NotFound { .. })));
    assert_eq!(kept.unwrap().len(), 2);
    drop(ledger);
    let ledger = SqliteLedger::open(&path, master()).unwrap();
    assert_eq!(ledger.unresolved(NotificationSeq::ZERO, 9).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_wrong_master_key_is_refused_and_changes_nothing() {
    let (_folder, path) = at_path("hob.db");
    assert_eq!(SqliteLedger::master_key_id(&path).unwrap(), None);
    let ledger = SqliteLedger::open(&path, master()).unwrap();
    drop(ledger.accept(vec![notification("t", 1)]).await.unwrap());
    drop(ledger);
    let before = on_disk(&path);
    assert_eq!(SqliteLedger::master_key_id(&path).unwrap(), Some(master().id()));
    let error = SqliteLedger::open(&path, another()).unwrap_err();
    assert_eq!(error, LedgerError::WrongKey { path: path.clone(), needs: master().id(), given: another().id() });
    let text = error.to_string();
    assert!(text.contains("master-key") && !text.contains(&master().to_hex()) && !text.contains(&another().to_hex()));
    assert!(on_disk(&path).starts_with(&before), "nothing was written");
    assert_eq!(SqliteLedger::open(&path, master()).unwrap().unresolved(NotificationSeq::ZERO, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_new_master_key_wraps_anew_and_the_old_one_opens_nothing() {
    let (_folder, path) = at_path("hob.db");
    let ledger = SqliteLedger::open(&path, master()).unwrap();
    let epoch = ledger.claim().await.unwrap();
    drop(ledger.accept(vec![notification("t", 1)]).await.unwrap());
    let values = |path: &Path| {
        let db = Connection::open(path).unwrap();
        db.query_row("SELECT body FROM notifications", [], |row| row.get::<_, Vec<u8>>(0)).unwrap()
    };
    let before = values(&path);
    // While it runs.
    ledger.rotate_master(epoch, another()).await.unwrap();
    drop(ledger.accept(vec![notification("u", 2)]).await.unwrap());
    assert_eq!(ledger.keys().await.unwrap().master, another().id());
    drop(ledger);
    assert!(matches!(SqliteLedger::open(&path, master()), Err(LedgerError::WrongKey { .. })));
    // At a start.
    let ledger = SqliteLedger::open(&path, MasterKeys { current: master(), former: Some(another()) }).unwrap();
    assert_eq!(ledger.unresolved(NotificationSeq::ZERO, 9).await.unwrap().len(), 2);
    drop(ledger);
    let ledger = SqliteLedger::open(&path, MasterKeys { current: master(), former: Some(another()) }).unwrap();
    assert_eq!(ledger.unresolved(NotificationSeq::ZERO, 9).await.unwrap().len(), 2);
    assert!(values(&path) == before, "values stay as they are");
}

#[tokio::test]
async fn a_rotation_takes_old_values_along_also_over_a_restart() {
    let (_folder, path) = at_path("hob.db");
    let mut given = Given::a(Arc::new(SqliteLedger::open(&path, master()).unwrap())).await;
    let mut runs = Vec::new();
    for id in 0..30 {
        runs.push(given.pending(&id.to_string()).await.key);
        drop(given.ledger.accept(vec![notification("t", id), notification("u", id)]).await.unwrap());
    }
    let unknown = given.ledger.upkeep().unwrap().rotate_keys(given.epoch, Some(&"nobody".parse().unwrap()), at(1)).await;
    assert_eq!(unknown, Err(LedgerError::NotFound { what: "tenant with keys" }));
    given.ledger.upkeep().unwrap().rotate_keys(given.epoch, Some(&given.tenant), at(1)).await.unwrap();
    given.ledger.upkeep().unwrap().rotate_keys(given.epoch, None, at(2)).await.unwrap();
    drop(given.ledger.accept(vec![notification("t", 99)]).await.unwrap());
    let mut steps = 0;
    while given.ledger.upkeep().unwrap().reseal(given.epoch, 7).await.unwrap() {
        steps += 1;
        let report = given.ledger.upkeep().unwrap().keys().await.unwrap();
        assert!(report.resealed_percent.is_some());
        assert_eq!((report.tenants[0].generation, &report.tenants[0].older[..]), (3, &[2, 1][..]));
        given.ledger.load(&runs[steps % 30]).await.unwrap();
        if steps % 5 == 0 {
            drop(given);
            given = Given::a(Arc::new(SqliteLedger::open(&path, master()).unwrap())).await;
        }
    }
    assert!(steps > 10, "in small steps: {steps}");
    let report = given.ledger.upkeep().unwrap().keys().await.unwrap();
    assert_eq!(report.resealed_percent, None);
    let keys: Vec<_> =
        report.tenants.iter().map(|key| (key.tenant.as_str(), key.generation, key.older.len(), key.created)).collect();
    assert_eq!(keys, [("t", 3, 0, Some(at(2))), ("u", 2, 0, Some(at(2)))]);
    for run in &runs {
        given.ledger.show(run).await.unwrap();
    }
    assert_eq!(given.ledger.unresolved(NotificationSeq::ZERO, 99).await.unwrap().len(), 61);
    // A name is the same under all keys: a repeat is still known.
    assert!(given.resolved("1", 1, vec![given.a_run("1", Opening::Pending)]).await.heads.is_empty());
}

/// A ledger of schema 1, as it was written before there was encryption.
#[tokio::test]
async fn a_ledger_from_before_encryption_is_encrypted_whole() {
    let (_folder, path) = at_path("hob.db");
    let sealed = Given::a(Arc::new(SqliteLedger::open(&path, master()).unwrap())).await;
    let key = sealed.pending("1").await.key;
    let event = serde_json::to_string(&sealed.ledger.load(&key).await.unwrap().event).unwrap();
    drop(sealed);
    std::fs::remove_file(&path).unwrap();
    let mut db = Connection::open(&path).unwrap();
    schema::migrate(&mut db, &path, &schema::MIGRATIONS[..1]).unwrap();
    db.execute(
        "INSERT INTO events VALUES ('t', ?1, CAST(?2 AS BLOB), 'application/fhir+json', CAST('{\"x\":\"CANARY\"}' AS BLOB))",
        [change("t", "1", 1).key.event_id().to_string(), event],
    )
    .unwrap();
    db.execute(
        "INSERT INTO runs (tenant, run, bot, event, release, source, lane, resource, version, trigger, hop, received, state)
         SELECT 't', ?1, 'b', event, ?2, 's', 'CANARY', 'Task/1', '1', 'change', 0, 1, 'pending' FROM events",
        [key.run.to_string(), hob_model::Digest::of(b"x").to_string()],
    )
    .unwrap();
    db.execute("INSERT INTO marks VALUES ('t', 's', 'Task/1', '1', 1, 0, NULL)", []).unwrap();
    drop(db);
    for _twice in 0..2 {
        let ledger: Arc<dyn Ledger> = Arc::new(SqliteLedger::open(&path, master()).unwrap());
        let record = ledger.load(&key).await.unwrap();
        assert_eq!((record.head.lane.as_str(), &record.payload.bytes[..]), ("CANARY", &b"{\"x\":\"CANARY\"}"[..]));
        assert_eq!(ledger.mark(&change("t", "1", 1).key.resource).await.unwrap().unwrap().ordinal, 1);
        assert!(!holds(&on_disk(&path), "CANARY") && !holds(&on_disk(&path), "Task/1"));
    }
}

#[tokio::test]
async fn a_dead_letter_can_be_read_whole_and_listed_without_its_body() {
    let (_folder, path) = at_path("hob.db");
    let ledger = SqliteLedger::open(&path, master()).unwrap();
    let epoch = ledger.claim().await.unwrap();
    let mut large = notification("t", 1);
    large.body = vec![b'x'; 100_000].into();
    let seq = ledger.accept(vec![large]).await.unwrap()[0].seq();
    let reason = DeadReason { code: "c".to_owned(), message: "m".to_owned() };
    ledger.bury(epoch, &"t".parse().unwrap(), seq, reason.clone()).await.unwrap();
    let tenant = "t".parse().unwrap();
    let listed = ledger.dead_notifications(&tenant, &DeadFilter::default(), None, 9).await.unwrap().remove(0);
    let dead = ledger.dead_notification(&tenant, seq).await.unwrap().unwrap();
    assert_eq!((listed.notification.body.len(), dead.notification.body.len()), (0, 100_000));
    assert_eq!((dead.notification.verdict, listed.reason.clone()), (Verdict::Dead(reason), listed.reason));
}

fn at(n: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + n)
}
