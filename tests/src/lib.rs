//! Tests that cross rooms, and what they share.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "all of this runs in tests, where a panic is how a failure is said"
)]

pub mod built;
pub mod fhir;
pub mod hapi;
pub mod logs;
pub mod process;
pub mod proxy;
pub mod scenarios;
pub mod site;
pub mod wait;
