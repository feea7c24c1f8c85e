//! Puts the SDKs' sources and the templates of `hob new` into the library, so that a `hob` that was copied somewhere makes whole projects.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// What tools leave behind in a folder of sources, and tests, which a project needs not.
const LEFT_OUT: [&str; 10] =
    ["node_modules", "target", "dist", "build", "tests", "test", "__pycache__", ".venv", ".pytest_cache", "coverage"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let root = here.join("../..").canonicalize()?;
    let mut code = String::new();
    for (name, folder, parts) in [
        ("TEMPLATES", here.join("templates"), ["common", "rust", "ts", "medplum", "python"].as_slice()),
        ("SDK", root.join("sdk"), ["wit", "rust", "js", "python"].as_slice()),
    ] {
        let mut files = Vec::new();
        for part in parts {
            println!("cargo::rerun-if-changed={}", folder.join(part).display());
            collect(&folder.join(part), name == "SDK", &mut files)?;
        }
        files.sort();
        writeln!(code, "pub(super) const {name}: &[(&str, &[u8])] = &[")?;
        for file in files {
            let path = file.strip_prefix(&folder)?.to_string_lossy().replace('\\', "/");
            let from = if path == "rust/Cargo.toml" { standalone(&file, &root, &out)? } else { file };
            writeln!(code, "    ({path:?}, include_bytes!({:?})),", from.display().to_string())?;
        }
        writeln!(code, "];")?;
    }
    fs::write(out.join("embedded.rs"), code)?;
    Ok(())
}

fn collect(folder: &Path, sources: bool, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    // An SDK that this checkout has not.
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let left_out = sources && (LEFT_OUT.contains(&name.as_str()) || name.ends_with(".egg-info"));
        if path.is_dir() && !left_out {
            collect(&path, sources, found)?;
        } else if path.is_file() && !name.ends_with(".pyc") {
            found.push(path);
        }
    }
    Ok(())
}

/// The manifest of the Rust SDK without the workspace that it has its versions and lints from.
fn standalone(manifest: &Path, root: &Path, out: &Path) -> Result<PathBuf, Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed={}", root.join("Cargo.toml").display());
    let workspace: toml::Table = fs::read_to_string(root.join("Cargo.toml"))?.parse()?;
    let mut table: toml::Table = fs::read_to_string(manifest)?.parse()?;
    table.remove("lints");
    table.remove("dev-dependencies");
    inherit(&mut table, &workspace["workspace"]);
    let file = out.join("sdk-rust-Cargo.toml");
    fs::write(&file, table.to_string())?;
    Ok(file)
}

/// Puts what the workspace says wherever a table says `workspace = true`.
fn inherit(table: &mut toml::Table, workspace: &toml::Value) {
    for (name, value) in table.iter_mut() {
        let inherits = value.get("workspace").and_then(toml::Value::as_bool) == Some(true);
        if inherits {
            let of = ["package", "dependencies"].iter().find_map(|table| workspace.get(table)?.get(name));
            if let Some(found) = of {
                *value = found.clone();
            }
        } else if let toml::Value::Table(inner) = value {
            inherit(inner, workspace);
        }
    }
}
