//! The `hob` command: a folder a noun, a file a verb, over the admin API of a host.
//!
//! Goal: whatever the host can do, a person and a script can ask for, and an error says what, where and what to do.
//! Data goes to stdout, everything else to stderr; `--json` gives one document, or one object a line where the answer is a
//! stream. Exit codes are in [`exit_code`].
//!
//! Trade-offs:
//! - `--json` passes on what the host said, so that a script sees every field also where this `hob` is older; only the human
//!   form needs the types in `api`.
//! - One thread drives a call: a command waits for one answer at a time. Only `serve` needs more.

pub mod exit_code;

mod api;
mod args;
mod client;
mod commands;
mod error;
mod output;
mod secret;
mod table;
mod units;

use std::process::ExitCode;

use clap::Parser as _;

/// Reads the command line, does what it says, and gives the exit code.
#[must_use]
pub fn main() -> ExitCode {
    // The compiler's process of a host, which no person calls: it is not listed, and reads nothing before its limits are set.
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("compile-component") {
        return hob_host::compile_stdin(&arguments.collect::<Vec<_>>());
    }
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version come this way too, for stdout; a closed pipe is no reason to complain.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { exit_code::USAGE } else { exit_code::OK });
        }
    };
    let out = output::Output::new(args.global.json, args.global.color);
    match commands::run(args, &out) {
        Ok(()) => ExitCode::from(exit_code::OK),
        Err(error) => {
            out.error(&error);
            ExitCode::from(error.exit)
        }
    }
}
