//! Tests that cross rooms, and what they share.

pub mod hapi;
