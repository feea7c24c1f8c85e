//! Write Hob bots in Rust.
