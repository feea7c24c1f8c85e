//! The real host on what can be made to fail: points at which it is stopped.

pub mod points;
