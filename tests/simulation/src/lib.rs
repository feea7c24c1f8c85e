//! What the simulation and the crash harness run the real host on: a ledger in memory, and named points at which a host can be stopped.

pub mod ledger;
