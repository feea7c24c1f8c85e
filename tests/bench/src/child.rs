//! A host in a process of its own, so that its CPU time and its memory are its own too, and so that it can be killed.
//!
//! The process is this program again; it ends when its standard input does, so it never outlives the bench. Linux only: CPU and memory are read from
//! `/proc`.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use hob_host::{Compiler, Host, SystemClock};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::admin::Admin;
use crate::ground::{self, Ground};
use crate::report::Outcome;

/// The first argument of such a process; the second is the folder.
pub(crate) const ARGUMENT: &str = "--host-in";

/// A host that is not in this process.
pub(crate) struct HostProcess {
    child: Child,
    webhooks: SocketAddr,
    /// Its admin API.
    pub(crate) admin: Admin,
}

/// Runs a host in `folder` until standard input ends.
pub(crate) async fn serve(folder: &Path) -> Outcome<()> {
    let host = Host::start(ground::config(folder), Arc::new(SystemClock), Compiler::InProcess).await?;
    println!("{} {}", host.webhooks(), host.admin());
    std::io::stdout().flush()?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    host.stop().await;
    Ok(())
}

impl HostProcess {
    /// Starts it; comes back when it is ready.
    pub(crate) async fn start(ground: &Ground) -> Outcome<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([ARGUMENT.as_ref(), ground.path().as_os_str()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().ok_or("the host's process has no output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).await?;
        let (webhooks, admin) = line.trim().split_once(' ').ok_or("the host's process did not start")?;
        let admin = Admin::open(admin.parse()?).await?;
        Ok(Self { child, webhooks: webhooks.parse()?, admin })
    }

    /// Where the notifications go.
    pub(crate) fn webhooks(&self) -> SocketAddr {
        self.webhooks
    }

    /// Opens the admin API's connection anew: the host lets go of one that rests for long.
    pub(crate) async fn reconnect(&mut self) -> Outcome<()> {
        self.admin = self.admin.again().await?;
        Ok(())
    }

    /// The CPU time that all its threads have used.
    pub(crate) fn cpu(&self) -> Outcome<Duration> {
        let stat = self.proc("stat")?;
        // The name, in brackets, may hold anything; `utime` and `stime` are the 12th and 13th field behind it.
        let behind = stat.rsplit_once(')').map(|(_, behind)| behind).unwrap_or_default();
        let ticks: Vec<u64> = behind.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
        let [user, system] = ticks[..] else { return Err("/proc tells no CPU time".into()) };
        // USER_HZ is 100 on every Linux that this runs on.
        Ok(Duration::from_millis((user + system) * 10))
    }

    /// The most memory that it ever held, in MB: the resident set, with what of files is mapped.
    pub(crate) fn peak(&self) -> Outcome<f64> {
        self.memory("VmHWM:")
    }

    /// The memory that it holds now, in MB: as [`HostProcess::peak`].
    pub(crate) fn resident(&self) -> Outcome<f64> {
        self.memory("VmRSS:")
    }

    fn memory(&self, key: &str) -> Outcome<f64> {
        let status = self.proc("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(key)).ok_or("/proc tells no memory")?;
        let kib: u32 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(f64::from(kib) * 1024.0 / 1e6)
    }

    fn proc(&self, file: &str) -> Outcome<String> {
        let id = self.child.id().ok_or("the host's process has ended")?;
        Ok(std::fs::read_to_string(format!("/proc/{id}/{file}"))?)
    }

    /// Lets it drain and end.
    pub(crate) async fn stop(mut self) -> Outcome<()> {
        drop(self.child.stdin.take());
        let status = self.child.wait().await?;
        if status.success() { Ok(()) } else { Err(format!("the host's process ended with {status}").into()) }
    }

    /// Kills it, as `kill -9` does.
    pub(crate) async fn kill(mut self) -> Outcome<()> {
        Ok(self.child.kill().await?)
    }
}
