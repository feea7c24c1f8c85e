//! All checks, cheapest first.

use crate::{bots, rooms, setup, shell};

/// Runs them; `--quick` leaves out what needs Java or Node.js.
pub(crate) fn run(args: &[&str]) -> Result<(), String> {
    let quick = match args {
        [] => false,
        ["--quick"] => true,
        _ => return Err(format!("test takes --quick, not {}", args.join(" "))),
    };
    setup::wasm_target()?;
    setup::python()?;
    if !quick {
        setup::java()?;
        setup::node()?;
    }
    shell::step("format", shell::cargo().args(["fmt", "--all", "--check"]))?;
    println!("=> arrows between rooms");
    rooms::check()?;
    if shell::succeeds("cargo-deny", &["--version"]) {
        shell::step(
            "licences and sources of dependencies",
            shell::cargo().args(["deny", "check", "bans", "licenses", "sources"]),
        )?;
    } else {
        println!("   cargo-deny is not installed: licences of dependencies are not checked (cargo install cargo-deny)");
    }
    bots::build()?;
    shell::step("lints", shell::cargo().args(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]))?;
    if quick {
        shell::step(
            "tests without HAPI",
            shell::cargo().args(["test", "--workspace", "--no-fail-fast", "--exclude", "hob-tests"]),
        )
    } else {
        // All is built before any test runs, the hob binary too, which most of them start.
        shell::step("tests", shell::cargo().args(["test", "--workspace", "--no-fail-fast"]))
    }
}
