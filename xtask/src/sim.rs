//! The simulation: the real host over a simulated world, seed by seed.

use crate::shell;

/// Builds it for release, since ten thousand seeds take long enough, and runs it; `args` go to it.
pub(crate) fn run(args: &[&str]) -> Result<(), String> {
    let mut command = shell::cargo();
    command.args(["run", "--quiet", "--release", "--package", "hob-simulation", "--"]).args(args);
    let status = command.status().map_err(|e| format!("the simulation cannot be started: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("the simulation ended with {status}")) }
}
