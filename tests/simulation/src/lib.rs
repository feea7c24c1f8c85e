//! The real host on what can be made to fail: a store in memory, and points at which it is stopped.

pub mod ledger;
pub mod points;
