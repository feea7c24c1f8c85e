//! A folder to work in, and `hob` in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A scratch folder with a home of its own.
pub(crate) struct Place {
    dir: tempfile::TempDir,
    target: PathBuf,
}

impl Place {
    /// A place whose bots are built into one folder with those of others, since most of what they are made of is the same.
    pub(crate) fn new() -> Self {
        Self::building_in("shared")
    }

    /// A place whose bots are built into a folder of this name. What is built in a folder of others may bear the paths of theirs: cargo takes
    /// two projects' vendored SDKs for one.
    pub(crate) fn building_in(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("home")).unwrap();
        let debug = Path::new(env!("CARGO_BIN_EXE_hob")).parent().and_then(Path::parent).unwrap();
        Self { dir, target: debug.join("author-tests").join(name) }
    }

    /// Where its bots are built: beside what cargo builds of this workspace.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A command in a folder below, with `hob` on its path and nothing of cargo's own environment.
    pub(crate) fn command(&self, program: &str, folder: &str) -> Command {
        let hob = PathBuf::from(env!("CARGO_BIN_EXE_hob"));
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new(program);
        command.current_dir(self.dir.path().join(folder)).env_clear();
        for name in ["RUSTUP_HOME", "CARGO_HOME", "RUSTUP_TOOLCHAIN"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        // Cargo and rustup look for their things in the home where nothing else is said; what `hob` keeps goes elsewhere.
        command.env("HOME", std::env::var("HOME").unwrap_or_default());
        command.env("XDG_CACHE_HOME", self.dir.path().join("home"));
        command.env("CARGO_NET_OFFLINE", "true").env("COLUMNS", "160");
        command.env("CARGO_TARGET_DIR", &self.target);
        command.env("PATH", format!("{}:{path}", hob.parent().unwrap().display()));
        command
    }

    /// Runs `hob` and gives exit code, stdout and stderr.
    pub(crate) fn hob(&self, folder: &str, args: &[&str]) -> (i32, String, String) {
        parts(&self.command("hob", folder).args(args).output().unwrap())
    }
}

pub(crate) fn parts(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}
