//! The sandbox from outside: a real component, built for wasm32-wasip2, does what each test asks of it.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests are not tests by clippy's count"
)]

mod cache;
mod compiler;
mod determinism;
mod fake;
mod limits;
mod refusals;
mod replay;
mod scopes;
mod secrets;
mod stage;
mod staging;
