//! Ends of an attempt that are not the guest's answer: limits, scopes, traps.

use hob_model::{Failure, FailureKind, Limits};
use wasmtime::component::ResourceTableError;

use crate::trace;

/// The codes of failures by which an attempt ends at a limit, those of the manifest and those that are the same for every bot.
pub const LIMIT_CODES: [&str; 10] = [
    "limit-cpu",
    "limit-wall",
    "limit-memory",
    "limit-host-calls",
    "limit-writes",
    "limit-output",
    "limit-requests",
    "limit-request-bytes",
    "limit-stack",
    "limit-handles",
];

/// A limit of the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    Cpu,
    Wall,
    Memory,
    HostCalls,
    Writes,
    Output,
    Requests,
    RequestBytes,
}

impl Limit {
    /// Whether a failure of this code is of a limit on time, which depends on the machine.
    pub(crate) fn of_time(code: &str) -> bool {
        ["limit-cpu", "limit-wall"].contains(&code)
    }

    /// The failure that ends an attempt over this limit. `retry`, since the next attempt may meet other data; the manifest's number
    /// of attempts bounds it.
    pub(crate) fn failure(self, limits: &Limits) -> Failure {
        let (code, what, value, unit, key) = match self {
            Self::Cpu => ("limit-cpu", "CPU time", limits.cpu_ms, " ms", "cpu-ms"),
            Self::Wall => ("limit-wall", "time", limits.wall_ms, " ms", "wall-ms"),
            Self::Memory => ("limit-memory", "memory", u64::from(limits.memory_mib), " MiB", "memory-mib"),
            Self::HostCalls => ("limit-host-calls", "host calls", u64::from(limits.host_calls), "", "host-calls"),
            Self::Writes => ("limit-writes", "staged writes", u64::from(limits.writes), "", "writes"),
            Self::Output => ("limit-output", "output", u64::from(limits.output_kib), " KiB", "output-kib"),
            Self::Requests => ("limit-requests", "requests to others", u64::from(limits.requests), "", "requests"),
            Self::RequestBytes => {
                ("limit-request-bytes", "requests and answers", u64::from(limits.request_kib), " KiB", "request-kib")
            }
        };
        Failure {
            kind: FailureKind::Retry,
            code: code.to_owned(),
            message: format!(
                "the attempt went over its limit of {value}{unit} of {what}; raise `limits.{key}` in bot.toml if it needs more"
            ),
            retry_after: None,
        }
    }
}

/// An error that ends the guest at once and says why the attempt failed.
#[derive(Debug, thiserror::Error)]
#[error("the attempt was stopped: {}", .0.code)]
pub(crate) struct Stop(pub(crate) Failure);

/// The failure behind an error that came out of the guest's call: what stopped it, or a trap with the names of the guest's functions
/// (never its strings).
pub(crate) fn failure_of(error: &wasmtime::Error) -> Failure {
    let names = error.downcast_ref::<wasmtime::WasmBacktrace>().map(trace::names).filter(|names| !names.is_empty());
    let place = names.map_or_else(String::new, |names| format!("; in {}", names.join(" < ")));
    if let Some(Stop(failure)) = error.downcast_ref::<Stop>() {
        return Failure { message: format!("{}{place}", failure.message), ..failure.clone() };
    }
    let trap = error.downcast_ref::<wasmtime::Trap>();
    let full = matches!(error.downcast_ref::<ResourceTableError>(), Some(ResourceTableError::Full));
    let code = match trap {
        Some(wasmtime::Trap::StackOverflow) => "limit-stack",
        None if full => "limit-handles",
        _ => "trap",
    };
    let mut message = match trap {
        Some(trap) => trap.to_string(),
        None if error.downcast_ref::<wasmtime_wasi::I32Exit>().is_some() => "the bot exited instead of returning".to_owned(),
        None if full => "the bot holds more handles than a host gives".to_owned(),
        None => "the sandbox refused a call of the bot".to_owned(),
    };
    message.push_str(&place);
    Failure { kind: FailureKind::Retry, code: code.to_owned(), message, retry_after: None }
}
