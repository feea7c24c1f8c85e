//! The `hob` command: see the library for what it does.

fn main() -> std::process::ExitCode {
    hob_cli::main()
}
