//! The sans-I/O core that decides what runs when: lanes, retries, fairness, bounds, cron.
//!
//! Goal: no I/O, no clock and no randomness of its own, so that a simulation can drive millions of histories through it and a
//! failing one can be repeated from its seed. The contract is on [`Dispatcher`]'s module: after every input drain the outputs
//! until [`Output::Wait`].
//!
//! Composed of small parts, each with its tests: `order` (who waits for whom), `pager` and `passed` (what memory knows of the
//! ledger), `turns`
//! (whose turn it is), `sources` (who is down), `backoff` (what follows a failure), `deadlines` (what waits for when); and beside
//! them [`cron`] with [`CronTable`].
//!
//! Absent on purpose: leases and epochs (the ledger's), durable timers (the ledger's; here only waits of runs in memory), payloads,
//! and any knowledge of what a run does.

mod backoff;
mod bot;
pub mod cron;
mod cron_table;
mod deadlines;
mod dispatcher;
mod io;
mod order;
mod pager;
mod passed;
mod sources;
mod turns;

pub use cron_table::{CronDue, CronKey, CronTable};
pub use dispatcher::Dispatcher;
pub use io::{Config, EndReason, Input, Outcome, Output, PageRequest, Policy, RunHead};
