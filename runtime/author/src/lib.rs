//! The author's loop: a bot's folder is made, built, checked, tested and watched, on this machine and without a host.
//!
//! **Goal.** What an author sees is what service does: the component in the real engine under its own manifest, reading through the real FHIR client and
//! writing by the real transaction, on the test server in memory. And what goes wrong says what, where and what to do.
//!
//! **Trade-offs.**
//! - Languages are built by their own tools (cargo, npm packages, pip packages), called as programs: `hob` brings none of them, and says which one is missing.
//! - The SDKs' sources are in this library and are written into new projects ([`scaffold`]), so that a project builds wherever its language does.
//! - There is no ledger: each run stands alone. Lanes, retries and fences across crashes are the host's, and are tested there.

pub mod build;
pub mod check;
pub mod dev;
mod difference;
mod error;
pub mod project;
pub mod scaffold;
mod stage;
pub mod test;
mod told;
mod toolchain;
mod transport;

pub use difference::{Line, difference};
pub use error::{AuthorError, Fault};
pub use project::{Language, Project};
pub use stage::{Aim, engine};
