//! The compiler's process of the hosts under test, as `hob` is that of a host in service.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("compile-component") => hob_engine::compile_stdin(&arguments.collect::<Vec<_>>()),
        _ => ExitCode::FAILURE,
    }
}
