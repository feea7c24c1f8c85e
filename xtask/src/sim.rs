//! The simulation: the real host over a simulated world, seed by seed.

use crate::shell;

/// Builds it for release, since ten thousand seeds take long enough, and runs it; `args` go to it. With the part of tokio that makes a seed a whole
/// history; what is built so stands apart, or every other build would begin anew.
pub(crate) fn run(args: &[&str]) -> Result<(), String> {
    let mut command = shell::cargo();
    command.env("RUSTFLAGS", "--cfg tokio_unstable").env("CARGO_TARGET_DIR", "target/sim");
    command.args(["run", "--quiet", "--release", "--package", "hob-simulation", "--"]).args(args);
    let status = command.status().map_err(|e| format!("the simulation cannot be started: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("the simulation ended with {status}")) }
}
