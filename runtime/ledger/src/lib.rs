//! The durable store: the Ledger trait and its SQLite implementation.
