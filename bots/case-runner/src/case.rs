//! The file of a case.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use hob_sdk::{Event, Host, Trigger, testing};
use serde::Deserialize;
use serde_json::Value;

use crate::stage::Stage;

/// A case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// What it shows, as a sentence.
    pub(crate) title: String,
    /// Resources on the server, in the order in which they came: the same id again is its next version. A text names a file beside the case
    /// that holds a resource or a list of them.
    given: Vec<Value>,
    event: Happening,
    /// Settings other than the manifest's defaults. A text that begins with `./` or `../` names a file.
    #[serde(default)]
    pub(crate) settings: BTreeMap<String, Value>,
    /// When the bot is run.
    now: DateTime<Utc>,
    /// What it does: `reads`, `writes`, `timers`, `failure`; or only that it is not started.
    pub(crate) expect: Value,
    #[serde(skip)]
    pub(crate) resources: Vec<Value>,
}

/// What happens.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase", untagged)]
enum Happening {
    /// A change of a given resource, at its newest version unless another is named.
    Change {
        /// `create`, `update` or `delete`.
        change: String,
        /// `Type/id`.
        resource: String,
        /// An older one.
        version: Option<String>,
    },
    /// A timer that came due.
    Timer {
        /// Its key.
        timer: String,
        /// When it was to fire.
        due: String,
        /// What came back.
        payload: Value,
    },
}

impl Case {
    pub(crate) fn read(document: &Value, file: &Path) -> Result<Self, String> {
        let mut case = Self::deserialize(document).map_err(|why| why.to_string())?;
        for given in std::mem::take(&mut case.given) {
            match beside(file, given, |_| true)? {
                Value::Array(several) => case.resources.extend(several),
                one => case.resources.push(one),
            }
        }
        for value in case.settings.values_mut() {
            *value = beside(file, value.take(), |name| name.starts_with("./") || name.starts_with("../"))?;
        }
        Ok(case)
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.now.into()
    }

    /// The event; a delete takes the resource off the stage.
    pub(crate) fn event(&self, stage: &Stage) -> Result<Event, String> {
        let event = match &self.event {
            Happening::Change { change, resource, version } => {
                let world = stage.world();
                let found = version.as_ref().map_or_else(|| world.read(resource), |version| world.vread(resource, version));
                let mut event = testing::change(found.map_err(|why| format!("event: {resource}: {why}"))?);
                if let Trigger::Change { interaction, .. } = &mut event.trigger {
                    interaction.clone_from(change);
                }
                if change == "delete" {
                    world.delete(resource).map_err(|why| why.to_string())?;
                }
                event
            }
            Happening::Timer { timer, due, payload } => testing::timer(timer, due, payload),
        };
        Ok(Event { received: self.now.to_rfc3339(), ..event })
    }
}

/// A value, or what stands in the file that it names.
fn beside(case: &Path, value: Value, is_name: impl Fn(&str) -> bool) -> Result<Value, String> {
    let Some(name) = value.as_str().filter(|name| is_name(name)) else { return Ok(value) };
    let file = case.with_file_name(name);
    let text = std::fs::read_to_string(&file).map_err(|why| format!("{}: {why}", file.display()))?;
    serde_json::from_str(&text).map_err(|why| format!("{}: {why}", file.display()))
}
