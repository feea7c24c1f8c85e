//! Values in and out of columns. What may be patient data goes through a [`super::cell::Cells`] and not through these.

use std::str::FromStr;

use hob_model::Timestamp;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use rusqlite::{Row, ToSql};

use super::fault::Res;

/// A column of text that is parsed on the way out.
pub(super) struct As<T>(pub(super) T);

impl<T> FromSql for As<T>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map(As).map_err(|e: T::Err| FromSqlError::Other(Box::new(e)))
    }
}

/// A column of microseconds since 1970.
pub(super) struct At(pub(super) Timestamp);

impl FromSql for At {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(|micros| At(Timestamp::from_micros(micros)))
    }
}

impl ToSql for At {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.micros().into())
    }
}

/// A count: never negative, so that SQLite's signed integers hold it; what is over is cut.
pub(super) struct Count(pub(super) u64);

impl FromSql for Count {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let number = value.as_i64()?;
        u64::try_from(number).map(Count).map_err(|_| FromSqlError::OutOfRange(number))
    }
}

impl ToSql for Count {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(i64::try_from(self.0).unwrap_or(i64::MAX).into())
    }
}

/// A limit as SQLite wants it.
pub(super) fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// A text column, parsed.
pub(super) fn text<T>(row: &Row<'_>, column: &str) -> rusqlite::Result<T>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    row.get::<_, As<T>>(column).map(|v| v.0)
}

/// A text column that may be null, parsed.
pub(super) fn maybe<T>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<T>>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    Ok(row.get::<_, Option<As<T>>>(column)?.map(|v| v.0))
}

/// An instant.
pub(super) fn at(row: &Row<'_>, column: &str) -> rusqlite::Result<Timestamp> {
    row.get::<_, At>(column).map(|v| v.0)
}

/// An instant that may be null.
pub(super) fn maybe_at(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<At>>(column)?.map(|v| v.0))
}

/// A count.
pub(super) fn count(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    row.get::<_, Count>(column).map(|v| v.0)
}

/// The rows of a query, each read by `read`.
pub(super) fn rows<T>(
    db: &rusqlite::Connection,
    sql: &str,
    params: impl rusqlite::Params,
    mut read: impl FnMut(&Row<'_>) -> Res<T>,
) -> Res<Vec<T>> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(read(row)?);
    }
    Ok(all)
}

/// The first row of a query, if there is one.
pub(super) fn first<T>(
    db: &rusqlite::Connection,
    sql: &str,
    params: impl rusqlite::Params,
    read: impl FnOnce(&Row<'_>) -> Res<T>,
) -> Res<Option<T>> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    rows.next()?.map(read).transpose()
}

/// Runs a statement; gives the number of rows that it changed.
pub(super) fn change(db: &rusqlite::Connection, sql: &str, params: impl rusqlite::Params) -> Res<usize> {
    Ok(db.prepare_cached(sql)?.execute(params)?)
}

/// The tenants that have rows in a partial index, found by leaps through it: the index begins with the tenant.
pub(super) fn tenants(db: &rusqlite::Connection, table: &str, index: &str, condition: &str) -> Res<Vec<String>> {
    let sql = format!(
        "WITH RECURSIVE t (tenant) AS (
           SELECT min(tenant) FROM {table} INDEXED BY {index} WHERE {condition}
           UNION ALL
           SELECT (SELECT min(tenant) FROM {table} INDEXED BY {index} WHERE {condition} AND tenant > t.tenant)
             FROM t WHERE t.tenant IS NOT NULL)
         SELECT tenant FROM t WHERE tenant IS NOT NULL"
    );
    rows(db, &sql, [], |row| Ok(row.get(0)?))
}
