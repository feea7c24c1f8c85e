//! Node's tools: installed by the committed locks, run as an author runs them, their output kept by the content that it was made of.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

pub(crate) fn suite() -> PathBuf {
    root().join("tests/medplum")
}

pub(crate) fn target() -> PathBuf {
    root().join("target/medplum")
}

/// What is there once the packages are.
#[derive(Clone, Copy)]
pub(crate) struct Tools(());

impl Tools {
    /// Installs what the locks say, where that is not there yet.
    pub(crate) fn ready() -> Self {
        static READY: OnceLock<()> = OnceLock::new();
        READY.get_or_init(|| {
            let version = Command::new("node").arg("--version").output().map(|output| String::from_utf8(output.stdout).unwrap());
            let major = version.ok().and_then(|v| v.trim().strip_prefix('v')?.split('.').next()?.parse::<u32>().ok());
            assert!(major.is_some_and(|major| major >= 20), "Node 20 or later is missing: see nodejs.org");
            std::fs::create_dir_all(target()).unwrap();
            for (folder, name) in [(root().join("sdk/js"), "sdk"), (suite(), "suite")] {
                install(&folder, name);
            }
        });
        Self(())
    }

    /// Runs Medplum's side; answers what each bot wrote there.
    pub(crate) fn vitest(self) -> BTreeMap<String, Value> {
        let recorded = target().join("recorded").join(key(&[
            suite().join("src"),
            suite().join("test"),
            suite().join("cases"),
            suite().join("package-lock.json"),
        ]));
        if !recorded.is_dir() {
            let part = recorded.with_extension("part");
            let mut command = Command::new("node");
            command.args(["node_modules/vitest/vitest.mjs", "run"]).env("HOB_RECORDED", &part).current_dir(suite());
            succeeded("vitest", &command.output().unwrap());
            std::fs::rename(&part, &recorded).unwrap();
        }
        let entries = std::fs::read_dir(&recorded).unwrap().map(|entry| entry.unwrap().path());
        let read = |path: PathBuf| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
        };
        entries.map(read).collect()
    }

    /// Builds the suite's bots, two at a time; answers their components.
    pub(crate) fn build_all(self, names: &[String]) -> BTreeMap<String, PathBuf> {
        let queue = std::sync::Mutex::new(names.iter());
        let built = std::sync::Mutex::new(BTreeMap::new());
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    loop {
                        let Some(name) = queue.lock().unwrap().next() else { break };
                        let entry = suite().join("src").join(format!("{name}.ts"));
                        let component = self.build(&entry, &["--medplum"]);
                        built.lock().unwrap().insert(name.clone(), component);
                    }
                });
            }
        });
        built.into_inner().unwrap()
    }

    /// Builds one bot, unless that was done of the same content.
    pub(crate) fn build(self, entry: &Path, options: &[&str]) -> PathBuf {
        let sdk = root().join("sdk/js");
        let parts = ["src", "lib", "wit", "package-lock.json"].map(|part| sdk.join(part));
        let sources = [&parts[..], &[root().join("sdk/wit"), suite().join("package-lock.json"), entry.to_path_buf()]].concat();
        let name = entry.file_stem().unwrap().to_str().unwrap();
        let component = target().join(format!("{name}-{}{}.wasm", key(&sources), options.concat()));
        if !component.is_file() {
            let output =
                componentize(&[&[entry.to_str().unwrap(), "-o", component.to_str().unwrap()], options].concat(), &suite());
            succeeded(&format!("hob-componentize {name}"), &output);
        }
        component
    }
}

/// Runs the build command in a folder.
pub(crate) fn componentize(args: &[&str], folder: &Path) -> Output {
    Command::new("node").arg(root().join("sdk/js/bin/hob-componentize.mjs")).args(args).current_dir(folder).output().unwrap()
}

fn install(folder: &Path, name: &str) {
    let stamp = target().join(format!("{name}-{}", key(&[folder.join("package-lock.json")])));
    if stamp.is_file() && folder.join("node_modules").is_dir() {
        return;
    }
    let output = Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(folder).output().unwrap();
    succeeded(&format!("npm ci in {}", folder.display()), &output);
    std::fs::write(stamp, "").unwrap();
}

fn succeeded(what: &str, output: &Output) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{what} failed:\n{}\n{}", text(&output.stdout), text(&output.stderr));
}

/// A name for the content of files and folders.
fn key(paths: &[PathBuf]) -> String {
    let mut hasher = DefaultHasher::new();
    for path in paths {
        add(path, &mut hasher);
    }
    format!("{:016x}", hasher.finish())
}

fn add(path: &Path, hasher: &mut DefaultHasher) {
    path.file_name().hash(hasher);
    if path.is_dir() {
        let mut entries: Vec<PathBuf> = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        entries.iter().for_each(|entry| add(entry, hasher));
    } else {
        std::fs::read(path).unwrap().hash(hasher);
    }
}
