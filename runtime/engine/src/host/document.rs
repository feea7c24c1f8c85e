//! `document`: JSON that the host holds parsed.

use serde_json::Value;
use wasmtime::component::Resource;

use crate::Document;
use crate::bindings::hob::bot::document::{Error, Host, HostDocument};
use crate::state::State;
use crate::stop::{Limit, Stop};
use crate::{fhirpath, tape};

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
        // Another release may ask the same of another document: only what hangs on the clock of then is taken from the recorded answer.
        let by_clock = ["now()", "today()", "timeOfDay()"].iter().any(|clock| expression.contains(clock));
        if (by_clock || !self.recorder.is_otherwise())
            && let Some(found) = self.recorder.again::<Vec<Value>, String>("document.fhirpath", [&asked])
        {
            let grown = self.recorder.end("document.fhirpath", at, [&asked], found.as_ref());
            self.budget.hold(grown)?;
            return Ok(found.map(|found| Value::Array(found).to_string()).map_err(|why| error("fhirpath", why)));
        }
        if by_clock && self.recorder.is_otherwise() {
            return Err(wasmtime::Error::new(Stop(tape::ended())));
        }
        let environment =
            fhirpath::Environment { current: self.input.resource.clone(), previous: self.input.previous.clone(), variables };
        let found = match self.apart(move |left| fhirpath::evaluate(&expression, &document, &environment, left)).await? {
            None => Err("the expression could not be evaluated".to_owned()),
            Some(Err(why)) if why.over == Some(fhirpath::Over::Cpu) => return Err(self.budget.over(Limit::Cpu)),
            Some(found) => found.map_err(|why| why.message),
        };
        // `now()` and `today()` read the host's clock, so the answer is a part of what replay needs.
        let grown = self.recorder.end("document.fhirpath", at, [&asked], found.as_ref());
        self.budget.hold(grown)?;
        Ok(found.map(|found| Value::Array(found).to_string()).map_err(|why| error("fhirpath", why)))
    }

    async fn bytes(&mut self, document: Resource<Document>) -> wasmtime::Result<Vec<u8>> {
        self.budget.call()?;
        Ok(self.table.get(&document)?.text().as_bytes().to_vec())
    }

    async fn drop(&mut self, document: Resource<Document>) -> wasmtime::Result<()> {
        let document = self.table.delete(document)?;
        self.budget.release(document.weight());
        Ok(())
    }
}
