//! The `hob` command: see the library for what it does.

/// The system's own allocator takes a lock where one thread frees what another allocated, which the ledger's writer does all the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    hob_cli::main()
}
