//! Rust, by cargo.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{Profile, Words, failed, run};
use crate::check::structure;
use crate::error::Fault;
use crate::{AuthorError, Project};

/// The profiles, given on the command line so that a project needs none. Measured: for speed they are no larger than for size, and what they do takes two thirds
/// of the time. Names of functions stay: a trap is reported by them.
const SERVICE: [&str; 7] = [
    "profile.bot.inherits=\"release\"",
    "profile.bot.opt-level=3",
    "profile.bot.lto=true",
    "profile.bot.codegen-units=1",
    "profile.bot.strip=\"debuginfo\"",
    "profile.bot.panic=\"abort\"",
    "profile.bot.debug=false",
];
/// Line tables of the bot alone, and some optimisation: what cargo saves without it, the engine's compiler and the run pay for.
const AUTHOR: [&str; 6] = [
    "profile.hob-dev.inherits=\"dev\"",
    "profile.hob-dev.opt-level=1",
    "profile.hob-dev.debug=\"line-tables-only\"",
    "profile.hob-dev.panic=\"abort\"",
    "profile.hob-dev.package.\"*\".debug=false",
    "profile.hob-dev.incremental=true",
];

pub(super) fn build(project: &Project, cargo: &Path, profile: Profile, words: Words) -> Result<PathBuf, AuthorError> {
    let dir = &project.dir;
    let (name, settings): (&str, &[&str]) = match profile {
        Profile::Service => ("bot", &SERVICE),
        Profile::Author => ("hob-dev", &AUTHOR),
    };
    let mut command = Command::new(cargo);
    command.current_dir(dir).args(["build", "--target", "wasm32-wasip2", "--message-format", "json-render-diagnostics"]);
    command.args(["--profile", name]);
    for setting in settings {
        command.args(["--config", setting]);
    }
    if let Words::Kept { color } = words {
        command.args(["--quiet", "--color", if color { "always" } else { "never" }]);
    }
    let ran = run(&mut command, words)?;
    if ran.code != Some(0) {
        return Err(failed(dir, "cargo", &ran, "mend what the compiler says"));
    }
    let (component, source) = component(dir, &ran.stdout)?;
    exports(&component, &source)?;
    Ok(component)
}

/// That the component is a bot's: what is missing is looked for in the source rather than in the component.
fn exports(component: &Path, source: &Path) -> Result<(), AuthorError> {
    let bytes = std::fs::read(component).map_err(|error| AuthorError::unreadable(component, &error))?;
    if structure::of(&bytes)?.exports.iter().any(|name| name == "handle") {
        return Ok(());
    }
    let message = "the component does not export `handle`: no function is named as the bot's";
    let help =
        "add `hob_sdk::bot!(handle);` below the function `pub fn handle(event: Event, hob: &dyn Host) -> Result<Outcome, Error>`";
    Err(AuthorError::new(Fault::Data, "component", message, help).at(source.display()))
}

/// The component among what cargo says that it made, that of the package in this folder, and the file that it begins with.
fn component(dir: &Path, messages: &str) -> Result<(PathBuf, PathBuf), AuthorError> {
    let manifest = dir.join("Cargo.toml");
    let own = manifest.canonicalize().map_err(|error| AuthorError::unreadable(&manifest, &error))?;
    let of = |message: &Value| {
        let is_own = message["manifest_path"].as_str().is_some_and(|path| Path::new(path) == own);
        let files = message["filenames"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let is_library =
            message["target"]["crate_types"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "cdylib"));
        let made = files.map(PathBuf::from).find(|file| file.extension().is_some_and(|end| end == "wasm"));
        let source = PathBuf::from(message["target"]["src_path"].as_str().unwrap_or_default());
        made.filter(|_| is_own && is_library).map(|made| (made, source))
    };
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages.filter(|message| message["reason"] == "compiler-artifact").find_map(|message| of(&message)).ok_or_else(|| {
        let help = "add to Cargo.toml: [lib] crate-type = [\"cdylib\", \"rlib\"]";
        AuthorError::new(
            Fault::Failed,
            "build-failed",
            "cargo built no component: the package has no library of type cdylib",
            help,
        )
        .at(manifest.display())
    })
}
