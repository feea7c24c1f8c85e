//! What must be built before it can be tested: components, and the `hob` command. Cargo says what is fresh.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use serde_json::Value;

/// The folder of the workspace.
#[must_use]
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a folder of the workspace")
}

/// The bytes of a component of the workspace, by its package; it is built where it is not fresh.
#[must_use]
pub fn component(package: &str) -> Bytes {
    static BUILT: Mutex<BTreeMap<String, Bytes>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(bytes) = built.get(package) {
        return bytes.clone();
    }
    cargo(&["build", "--target", "wasm32-wasip2", "--profile", "bot", "--target-dir", "target/bots", "--package", package]);
    let path = root().join("target/bots/wasm32-wasip2/bot").join(format!("{}.wasm", package.replace('-', "_")));
    let bytes = Bytes::from(fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())));
    built.insert(package.to_owned(), bytes.clone());
    bytes
}

/// The `hob` command, built; where it is, cargo says.
#[must_use]
pub fn hob() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let said = cargo(&["build", "--workspace", "--bin", "hob", "--message-format", "json-render-diagnostics"]);
        let messages = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let executables = messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
        executables.max().expect("hob-cli has an executable")
    })
}

/// What it says on standard output.
fn cargo(arguments: &[&str]) -> String {
    let mut cargo = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    let output = cargo.args(arguments).current_dir(root()).output().expect("cargo can be started");
    assert!(output.status.success(), "cargo {}:\n{}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
