//! The compiler's process, from inside: limits first, then one component from standard input, then one frame to standard output.

use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, nice, setrlimit};

use super::frame::{Said, framed};
use super::structure;
use crate::pool;

/// Compiles the component on standard input, and says on standard output what came of it. `limits` are the arguments that [`crate::Compiler::Process`] gives
/// the program: seconds of CPU time and MiB of address space.
///
/// For a process that does nothing else: its limits are for good.
#[must_use]
pub fn compile_stdin(limits: &[String]) -> ExitCode {
    let Some((cpu_s, memory_mib)) = numbers(limits) else { return ExitCode::from(2) };
    if restrict(cpu_s, memory_mib).is_err() {
        return ExitCode::from(3);
    }
    let mut component = Vec::new();
    let most = structure::BYTES as u64 + 1;
    let said = match io::stdin().lock().take(most).read_to_end(&mut component) {
        Ok(_) => compiled(&component),
        Err(error) => Said::Refused(error.to_string()),
    };
    let frame = framed(&said);
    let mut out = io::stdout().lock();
    if out.write_all(&frame).and_then(|()| out.flush()).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn numbers(limits: &[String]) -> Option<(u64, u64)> {
    let [cpu_s, memory_mib] = limits else { return None };
    Some((cpu_s.parse().ok()?, memory_mib.parse().ok()?))
}

/// Gives up what a compiler does not need. Later than this no byte of the component is read.
fn restrict(cpu_s: u64, memory_mib: u64) -> io::Result<()> {
    // Where the machine runs out of memory all the same, this process goes first.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let _ = nice(10);
    // The signal at the end of the CPU time names the limit; a second later is the end for whoever caught it.
    for (resource, soft, hard) in [
        (Resource::As, memory_mib.saturating_mul(1 << 20), memory_mib.saturating_mul(1 << 20)),
        (Resource::Cpu, cpu_s, cpu_s + 1),
        (Resource::Core, 0, 0),
        (Resource::Fsize, 0, 0),
        (Resource::Nofile, 0, 0),
        (Resource::Nproc, 0, 0),
    ] {
        setrlimit(resource, Rlimit { current: Some(soft), maximum: Some(hard) })?;
    }
    Ok(())
}

fn compiled(component: &[u8]) -> Said {
    let mut settings = pool::settings();
    // One thread: the process may not make more.
    settings.parallel_compilation(false);
    let code = wasmtime::Engine::new(&settings).and_then(|engine| engine.precompile_component(component));
    code.map_or_else(|error| Said::Refused(format!("{error:#}")), Said::Code)
}
