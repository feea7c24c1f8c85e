//! What a guest gives to be worked on, and work that does not yield: neither holds the run's thread, nor goes on for long after its time is over.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::document::weight;
use crate::state::State;
use crate::stop::Limit;

/// What is parsed without leaving the run's thread; what is longer must not hold it.
const AT_ONCE: usize = 256 << 10;
/// The longest text that is parsed at all, since it cannot be interrupted: some hundredths of a second's work.
const LONGEST: usize = 4 << 20;

impl State {
    /// Parses what the guest gave.
    pub(crate) async fn parse_given<T: DeserializeOwned + Send + 'static>(
        &mut self,
        text: Vec<u8>,
    ) -> wasmtime::Result<Result<T, String>> {
        self.given(text, |text| serde_json::from_slice(text)).await
    }

    /// The same by `parse`: within the guest's memory, which is looked at before, for a short text can be a large document; and off the run's thread where
    /// the text is long.
    pub(crate) async fn given<T: Send + 'static>(
        &mut self,
        text: Vec<u8>,
        parse: fn(&[u8]) -> serde_json::Result<T>,
    ) -> wasmtime::Result<Result<T, String>> {
        if text.len() > LONGEST {
            return Ok(Err(format!("the text has {} bytes; {LONGEST} are the most", text.len())));
        }
        let weight = weight(&text);
        self.budget.hold(weight)?;
        let parsed = if text.len() > AT_ONCE { self.apart(move |_| parse(&text)).await? } else { Some(parse(&text)) };
        self.budget.release(weight);
        Ok(match parsed {
            Some(parsed) => parsed.map_err(|why: serde_json::Error| why.to_string()),
            None => Err("the text could not be parsed".to_owned()),
        })
    }

    /// Does work that does not yield on a thread of its own, and charges it. `work` is told how much CPU time is left; `None` where it panicked.
    ///
    /// # Errors
    /// [`Limit::Cpu`], where none is left afterwards.
    pub(crate) async fn apart<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(Duration) -> T + Send + 'static,
    ) -> wasmtime::Result<Option<T>> {
        let most = Duration::from_millis(self.budget.limits.cpu_ms);
        let left = most.saturating_sub(self.meter.now());
        let meter = Arc::clone(&self.meter);
        let done = tokio::task::spawn_blocking(move || meter.charge(|| work(left))).await;
        if self.meter.now() > most { Err(self.budget.over(Limit::Cpu)) } else { Ok(done.ok()) }
    }
}
