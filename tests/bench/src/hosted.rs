//! A whole host in this process, on a real disk.

use std::net::SocketAddr;
use std::sync::Arc;

use hob_host::{Compiler, Host, SystemClock};

use crate::admin::{Admin, Tally};
use crate::ground::{self, Bot, Ground};
use crate::report::Outcome;

/// A running host.
pub(crate) struct Hosted {
    host: Host,
    admin: Admin,
    // Dropped, and with it deleted, after the host.
    _ground: Ground,
}

impl Hosted {
    /// Starts a host whose source is the server at `base`.
    pub(crate) async fn start(base: &str, bot: Option<Bot<'_>>) -> Outcome<Self> {
        let ground = Ground::prepare(base, bot).await?;
        let host = Host::start(ground::config(ground.path()), Arc::new(SystemClock), Compiler::InProcess).await?;
        let admin = Admin::open(host.admin()).await?;
        Ok(Self { host, admin, _ground: ground })
    }

    /// Where the notifications go.
    pub(crate) fn webhooks(&self) -> SocketAddr {
        self.host.webhooks()
    }

    /// Waits until nothing is left to do.
    pub(crate) async fn quiet(&mut self) -> Outcome<Tally> {
        self.admin.quiet().await
    }

    /// Stops the host and removes its data.
    pub(crate) async fn stop(self) -> Outcome<()> {
        self.host.stop().await;
        Ok(())
    }
}
