//! `secrets`: stand-ins for what the bot must not see, signatures with it, and the value where the manifest exposes it.

use data_encoding::BASE64;
use hob_model::{Digest, Failure, FailureKind, SecretSpec, SignAlgorithm};
use serde_json::json;

use crate::bindings::hob::bot::secrets::Host;
use crate::state::State;
use crate::stop::Stop;
use crate::{placeholder, sign};

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
        let asked = json!([name, algorithm, Digest::of(&bytes).hex()]);
        // Some algorithms give another signature each time.
        let before = self.recorder.again::<String, String>("secrets.sign", &asked);
        let known = SignAlgorithm::ALL.iter().any(|known| known.as_str() == algorithm);
        let wanted = self.secret(&name).map(|spec| spec.sign.filter(|may| may.as_str() == algorithm));
        let answer = match wanted {
            Err(unknown) => Err(unknown),
            Ok(None) if !known => {
                let words = SignAlgorithm::ALL.map(SignAlgorithm::as_str).join(", ");
                Err(format!("this host does not sign by `{algorithm}`; it knows {words}"))
            }
            Ok(None) => {
                Err(format!("bot.toml does not let {name} sign so: write `sign = \"{algorithm}\"` beside it in `[secrets]`"))
            }
            Ok(Some(algorithm)) => match before {
                Some(signed) => signed.map(|signed| BASE64.decode(signed.as_bytes()).unwrap_or_default()),
                None => sign::sign(algorithm, &self.value(&name)?, &bytes).map_err(|why| format!("the secret {name}: {why}")),
            },
        };
        let told = answer.as_ref().map(|signed| BASE64.encode(signed));
        let grown = self.recorder.end("secrets.sign", at, asked, told);
        self.budget.hold(grown)?;
        Ok(answer)
    }

    async fn expose(&mut self, name: String) -> wasmtime::Result<Result<String, String>> {
        self.budget.call()?;
        let at = self.recorder.begin();
        let answer = match self.secret(&name).map(|spec| spec.expose) {
            Err(unknown) => Err(unknown),
            Ok(false) => Err(format!("bot.toml does not expose {name}: write `expose = true` beside it in `[secrets]`")),
            Ok(true) => Ok(self.value(&name)?),
        };
        if let Ok(value) = &answer {
            let mark = placeholder(self.input.run, &name);
            self.recorder.hidden.hide(&mark, value);
            // A log has lines: of a value of several, each is hidden that is more than punctuation.
            value
                .lines()
                .filter(|line| (8..value.len()).contains(&line.len()))
                .for_each(|line| self.recorder.hidden.hide(&mark, line));
        }
        // That it was exposed is told, and what was is not.
        let grown = self.recorder.end("secrets.expose", at, [&name], answer.as_ref().map(|_| "exposed"));
        self.budget.hold(grown)?;
        Ok(answer)
    }
}

impl State {
    fn secret(&self, name: &str) -> Result<&SecretSpec, String> {
        self.bound.manifest.secrets.get(name).ok_or_else(|| UNKNOWN.to_owned())
    }

    /// The value of a secret of the manifest; without it the attempt ends, and waits for the operator as a request of the outbox would.
    fn value(&self, name: &str) -> wasmtime::Result<String> {
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
