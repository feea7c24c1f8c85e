//! Writes the journal while the run goes: each answer is serialised once, into the JSON that is kept.

use std::sync::Arc;

use hob_model::{Call, Clock, Timestamp};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::Scrub;

/// Calls so far.
pub(crate) struct Recorder {
    calls: Vec<Call>,
    /// Values of secrets that the bot was shown: the journal does not keep them.
    pub(crate) hidden: Scrub,
    clock: Arc<dyn Clock>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Response<T, E> {
    Ok(T),
    Error(E),
}

impl Recorder {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { calls: Vec::new(), hidden: Scrub::default(), clock }
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

    /// The calls, in order.
    pub(crate) fn take(&mut self) -> Vec<Call> {
        std::mem::take(&mut self.calls)
    }
}
