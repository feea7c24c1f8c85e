//! The compiler's process, from outside: started, fed, listened to and ended. Each way in which it can end is an error that says which.

use std::io::{self, Read, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use super::frame::{self, Said};
use super::{CompileLimit, CompileLimits};
use crate::EngineError;

/// Machine code that a process of ours gave to nobody else. Nothing but this module can make one.
pub(crate) struct Output(Vec<u8>);

impl Output {
    /// The code.
    pub(crate) fn into_code(self) -> Vec<u8> {
        self.0
    }
}

/// How much of its standard error is read.
const WORDS: u64 = 16 << 10;

/// Has `program` compile a component.
pub(super) fn run(program: &Path, component: &[u8], limits: CompileLimits) -> Result<Output, EngineError> {
    let mut child = Command::new(program)
        .arg("compile-component")
        .args([limits.cpu_s.to_string(), limits.memory_mib.to_string()])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| EngineError::Compiler(format!("{} does not start: {error}", program.display())))?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        // Where the process ends early this breaks off, and its end says why.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(component)));
        let words = scope.spawn(move || some(stderr, WORDS));
        let (said, heard) = sync_channel(1);
        scope.spawn(move || drop(said.send(some(stdout, frame::LONGEST as u64 + 1))));
        let heard = heard.recv_timeout(Duration::from_secs(limits.wall_s));
        let Ok(bytes) = heard else {
            end(&mut child);
            return Err(over(CompileLimit::Wall, limits));
        };
        if bytes.len() > frame::LONGEST {
            end(&mut child);
            return Err(over(CompileLimit::Output, limits));
        }
        let status = ended(&mut child);
        match frame::read(bytes) {
            Some(Said::Code(code)) if status.is_some_and(|status| status.success()) => Ok(Output(code)),
            // A map that the system does not give is an error to the compiler, and not its end.
            Some(Said::Refused(why)) if why.contains(NO_MEMORY) => Err(over(CompileLimit::Memory, limits)),
            Some(Said::Refused(why)) => Err(EngineError::Compile(why)),
            _ => Err(why(status, &String::from_utf8_lossy(&words.join().unwrap_or_default()), limits)),
        }
    })
}

/// What comes out of a pipe, up to `most` bytes.
fn some(pipe: Option<impl Read>, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What breaks off is seen by the frame.
    let _: Option<io::Result<usize>> = pipe.map(|pipe| pipe.take(most).read_to_end(&mut bytes));
    bytes
}

fn end(child: &mut Child) {
    // It may have ended by itself.
    let _ = child.kill();
    let _ = child.wait();
}

/// How a process that has said all ends. One that does not is ended.
fn ended(child: &mut Child) -> Option<ExitStatus> {
    for _ in 0..100 {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    end(child);
    None
}

fn why(status: Option<ExitStatus>, words: &str, limits: CompileLimits) -> EngineError {
    const SIGKILL: i32 = 9;
    const SIGXCPU: i32 = 24;
    let signal = status.and_then(|status| status.signal());
    match signal {
        Some(SIGXCPU) => over(CompileLimit::Cpu, limits),
        // Not by us: by a system that is out of memory, or by the hard limit of CPU time.
        Some(SIGKILL) => over(CompileLimit::Memory, limits),
        _ if words.contains("memory allocation") || words.contains(NO_MEMORY) => over(CompileLimit::Memory, limits),
        Some(signal) => EngineError::Compiler(format!("it died of signal {signal}")),
        None => {
            EngineError::Compiler(status.map_or_else(|| "it did not end".to_owned(), |status| format!("it ended with {status}")))
        }
    }
}

/// What the system says where it gives no memory.
const NO_MEMORY: &str = "Cannot allocate memory";

fn over(limit: CompileLimit, limits: CompileLimits) -> EngineError {
    let (what, most, unit) = match limit {
        CompileLimit::Cpu => ("CPU time", limits.cpu_s, "s"),
        CompileLimit::Wall => ("time", limits.wall_s, "s"),
        CompileLimit::Memory => ("memory", limits.memory_mib, "MiB"),
        CompileLimit::Output => ("machine code", (frame::LONGEST >> 20) as u64, "MiB"),
    };
    EngineError::CompileLimit { limit, what, most, unit }
}
