//! A case, as its file has it.

use std::collections::BTreeMap;

use hob_model::{Manifest, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{Happening, Property};

/// A case of a bot: what is on the server, what happens, and everything that the bot then does.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Case {
    /// What it shows, as a sentence.
    pub title: String,
    /// Resources on the server, in the order in which they came: the same id again is its next version. A text names a file beside the case that holds a
    /// resource or a list of them.
    #[serde(default)]
    pub given: Vec<Value>,
    /// What happens.
    pub event: Happening,
    /// Settings other than the manifest's defaults. A text that begins with `./` or `../` names a JSON file.
    #[serde(default)]
    pub settings: BTreeMap<String, Value>,
    /// When the bot is run, RFC 3339.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub now: Timestamp,
    /// What others answer to the requests that the bot waits for, in order. A request that is not the next one here is refused.
    #[serde(default)]
    pub answers: Vec<Answer>,
    /// Values of secrets, by name.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// Variations of this case that must come out in a way that can be told beforehand.
    #[serde(default)]
    pub property: Option<Property>,
    /// What the bot does: `reads`, `writes`, `timers`, `outbox`, `result`, `failure`; or only `{"started": false}`. A key that is left out says that there is
    /// none of it, but for `reads`, which are looked at only where they are listed. Without `expect` a case fails; `hob test --update` writes it.
    #[serde(default)]
    pub expect: Option<Value>,
}

/// What somebody outside answers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The method that is asked with; any, unless said.
    #[serde(default)]
    pub method: Option<String>,
    /// What the URL must begin with.
    pub url: String,
    /// The HTTP status; 200 unless said.
    #[serde(default = "ok")]
    pub status: u16,
    /// Names and values.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A text as it is; anything else as JSON.
    #[serde(default)]
    pub body: Value,
}

const fn ok() -> u16 {
    200
}

impl Case {
    /// The settings of the run: those of the case over the manifest's defaults are the engine's to fill in; here they are held to the manifest.
    ///
    /// # Errors
    /// One that the manifest does not have, or of another type.
    pub fn checked_settings(&self, manifest: &Manifest) -> Result<Map<String, Value>, String> {
        for (name, value) in &self.settings {
            let Some(spec) = manifest.settings.get(name) else { return Err(format!("settings: bot.toml has no {name}")) };
            if !spec.kind.takes(value) {
                return Err(format!("settings: {name} is not of the type that bot.toml gives"));
            }
        }
        Ok(self.settings.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
    }
}
