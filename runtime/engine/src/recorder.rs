//! Writes the journal while the run goes: each answer is serialised once, into the JSON that is kept.

use std::sync::Arc;

use hob_model::{Call, Clock, Journal, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::Scrub;

/// Calls so far.
pub(crate) struct Recorder {
    calls: Vec<Call>,
    /// Values of secrets that the bot was shown: the journal does not keep them.
    pub(crate) hidden: Scrub,
    clock: Arc<dyn Clock>,
    recording: Recording,
}

/// What an attempt has to do with one that was recorded.
pub(crate) enum Recording {
    /// Nothing: it is the first.
    New,
    /// It repeats it, call by call.
    Again(Arc<Journal>),
    /// Another release does it: in another order, less or more.
    Otherwise {
        /// What was recorded.
        journal: Arc<Journal>,
        /// By call: its answer was given.
        used: Vec<bool>,
    },
}

impl Recording {
    pub(crate) fn otherwise(journal: Arc<Journal>) -> Self {
        let used = vec![false; journal.calls.len()];
        Self::Otherwise { journal, used }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Response<T, E> {
    Ok(T),
    Error(E),
}

impl Recorder {
    pub(crate) fn new(clock: Arc<dyn Clock>, recording: Recording) -> Self {
        Self { calls: Vec::new(), hidden: Scrub::default(), clock, recording }
    }

    /// Whether another release than the recorded one runs: what was not asked then has no answer of the journal's.
    pub(crate) const fn is_otherwise(&self) -> bool {
        matches!(self.recording, Recording::Otherwise { .. })
    }

    /// The recorded call that a call which comes now repeats: the one at its place, or for another release the first of the same that was not taken, else
    /// the last of them.
    pub(crate) fn recorded(&mut self, function: &str, request: impl Serialize) -> Option<&Call> {
        let request = to_raw_value(&request).ok()?;
        let same = |call: &Call| call.function == function && call.request.get() == request.get();
        match &mut self.recording {
            Recording::New => None,
            Recording::Again(journal) => journal.calls.get(self.calls.len()).filter(|call| same(call)),
            Recording::Otherwise { journal, used } => {
                let fresh = journal.calls.iter().zip(&*used).position(|(call, used)| !used && same(call));
                let at = fresh.or_else(|| journal.calls.iter().rposition(same))?;
                *used.get_mut(at)? = true;
                journal.calls.get(at)
            }
        }
    }

    /// What a call that comes now was answered when it was recorded, for functions that look at more than they are asked; none where nothing is
    /// replayed, or another call.
    pub(crate) fn again<T: DeserializeOwned, E: DeserializeOwned>(
        &mut self,
        function: &str,
        request: impl Serialize,
    ) -> Option<Result<T, E>> {
        let call = self.recorded(function, request)?;
        match serde_json::from_str::<Response<T, E>>(call.response.get()).ok()? {
            Response::Ok(ok) => Some(Ok(ok)),
            Response::Error(error) => Some(Err(error)),
        }
    }

    /// When a call begins.
    pub(crate) fn begin(&self) -> Timestamp {
        self.clock.now()
    }

    /// Keeps a call that began at `at`. Answers how many bytes the journal grew by.
    pub(crate) fn end<T: Serialize, E: Serialize>(
        &mut self,
        function: &'static str,
        at: Timestamp,
        request: impl Serialize,
        response: Result<T, E>,
    ) -> usize {
        let response = match response {
            Ok(ok) => Response::Ok(ok),
            Err(error) => Response::Error(error),
        };
        // Everything recorded has string keys, so it cannot fail; null would show in the journal if it did.
        let raw = |made: Result<Box<RawValue>, _>| made.unwrap_or_else(|_: serde_json::Error| RawValue::NULL.to_owned());
        let (request, response) = if self.hidden.is_empty() {
            (raw(to_raw_value(&request)), raw(to_raw_value(&response)))
        } else {
            (raw(self.hidden.raw_json(&request)), raw(self.hidden.raw_json(&response)))
        };
        let bytes = request.get().len() + response.get().len();
        let micros = u64::try_from(self.clock.now().since(at).as_micros()).unwrap_or(u64::MAX);
        self.calls.push(Call { function: function.to_owned(), request, response, at, micros });
        bytes
    }

    /// How many calls were answered, and the function of the last.
    pub(crate) fn so_far(&self) -> Option<(usize, &str)> {
        self.calls.last().map(|call| (self.calls.len(), call.function.as_str()))
    }

    /// The calls, in order.
    pub(crate) fn take(&mut self) -> Vec<Call> {
        std::mem::take(&mut self.calls)
    }
}
