//! What a fresh machine lacks: installed where that is cheap, named with the way to get it where not.

use crate::shell;

const WASM: &str = "wasm32-wasip2";

/// Adds the WebAssembly target to the pinned toolchain. A toolchain file alone does not where automatic installs are off.
pub(crate) fn wasm_target() -> Result<(), String> {
    let installed = shell::output(std::process::Command::new("rustc").args(["--print", "target-libdir", "--target", WASM]))
        .is_ok_and(|path| std::path::Path::new(path.trim()).is_dir());
    if installed {
        return Ok(());
    }
    shell::step("add the WebAssembly target", std::process::Command::new("rustup").args(["target", "add", WASM]))
        .map_err(|e| format!("{e}\n  get rustup from your system's packages or rustup.rs, then run `rustup target add {WASM}`"))
}

/// Checks for Java and Maven, which the HAPI FHIR server of the tests needs.
pub(crate) fn java() -> Result<(), String> {
    if !shell::succeeds("javac", &["-version"]) {
        return Err(
            "a JDK of version 17 or later is missing: `apt-get install openjdk-17-jdk-headless`, or see adoptium.net".into()
        );
    }
    if !shell::succeeds("mvn", &["-v"]) {
        return Err("Maven is missing: `apt-get install maven`, or see maven.apache.org".into());
    }
    Ok(())
}
