//! The ledger on SQLite: one file, one host.
