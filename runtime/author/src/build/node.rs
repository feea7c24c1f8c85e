//! TypeScript and JavaScript, by the SDK's `hob-componentize`.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::{Profile, Words, failed, run};
use crate::error::Fault;
use crate::{AuthorError, Project};

/// Where npm installs the tool, in the project's folder or in that of the workspace around it.
const TOOL: &str = "node_modules/@hob/sdk/bin/hob-componentize.mjs";

/// What installs it, and what it is made of.
const INSTALL: &str = "run `npm install` in the bot's folder";

/// The exit code of the tool where something of its own is missing.
const INCOMPLETE: i32 = 69;

/// What `package.json` says of the bot.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Package {
    hob: Own,
}

/// The key `hob` of `package.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Own {
    /// The bot's file, where it is not one of those that the tool looks for.
    entry: Option<String>,
    /// In Medplum's style: `handler(medplum, event)`.
    medplum: bool,
}

pub(super) fn build(project: &Project, node: &Path, profile: Profile, words: Words) -> Result<PathBuf, AuthorError> {
    let dir = &project.dir;
    let file = dir.join("package.json");
    let text = std::fs::read_to_string(&file).map_err(|error| AuthorError::unreadable(&file, &error))?;
    let package: Package = serde_json::from_str(&text).map_err(|why| {
        let help = "the key `hob` takes {\"entry\": \"src/bot.ts\", \"medplum\": true}";
        AuthorError::new(Fault::Config, "package", why, help).at(file.display())
    })?;
    let absolute = std::path::absolute(dir).map_err(|error| AuthorError::unreadable(dir, &error))?;
    let tool = absolute.ancestors().map(|folder| folder.join(TOOL)).find(|tool| tool.is_file()).ok_or_else(|| {
        let message = "the packages of the bot are not installed";
        AuthorError::new(Fault::Missing, "toolchain-missing", message, INSTALL).at(dir.display())
    })?;
    let component = dir.join(&project.manifest.component);
    let out = std::path::absolute(&component).map_err(|error| AuthorError::unwritable(&component, &error))?;
    let mut command = Command::new(node);
    command.current_dir(dir).arg(&tool).arg("--out").arg(&out).args(["--name", project.manifest.name.as_str()]);
    if package.hob.medplum {
        command.arg("--medplum");
    }
    if profile == Profile::Author {
        command.arg("--quick");
    }
    command.args(package.hob.entry);
    let ran = run(&mut command, words)?;
    match ran.code {
        Some(0) => Ok(component),
        Some(INCOMPLETE) => {
            let mut error = failed(dir, "hob-componentize", &ran, INSTALL);
            (error.code, error.kind) = ("toolchain-missing", Fault::Missing);
            Err(error)
        }
        _ => Err(failed(dir, "hob-componentize", &ran, "mend what it says")),
    }
}
