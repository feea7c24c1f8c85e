//! `settings` and `secrets`: what the deployment gave the bot, and stand-ins for what it must not see.

use crate::bindings::hob::bot::{secrets, settings};
use crate::state::State;

impl settings::Host for State {
    async fn get(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        self.budget.call()?;
        let at = self.recorder.begin();
        let spec = self.bound.manifest.settings.get(&name);
        let value = spec.and_then(|spec| self.input.settings.get(&name).or(spec.default.as_ref()));
        let answer = value.map(ToString::to_string);
        let grown = self.recorder.end("settings.get", at, [&name], Ok::<_, ()>(value));
        self.budget.hold(grown)?;
        Ok(answer)
    }
}

impl secrets::Host for State {
    async fn placeholder(&mut self, name: String) -> wasmtime::Result<Result<String, String>> {
        self.budget.call()?;
        let at = self.recorder.begin();
        let answer = if self.bound.manifest.secrets.contains_key(&name) {
            Ok(crate::placeholder(self.input.run, &name))
        } else {
            Err("there is no such secret; name it in `[secrets]` of bot.toml".to_owned())
        };
        let grown = self.recorder.end("secrets.placeholder", at, [&name], answer.as_ref());
        self.budget.hold(grown)?;
        Ok(answer)
    }
}
