//! The journal: every host call of an attempt with its answer, the log lines in between, and what else it takes to repeat the attempt byte for byte.
//!
//! What a bot was answered is not all that a repeat needs: a host function may have asked the server for more than it told (a write reads what it is
//! based on; a search is cut to the scopes). So what the server said is kept beside the calls; where it is what a call was answered, as it mostly is,
//! only the place is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::{Digest, Timestamp, VersionId};

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
    /// What the source said, in the order in which it was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub said: Vec<Said>,
    /// What each of these answered: `Task/1`, `Task/1/_history/2`, `Task/1/_history`, `Task?status=ready`, or the link of a page. Another release asks in another
    /// order, and is answered by it. None in a journal that was kept before there was this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<String>,
    /// What the attempt was given beside its event.
    #[serde(default)]
    pub given: Given,
    /// A time limit ended it: where exactly depends on the machine, so that a repeat may come less far, or further.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub timed_out: bool,
    /// What came of it: result and effects, as [`crate::Digest`] of their JSON. None for a journal that was kept before there was this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Digest>,
}

/// What an attempt was given beside its event.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Given {
    /// Whether the source took the bot's ids.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub client_ids: bool,
    /// Settings.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, Value>,
    /// The resource, where it was another than the event's payload: it had moved on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<Box<RawValue>>,
    /// The version before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<Box<RawValue>>,
}

/// An answer of the source.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Said {
    /// A resource.
    One {
        /// Its version.
        version: VersionId,
        /// Its content.
        resource: Text,
    },
    /// A page.
    Many {
        /// The Bundle.
        bundle: Text,
        /// The server's link to the next.
        next: Option<String>,
    },
    /// An error.
    Error {
        /// The contract's word for it.
        code: String,
        /// The HTTP status.
        status: Option<u16>,
        /// For the bot's author.
        message: String,
        /// The server's OperationOutcome.
        outcome: Option<Value>,
    },
    /// Nothing, before the attempt ended.
    Nothing,
}

/// A text of JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Text {
    /// Itself.
    Own(Box<RawValue>),
    /// A part of the response of a call.
    In {
        /// Which, from 0.
        call: usize,
        /// Where it begins, in bytes.
        from: usize,
        /// Its length, in bytes.
        length: usize,
    },
}

impl Text {
    /// The text.
    #[must_use]
    pub fn of<'a>(&'a self, calls: &'a [Call]) -> Option<&'a str> {
        match self {
            Self::Own(text) => Some(text.get()),
            Self::In { call, from, length } => calls.get(*call)?.response.get().get(*from..from.checked_add(*length)?),
        }
    }
}

/// Where a repeat of an attempt is not what was recorded. It names functions and places, not contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "in")]
pub enum Difference {
    /// A call, counted from 1.
    Call {
        /// Its number.
        number: usize,
        /// The function that was recorded.
        recorded: Option<String>,
        /// The function that was called now; with the same name, request or answer differ.
        repeated: Option<String>,
    },
    /// A line of the log, counted from 1.
    Log {
        /// Its number.
        number: usize,
    },
    /// Result or effects.
    Outcome,
}

impl Journal {
    /// Whether it says which question each answer of the source belongs to: without that only its own release can be run on it.
    #[must_use]
    pub fn names_questions(&self) -> bool {
        self.asked.len() == self.said.len()
    }

    /// The first place where `again` is not this. Times of calls do not count.
    #[must_use]
    pub fn difference(&self, again: &Self) -> Option<Difference> {
        self.difference_in(again, self.calls.len().max(again.calls.len())).or_else(|| {
            let lines = self.log.len().max(again.log.len());
            let log = (0..lines).find(|at| self.log.get(*at) != again.log.get(*at)).map(|at| Difference::Log { number: at + 1 });
            log.or_else(|| (self.outcome.is_some() && self.outcome != again.outcome).then_some(Difference::Outcome))
        })
    }

    /// As [`Journal::difference`], in the first `most` calls alone.
    #[must_use]
    pub fn difference_in(&self, again: &Self, most: usize) -> Option<Difference> {
        let same = |a: &Call, b: &Call| {
            (&a.function, a.request.get(), a.response.get()) == (&b.function, b.request.get(), b.response.get())
        };
        let name = |call: Option<&Call>| call.map(|call| call.function.clone());
        (0..most).find_map(|at| match (self.calls.get(at), again.calls.get(at)) {
            (Some(recorded), Some(repeated)) if same(recorded, repeated) => None,
            (recorded, repeated) => Some(Difference::Call { number: at + 1, recorded: name(recorded), repeated: name(repeated) }),
        })
    }
}
