//! From a run's turn to its end: the driver, an attempt, its commit and its fence.

pub(crate) mod asks;
pub(crate) mod attempt;
pub(crate) mod commit;
pub(crate) mod driver;
pub(crate) mod fences;
pub(crate) mod reads;
mod references;
