//! Python bots from outside: the real component in the real sandbox.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests are not tests by clippy's count"
)]

mod cases;
mod failing;
#[path = "../../../runtime/engine/tests/sandbox/fake.rs"]
#[allow(dead_code, reason = "the engine's own tests want more of it")]
mod fake;
mod machine;
mod natives;
mod stage;
mod words;
