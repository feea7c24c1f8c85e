//! What may be patient data, in and out of the columns that hold it: encrypted under the tenant's key, see [`super::vault`].
//!
//! [`SEALED`] lists these columns; a test holds it to the schema, so that a new column is either there or argued to be no patient
//! data. `docs/decisions` says which are not, and why.

use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::fault::{Fault, Res};
use super::vault::{TenantKeys, Vault, generation, place};

/// A table with sealed columns.
#[derive(Debug)]
pub(super) struct SealedTable {
    pub(super) table: &'static str,
    /// Under the data key: a blob each.
    pub(super) values: &'static [&'static str],
    /// Under the key for names: text each, found by equality.
    pub(super) names: &'static [(&'static str, Name)],
}

/// Every column that may hold patient data.
pub(super) const SEALED: &[SealedTable] = &[
    SealedTable { table: "notifications", values: &["path", "headers", "body", "message"], names: &[] },
    SealedTable { table: "events", values: &["body", "payload"], names: &[] },
    SealedTable {
        table: "runs",
        values: &["failure"],
        names: &[("lane", Name::Lane), ("resource", Name::Resource), ("timer", Name::Timer)],
    },
    SealedTable { table: "recorded", values: &["effects", "bundle", "result", "wrote", "urns"], names: &[] },
    SealedTable { table: "asks", values: &["answer"], names: &[("ask", Name::Ask)] },
    SealedTable { table: "attempts", values: &["failure", "journal"], names: &[] },
    SealedTable { table: "logs", values: &["text"], names: &[] },
    SealedTable { table: "timers", values: &["payload"], names: &[("lane", Name::Lane), ("key", Name::Timer)] },
    SealedTable { table: "outbox", values: &["item", "message"], names: &[("lane", Name::Lane), ("key", Name::Outbox)] },
    SealedTable { table: "observed", values: &["body"], names: &[] },
    SealedTable { table: "marks", values: &[], names: &[("resource", Name::Resource)] },
    SealedTable { table: "own_writes", values: &[], names: &[("resource", Name::Resource)] },
];

/// A kind of name: the same name of one kind is the same text in every table of a tenant, so that tables can be joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    /// A lane: it may be made of any element of a resource.
    Lane,
    /// A resource's type and id.
    Resource,
    /// A timer's key, which a bot chose.
    Timer,
    /// An outbox request's key, which a bot chose.
    Outbox,
    /// The digest of what a run asked.
    Ask,
}

impl Name {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Lane => "lane",
            Self::Resource => "resource",
            Self::Timer => "timer",
            Self::Outbox => "outbox",
            Self::Ask => "ask",
        }
    }
}

/// A connection, with the keys of what is read and written over it.
pub(super) struct Db<'a> {
    connection: &'a Connection,
    vault: &'a Vault,
}

impl Deref for Db<'_> {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl<'a> Db<'a> {
    pub(super) const fn new(connection: &'a Connection, vault: &'a Vault) -> Self {
        Self { connection, vault }
    }

    pub(super) const fn vault(&self) -> &'a Vault {
        self.vault
    }

    /// The cells of a tenant in a table.
    pub(super) fn cells(&self, tenant: impl AsRef<str>, table: &'static str) -> Res<Cells<'_>> {
        let tenant = tenant.as_ref();
        let keys = self.vault.keys(self.connection, tenant)?;
        Ok(Cells { db: self, keys, tenant: tenant.to_owned(), table })
    }
}

/// A tenant's cells in one table.
pub(super) struct Cells<'a> {
    db: &'a Db<'a>,
    keys: Arc<TenantKeys>,
    tenant: String,
    table: &'static str,
}

impl Cells<'_> {
    /// Bytes on their way to disk.
    pub(super) fn bytes_in(&self, column: &'static str, bytes: &[u8]) -> Res<Vec<u8>> {
        self.db.vault.seal(&self.keys, &place(&self.tenant, self.table, column), bytes)
    }

    /// Bytes from disk.
    pub(super) fn bytes_out(&self, row: &Row<'_>, column: &'static str) -> Res<Bytes> {
        self.open(row.get_ref(column)?, column).map(Bytes::from)
    }

    /// The same for a column that may be null.
    pub(super) fn bytes_maybe(&self, row: &Row<'_>, column: &'static str) -> Res<Option<Bytes>> {
        if row.get_ref(column)? == ValueRef::Null { Ok(None) } else { self.bytes_out(row, column).map(Some) }
    }

    /// A value on its way to disk.
    pub(super) fn json_in<T: Serialize + ?Sized>(&self, column: &'static str, value: &T) -> Res<Vec<u8>> {
        self.bytes_in(column, &serde_json::to_vec(value).map_err(|_| Fault::Json)?)
    }

    /// A value from disk.
    pub(super) fn json_out<T: DeserializeOwned>(&self, row: &Row<'_>, column: &'static str) -> Res<T> {
        serde_json::from_slice(&self.open(row.get_ref(column)?, column)?).map_err(|_| Fault::Json)
    }

    /// The same for a column that may be null.
    pub(super) fn json_maybe<T: DeserializeOwned>(&self, row: &Row<'_>, column: &'static str) -> Res<Option<T>> {
        if row.get_ref(column)? == ValueRef::Null { Ok(None) } else { self.json_out(row, column).map(Some) }
    }

    /// Text from disk.
    pub(super) fn text_out(&self, row: &Row<'_>, column: &'static str) -> Res<String> {
        // It was text when it went in; what is not is shown as far as it goes.
        self.open(row.get_ref(column)?, column).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A name on its way to disk, or to be looked for there.
    pub(super) fn name_in(&self, kind: Name, name: &str) -> Res<String> {
        self.keys.name_in(&place(&self.tenant, "name", kind.as_str()), name)
    }

    /// A name from disk.
    pub(super) fn name_out<T: FromStr>(&self, kind: Name, row: &Row<'_>, column: &'static str) -> Res<T> {
        let sealed = row.get_ref(column)?.as_str().map_err(|_| self.fault(column))?;
        let name = self.keys.name_out(&place(&self.tenant, "name", kind.as_str()), sealed);
        name.and_then(|name| name.parse().ok()).ok_or_else(|| self.fault(column))
    }

    /// The same for a column that may be null.
    pub(super) fn name_maybe<T: FromStr>(&self, kind: Name, row: &Row<'_>, column: &'static str) -> Res<Option<T>> {
        if row.get_ref(column)? == ValueRef::Null { Ok(None) } else { self.name_out(kind, row, column).map(Some) }
    }

    /// The generation that new values are under.
    pub(super) fn newest(&self) -> u32 {
        self.keys.newest()
    }

    fn open(&self, value: ValueRef<'_>, column: &'static str) -> Res<Vec<u8>> {
        let value = value.as_blob().map_err(|_| self.fault(column))?;
        self.open_bytes(value, column)
    }

    /// A value in clear.
    pub(super) fn open_bytes(&self, value: &[u8], column: &'static str) -> Res<Vec<u8>> {
        let place = place(&self.tenant, self.table, column);
        let opened = if generation(value).is_some_and(|named| !self.keys.has(named)) {
            // A generation that is newer than what was unwrapped here.
            self.db.vault.forget(&self.tenant);
            self.db.vault.keys(self.db.connection, &self.tenant)?.open(&place, value)
        } else {
            self.keys.open(&place, value)
        };
        opened.ok_or_else(|| self.fault(column))
    }

    fn fault(&self, column: &'static str) -> Fault {
        Fault::Sealed { table: self.table, column }
    }
}
