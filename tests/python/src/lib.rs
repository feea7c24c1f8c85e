//! Python bots of this repository as components, built by the real tool.
//!
//! A build takes twenty seconds, and compiling what comes of it a minute, so both are kept in `target/python` under the digest of what they are made from:
//! the bot's files, the SDK, the contract, the pinned tools. `cargo xtask setup` makes the virtual environment.

use std::path::{Path, PathBuf};
use std::process::Command;

use hob_model::Digest;

/// The root of the checkout.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Where the virtual environment, components and their machine code are.
#[must_use]
pub fn folder() -> PathBuf {
    root().join("target/python")
}

/// A command of the virtual environment's Python, with the SDK on its path.
///
/// # Errors
/// Where there is none.
pub fn python() -> Result<Command, String> {
    let python = folder().join("venv/bin/python");
    if !python.is_file() {
        return Err(format!("{}: there is no Python for the tests: run `cargo xtask setup`", python.display()));
    }
    let mut command = Command::new(python);
    command.env("PYTHONPATH", root().join("sdk/python")).env("PYTHONDONTWRITEBYTECODE", "1").env_remove("VIRTUAL_ENV");
    Ok(command)
}

/// The component of the bot in a folder.
///
/// # Errors
/// What the build said.
pub fn component(bot: &Path) -> Result<Vec<u8>, String> {
    let name = bot.file_name().map_or_else(|| "bot".to_owned(), |name| name.to_string_lossy().into_owned());
    let made = folder().join("components").join(format!("{name}-{}.wasm", made_of(bot)?.hex()));
    if !made.is_file() {
        let built = python()?.args(["-m", "hob_sdk.componentize"]).arg(bot).arg("--out").arg(&made).output();
        let built = built.map_err(|error| format!("the build of {name} does not start: {error}"))?;
        if !built.status.success() {
            return Err(String::from_utf8_lossy(&built.stderr).into_owned());
        }
    }
    std::fs::read(&made).map_err(|error| format!("{}: {error}", made.display()))
}

/// What a component depends on.
fn made_of(bot: &Path) -> Result<Digest, String> {
    let sdk = root().join("sdk");
    let mut parts = vec![read(&sdk.join("python/requirements.txt"))?];
    for (folder, extension) in [(bot, "py"), (&sdk.join("python/hob_sdk"), "py"), (&sdk.join("wit"), "wit")] {
        let mut files = Vec::new();
        sources(folder, extension, &mut files)?;
        files.sort();
        for file in files {
            let name = file.strip_prefix(folder).unwrap_or(&file);
            parts.push(name.to_string_lossy().into_owned().into_bytes());
            parts.push(read(&file)?);
        }
    }
    Ok(Digest::of_parts(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>()))
}

fn sources(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() && path.file_name().is_some_and(|name| name != "tests") {
            sources(&path, extension, found)?;
        } else if path.extension().is_some_and(|known| known == extension) {
            found.push(path);
        }
    }
    Ok(())
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))
}
