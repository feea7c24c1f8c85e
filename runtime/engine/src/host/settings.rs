//! `settings`: what the deployment gave the bot.

use crate::bindings::hob::bot::settings;
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
