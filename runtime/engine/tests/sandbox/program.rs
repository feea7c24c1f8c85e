//! The compiler's process of the sandbox's tests.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("compile-component") => hob_engine::compile_stdin(&arguments.collect::<Vec<_>>()),
        _ => ExitCode::from(2),
    }
}
