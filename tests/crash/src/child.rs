//! The host's process, as its parent sees it.

use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child as Process, ChildStdout, Command};

use crate::kill::Strike;
use crate::site::Site;

const SIGKILL: i32 = 9;

/// See the module. It is killed when this is dropped.
pub(crate) struct Child {
    process: Process,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Child {
    pub(crate) fn start(site: &Site, strike: Option<Strike>) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|e| e.to_string())?;
        let log = open(&site.log())?;
        let mut command = Command::new(program);
        command.arg("host").arg(site.config());
        command.args(strike.map(|strike| strike.to_string()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        let mut process = command.spawn().map_err(|e| format!("the host's process: {e}"))?;
        let stdout = process.stdout.take().ok_or("the host's process has no standard output")?;
        Ok(Self { process, lines: BufReader::new(stdout).lines() })
    }

    /// Waits until it listens, which it says once; false where it died.
    pub(crate) async fn ready(&mut self) -> bool {
        matches!(self.lines.next_line().await, Ok(Some(_)))
    }

    /// Waits for its death, which must be by SIGKILL.
    pub(crate) async fn died(&mut self) -> Result<(), String> {
        let status = self.process.wait().await.map_err(|e| format!("the host's process: {e}"))?;
        if status.signal() == Some(SIGKILL) { Ok(()) } else { Err(format!("the host ended by itself: {status}; see host.log")) }
    }

    /// SIGKILL.
    pub(crate) async fn kill(&mut self) -> Result<(), String> {
        // It may have died already, by the same signal.
        let _ = self.process.start_kill();
        self.died().await
    }
}

fn open(path: &Path) -> Result<File, String> {
    File::options().create(true).append(true).open(path).map_err(|e| format!("{}: {e}", path.display()))
}
