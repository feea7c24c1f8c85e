//! Components, manifests and scripts that mean harm. Each is refused with the words that it should be, the same host then does right work, and
//! a bot that shares the host with it is hardly slower.
//!
//! `cargo test -p hob-hostile -- --nocapture` prints a table of every case. Cases run one at a time, since they are measured.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests are not tests by clippy's count"
)]

mod apart;
mod binaries;
mod bombs;
mod bytes;
mod calls;
mod case;
mod core;
mod escapes;
mod expressions;
mod imports;
mod judge;
mod loops;
mod manifests;
mod memory;
mod names;
mod neighbour;
mod pools;
mod results;
mod rules;
mod server;
mod stage;
mod tenants;
mod traps;

/// All cases, by group. Those of a group are a test of the group's file.
pub(crate) fn groups() -> Vec<(&'static str, Vec<case::Case>)> {
    vec![
        ("loops", loops::cases()),
        ("memory", memory::cases()),
        ("calls", calls::cases()),
        ("results", results::cases()),
        ("traps", traps::cases()),
        ("binaries", binaries::cases()),
        ("expressions", expressions::cases()),
        ("manifests", manifests::cases()),
        ("imports", imports::cases()),
        ("bombs", bombs::cases()),
        ("escapes", escapes::cases()),
        ("rules", rules::cases()),
        ("tenants", tenants::cases()),
        ("pools", pools::cases()),
    ]
}
