//! The benches: built for release, run on components that are built as they are shipped.

use std::os::fd::AsFd as _;
use std::process::{Command, ExitStatus, Stdio};

use crate::{setup, shell};

/// Builds what is measured and measures it; `args` go to the benches. Standard output holds their lines and nothing else, for programs that
/// read `--json`, so what the build has to say goes to standard error.
pub(crate) fn run(args: &[&str]) -> Result<(), String> {
    let this = std::env::current_exe().map_err(|e| format!("the program of this task is gone: {e}"))?;
    for (what, task) in [("the build of the components", &["bots"][..]), ("the set-up of Python", &["setup", "python"])] {
        let stderr = std::io::stderr().as_fd().try_clone_to_owned().map_err(|e| format!("standard error: {e}"))?;
        succeed(what, Command::new(&this).args(task).current_dir(shell::root()).stdout(Stdio::from(stderr)))?;
    }
    scripts(args)?;
    succeed("the benches", shell::cargo().args(["run", "--quiet", "--release", "--package", "hob-bench", "--"]).args(args))
}

/// The bots in TypeScript that are measured, where that bench is chosen.
fn scripts(args: &[&str]) -> Result<(), String> {
    let named: Vec<&&str> = args.iter().filter(|arg| !arg.starts_with("--")).collect();
    if !named.is_empty() && !named.iter().any(|name| **name == "typescript") {
        return Ok(());
    }
    setup::node()?;
    setup::packages("sdk/js")?;
    setup::packages("tests/medplum")?;
    for (entry, options, component) in
        [("examples/typescript/src/bot.ts", None, "typescript"), ("tests/medplum/src/bmi.ts", Some("--medplum"), "bmi")]
    {
        let out = format!("target/medplum/bench/{component}.wasm");
        let stderr = std::io::stderr().as_fd().try_clone_to_owned().map_err(|e| format!("standard error: {e}"))?;
        let mut command = Command::new("node");
        command.arg("sdk/js/bin/hob-componentize.mjs").args(options).args([entry, "-o", &out]);
        succeed("hob-componentize", command.current_dir(shell::root()).stdout(Stdio::from(stderr)))?;
    }
    Ok(())
}

fn succeed(what: &str, command: &mut Command) -> Result<(), String> {
    let status: ExitStatus = command.status().map_err(|e| format!("{what} cannot be started: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{what} ended with {status}")) }
}
