//! Writing what is sealed anew, a stretch of rows at a time: at the first start under a master key, and after a rotation.

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Row, params, params_from_iter};

use super::cell::{Cells, Db, Name, SEALED, SealedTable};
use super::column::{change, limit, rows};
use super::fault::{Fault, Res};

/// Rows that are read at once.
const STRETCH: usize = 500;

/// What a column becomes: `None` where it stays.
type New = Res<Option<Value>>;

/// A column of a sealed table.
#[derive(Clone, Copy)]
pub(super) enum Column {
    Value(&'static str),
    Name(Name),
}

fn columns(table: &SealedTable) -> Vec<(&'static str, Column)> {
    let values = table.values.iter().map(|column| (*column, Column::Value(column)));
    values.chain(table.names.iter().map(|(column, name)| (*column, Column::Name(*name)))).collect()
}

/// Whether the table has rowids: those without one have names only, in their key.
pub(super) const fn has_rowid(table: &SealedTable) -> bool {
    !table.values.is_empty()
}

/// Gives the rows after `after`, `most` at most, to `each`, column by column. Gives the last rowid that was looked at, and how many
/// rows were; fewer than `most` is the end of the table.
pub(super) fn stretch(
    db: &Db<'_>,
    table: &SealedTable,
    after: i64,
    most: usize,
    each: impl Fn(&Cells<'_>, Column, ValueRef<'_>) -> New,
) -> Res<(i64, usize)> {
    let columns = columns(table);
    let names: Vec<&str> = columns.iter().map(|(column, _)| *column).collect();
    let sql = format!(
        "SELECT rowid, tenant, {} FROM {} WHERE rowid > ?1 ORDER BY rowid LIMIT ?2",
        names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", "),
        table.table
    );
    let read = |row: &Row<'_>| {
        let rowid: i64 = row.get(0)?;
        let tenant: String = row.get(1)?;
        let cells = db.cells(&tenant, table.table)?;
        let mut changed = Vec::new();
        for (at, (column, kind)) in columns.iter().enumerate() {
            if let Some(new) = each(&cells, *kind, row.get_ref(at + 2)?)? {
                changed.push((*column, new));
            }
        }
        Ok((rowid, changed))
    };
    let found: Vec<(i64, Vec<(&str, Value)>)> = rows(db, &sql, params![after, limit(most)], read)?;
    let (last, looked) = (found.last().map_or(after, |(rowid, _)| *rowid), found.len());
    for (rowid, changed) in found.into_iter().filter(|(_, changed)| !changed.is_empty()) {
        let set: Vec<String> = (2..).zip(&changed).map(|(at, (column, _))| format!("\"{column}\" = ?{at}")).collect();
        let sql = format!("UPDATE {} SET {} WHERE rowid = ?1", table.table, set.join(", "));
        let values = [Value::Integer(rowid)].into_iter().chain(changed.into_iter().map(|(_, value)| value));
        db.prepare_cached(&sql)?.execute(params_from_iter(values))?;
    }
    Ok((last, looked))
}

/// Encrypts a ledger from before encryption. Says whether there was anything in it.
pub(super) fn seal_all(db: &Db<'_>) -> Res<bool> {
    let mut any = false;
    for table in SEALED {
        if !has_rowid(table) {
            any |= seal_keys(db, table)?;
            continue;
        }
        let mut after = 0;
        loop {
            let (last, looked) = stretch(db, table, after, STRETCH, seal)?;
            any |= looked > 0;
            if looked < STRETCH {
                break;
            }
            after = last;
        }
    }
    Ok(any)
}

fn seal(cells: &Cells<'_>, column: Column, value: ValueRef<'_>) -> New {
    match (column, value) {
        (_, ValueRef::Null) => Ok(None),
        (Column::Value(column), ValueRef::Blob(clear)) => Ok(Some(Value::Blob(cells.bytes_in(column, clear)?))),
        (Column::Name(kind), ValueRef::Text(clear)) => {
            Ok(Some(Value::Text(cells.name_in(kind, std::str::from_utf8(clear).map_err(|_| Fault::Json)?)?)))
        }
        _ => Err(Fault::Json),
    }
}

/// The same for tables whose keys are (tenant, source, name, …).
fn seal_keys(db: &Db<'_>, table: &SealedTable) -> Res<bool> {
    let mut any = false;
    for (column, kind) in table.names {
        let sql = format!("SELECT DISTINCT tenant, source, {column} FROM {}", table.table);
        let found: Vec<(String, String, String)> = rows(db, &sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        any |= !found.is_empty();
        let sql = format!("UPDATE {} SET {column} = ?4 WHERE tenant = ?1 AND source = ?2 AND {column} = ?3", table.table);
        for (tenant, source, name) in found {
            let sealed = db.cells(&tenant, table.table)?.name_in(*kind, &name)?;
            change(db, &sql, params![tenant, source, name, sealed])?;
        }
    }
    Ok(any)
}
