//! What was imported and what was turned off: a file in the folder of the bots, written whole before and after each step, so that a command that died can be given
//! again.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use hob_model::{BotName, Reference, ResourceType, Timestamp, VersionId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::render::Draft;
use crate::commands::files;
use crate::error::CliError;
use crate::exit_code;

const NAME: &str = "import.json";

/// The file.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    /// By bot.
    pub(super) bots: BTreeMap<BotName, Moved>,
}

/// A bot that was imported.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Moved {
    /// What runs it on the old host.
    pub(super) switches: Vec<Switch>,
    /// Of those, what its manifest has no trigger for.
    pub(super) unmoved: Vec<String>,
}

/// One resource of the old host that makes a bot run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Switch {
    /// Which.
    pub(super) reference: Reference,
    /// The version that was imported, and at which it is turned off.
    pub(super) version: Option<VersionId>,
    /// The type of the resources whose changes it runs the bot on; none for a cron.
    #[serde(rename = "type", default)]
    pub(super) resource_type: Option<ResourceType>,
    /// What it has when it is on.
    pub(super) fields: Map<String, Value>,
    /// How it stands.
    #[serde(default)]
    pub(super) now: Now,
}

/// How a switch stands. The two that are under way are written before the request: what became of it is found out by reading.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Now {
    /// The old host runs the bot.
    #[default]
    On,
    /// It is being turned off, from this version.
    TurningOff(VersionId),
    /// The old host does not run the bot any more, from this version and instant on.
    Off {
        /// The version that says so.
        version: VersionId,
        /// When, by the server's clock.
        since: Option<Timestamp>,
    },
    /// It is being turned on again, from this version.
    TurningOn(VersionId),
}

/// Keeps what was imported, beside what is known of others.
pub(super) fn remember(out: &Path, drafts: &[Draft]) -> Result<(), CliError> {
    let mut state = if path(out).exists() { load(out)? } else { State::default() };
    for draft in drafts {
        let switches: Result<Vec<Switch>, _> = draft.switches.iter().cloned().map(serde_json::from_value).collect();
        let switches = switches.map_err(|error| {
            let help = "give resources as the server has them, with id and meta.versionId";
            CliError::new(exit_code::DATA, "import-resources", format!("{}: {error}", draft.name), help)
        })?;
        state.bots.insert(draft.name.clone(), Moved { switches, unmoved: draft.unmoved.clone() });
    }
    save(out, &state)
}

/// Reads the file.
pub(super) fn load(out: &Path) -> Result<State, CliError> {
    let path = path(out);
    serde_json::from_str(&files::text(&path)?).map_err(|error| {
        let help = "it is written by `hob import`: restore it, or import into another folder";
        CliError::new(exit_code::DATA, "import-state", format!("the file of what was imported cannot be read: {error}"), help)
            .at(path.display())
    })
}

/// Writes the file whole, and to the disk.
pub(super) fn save(out: &Path, state: &State) -> Result<(), CliError> {
    let path = path(out);
    let part = path.with_extension("json.part");
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(out)?;
        let mut file = std::fs::File::create(&part)?;
        serde_json::to_writer_pretty(&mut file, state)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        std::fs::rename(&part, &path)?;
        std::fs::File::open(out)?.sync_all()
    };
    write().map_err(|error| CliError::unwritable(&path, &error))
}

fn path(out: &Path) -> PathBuf {
    out.join(NAME)
}
