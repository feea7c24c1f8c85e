//! What a host stands on: its store, its sandbox and its network.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hob_engine::{Compiler, Engine, EngineConfig};
use hob_fhir::{Network, Transport};
use hob_ledger::Ledger;
use hob_ledger::sqlite::SqliteLedger;
use rand::RngExt as _;

use crate::config::Config;
use crate::host::{HOST_ID, LEDGER, StartError, USER_AGENT};
use crate::master_key;
use crate::outbound::Reach;
use crate::sandbox::Sandbox;

/// How long a connection to a server may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// What a host stands on. In service these are those of [`Means::of`]; tests and simulations put others in their place.
pub struct Means {
    /// The store, not yet claimed.
    pub ledger: Arc<dyn Ledger>,
    /// Where bots run.
    pub sandbox: Arc<dyn Sandbox>,
    /// What carries requests to FHIR servers.
    pub transport: Arc<dyn Transport>,
    /// What carries the requests of bots to others. Of its own: a source may stand anywhere, what a bot names may not.
    pub outbound: Arc<dyn Transport>,
    /// Names this host's fences: 16 characters, the same for as long as the ledger lives.
    pub host_id: String,
    /// Seeds all of the host's randomness.
    pub seed: u64,
}

impl Means {
    /// The means of a host in service: SQLite and compiled code in `data`, WebAssembly, the network.
    ///
    /// # Errors
    /// [`StartError`] where one of them cannot be had.
    pub fn of(config: &Config, compiler: Compiler) -> Result<Self, StartError> {
        let data = |error| StartError::Data { path: config.data.clone(), error };
        std::fs::create_dir_all(&config.data).map_err(data)?;
        let host_id = host_id(&config.data).map_err(data)?;
        let keys = master_key::find(config)?;
        let ledger = SqliteLedger::open(config.data.join(LEDGER), keys)?;
        let engine = Engine::new(EngineConfig {
            cache_dir: Some(config.data.join("compiled")),
            compiler,
            concurrent_runs: u32::try_from(config.limits.runs).unwrap_or(u32::MAX),
            most: config.bot_limits.clone(),
            ..EngineConfig::default()
        })?;
        let network = Network::new(CONNECT, USER_AGENT).map_err(StartError::Network)?;
        let reach = Arc::new(Reach::new(config.outbound.allow.clone()));
        let outbound = Network::guarded(CONNECT, USER_AGENT, reach).map_err(StartError::Network)?;
        Ok(Self {
            ledger: Arc::new(ledger),
            sandbox: Arc::new(engine),
            transport: Arc::new(network),
            outbound: Arc::new(outbound),
            host_id,
            seed: rand::rng().random(),
        })
    }
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
