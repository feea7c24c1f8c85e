//! What a host stands on: a folder with its tokens and a ledger that holds one source and at most one bot.
//!
//! Source and bot are put into the ledger before the host opens it, so that no bench needs a FHIR server which proves what it can do.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use hob_host::{Config, Encryption, HostLimits, Outbound, Retention, SystemClock};
use hob_ledger::sqlite::SqliteLedger;
use hob_ledger::{Deployment, Ledger as _, MasterKey, Release};
use hob_model::{Auth, BaseUrl, Capabilities, Clock as _, Digest, Inbound, Limits, Manifest, SecretRef, Source};
use serde_json::Value;
use tempfile::TempDir;

use crate::report::Outcome;

/// What the source's notifications bear as `Authorization`.
pub(crate) const TOKEN: &str = "Bearer a-token-of-the-bench";
/// What the admin API asks for.
pub(crate) const ADMIN: &str = "an-admin-token-of-the-bench";
/// The one tenant.
pub(crate) const TENANT: &str = "bench";
/// Where a host looks for its master key, beside the ledger.
const KEY: &str = "master.key";
/// Its one source.
pub(crate) const SOURCE: &str = "ehr";

/// A bot to deploy.
pub(crate) struct Bot<'a> {
    /// `bot.toml`.
    pub(crate) manifest: &'a str,
    /// The component.
    pub(crate) component: Vec<u8>,
}

impl Bot<'_> {
    /// The smallest bot: it completes each Task that it is run on.
    pub(crate) fn smallest() -> Outcome<Self> {
        Ok(Self { manifest: include_str!("../component/bot.toml"), component: crate::component("bench_bot.wasm")? })
    }

    /// What its release is called.
    pub(crate) fn digest(&self) -> Digest {
        Release::digest_of(self.manifest, &self.component)
    }
}

/// The folder; deleted when dropped.
pub(crate) struct Ground(TempDir);

impl Ground {
    /// Makes it for a source that is the server at `base`.
    pub(crate) async fn prepare(base: &str, bot: Option<Bot<'_>>) -> Outcome<Self> {
        let ground = Self(crate::scratch()?);
        std::fs::write(ground.path().join("token"), TOKEN)?;
        std::fs::write(ground.path().join("admin"), ADMIN)?;
        let key = ground.path().join("data").join(KEY);
        std::fs::create_dir_all(ground.path().join("data"))?;
        std::fs::write(key, MasterKey::generate().to_hex())?;
        fill(&ground.ledger(), base, secret(ground.path(), "token"), bot.into_iter().collect()).await?;
        Ok(ground)
    }

    /// Makes it with many bots.
    pub(crate) async fn with(base: &str, bots: Vec<Bot<'_>>) -> Outcome<Self> {
        let ground = Self::prepare(base, None).await?;
        fill(&ground.ledger(), base, secret(ground.path(), "token"), bots).await?;
        Ok(ground)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The ledger's file.
    pub(crate) fn ledger(&self) -> PathBuf {
        self.path().join("data/ledger.db")
    }
}

fn secret(folder: &Path, name: &str) -> SecretRef {
    SecretRef::File(folder.join(name).display().to_string())
}

/// Opens the ledger with the key that stands beside it.
pub(crate) fn open(path: &Path) -> Outcome<SqliteLedger> {
    let key = std::fs::read_to_string(path.with_file_name(KEY))?;
    Ok(SqliteLedger::open(path, MasterKey::parse(&key)?)?)
}

/// The configuration of a host in `folder`.
pub(crate) fn config(folder: &Path) -> Config {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    Config {
        listen: any,
        admin: any,
        public_url: None,
        data: folder.join("data"),
        admin_token: secret(folder, "admin"),
        limits: HostLimits::default(),
        secrets: folder.join("secrets"),
        bot_limits: Limits::most(),
        outbound: Outbound::default(),
        encryption: Encryption::default(),
        retention: Retention::default(),
    }
}

/// The path of a Task's notification, as HAPI makes it of the Subscription's endpoint.
pub(crate) fn path(id: &str) -> String {
    format!("/in/{TENANT}/{SOURCE}/tasks.0/Task/{id}")
}

/// Puts into the ledger a source that was proved to do all that is needed, and bots in service.
async fn fill(path: &Path, base: &str, token: SecretRef, bots: Vec<Bot<'_>>) -> Outcome<()> {
    let now = SystemClock.now();
    let ledger = open(path)?;
    let epoch = ledger.claim().await?;
    let capabilities = Capabilities {
        checked: now,
        software: None,
        atomic: true,
        fence: true,
        client_ids: true,
        conflict_status: Some(412),
        instance_history: true,
        type_history: true,
        history_shows_deletes: true,
        integer_versions: true,
        strict_search: true,
        transaction_entries: 1_000,
        notes: Vec::new(),
    };
    let inbound = Inbound::Header { name: "Authorization".to_owned(), value: token };
    let (tenant, id) = (TENANT.parse()?, SOURCE.parse()?);
    let source = Source { tenant, id, base: BaseUrl::new(base)?, auth: Auth::None, inbound, capabilities: Some(capabilities) };
    let (tenant, id) = (source.tenant.clone(), source.id.clone());
    ledger.put_source(epoch, source).await?;
    for bot in bots {
        let (tenant, id) = (tenant.clone(), id.clone());
        let digest = bot.digest();
        let Bot { manifest: text, component } = bot;
        let manifest = Manifest::parse(text, "bot.toml")?;
        let name = manifest.name.clone();
        let release = Release {
            tenant: tenant.clone(),
            digest,
            manifest,
            manifest_text: text.to_owned(),
            component: component.into(),
            created: now,
        };
        ledger.put_release(epoch, release).await?;
        let settings = BTreeMap::<String, Value>::new().into_iter().collect();
        let deployment =
            Deployment { tenant, bot: name, release: digest, source: Some(id), settings, deployed: now, active: true };
        ledger.activate(epoch, deployment).await?;
    }
    ledger.close().await?;
    Ok(())
}
