//! What must be installed for a language, and how to get it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Fault;
use crate::{AuthorError, Language};

/// The least versions of the programs that are called.
const NODE: (u32, u32) = (20, 0);
const PYTHON: (u32, u32) = (3, 11);

/// Checks what a language needs, for a project in `dir`; gives the program that builds.
///
/// # Errors
/// `toolchain-missing`: what, and how to get it.
pub(crate) fn check(language: Language, dir: &Path) -> Result<PathBuf, AuthorError> {
    match language {
        Language::Rust => rust(dir),
        Language::Node => node(),
        Language::Python => python(dir),
    }
}

fn missing(what: impl std::fmt::Display, help: &str) -> AuthorError {
    AuthorError::new(Fault::Missing, "toolchain-missing", what, help)
}

/// What a program prints; none where it is not there or fails.
fn output(program: &Path, args: &[&str], dir: &Path) -> Option<String> {
    let output = Command::new(program).args(args).current_dir(dir).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn rust(dir: &Path) -> Result<PathBuf, AuthorError> {
    let cargo = PathBuf::from("cargo");
    if output(&cargo, &["--version"], dir).is_none() {
        return Err(missing(
            "cargo does not run: Rust is not installed, or not on PATH",
            "install Rust from https://rustup.rs, then `rustup target add wasm32-wasip2`",
        ));
    }
    let libraries = output(Path::new("rustc"), &["--print", "target-libdir", "--target", "wasm32-wasip2"], dir);
    if libraries.is_none_or(|folder| !Path::new(&folder).is_dir()) {
        return Err(missing("Rust has no target wasm32-wasip2", "`rustup target add wasm32-wasip2`"));
    }
    Ok(cargo)
}

fn node() -> Result<PathBuf, AuthorError> {
    let node = PathBuf::from("node");
    let here = Path::new(".");
    let Some(version) = output(&node, &["--version"], here) else {
        return Err(missing(
            "node does not run: Node.js is not installed, or not on PATH",
            "install Node.js 20 or later from https://nodejs.org",
        ));
    };
    enough("Node.js", &version, NODE, "install Node.js 20 or later from https://nodejs.org")?;
    Ok(node)
}

/// The Python of the project's virtual environment, else the one on PATH.
fn python(dir: &Path) -> Result<PathBuf, AuthorError> {
    // Absolute, for it is run in other folders; not resolved, for a link is how a virtual environment is known.
    let own = std::path::absolute(dir.join(".venv/bin/python")).unwrap_or_default();
    let get = "install Python 3.11 or later from https://python.org, then `python3 -m venv .venv`";
    let candidates = [own, PathBuf::from("python3"), PathBuf::from("python")];
    let found = candidates
        .into_iter()
        .find_map(|python| output(&python, &["--version"], Path::new(".")).map(|version| (python, version)));
    let Some((python, version)) = found else {
        return Err(missing("python3 does not run: Python is not installed, or not on PATH", get));
    };
    enough("Python", &version, PYTHON, get)?;
    Ok(python)
}

fn enough(name: &str, version: &str, least: (u32, u32), help: &str) -> Result<(), AuthorError> {
    let numbers = version.trim_start_matches(|c: char| !c.is_ascii_digit());
    let mut parts = numbers.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if found >= least {
        return Ok(());
    }
    Err(missing(format!("{name} {numbers} is too old: {}.{} is the least", least.0, least.1), help))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(enough("Node.js", "v20.9.0", NODE, "").is_ok());
        assert!(enough("Python", "Python 3.11.7", PYTHON, "").is_ok());
        assert!(enough("Python", "Python 3.9.1", PYTHON, "").unwrap_err().message.contains("3.9.1"));
        assert!(enough("Node.js", "v8.0.0", NODE, "").is_err());
    }
}
