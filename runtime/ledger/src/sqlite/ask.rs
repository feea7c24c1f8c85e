//! Requests in the midst of a run: each is a row before it is sent.

use bytes::Bytes;
use rusqlite::params;

use super::cell::{Db, Name};
use super::column::{change, first};
use super::fault::Res;
use super::run::{must_be_open, one};
use crate::{AskKey, Asked, LedgerError, RunKey};

const TABLE: &str = "asks";

/// What is asked may be guessed from its digest, where few things can be asked.
fn name(db: &Db<'_>, key: &AskKey) -> Res<String> {
    db.cells(&key.run.tenant, TABLE)?.name_in(Name::Ask, &key.ask.to_string())
}

pub(super) fn ask(db: &Db<'_>, key: &AskKey) -> Res<Asked> {
    must_be_open(&one(db, &key.run)?)?;
    let of = params![key.run.tenant.as_str(), key.run.run.to_string(), name(db, key)?];
    let cells = db.cells(&key.run.tenant, TABLE)?;
    let known = first(db, "SELECT answer FROM asks WHERE tenant = ?1 AND run = ?2 AND ask = ?3", of, |row| {
        cells.bytes_maybe(row, "answer")
    })?;
    match known {
        Some(Some(answer)) => Ok(Asked::Before(answer)),
        Some(None) => Ok(Asked::Unknown),
        None => {
            change(db, "INSERT INTO asks (tenant, run, ask) VALUES (?1, ?2, ?3)", of)?;
            Ok(Asked::Now)
        }
    }
}

pub(super) fn answered(db: &Db<'_>, key: &AskKey, answer: &Bytes) -> Res<()> {
    let sealed = db.cells(&key.run.tenant, TABLE)?.bytes_in("answer", answer)?;
    let found = change(
        db,
        "UPDATE asks SET answer = coalesce(answer, ?4) WHERE tenant = ?1 AND run = ?2 AND ask = ?3",
        params![key.run.tenant.as_str(), key.run.run.to_string(), name(db, key)?, sealed],
    )?;
    if found == 0 { Err(LedgerError::NotFound { what: "request" }.into()) } else { Ok(()) }
}

pub(super) fn unasked(db: &Db<'_>, key: &AskKey) -> Res<()> {
    change(
        db,
        "DELETE FROM asks WHERE tenant = ?1 AND run = ?2 AND ask = ?3 AND answer IS NULL",
        params![key.run.tenant.as_str(), key.run.run.to_string(), name(db, key)?],
    )?;
    Ok(())
}

/// An operator opens the run again and knows what it did not hear of.
pub(super) fn forget_unanswered(db: &Db<'_>, run: &RunKey) -> Res<()> {
    change(
        db,
        "DELETE FROM asks WHERE tenant = ?1 AND run = ?2 AND answer IS NULL",
        params![run.tenant.as_str(), run.run.to_string()],
    )?;
    Ok(())
}
