//! `document`: JSON that the host holds parsed.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use wasmtime::component::Resource;

use crate::Document;
use crate::bindings::hob::bot::document::{Error, Host, HostDocument};
use crate::budget::thread_cpu;
use crate::document::weight;
use crate::fhirpath;
use crate::state::State;
use crate::stop::Limit;

/// What is parsed without leaving the run's thread; what is longer must not hold it.
const AT_ONCE: usize = 256 << 10;
/// The longest text that is parsed at all, since it cannot be interrupted: some hundredths of a second's work.
const LONGEST: usize = 4 << 20;

impl State {
    /// Parses what the guest gave: within its memory, which is looked at before, for a short text can be a large document; and off the run's thread where
    /// it is long.
    pub(crate) async fn parse_given<T: DeserializeOwned + Send + 'static>(
        &mut self,
        text: Vec<u8>,
    ) -> wasmtime::Result<Result<T, String>> {
        if text.len() > LONGEST {
            return Ok(Err(format!("the text has {} bytes; {LONGEST} are the most", text.len())));
        }
        let weight = weight(&text);
        self.budget.hold(weight)?;
        let parsed = if text.len() > AT_ONCE {
            self.apart(move |_| serde_json::from_slice(&text)).await?
        } else {
            serde_json::from_slice(&text)
        };
        self.budget.release(weight);
        Ok(parsed.map_err(|why| why.to_string()))
    }

    /// Does work that does not yield on a thread of its own, and charges it. `work` is told how to see whether the CPU time is over.
    pub(crate) async fn apart<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&dyn Fn() -> bool) -> T + Send + 'static,
    ) -> wasmtime::Result<T> {
        let left = Duration::from_millis(self.budget.limits.cpu_ms).saturating_sub(self.meter.now());
        let meter = Arc::clone(&self.meter);
        let done = tokio::task::spawn_blocking(move || {
            let begun = thread_cpu();
            let is_over = move || Duration::from_nanos(thread_cpu().saturating_sub(begun)) > left;
            meter.charge(|| work(&is_over))
        });
        let done = done.await.map_err(wasmtime::Error::from)?;
        if self.meter.now() > Duration::from_millis(self.budget.limits.cpu_ms) {
            return Err(self.budget.over(Limit::Cpu));
        }
        Ok(done)
    }
}

fn error(code: &str, message: impl Into<String>) -> Error {
    Error { code: code.to_owned(), message: message.into() }
}

impl Host for State {}

impl crate::bindings::hob::bot::types::Host for State {}

impl HostDocument for State {
    async fn parse(&mut self, body: Vec<u8>) -> wasmtime::Result<Result<Resource<Document>, Error>> {
        self.budget.call()?;
        match self.parse_given::<Value>(body).await? {
            Ok(value) => self.hand_out(Document::from(value)).map(Ok),
            Err(why) => Ok(Err(error("parse", why))),
        }
    }

    async fn get(&mut self, document: Resource<Document>, pointer: String) -> wasmtime::Result<Result<Option<String>, Error>> {
        self.budget.call()?;
        if !pointer.is_empty() && !pointer.starts_with('/') {
            return Ok(Err(error("pointer", "a JSON pointer (RFC 6901) is empty or begins with /")));
        }
        let found = self.table.get(&document)?.value().pointer(&pointer);
        Ok(Ok(found.map(ToString::to_string)))
    }

    async fn fhirpath(
        &mut self,
        document: Resource<Document>,
        expression: String,
        variables: Option<String>,
    ) -> wasmtime::Result<Result<String, Error>> {
        self.budget.call()?;
        let at = self.recorder.begin();
        let asked = expression.clone();
        let variables: serde_json::Map<String, Value> = match variables {
            None => serde_json::Map::new(),
            Some(text) => match self.parse_given(text.into_bytes()).await? {
                Ok(variables) => variables,
                Err(why) => return Ok(Err(error("fhirpath", format!("the variables are no JSON object: {why}")))),
            },
        };
        let document = self.table.get(&document)?.clone();
        let environment =
            fhirpath::Environment { current: self.input.resource.clone(), previous: self.input.previous.clone(), variables };
        if let Some(found) = self.recorder.again::<Vec<Value>, String>("document.fhirpath", [&asked]) {
            let grown = self.recorder.end("document.fhirpath", at, [&asked], found.as_ref());
            self.budget.hold(grown)?;
            return Ok(found.map(|found| Value::Array(found).to_string()).map_err(|why| error("fhirpath", why)));
        }
        // On a thread of its own: evaluation does not yield, so it must not hold a worker. It is charged all the same.
        let meter = std::sync::Arc::clone(&self.meter);
        let left = std::time::Duration::from_millis(self.budget.limits.cpu_ms).saturating_sub(meter.now());
        let work = move || meter.charge(|| fhirpath::evaluate(&expression, &document, &environment, left));
        let found = match tokio::task::spawn_blocking(work).await {
            Err(_) => Err("the expression could not be evaluated".to_owned()),
            Ok(Err(why)) if why.over == Some(fhirpath::Over::Cpu) => return Err(self.budget.over(Limit::Cpu)),
            Ok(found) => found.map_err(|why| why.message),
        };
        // `now()` and `today()` read the host's clock, so the answer is a part of what replay needs.
        let grown = self.recorder.end("document.fhirpath", at, [&asked], found.as_ref());
        self.budget.hold(grown)?;
        Ok(found.map(|found| Value::Array(found).to_string()).map_err(|why| error("fhirpath", why)))
    }

    async fn bytes(&mut self, document: Resource<Document>) -> wasmtime::Result<Vec<u8>> {
        self.budget.call()?;
        Ok(self.table.get(&document)?.json().get().as_bytes().to_vec())
    }

    async fn drop(&mut self, document: Resource<Document>) -> wasmtime::Result<()> {
        let document = self.table.delete(document)?;
        self.budget.release(document.weight());
        Ok(())
    }
}
