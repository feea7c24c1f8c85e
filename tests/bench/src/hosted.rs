//! A whole host in this process, on a real disk, with one source and at most one bot.
//!
//! Source and bot are put into the ledger before the host opens it, so that no bench needs a FHIR server which proves what it can do.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hob_host::{Config, Host, HostLimits, SystemClock};
use hob_ledger::sqlite::SqliteLedger;
use hob_ledger::{Deployment, Ledger as _, MasterKey, Release};
use hob_model::{Auth, BaseUrl, Capabilities, Clock as _, Inbound, Manifest, SecretRef, Source};
use hyper::Method;
use serde_json::Value;
use tempfile::TempDir;

use crate::client::Connection;
use crate::report::Outcome;

/// What the source's notifications bear as `Authorization`.
pub(crate) const TOKEN: &str = "Bearer a-token-of-the-bench";
const ADMIN: &str = "an-admin-token-of-the-bench";
const TENANT: &str = "bench";
const SOURCE: &str = "ehr";

/// A bot to deploy.
pub(crate) struct Bot<'a> {
    /// `bot.toml`.
    pub(crate) manifest: &'a str,
    /// The component.
    pub(crate) component: Vec<u8>,
}

/// A running host.
pub(crate) struct Hosted {
    host: Host,
    admin: Connection,
    // Dropped, and with it deleted, after the host.
    folder: TempDir,
}

/// What the ledger has done since the start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tally {
    /// Commits, of one fsync each.
    pub(crate) commits: u64,
    /// Writes in them.
    pub(crate) writes: u64,
}

impl Hosted {
    /// Starts a host whose source is the server at `base`.
    pub(crate) async fn start(base: &str, bot: Option<Bot<'_>>) -> Outcome<Self> {
        let folder = crate::scratch()?;
        let secret = |name: &str, value: &str| -> Outcome<SecretRef> {
            let path = folder.path().join(name);
            std::fs::write(&path, value)?;
            Ok(SecretRef::File(path.display().to_string()))
        };
        let inbound = Inbound::Header { name: "Authorization".to_owned(), value: secret("token", TOKEN)? };
        let admin_token = secret("admin", ADMIN)?;
        let data = folder.path().join("data");
        fill(&data.join("ledger.db"), base, inbound, bot).await?;
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = Config { listen: any, admin: any, public_url: None, data, admin_token, limits: HostLimits::default() };
        let host = Host::start(config, Arc::new(SystemClock)).await?;
        let admin = Connection::open(host.admin()).await?;
        Ok(Self { host, admin, folder })
    }

    /// Where the notifications go.
    pub(crate) fn webhooks(&self) -> SocketAddr {
        self.host.webhooks()
    }

    /// The path of a Task's notification, as HAPI makes it of the Subscription's endpoint.
    pub(crate) fn path(id: &str) -> String {
        format!("/in/{TENANT}/{SOURCE}/tasks.0/Task/{id}")
    }

    /// Waits until nothing is left to resolve or to run, so that it does not disturb what is measured next. An error where a run has died.
    pub(crate) async fn quiet(&mut self) -> Outcome<Tally> {
        for _ in 0..3_000 {
            let body = self.admin.call(Method::GET, "/v1/status", &format!("Bearer {ADMIN}"), Bytes::new()).await?;
            let status: Value = serde_json::from_slice(&body)?;
            let count =
                |pointer: &str| status.pointer(pointer).and_then(Value::as_u64).ok_or("the host's status has changed its shape");
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

    /// Stops the host and removes its data.
    pub(crate) async fn stop(self) -> Outcome<()> {
        self.host.stop().await;
        Ok(self.folder.close()?)
    }
}

/// Makes the ledger with a source that was proved to do all that is needed, and the bot in service.
async fn fill(path: &Path, base: &str, inbound: Inbound, bot: Option<Bot<'_>>) -> Outcome<()> {
    let now = SystemClock.now();
    // Where the host looks for it.
    let key = MasterKey::generate();
    std::fs::write(path.with_file_name("master.key"), key.to_hex())?;
    let ledger = SqliteLedger::open(path, key)?;
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
    let (tenant, id) = (TENANT.parse()?, SOURCE.parse()?);
    let source = Source { tenant, id, base: BaseUrl::new(base)?, auth: Auth::None, inbound, capabilities: Some(capabilities) };
    let (tenant, id) = (source.tenant.clone(), source.id.clone());
    ledger.put_source(epoch, source).await?;
    if let Some(Bot { manifest: text, component }) = bot {
        let manifest = Manifest::parse(text, "bot.toml")?;
        let digest = Release::digest_of(text, &component);
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
