//! The schema: an append-only list of migrations, `user_version` says how many were run, each in a transaction of its own.
//!
//! A migration that was released is never edited. A database from a newer Hob is left alone.

use std::path::Path;

use rusqlite::Connection;

use super::fault::Res;
use crate::LedgerError;

/// In order; the first makes the schema of an empty file.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
    include_str!("schema/5.sql"),
    include_str!("schema/6.sql"),
    include_str!("schema/7.sql"),
];

/// Brings `db` to the newest schema; does nothing where it is there.
pub(super) fn migrate(db: &mut Connection, path: &Path, migrations: &[&str]) -> Res<()> {
    let found: u32 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = u32::try_from(migrations.len()).unwrap_or(u32::MAX);
    if found > known {
        return Err(LedgerError::NewerSchema { path: path.to_owned(), found, known }.into());
    }
    for (version, sql) in (1_u32..).zip(migrations).filter(|(version, _)| *version > found) {
        let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        tx.execute_batch(sql)?;
        tx.pragma_update(None, "user_version", version)?;
        tx.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> u32 {
        u32::try_from(MIGRATIONS.len()).unwrap()
    }

    fn shape(db: &Connection) -> Vec<(String, String, Option<String>)> {
        let mut found = db.prepare("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name").unwrap();
        let rows = found.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        rows.map(Result::unwrap).collect()
    }

    fn version(db: &Connection) -> u32 {
        db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_schema_that_grew_step_by_step_is_the_same_as_a_fresh_one_and_a_second_run_does_nothing() {
        let later = "ALTER TABLE sources ADD COLUMN note TEXT; CREATE INDEX x ON sources (tenant, note);";
        let all: Vec<&str> = MIGRATIONS.iter().copied().chain([later]).collect();
        let mut fresh = Connection::open_in_memory().unwrap();
        migrate(&mut fresh, Path::new("x"), &all).unwrap();
        let mut grown = Connection::open_in_memory().unwrap();
        for upto in 1..=all.len() {
            for _twice in 0..2 {
                migrate(&mut grown, Path::new("x"), &all[..upto]).unwrap();
                assert_eq!(version(&grown), u32::try_from(upto).unwrap());
            }
        }
        assert_eq!(shape(&fresh), shape(&grown));
    }

    #[test]
    fn a_migration_that_fails_leaves_the_schema_before_it() {
        let broken: Vec<&str> = MIGRATIONS.iter().copied().chain(["CREATE TABLE half (x) STRICT;", "no sql"]).collect();
        let mut db = Connection::open_in_memory().unwrap();
        migrate(&mut db, Path::new("x"), MIGRATIONS).unwrap();
        let before = shape(&db);
        assert!(migrate(&mut db, Path::new("x"), &broken).is_err());
        assert_eq!((version(&db), shape(&db)), (known(), before));
    }

    #[test]
    fn what_an_earlier_hob_kept_is_found_by_reason_and_sent() {
        let mut db = Connection::open_in_memory().unwrap();
        migrate(&mut db, Path::new("x"), &MIGRATIONS[..1]).unwrap();
        db.execute_batch(
            r#"INSERT INTO events VALUES ('t', 'e', x'', '', x''), ('t', 'f', x'', '', x'');
             INSERT INTO runs (tenant, run, bot, event, release, lane, trigger, hop, received, state, failure)
               VALUES ('t', 'a', 'b', 'e', '', '', '', 0, 0, 'dead', CAST('{"code":"scope"}' AS BLOB)),
                      ('t', 'c', 'b', 'f', '', '', '', 0, 0, 'dead', CAST('{"code":"Jane Doe"}' AS BLOB));
             INSERT INTO notifications (tenant, source, received, method, path, headers, body, size, state)
               VALUES ('t', 's', 0, '', x'', x'', x'0102', 2, 'dead'), ('t', 's', 0, '', x'', x'', x'0102', 9, 'dead');
             INSERT INTO outbox (tenant, run, key, bot, lane, hop, item, idempotency, state, attempts, due, staged)
               VALUES ('t', 'a', 'later', 'b', '', 0, x'', 'i', 'waiting', 3, 7, 2), ('t', 'a', 'first', 'b', '', 0, x'', 'j', 'done', 1, 7, 1);"#,
        )
        .unwrap();
        migrate(&mut db, Path::new("x"), MIGRATIONS).unwrap();
        let column = |sql: &str| -> Vec<String> {
            let mut found = db.prepare(sql).unwrap();
            let rows = found.query_map([], |row| row.get(0)).unwrap();
            rows.map(Result::unwrap).collect()
        };
        assert_eq!(column("SELECT code FROM runs ORDER BY seq"), ["scope", "other"]);
        assert_eq!(column("SELECT CAST(cut AS TEXT) FROM notifications ORDER BY seq"), ["0", "1"]);
        assert_eq!(
            column("SELECT key || ' ' || state || ' ' || attempts FROM outbox ORDER BY seq"),
            ["first done 1", "later waiting 3"]
        );
    }

    #[test]
    fn a_newer_schema_is_refused_and_left_alone() {
        let mut db = Connection::open_in_memory().unwrap();
        db.pragma_update(None, "user_version", known() + 1).unwrap();
        let error = migrate(&mut db, Path::new("/data/hob.db"), MIGRATIONS).unwrap_err().told("open");
        assert!(matches!(error, LedgerError::NewerSchema { found, known: k, .. } if found == known() + 1 && k == known()));
        assert!(shape(&db).is_empty());
    }

    #[test]
    fn every_key_and_index_begins_with_the_tenant() {
        let mut db = Connection::open_in_memory().unwrap();
        migrate(&mut db, Path::new("x"), MIGRATIONS).unwrap();
        let mut indexes = db
            .prepare(
                "SELECT t.name, i.name, c.name FROM sqlite_schema t, pragma_index_list(t.name) i, pragma_index_info(i.name) c
                 WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND c.seqno = 0",
            )
            .unwrap();
        let rows = indexes.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        let rows: Vec<(String, String, String)> = rows.map(Result::unwrap).collect();
        assert!(rows.len() > 20, "{rows:?}");
        for (table, index, column) in rows {
            assert_eq!(column, "tenant", "{table} {index}");
        }
    }
}
