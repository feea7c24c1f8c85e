//! Promises of the real host that need no HAPI: on a store, a FHIR server, a receiver and bots in memory, by the clock of the runtime.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod asks;
mod dead;
mod far;
mod hot;
mod keeping;
mod lanes;
mod notes;
mod sick;
mod site;
