//! Looking for what should not be: SQLite's own checks, and Hob's invariants.

use hob_model::{TenantId, Timestamp};
use rusqlite::params;

use super::cell::{Db, SEALED};
use super::column::{At, count, first, limit, maybe_at, rows, text};
use super::fault::Res;
use crate::{Finding, Level};

/// Rows of each tenant and table that are opened with their keys: the newest.
const SAMPLE: usize = 20;
/// After this much waiting somebody should look, in microseconds.
const PATIENCE: i64 = 10 * 60 * 1_000_000;

const RESTORE: &str = "stop the host, keep a copy of the file, and restore a backup with `hob restore`";

pub(super) fn check(db: &Db<'_>, now: Timestamp, thorough: bool) -> Res<Vec<Finding>> {
    let mut found = vec![integrity(db, thorough)?, references(db)?, keys(db)?];
    for (check, sql, help) in INVARIANTS {
        let broken = first(db, sql, [], |row| Ok(count(row, "n")?))?.unwrap_or_default();
        found.push(judged(check, broken, Level::Fail, &format!("{broken} rows"), help));
    }
    for (check, sql, help) in WAITING {
        let before = Timestamp::from_micros(now.micros().saturating_sub(PATIENCE));
        let late = first(db, sql, params![At(before)], |row| Ok((count(row, "n")?, maybe_at(row, "oldest")?)))?;
        let (waiting, oldest) = late.unwrap_or_default();
        let detail =
            oldest.map_or_else(String::new, |oldest| format!("{waiting} since more than 10 minutes, the oldest since {oldest}"));
        found.push(judged(check, waiting, Level::Warn, &detail, help));
    }
    Ok(found)
}

fn judged(check: &str, count: u64, level: Level, detail: &str, help: &str) -> Finding {
    if count == 0 { Finding::new(check, Level::Ok, "none", help) } else { Finding::new(check, level, detail, help) }
}

/// Name, a query for how many rows break it, and what to do.
const INVARIANTS: [(&str, &str, &str); 4] = [
    (
        "runs-without-event",
        "SELECT count(*) AS n FROM runs r WHERE state IN ('pending', 'recorded')
           AND NOT EXISTS (SELECT 1 FROM events e WHERE e.tenant = r.tenant AND e.event = r.event)",
        RESTORE,
    ),
    (
        "recorded-without-effects",
        "SELECT count(*) AS n FROM runs r WHERE state = 'recorded'
           AND NOT EXISTS (SELECT 1 FROM recorded c WHERE c.tenant = r.tenant AND c.run = r.run AND c.live)",
        RESTORE,
    ),
    (
        "fences-held-by-ended-runs",
        "SELECT count(*) AS n FROM fences f WHERE held_by IS NOT NULL AND NOT EXISTS (
           SELECT 1 FROM runs r WHERE r.tenant = f.tenant AND r.run = f.held_by AND r.state IN ('pending', 'recorded', 'dead'))",
        "report it: such a slot is never used again, which does no harm otherwise",
    ),
    (
        "requests-without-run",
        "SELECT count(*) AS n FROM outbox o WHERE state IN ('waiting', 'sending')
           AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.tenant = o.tenant AND r.run = o.run)",
        RESTORE,
    ),
];

/// The same for what waits: how many since before ?1, and the oldest.
const WAITING: [(&str, &str, &str); 3] = [
    (
        "notifications-unresolved",
        "SELECT count(*) AS n, min(received) AS oldest FROM notifications WHERE state = 'open' AND received < ?1",
        "see the host's log for why its source cannot be read, and `hob source list`",
    ),
    (
        "timers-overdue",
        "SELECT count(*) AS n, min(due) AS oldest FROM timers t WHERE due < ?1
           AND EXISTS (SELECT 1 FROM deployments d WHERE d.tenant = t.tenant AND d.bot = t.bot AND d.active)",
        "where the host runs: see its log; where it is stopped: they fire at its start",
    ),
    (
        "requests-overdue",
        "SELECT count(*) AS n, min(due) AS oldest FROM outbox WHERE state = 'waiting' AND due < ?1",
        "where the host runs: see its log for what the receiver answers; where it is stopped: they are sent at its start",
    ),
];

fn integrity(db: &Db<'_>, thorough: bool) -> Res<Finding> {
    let pragma = if thorough { "integrity_check" } else { "quick_check" };
    let words: Vec<String> = rows(db, &format!("PRAGMA {pragma}(20)"), [], |row| Ok(row.get(0)?))?;
    let whole = words.len() == 1 && words[0] == "ok";
    // SQLite's words name pages and indexes, never contents.
    let detail = if whole { format!("SQLite's {pragma}: ok") } else { words.join("; ") };
    Ok(Finding::new("ledger-integrity", if whole { Level::Ok } else { Level::Fail }, detail, RESTORE))
}

fn references(db: &Db<'_>) -> Res<Finding> {
    let broken = rows(db, "PRAGMA foreign_key_check", [], |row| Ok(row.get::<_, String>(0)?))?;
    Ok(judged(
        "ledger-references",
        broken.len() as u64,
        Level::Fail,
        &format!("{} rows refer to what is not there", broken.len()),
        RESTORE,
    ))
}

/// Opens every tenant's keys, and its newest values with them.
fn keys(db: &Db<'_>) -> Res<Finding> {
    let tenants: Vec<TenantId> = rows(db, "SELECT DISTINCT tenant FROM data_keys", [], |row| Ok(text(row, "tenant")?))?;
    let (mut opened, mut shut) = (0_u64, Vec::new());
    for tenant in &tenants {
        if db.vault().load(db, tenant.as_str()).is_err() {
            shut.push(format!("the keys of tenant {tenant}"));
            continue;
        }
        for table in SEALED {
            let cells = db.cells(tenant, table.table)?;
            for column in table.values {
                let sql = format!("SELECT {column} FROM {} WHERE tenant = ?1 AND {column} IS NOT NULL LIMIT ?2", table.table);
                for value in rows(db, &sql, params![tenant.as_str(), limit(SAMPLE)], |row| Ok(row.get::<_, Vec<u8>>(0)?))? {
                    match cells.open_bytes(&value, column) {
                        Ok(_) => opened += 1,
                        Err(_) => shut.push(format!("a value of {}.{column} of tenant {tenant}", table.table)),
                    }
                }
            }
        }
    }
    let help = "give the master key that the ledger is under; a value that is damaged is only in a backup";
    Ok(match shut.first() {
        None => Finding::new("keys", Level::Ok, format!("{} tenants, {opened} values read", tenants.len()), help),
        Some(first) => Finding::new("keys", Level::Fail, format!("{} cannot be read, such as {first}", shut.len()), help),
    })
}
