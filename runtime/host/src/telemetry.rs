//! The host's own log: ids, counts and codes, never contents.
//!
//! What bots write and what servers answer may hold patient data: that goes to the ledger, under the tenant. A line of this log may be
//! shipped anywhere.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Sets up logging to standard error: JSON, or text on a terminal. `HOB_LOG` takes tracing's filter syntax; `info` unless set.
pub fn init() {
    let filter = EnvFilter::try_from_env("HOB_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    quiet_panics();
    // A second call in one process (tests) keeps the first.
    let _ = if std::io::stderr().is_terminal() { builder.compact().try_init() } else { builder.json().try_init() };
}

/// A panic's message may quote what it choked on (the FHIRPath library's do), so only its place is told.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(|place| format!("{}:{}", place.file(), place.line())).unwrap_or_default();
        tracing::error!(
            code = "panic",
            place,
            "a part of the host panicked; its message is not shown, since it may hold patient data"
        );
    }));
}
