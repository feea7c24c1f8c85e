//! The sandbox from outside: a real component, built for wasm32-wasip2, does what each test asks of it.

#![allow(missing_docs, reason = "tests")]

mod cache;
mod determinism;
mod fake;
mod limits;
mod refusals;
mod scopes;
mod stage;
mod staging;
