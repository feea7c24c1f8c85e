//! From SQLite's errors to the ledger's: by code, never by message, which may quote data.

use rusqlite::ErrorCode;

use crate::LedgerError;

/// What went wrong inside the SQLite ledger: the caller's error, or SQLite's.
#[derive(Debug)]
pub(super) enum Fault {
    Ledger(LedgerError),
    Sqlite(rusqlite::Error),
    Json,
    /// A data key cannot be unwrapped or used.
    Key,
    /// A value cannot be opened with its tenant's keys: it is damaged, or stands where it was not written.
    Sealed {
        table: &'static str,
        column: &'static str,
    },
}

pub(super) type Res<T> = std::result::Result<T, Fault>;

impl From<LedgerError> for Fault {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Fault {
    /// The error that the caller of the method `doing` gets.
    pub(super) fn told(self, doing: &'static str) -> LedgerError {
        match self {
            Self::Ledger(error) => error,
            Self::Json => LedgerError::Corrupt { what: format!("a JSON column read at `{doing}` does not fit its type") },
            Self::Key => LedgerError::Corrupt { what: format!("a data key used at `{doing}` cannot be unwrapped") },
            Self::Sealed { table, column } => LedgerError::Corrupt {
                what: format!("a value of {table}.{column} read at `{doing}` cannot be opened with its key"),
            },
            Self::Sqlite(error) => sqlite(&error, doing),
        }
    }
}

fn sqlite(error: &rusqlite::Error, doing: &'static str) -> LedgerError {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) | rusqlite::Error::SqlInputError { error: failure, .. } => {
            match failure.code {
                // A write that fails leaves SQLite where a full disk does: rolled back, good again as soon as writes go through.
                ErrorCode::DiskFull | ErrorCode::SystemIoFailure => LedgerError::Full,
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
                    LedgerError::Corrupt { what: format!("SQLite says so at `{doing}` (code {})", failure.extended_code) }
                }
                _ => LedgerError::Storage { doing, what: format!("SQLite code {} ({failure})", failure.extended_code) },
            }
        }
        rusqlite::Error::FromSqlConversionFailure(column, kind, _) => {
            LedgerError::Corrupt { what: format!("column {column} ({kind}) read at `{doing}` does not fit its type") }
        }
        rusqlite::Error::InvalidColumnType(column, name, kind) => {
            LedgerError::Corrupt { what: format!("column {column} {name} read at `{doing}` is {kind}") }
        }
        rusqlite::Error::IntegralValueOutOfRange(column, _) => {
            LedgerError::Corrupt { what: format!("column {column} read at `{doing}` is out of range") }
        }
        // The rest are mistakes in our own SQL: the variant's name says which, its text may hold a parameter.
        other => LedgerError::Storage { doing, what: variant(other).to_owned() },
    }
}

fn variant(error: &rusqlite::Error) -> &'static str {
    match error {
        rusqlite::Error::QueryReturnedNoRows => "no row where there must be one",
        rusqlite::Error::InvalidParameterName(_) | rusqlite::Error::InvalidParameterCount(..) => "wrong parameters",
        rusqlite::Error::InvalidColumnIndex(_) | rusqlite::Error::InvalidColumnName(_) => "wrong column",
        _ => "an SQL statement that does not fit",
    }
}
