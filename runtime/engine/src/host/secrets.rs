//! `secrets`: stand-ins for what the bot must not see, signatures with it, and the value where the manifest exposes it.

use data_encoding::BASE64;
use hob_model::{Digest, Failure, FailureKind, SecretSpec, SignAlgorithm};
use serde_json::json;

use crate::bindings::hob::bot::secrets::Host;
use crate::state::State;
use crate::stop::Stop;
use crate::{placeholder, sign, tape};

const UNKNOWN: &str = "there is no such secret; name it in `[secrets]` of bot.toml";

impl Host for State {
    async fn placeholder(&mut self, name: String) -> wasmtime::Result<Result<String, String>> {
        self.budget.call()?;
        let at = self.recorder.begin();
        let answer = self.secret(&name).map(|_| placeholder(self.input.run, &name));
        let grown = self.recorder.end("secrets.placeholder", at, [&name], answer.as_ref());
        self.budget.hold(grown)?;
        Ok(answer)
    }

    async fn sign(&mut self, name: String, algorithm: String, bytes: Vec<u8>) -> wasmtime::Result<Result<Vec<u8>, String>> {
        self.budget.call()?;
        let at = self.recorder.begin();
        let request = json!([name, algorithm, Digest::of(&bytes).hex()]);
        // What is repeated is given the signature that it got: not every algorithm gives the same one twice.
        let answer = match self.recorder.again::<String, String>("secrets.sign", &request) {
            Some(recorded) => recorded.and_then(|signed| BASE64.decode(signed.as_bytes()).map_err(|error| error.to_string())),
            None => self.signed(&name, &algorithm, &bytes)?,
        };
        let told = answer.as_ref().map(|signed| BASE64.encode(signed));
        let grown = self.recorder.end("secrets.sign", at, request, told);
        self.budget.hold(grown)?;
        Ok(answer)
    }

    async fn expose(&mut self, name: String) -> wasmtime::Result<Result<String, String>> {
        self.budget.call()?;
        let at = self.recorder.begin();
        // Not its placeholder: a repeat sends the mark as plain text where the first run sent the value.
        let mark = format!("hob-exposed:{name}");
        let recorded = self.recorder.again::<String, String>("secrets.expose", [&name]);
        let answer = match (recorded, self.secret(&name).map(|spec| spec.expose)) {
            // A repeat is shown what the journal has in the value's place.
            (Some(recorded), _) => recorded.map(|_| mark.clone()),
            (None, Err(unknown)) => Err(unknown),
            (None, Ok(false)) => Err(format!("bot.toml does not expose {name}: write `expose = true` beside it in `[secrets]`")),
            // Nor is anybody shown it who only tries what the bot would do.
            (None, Ok(true)) if self.recorder.is_otherwise() => Ok(mark.clone()),
            (None, Ok(true)) => Ok(self.value(&name)?),
        };
        match &answer {
            Ok(value) if *value == mark => self.recorder.hidden.repeat(&mark),
            Ok(value) => self.recorder.hidden.hide_lines(&mark, value),
            Err(_) => {}
        }
        // That it was exposed is told, and what was is not.
        let grown = self.recorder.end("secrets.expose", at, [&name], answer.as_ref().map(|_| "exposed"));
        self.budget.hold(grown)?;
        Ok(answer)
    }
}

impl State {
    fn signed(&self, name: &str, algorithm: &str, bytes: &[u8]) -> wasmtime::Result<Result<Vec<u8>, String>> {
        let spec = match self.secret(name) {
            Ok(spec) => spec,
            Err(unknown) => return Ok(Err(unknown)),
        };
        let Some(known) = SignAlgorithm::ALL.into_iter().find(|known| known.as_str() == algorithm) else {
            let words = SignAlgorithm::ALL.map(SignAlgorithm::as_str).join(", ");
            return Ok(Err(format!("this host does not sign by `{algorithm}`; it knows {words}")));
        };
        if spec.sign != Some(known) {
            let why = format!("bot.toml does not let {name} sign so: write `sign = \"{algorithm}\"` beside it in `[secrets]`");
            return Ok(Err(why));
        }
        Ok(sign::sign(known, &self.value(name)?, bytes).map_err(|why| format!("the secret {name}: {why}")))
    }

    fn secret(&self, name: &str) -> Result<&SecretSpec, String> {
        self.bound.manifest.secrets.get(name).ok_or_else(|| UNKNOWN.to_owned())
    }

    /// The value of a secret of the manifest; without it the attempt ends, and waits for the operator as a request of the outbox would.
    fn value(&self, name: &str) -> wasmtime::Result<String> {
        if self.recorder.is_otherwise() {
            return Err(wasmtime::Error::new(Stop(tape::ended())));
        }
        self.secrets.value(name).map_err(|why| {
            tracing::error!(bot = %self.bound.manifest.name, secret = name, why, "a run waits for its secret");
            let message = format!("the secret {name} is not to be had: see the host's log");
            wasmtime::Error::new(Stop(Failure {
                kind: FailureKind::Retry,
                code: "secret".to_owned(),
                message,
                retry_after: None,
            }))
        })
    }
}
