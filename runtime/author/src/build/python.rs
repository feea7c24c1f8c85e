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
    let mut command = Command::new(python);
    command.current_dir(dir).args(["-m", "hob_sdk.componentize", ".", "--out"]).arg(&project.manifest.component);
    // The SDK as the project has it, whether it was installed or not.
    let vendored = dir.join("vendor/hob/python");
    if let Ok(vendored) = vendored.canonicalize() {
        let rest =
            std::env::var_os("PYTHONPATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default();
        if let Ok(path) = std::env::join_paths(std::iter::once(vendored).chain(rest)) {
            command.env("PYTHONPATH", path);
        }
    }
    if let Some(parent) = component.parent() {
        std::fs::create_dir_all(parent).map_err(|error| AuthorError::unwritable(parent, &error))?;
    }
    let ran = run(&mut command, words)?;
    let help = "python3 -m venv .venv && .venv/bin/pip install -e \"vendor/hob/python[build]\"";
    match ran.code {
        Some(0) => Ok(component),
        Some(INCOMPLETE) => Err(missing(failed(dir, "hob_sdk.componentize", &ran, help))),
        _ if ran.stderr.contains("No module named") && ran.stderr.contains("hob_sdk") => {
            Err(missing(failed(dir, "python", &ran, help)))
        }
        _ => Err(failed(dir, "hob_sdk.componentize", &ran, "mend what it says")),
    }
}

fn missing(mut error: AuthorError) -> AuthorError {
    (error.code, error.kind) = ("toolchain-missing", Fault::Missing);
    error
}
