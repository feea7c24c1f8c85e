//! The admin API of a host under measurement.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use serde_json::Value;

use crate::client::Connection;
use crate::ground::ADMIN;
use crate::report::Outcome;

/// A connection to it.
pub(crate) struct Admin {
    at: SocketAddr,
    connection: Connection,
}

/// What the ledger has done since the start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tally {
    /// Commits, of one fsync each.
    pub(crate) commits: u64,
    /// Writes in them.
    pub(crate) writes: u64,
}

impl Admin {
    /// Connects.
    pub(crate) async fn open(at: SocketAddr) -> Outcome<Self> {
        Ok(Self { at, connection: Connection::open(at).await? })
    }

    /// Another connection to the same host.
    pub(crate) async fn again(&self) -> Outcome<Self> {
        Self::open(self.at).await
    }

    async fn status(&mut self) -> Outcome<Value> {
        let body = self.connection.call(Method::GET, "/v1/status", &format!("Bearer {ADMIN}"), Bytes::new()).await?;
        Ok(serde_json::from_slice(&body)?)
    }

    /// How many timers there are, and how many runs that have not died.
    pub(crate) async fn timers(&mut self) -> Outcome<(usize, usize)> {
        let status = self.status().await?;
        let mut runs = 0;
        for state in ["pending", "recorded", "done"] {
            runs += count(&status, &format!("/runs/{state}"))?;
        }
        Ok((usize::try_from(count(&status, "/timers")?)?, usize::try_from(runs)?))
    }

    /// Waits until nothing is left to resolve or to run, so that it does not disturb what is measured next. An error where a run has died.
    pub(crate) async fn quiet(&mut self) -> Outcome<Tally> {
        for _ in 0..3_000 {
            let status = self.status().await?;
            let count = |pointer| count(&status, pointer);
            if count("/runs/dead")? + count("/dead_notifications")? > 0 {
                return Err("a run or a notification is a dead letter: HOB_LOG=info says more".into());
            }
            if count("/unresolved")? + count("/runs/pending")? + count("/runs/recorded")? == 0 {
                return Ok(Tally { commits: count("/ledger_commits")?, writes: count("/ledger_writes")? });
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err("the host does not come to rest".into())
    }
}

fn count(status: &Value, pointer: &str) -> Outcome<u64> {
    Ok(status.pointer(pointer).and_then(Value::as_u64).ok_or("the host's status has changed its shape")?)
}
