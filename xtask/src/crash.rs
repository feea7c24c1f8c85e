//! The crash harness: a real host, killed again and again under load.

use crate::{setup, shell};

/// Builds it and runs it; `args` go to it. Standard output holds its figures and nothing else.
pub(crate) fn run(args: &[&str]) -> Result<(), String> {
    setup::wasm_target()?;
    let mut command = shell::cargo();
    // Not for release: it is the build of the tests, so that a newcomer does not wait for another one.
    command.args(["run", "--quiet", "--package", "hob-crash", "--"]).args(args);
    let status = command.status().map_err(|e| format!("the crash harness cannot be started: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("the crash harness ended with {status}")) }
}
