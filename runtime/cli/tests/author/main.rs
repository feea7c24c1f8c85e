//! The author's loop with the real tools: what `docs/author.md` shows, and what a beginner gets wrong.
//!
//! Builds bots with cargo, offline: the packages are those of this workspace. `UPDATE_DOCS=1` writes what the commands print into the document.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may; clippy does not see that its helpers are of a test"
)]

mod document;
mod errors;
mod place;
mod session;
