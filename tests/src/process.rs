//! A host as a process of its own: the real `hob serve`, to be killed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::built;
use crate::wait::PATIENCE;

/// A `hob serve`; it is killed when this is dropped.
pub struct Process {
    child: Child,
    /// Where FHIR servers post to.
    pub webhooks: String,
    /// Where the admin API is.
    pub admin: String,
    log: PathBuf,
}

impl Process {
    /// Starts it with this `hob.toml` and waits until it says where it listens. Its log goes to a file beside, added to.
    pub async fn serve(config: &Path) -> Self {
        let hob = tokio::task::spawn_blocking(built::hob).await.unwrap();
        let log = config.with_file_name("serve.log");
        let mut child = Command::new(hob)
            .args(["--json", "serve", "--config"])
            .arg(config)
            .env("HOB_LOG", "debug,cranelift_codegen=off,regalloc2=off,wasmtime_internal_cranelift=off")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(&log).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        // One object, over one line or several.
        let mut said = String::new();
        let reading = async {
            loop {
                if stdout.read_line(&mut said).await.unwrap() == 0 {
                    break Value::Null;
                }
                if let Ok(value) = serde_json::from_str(&said) {
                    break value;
                }
            }
        };
        let addresses: Value = tokio::time::timeout(PATIENCE, reading).await.unwrap();
        assert!(addresses.is_object(), "hob serve did not start: {}", std::fs::read_to_string(&log).unwrap());
        tokio::spawn(async move {
            let mut rest = Vec::new();
            let _ = stdout.read_to_end(&mut rest).await;
        });
        let text = |key: &str| addresses[key].as_str().unwrap().to_owned();
        Self { child, webhooks: text("webhooks"), admin: text("admin"), log }
    }

    /// SIGKILL: it has no time for anything.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM, and its drain; it must end well.
    pub async fn terminate(mut self) {
        let id = self.child.id().unwrap();
        let status = Command::new("kill").args(["-TERM", &id.to_string()]).status().await.unwrap();
        assert!(status.success());
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap();
        assert!(ended.success(), "hob serve ended with {ended}: {}", self.log());
    }

    /// What it logged.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}
