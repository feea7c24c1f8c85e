//! The journal: every host call of an attempt with its answer, and the log lines in between.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::Timestamp;

/// One host call and what it answered, in the JSON of the contract.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Call {
    /// The function, such as `fhir.read`.
    pub function: String,
    /// What was asked.
    pub request: Box<RawValue>,
    /// What came back: `{"ok": …}` or `{"error": …}`.
    pub response: Box<RawValue>,
    /// When, by the host's clock.
    pub at: Timestamp,
    /// How long the host took, in microseconds.
    pub micros: u64,
}

/// How loud a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// For the author.
    Debug,
    /// For the operator.
    Info,
    /// Something is off.
    Warn,
    /// Something failed.
    Error,
}

/// A line that a bot wrote. It belongs to the tenant and may hold patient data: it goes to the ledger, never to the host's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// How loud.
    pub level: LogLevel,
    /// What.
    pub text: String,
}

/// What an attempt asked, was told and said: what replay needs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Journal {
    /// The random seed that the sandbox was given.
    pub seed: u64,
    /// The instant at which the sandbox's clock stood when it began.
    pub started: Timestamp,
    /// Host calls, in order.
    pub calls: Vec<Call>,
    /// Log lines, in order.
    pub log: Vec<LogLine>,
}
