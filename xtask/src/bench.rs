//! The benches: built for release, run on components that are built as they are shipped.

use std::os::fd::AsFd as _;
use std::process::{Command, ExitStatus, Stdio};

use crate::shell;

/// Builds what is measured and measures it; `args` go to the benches. Standard output holds their lines and nothing else, for programs that
/// read `--json`, so what the build has to say goes to standard error.
pub(crate) fn run(args: &[&str]) -> Result<(), String> {
    let this = std::env::current_exe().map_err(|e| format!("the program of this task is gone: {e}"))?;
    for (what, task) in [("the build of the components", &["bots"][..]), ("the set-up of Python", &["setup", "python"])] {
        let stderr = std::io::stderr().as_fd().try_clone_to_owned().map_err(|e| format!("standard error: {e}"))?;
        succeed(what, Command::new(&this).args(task).current_dir(shell::root()).stdout(Stdio::from(stderr)))?;
    }
    succeed("the benches", shell::cargo().args(["run", "--quiet", "--release", "--package", "hob-bench", "--"]).args(args))
}

fn succeed(what: &str, command: &mut Command) -> Result<(), String> {
    let status: ExitStatus = command.status().map_err(|e| format!("{what} cannot be started: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{what} ended with {status}")) }
}
