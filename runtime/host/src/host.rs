//! From a configuration to a running host, and back to nothing.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hob_engine::{Engine, EngineConfig, EngineError};
use hob_ledger::sqlite::SqliteLedger;
use hob_ledger::{Ledger, LedgerError};
use hob_model::Clock;
use rand::RngExt as _;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::core::{Core, Parts};
use crate::resolve::Resolver;
use crate::run::driver::Driver;
use crate::secrets::{self, SecretError};
use crate::sources::SourceEntry;
use crate::{admin, agenda, deploy, keeper, master_key, server, webhooks};

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

/// A running host.
pub struct Host {
    core: Arc<Core>,
    admin: SocketAddr,
    /// Stops what brings new work in.
    intake: watch::Sender<bool>,
    /// Stops what works on it.
    work: watch::Sender<bool>,
    intakes: Vec<JoinHandle<()>>,
    workers: Vec<JoinHandle<()>>,
}

impl Host {
    /// Opens the ledger, puts everything in service and begins to listen.
    ///
    /// # Errors
    /// [`StartError`]: nothing is left running.
    pub async fn start(config: Config, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let token = secrets::resolve(&config.admin_token)?;
        let data = |error| StartError::Data { path: config.data.clone(), error };
        std::fs::create_dir_all(&config.data).map_err(data)?;
        let host_id = host_id(&config.data).map_err(data)?;
        let keys = master_key::find(&config)?;
        let ledger: Arc<dyn Ledger> = Arc::new(SqliteLedger::open(config.data.join(LEDGER), keys)?);
        let epoch = ledger.claim().await?;
        let engine = Engine::new(EngineConfig {
            cache_dir: Some(config.data.join("compiled")),
            concurrent_runs: u32::try_from(config.limits.runs).unwrap_or(u32::MAX),
            ..EngineConfig::default()
        })?;
        let webhooks = bind("listen", config.listen).await?;
        let admin = bind("admin", config.admin).await?;
        let (driver, messages) = mpsc::channel(1_024);
        let bound = |listener: &TcpListener, wished| listener.local_addr().unwrap_or(wished);
        let (webhooks_at, admin_at) = (bound(&webhooks, config.listen), bound(&admin, config.admin));
        let seed = rand::rng().random();
        let parts = Parts { config, clock, ledger, epoch, engine, host_id, webhooks: webhooks_at, driver, seed };
        let core = Arc::new(Core::new(parts));

        let (intake, intake_stops) = watch::channel(false);
        let (work, work_stops) = watch::channel(false);
        let limits = &core.config.limits;
        let drain = Duration::from_millis(limits.drain_ms);
        let driver = Driver::new(Arc::clone(&core), messages, seed).run(work_stops.clone(), drain);
        let mut workers = vec![tokio::spawn(driver)];
        restore(&core).await?;
        workers.push(tokio::spawn(keeper::run(Arc::clone(&core), work_stops.clone())));
        workers.push(tokio::spawn(agenda::run(Arc::clone(&core), work_stops.clone())));
        workers.push(tokio::spawn(Resolver::new(Arc::clone(&core)).run(work_stops)));

        let headers = Duration::from_millis(limits.request_ms);
        let serve = |listener, router, connections| {
            tokio::spawn(server::serve(listener, router, connections, headers, drain, intake_stops.clone()))
        };
        let intakes = vec![
            serve(webhooks, webhooks::router(Arc::clone(&core)), limits.connections),
            serve(admin, admin::router(Arc::clone(&core), &token), 64),
        ];
        core.ready.store(true, Ordering::SeqCst);
        tracing::info!(webhooks = %webhooks_at, admin = %admin_at, "ready");
        Ok(Self { core, admin: admin_at, intake, work, intakes, workers })
    }

    /// Where FHIR servers post to.
    #[must_use]
    pub fn webhooks(&self) -> SocketAddr {
        self.core.webhooks
    }

    /// Where the admin API is.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Takes nothing new, ends what is in flight within `limits.drain-ms`, and closes the ledger. What is left goes on after the next start.
    pub async fn stop(self) {
        self.core.ready.store(false, Ordering::SeqCst);
        tracing::info!("draining");
        self.intake.send_replace(true);
        for task in self.intakes {
            let _ = task.await;
        }
        self.work.send_replace(true);
        for task in self.workers {
            let _ = task.await;
        }
        if let Err(error) = self.core.ledger.close().await {
            tracing::error!(%error, "the ledger did not close");
        }
        tracing::info!("stopped");
    }
}

async fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| StartError::Bind { key, address, error })
}

/// Sources and bots of the ledger, in service again. What cannot be is said and left out: the others must not wait for it.
async fn restore(core: &Arc<Core>) -> Result<(), StartError> {
    for source in core.ledger.sources(None).await? {
        let (tenant, id) = (source.tenant.clone(), source.id.clone());
        let timeout = Duration::from_millis(core.config.limits.fhir_ms);
        match SourceEntry::new(source, timeout, Arc::clone(&core.clock)) {
            Ok(entry) => drop(core.sources.put(entry)),
            Err(error) => {
                tracing::error!(%tenant, source = %id, %error, "a source is not in service: what it posts is answered 503");
                core.sources.broken(tenant, id, error.to_string());
            }
        }
    }
    for deployment in core.ledger.deployments(None).await? {
        let (tenant, bot) = (deployment.tenant.clone(), deployment.bot.clone());
        if let Err(error) = deploy::restore(core, deployment).await {
            tracing::error!(%tenant, %bot, %error, "a bot is not in service: its runs wait");
        }
    }
    Ok(())
}

/// What this host calls itself towards FHIR servers: made once, kept beside the ledger, moved with it.
fn host_id(data: &Path) -> std::io::Result<String> {
    let path = data.join(HOST_ID);
    match std::fs::read_to_string(&path) {
        Ok(text) if text.trim().len() == 16 => Ok(text.trim().to_owned()),
        Ok(_) => Err(std::io::Error::other("host-id holds no host id: restore it from a backup")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let id = format!("{:016x}", rand::rng().random::<u64>());
            let draft = data.join("host-id.new");
            std::fs::write(&draft, &id)?;
            std::fs::File::open(&draft)?.sync_all()?;
            std::fs::rename(&draft, &path)?;
            Ok(id)
        }
        Err(error) => Err(error),
    }
}
