//! Running commands: each is announced, timed, and named when it fails.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

/// The cargo that runs this task.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Says what is about to happen, runs it, and says how long it took.
#[allow(clippy::disallowed_methods, reason = "a stopwatch for the person at the terminal")]
pub(crate) fn step(what: &str, command: &mut Command) -> Result<(), String> {
    println!("=> {what}");
    let begun = std::time::Instant::now();
    let status = command.status().map_err(|e| format!("{what}: cannot start {command:?}: {e}"))?;
    if !status.success() {
        return Err(format!("{what}: {command:?} ended with {status}"));
    }
    println!("   {what}: {:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}

/// Whether `program args` runs and succeeds, silently.
pub(crate) fn succeeds(program: &str, args: &[&str]) -> bool {
    Command::new(program).args(args).output().is_ok_and(|out| out.status.success())
}

/// What a command prints on standard output.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let out = command.output().map_err(|e| format!("cannot start {command:?}: {e}"))?;
    if out.status.success() {
        String::from_utf8(out.stdout).map_err(|e| format!("{command:?} printed no UTF-8: {e}"))
    } else {
        Err(format!("{command:?} ended with {}: {}", out.status, String::from_utf8_lossy(&out.stderr)))
    }
}
