//! `http`: requests in the midst of a run, each held to an `[[http]]` rule of the manifest before the host hears of it.

use std::time::Duration;

use data_encoding::BASE64;
use serde_json::json;

use super::rules::{self, Wished};
use crate::Scrub;
use crate::bindings::hob::bot::http::{Error, Host, Request, Response};
use crate::outbound::{HttpError, HttpRequest, HttpResponse};
use crate::state::State;
use crate::stop::Stop;
use crate::tape;

impl Host for State {
    async fn send(&mut self, request: Request) -> wasmtime::Result<Result<Response, Error>> {
        self.budget.call()?;
        self.budget.request()?;
        self.budget.transfer(size(&request.url, &request.headers, &request.body))?;
        let at = self.recorder.begin();
        let Request { method, url, headers, body } = &request;
        let hidden = &self.recorder.hidden;
        let asked = json!({ "method": method, "url": url, "headers": headers, "body": BASE64.encode(&hidden.bytes(body)) });
        let answer = match rules::check(&self.bound.manifest, self.input.run, &Wished { method, url, headers, body }) {
            Err(message) => Err(HttpError::Told { code: "not-allowed", message, retry_after: None }),
            Ok(url) => match self.otherwise(&asked) {
                Some(known) => known,
                None => {
                    let method = request.method.to_ascii_uppercase();
                    let request = HttpRequest { method, url, headers: request.headers, body: request.body.into() };
                    self.http.send(request).await
                }
            },
        };
        if matches!(&answer, Err(HttpError::Ends(failure)) if failure.code == tape::ENDS) {
            return Err(wasmtime::Error::new(Stop(tape::ended())));
        }
        let told = match &answer {
            Ok(response) => Ok(told(response, &self.recorder.hidden)),
            Err(HttpError::Told { code, message, retry_after }) => {
                Err(json!({ "code": code, "message": message, "retry-after-ms": retry_after.map(millis) }))
            }
            Err(HttpError::Ends(failure)) => Err(json!({ "code": failure.code, "message": failure.message })),
        };
        let grown = self.recorder.end("http.send", at, asked, told);
        self.budget.hold(grown)?;
        match answer {
            Ok(HttpResponse { status, headers, body }) => {
                self.budget.transfer(size("", &headers, &body))?;
                Ok(Ok(Response { status, headers, body: body.into() }))
            }
            Err(HttpError::Told { code, message, retry_after }) => {
                Ok(Err(Error { code: code.to_owned(), message, retry_after_ms: retry_after.map(millis) }))
            }
            Err(HttpError::Ends(failure)) => Err(wasmtime::Error::new(Stop(failure))),
        }
    }
}

impl State {
    /// What the same request was answered, where another release runs than the one that made it.
    fn otherwise(&mut self, asked: &serde_json::Value) -> Option<Result<HttpResponse, HttpError>> {
        if !self.recorder.is_otherwise() {
            return None;
        }
        tape::answer(self.recorder.recorded("http.send", asked)?)
    }
}

fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}

fn size(url: &str, headers: &[(String, String)], body: &[u8]) -> usize {
    url.len() + headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() + body.len()
}

/// As the journal has it.
fn told(response: &HttpResponse, hidden: &Scrub) -> serde_json::Value {
    json!({ "status": response.status, "headers": response.headers, "body": BASE64.encode(&hidden.bytes(&response.body)) })
}
