//! What a fresh machine lacks: installed where that is cheap, named with the way to get it where not.

use crate::shell;

const WASM: &str = "wasm32-wasip2";
/// The oldest major version of Node.js that the TypeScript SDK's tools run on.
const NODE: u32 = 20;

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

/// Checks for Node.js, which builds and tests bots in TypeScript.
pub(crate) fn node() -> Result<(), String> {
    let version = shell::output(std::process::Command::new("node").arg("--version")).unwrap_or_default();
    let major = version.trim().strip_prefix('v').and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    let get = "`apt-get install nodejs npm` where that is new enough, or see nodejs.org";
    match major {
        None => return Err(format!("Node.js is missing, of version {NODE} or later: {get}")),
        Some(major) if major < NODE => {
            return Err(format!("Node.js {} is too old: version {NODE} or later is needed: {get}", version.trim()));
        }
        Some(_) => {}
    }
    if !shell::succeeds("npm", &["--version"]) {
        return Err(format!("npm is missing, which comes with Node.js: {get}"));
    }
    Ok(())
}

/// Installs what a folder's `package-lock.json` says, where that is not done yet.
pub(crate) fn packages(folder: &str) -> Result<(), String> {
    let folder = shell::root().join(folder);
    if folder.join("node_modules/.package-lock.json").is_file() {
        return Ok(());
    }
    shell::step(
        &format!("packages of {}", folder.display()),
        std::process::Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder),
    )
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

/// Makes the virtual environment in which Python bots are built and tested, with the versions that sdk/python/requirements.txt pins.
pub(crate) fn python() -> Result<(), String> {
    let wanted = shell::root().join("sdk/python/requirements.txt");
    let folder = shell::root().join("target/python/venv");
    // Written last, so that a venv that was cut short is made anew.
    let mark = folder.join("requirements.txt");
    let read = |path: &std::path::Path| std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()));
    let pins = read(&wanted)?;
    if read(&mark).is_ok_and(|made_of| made_of == pins) && folder.join("bin/python").is_file() {
        return Ok(());
    }
    if !shell::succeeds("python3", &["-c", "import sys; raise SystemExit(sys.version_info < (3, 11))"]) {
        return Err(
            "Python 3.11 or later is missing (`python3`): `apt-get install python3 python3-venv`, or see python.org".into()
        );
    }
    if !shell::succeeds("python3", &["-c", "import venv, ensurepip"]) {
        return Err("Python's venv is missing: `apt-get install python3-venv`".into());
    }
    let mut make = std::process::Command::new("python3");
    shell::step("make a virtual environment for Python bots", make.args(["-m", "venv", "--clear"]).arg(&folder))?;
    let mut install = std::process::Command::new(folder.join("bin/python"));
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(&wanted);
    shell::step("install componentize-py and pytest", &mut install)?;
    std::fs::write(&mark, pins).map_err(|e| format!("{}: {e}", mark.display()))
}
