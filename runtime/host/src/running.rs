//! The working host, without sockets: what resolves, runs and fires, and the two routers that bring work in.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use hob_model::Clock;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::config::Config;
use crate::core::{Core, Parts};
use crate::host::StartError;
use crate::means::Means;
use crate::resolve::Resolver;
use crate::run::driver::Driver;
use crate::secrets::{self, Secret};
use crate::sources::SourceEntry;
use crate::{admin, agenda, deploy, gaps, keeper, observe, webhooks};

/// A host at work. Dropped, it stops where it stands, as by a crash.
pub struct Running {
    pub(crate) core: Arc<Core>,
    work: watch::Sender<bool>,
    workers: JoinSet<()>,
}

impl Running {
    /// Claims the ledger and puts everything in service. `webhooks` is where the caller serves [`Running::webhooks`].
    ///
    /// # Errors
    /// [`StartError`]: nothing is left running.
    pub async fn start(config: Config, clock: Arc<dyn Clock>, means: Means, webhooks: SocketAddr) -> Result<Self, StartError> {
        let Means { ledger, sandbox, transport, outbound, host_id, seed } = means;
        let epoch = ledger.claim().await?;
        let (driver, messages) = mpsc::channel(1_024);
        let parts = Parts { config, clock, ledger, epoch, sandbox, transport, outbound, host_id, webhooks, driver, seed };
        let core = Arc::new(Core::new(parts));
        let (work, stops) = watch::channel(false);
        let drain = Duration::from_millis(core.config.limits.drain_ms);
        let mut workers = JoinSet::new();
        workers.spawn(Driver::new(Arc::clone(&core), messages, seed).run(stops.clone(), drain));
        restore(&core).await?;
        workers.spawn(keeper::run(Arc::clone(&core), stops.clone()));
        workers.spawn(agenda::run(Arc::clone(&core), stops.clone()));
        workers.spawn(gaps::run(Arc::clone(&core), stops.clone()));
        if core.ledger.observations().is_some() {
            workers.spawn(observe::follow::run(Arc::clone(&core), stops.clone()));
        }
        workers.spawn(Resolver::new(Arc::clone(&core)).run(stops));
        core.ready.store(true, Ordering::SeqCst);
        Ok(Self { core, work, workers })
    }

    /// What FHIR servers post to.
    pub fn webhooks(&self) -> Router {
        webhooks::router(Arc::clone(&self.core))
    }

    /// The admin API, behind the configuration's token.
    ///
    /// # Errors
    /// [`StartError::Token`] where the token is not to be found.
    pub fn admin(&self) -> Result<Router, StartError> {
        Ok(self.admin_with(&secrets::resolve(&self.core.config.admin_token)?))
    }

    pub(crate) fn admin_with(&self, token: &Secret) -> Router {
        admin::router(Arc::clone(&self.core), token)
    }

    /// Ends what is in flight within `limits.drain-ms` and closes the ledger.
    pub async fn stop(mut self) {
        self.core.ready.store(false, Ordering::SeqCst);
        self.work.send_replace(true);
        while self.workers.join_next().await.is_some() {}
        if let Err(error) = self.core.ledger.close().await {
            tracing::error!(%error, "the ledger did not close");
        }
    }
}

/// Sources and bots of the ledger, in service again. What cannot be is said and left out: the others must not wait for it.
async fn restore(core: &Arc<Core>) -> Result<(), StartError> {
    for source in core.ledger.sources(None).await? {
        let (tenant, id) = (source.tenant.clone(), source.id.clone());
        let timeout = Duration::from_millis(core.config.limits.fhir_ms);
        match SourceEntry::new(source, timeout, Arc::clone(&core.transport), Arc::clone(&core.clock)) {
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
    observe::restore(core).await?;
    Ok(())
}
