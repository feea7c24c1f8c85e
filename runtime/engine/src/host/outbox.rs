//! `outbox`: requests to send after the commit, each held to an `[[http]]` rule of the manifest now, so that the bot learns at once.

use hob_model::OutboxItem;
use serde_json::json;

use super::rules::{self, Wished};
use crate::bindings::hob::bot::outbox::{Host, Request};
use crate::state::State;

impl Host for State {
    async fn send(&mut self, request: Request) -> wasmtime::Result<Result<(), String>> {
        self.budget.call()?;
        self.budget.request()?;
        let at = self.recorder.begin();
        let answer = self.check(&request);
        let asked = json!({
            "key": request.key,
            "method": request.method,
            "url": request.url,
            "headers": request.headers,
            "body": data_encoding::BASE64.encode(&self.recorder.hidden.bytes(&request.body)),
        });
        let grown = self.recorder.end("outbox.send", at, asked, answer.as_ref().map(drop));
        self.budget.hold(grown)?;
        let answer = answer.map(|url| {
            let headers = request.headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
            self.output = self.output.saturating_add(request.key.len() + url.len() + headers + request.body.len());
            self.outbox.push(OutboxItem {
                key: request.key,
                method: request.method.to_ascii_uppercase(),
                url,
                headers: request.headers,
                body: request.body,
            });
        });
        self.check_output()?;
        Ok(answer)
    }
}

impl State {
    fn check(&self, request: &Request) -> Result<String, String> {
        if request.key.is_empty() || request.key.len() > 256 {
            return Err("an outbox key has 1 to 256 bytes".to_owned());
        }
        if self.outbox.iter().any(|item| item.key == request.key) {
            return Err("this run already has an outbox item of this key".to_owned());
        }
        let Request { method, url, headers, body, .. } = request;
        rules::check(&self.bound.manifest, self.input.run, &Wished { method, url, headers, body })
    }
}
