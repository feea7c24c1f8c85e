//! The bots and the test components, built for WebAssembly into `target/bots`.

use std::path::PathBuf;

use crate::shell;

/// Where the components land.
pub(crate) fn folder() -> PathBuf {
    shell::root().join("target/bots/wasm32-wasip2/bot")
}

/// Builds every package of the workspace that is a component: those that are `cdylib`.
pub(crate) fn build() -> Result<(), String> {
    let packages = components()?;
    let mut command = shell::cargo();
    command.args(["build", "--target", "wasm32-wasip2", "--profile", "bot", "--target-dir", "target/bots"]);
    for package in &packages {
        command.args(["--package", package]);
    }
    shell::step(&format!("build {} components ({})", packages.len(), packages.join(", ")), &mut command)
}

fn components() -> Result<Vec<String>, String> {
    let metadata = shell::output(shell::cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata).map_err(|e| format!("cargo metadata: {e}"))?;
    let is_component = |package: &&serde_json::Value| {
        let kinds =
            package["targets"].as_array().into_iter().flatten().flat_map(|t| t["crate_types"].as_array().into_iter().flatten());
        kinds.into_iter().any(|kind| kind == "cdylib")
    };
    let names = metadata["packages"].as_array().into_iter().flatten().filter(is_component);
    Ok(names.filter_map(|p| p["name"].as_str().map(str::to_owned)).collect())
}
