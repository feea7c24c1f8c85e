//! The sans-I/O core that decides what runs when.

pub mod cron;
mod cron_table;
mod dispatcher;
mod io;

pub use cron_table::{CronDue, CronKey, CronTable};
pub use dispatcher::Dispatcher;
pub use io::{Config, EndReason, Input, Outcome, Output, PageRequest, Policy, RunHead};
