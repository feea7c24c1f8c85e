//! From a configuration to a running host, and back to nothing.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hob_engine::{Compiler, EngineError};
use hob_fhir::FhirError;
use hob_ledger::LedgerError;
use hob_model::Clock;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::master_key;
use crate::means::Means;
use crate::running::Running;
use crate::secrets::{self, Secret, SecretError};
use crate::server;

/// The ledger's file in the data folder.
pub(crate) const LEDGER: &str = "ledger.db";
/// The file of the host's name in the data folder.
pub(crate) const HOST_ID: &str = "host-id";

/// Why a host does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The admin token is missing.
    #[error("admin-token: {0}")]
    Token(#[from] SecretError),
    /// The data folder cannot be used.
    #[error("the data folder {path}: {error}")]
    Data {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The ledger's master key is missing or cannot be read.
    #[error("master-key: {0}")]
    Key(#[from] master_key::KeyError),
    /// The ledger cannot be used.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The sandbox cannot be made.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The network cannot be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Network(FhirError),
    /// An address cannot be bound.
    #[error("cannot listen on {address} (`{key}` in hob.toml): {error}")]
    Bind {
        /// The key of the configuration.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
}

/// What a host calls itself towards servers.
pub(crate) const USER_AGENT: &str = concat!("hob/", env!("CARGO_PKG_VERSION"));

/// A running host.
pub struct Host {
    running: Running,
    admin: SocketAddr,
    /// Stops what brings new work in.
    intake: watch::Sender<bool>,
    intakes: Vec<JoinHandle<()>>,
}

impl Host {
    /// Opens the ledger, puts everything in service and begins to listen.
    ///
    /// # Errors
    /// [`StartError`]: nothing is left running.
    pub async fn start(config: Config, clock: Arc<dyn Clock>, compiler: Compiler) -> Result<Self, StartError> {
        // First of all: a host that cannot be asked anything makes neither a ledger nor a key.
        let token = secrets::resolve(&config.admin_token)?;
        let means = Means::of(&config, compiler)?;
        Self::serve(config, clock, means, &token).await
    }

    /// The same on means that the caller chose.
    ///
    /// # Errors
    /// [`StartError`]: nothing is left running.
    pub async fn start_on(config: Config, clock: Arc<dyn Clock>, means: Means) -> Result<Self, StartError> {
        let token = secrets::resolve(&config.admin_token)?;
        Self::serve(config, clock, means, &token).await
    }

    async fn serve(config: Config, clock: Arc<dyn Clock>, means: Means, token: &Secret) -> Result<Self, StartError> {
        let webhooks = bind("listen", config.listen).await?;
        let admin = bind("admin", config.admin).await?;
        let bound = |listener: &TcpListener, wished| listener.local_addr().unwrap_or(wished);
        let (webhooks_at, admin_at) = (bound(&webhooks, config.listen), bound(&admin, config.admin));
        let (connections, headers) = (config.limits.connections, Duration::from_millis(config.limits.request_ms));
        let drain = Duration::from_millis(config.limits.drain_ms);
        let running = Running::start(config, clock, means, webhooks_at).await?;
        let (intake, intake_stops) = watch::channel(false);
        let serve = |listener, router, connections| {
            tokio::spawn(server::serve(listener, router, connections, headers, drain, intake_stops.clone()))
        };
        let intakes = vec![serve(webhooks, running.webhooks(), connections), serve(admin, running.admin_with(token), 64)];
        tracing::info!(webhooks = %webhooks_at, admin = %admin_at, "ready");
        Ok(Self { running, admin: admin_at, intake, intakes })
    }

    /// Where FHIR servers post to.
    #[must_use]
    pub fn webhooks(&self) -> SocketAddr {
        self.running.core.webhooks
    }

    /// Where the admin API is.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Takes nothing new, ends what is in flight within `limits.drain-ms`, and closes the ledger. What is left goes on after the next start.
    pub async fn stop(self) {
        self.running.core.ready.store(false, Ordering::SeqCst);
        tracing::info!("draining");
        self.intake.send_replace(true);
        for task in self.intakes {
            let _ = task.await;
        }
        self.running.stop().await;
        tracing::info!("stopped");
    }
}

async fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| StartError::Bind { key, address, error })
}
