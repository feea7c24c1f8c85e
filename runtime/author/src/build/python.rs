//! Python, by the SDK's `hob_sdk.componentize`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Words, failed, run};
use crate::error::Fault;
use crate::{AuthorError, Project};

/// The exit code of the tool where something that it needs is missing.
const INCOMPLETE: i32 = 3;

pub(super) fn build(project: &Project, python: &Path, words: Words) -> Result<PathBuf, AuthorError> {
    let dir = &project.dir;
    let component = dir.join(&project.manifest.component);
    let vendored = dir.join("vendor/hob/python").canonicalize().ok();
    let command = || {
        let mut command = Command::new(python);
        command.current_dir(dir);
        // The SDK as the project has it, whether it was installed or not.
        if let Some(vendored) = &vendored {
            let rest =
                std::env::var_os("PYTHONPATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default();
            if let Ok(path) = std::env::join_paths(std::iter::once(vendored.clone()).chain(rest)) {
                command.env("PYTHONPATH", path);
            }
        }
        command
    };
    if run(command().args(["-c", "import hob_sdk"]), Words::Kept { color: false })?.code != Some(0) {
        let message = "the bot's Python has no hob_sdk";
        let sdk = if vendored.is_some() { "vendor/hob/python" } else { "HOB/sdk/python" };
        let help = format!("`python3 -m venv .venv && .venv/bin/pip install -e \"{sdk}[build,test]\"`, in the bot's folder");
        return Err(AuthorError::new(Fault::Missing, "toolchain-missing", message, help).at(dir.display()));
    }
    if let Some(parent) = component.parent() {
        std::fs::create_dir_all(parent).map_err(|error| AuthorError::unwritable(parent, &error))?;
    }
    let mut command = command();
    command.args(["-m", "hob_sdk.componentize", ".", "--out"]).arg(&project.manifest.component);
    let ran = run(&mut command, words)?;
    match ran.code {
        Some(0) => Ok(component),
        Some(INCOMPLETE) => {
            let mut error = failed(dir, "hob_sdk.componentize", &ran, "install what it names, as it says");
            (error.code, error.kind) = ("toolchain-missing", Fault::Missing);
            Err(error)
        }
        _ => Err(failed(dir, "hob_sdk.componentize", &ran, "mend what it says")),
    }
}
