//! Releases that are observed: they get live events and do nothing, until somebody promotes or drops them.
//!
//! Beside a live release: [`follow`] tries the observed one on each run of the live one after its end, as `hob replay` would ([`crate::trial`]). The live run knows
//! nothing of it, and what it asked is answered by its journal, so that both decide on the same.
//!
//! Where no release of the bot acts: it is put in service, but its runs end with what they decided kept and not done ([`crate::bots::LiveBot::dry`]). Its
//! Subscriptions are the one thing that is made.

pub(crate) mod follow;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use hob_engine::{HttpError, HttpRequest, HttpResponse, Outbound};
use hob_ledger::{LedgerError, Observation, Observations, RunFilter, RunSeq};
use hob_model::{BotName, Digest, Failure, FailureKind, Manifest, TenantId, Trigger};
use tokio::sync::Notify;

use crate::core::Core;
use crate::deploy::{self, Acts, DeployError, Deployed, Examined, Wish};
use crate::resolve::Watch;
use crate::trial::Trial;

/// The code of the failure of a run that would have asked somebody outside.
pub(crate) const REQUEST: &str = "observe-request";

/// A release that is observed.
pub(crate) struct Observed {
    pub(crate) tenant: TenantId,
    pub(crate) bot: BotName,
    pub(crate) release: Digest,
    /// None where its own runs are what is looked at.
    pub(crate) trial: Option<Arc<Trial>>,
}

/// All of them, of all tenants.
#[derive(Default)]
pub(crate) struct Observing {
    all: RwLock<BTreeMap<(TenantId, BotName), Arc<Observed>>>,
    /// There is another one, or one less.
    changed: Notify,
}

impl Observing {
    fn all(&self) -> Vec<Arc<Observed>> {
        self.all.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn put(&self, observed: Observed) {
        let key = (observed.tenant.clone(), observed.bot.clone());
        self.all.write().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::new(observed));
        self.changed.notify_one();
    }

    fn remove(&self, tenant: &TenantId, bot: &BotName) {
        self.all.write().unwrap_or_else(PoisonError::into_inner).remove(&(tenant.clone(), bot.clone()));
        self.changed.notify_one();
    }
}

/// Why a release cannot be observed, promoted or dropped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ObserveError {
    /// As for a deploy.
    #[error(transparent)]
    Deploy(#[from] DeployError),
    /// None is.
    #[error("no release of {0} is observed")]
    NotObserved(BotName),
    /// The store keeps no observations.
    #[error("this host's ledger keeps no observations")]
    NotHere,
}

impl From<LedgerError> for ObserveError {
    fn from(error: LedgerError) -> Self {
        Self::Deploy(error.into())
    }
}

/// Where observations are kept.
pub(crate) fn kept(core: &Core) -> Result<&dyn Observations, ObserveError> {
    core.ledger.observations().ok_or(ObserveError::NotHere)
}

/// Begins to observe a release: beside the live one, or as the first.
pub(crate) async fn begin(core: &Arc<Core>, wish: Wish) -> Result<Deployed, ObserveError> {
    let kept = kept(core)?;
    let manifest = Manifest::parse(&wish.manifest, &wish.file).map_err(|error| DeployError::Manifest(Box::new(error)))?;
    let (tenant, bot) = (wish.tenant.clone(), manifest.name);
    let live = core.bots.get(&tenant, &bot).filter(|live| !live.dry);
    let Some(live) = live else { return Ok(deploy::deploy(core, wish, Acts::Observed).await?) };
    // What the live release decides is on its own source.
    let wish = Wish { source: live.source.clone(), ..wish };
    let examined = deploy::examine(core, &wish).await?;
    deploy::keep(core, &wish, &examined).await?;
    let observation = observation(core, &wish, &examined, false).await?;
    kept.observe(core.epoch, observation).await?;
    let digest = examined.digest;
    let mut changes = vec![format!("{bot} is observed on release {digest}; release {} goes on acting", live.digest)];
    let unseen = examined.manifest.on.iter().filter(|trigger| !live.manifest.on.contains(trigger)).map(told).collect::<Vec<_>>();
    if !unseen.is_empty() {
        // It follows the runs of the live release, and such an event makes none.
        let tables = unseen.join(", ");
        changes.push(format!("events that only {tables} takes are not observed: the live release has no such [[on]]"));
    }
    register(core, &tenant, examined);
    Ok(Deployed { bot, changes, manual_steps: Vec::new() })
}

/// A trigger as the manifest has it.
fn told(trigger: &Trigger) -> String {
    match trigger {
        Trigger::Change { criteria, .. } => format!("change = \"{criteria}\""),
        Trigger::Cron { schedule, .. } => format!("cron = \"{schedule}\""),
        Trigger::Timer => "timer = true".to_owned(),
        Trigger::Invoke => "invoke = true".to_owned(),
        Trigger::Reply => "reply = true".to_owned(),
    }
}

/// What the ledger is to keep of a release whose observation begins now.
pub(crate) async fn observation(core: &Core, wish: &Wish, examined: &Examined, first: bool) -> Result<Observation, LedgerError> {
    let bot = examined.manifest.name.clone();
    let filter = RunFilter { bot: Some(bot.clone()), limit: 1, ..RunFilter::default() };
    let floor = core.ledger.runs(&wish.tenant, &filter).await?.first().map_or(RunSeq::ZERO, |row| row.seq);
    Ok(Observation {
        tenant: wish.tenant.clone(),
        bot,
        release: examined.digest,
        source: wish.source.clone(),
        settings: examined.settings.clone().into_iter().collect(),
        first,
        began: core.clock.now(),
        floor,
        counts: BTreeMap::new(),
    })
}

fn register(core: &Core, tenant: &TenantId, examined: Examined) {
    let Examined { manifest, entry, watches, settings, digest, release } = examined;
    let bot = manifest.name.clone();
    let clock = Arc::clone(&core.clock);
    let trial = Trial { manifest, release, settings, watches, entry, clock };
    core.observing.put(Observed { tenant: tenant.clone(), bot, release: digest, trial: Some(Arc::new(trial)) });
}

/// Notes that the runs of a bot that does nothing are to be looked at.
pub(crate) fn register_first(core: &Core, tenant: &TenantId, bot: &BotName, release: Digest) {
    core.observing.put(Observed { tenant: tenant.clone(), bot: bot.clone(), release, trial: None });
}

/// Puts the observed release in service, by a deploy like any other, and forgets what was observed.
pub(crate) async fn promote(core: &Arc<Core>, tenant: &TenantId, bot: &BotName) -> Result<Deployed, ObserveError> {
    let found = kept(core)?.observation(tenant, bot).await?;
    let found = found.ok_or_else(|| ObserveError::NotObserved(bot.clone()))?;
    let release = core.ledger.release(tenant, &found.release).await?.ok_or(LedgerError::NotFound { what: "release" })?;
    let wish = Wish {
        tenant: tenant.clone(),
        source: found.source,
        manifest: release.manifest_text,
        file: "bot.toml".to_owned(),
        component: release.component,
        settings: found.settings,
    };
    Ok(deploy::deploy(core, wish, Acts::Live).await?)
}

/// Ends an observation and forgets what was observed. One that is the bot's first leaves service before that.
pub(crate) async fn drop(core: &Arc<Core>, tenant: &TenantId, bot: &BotName) -> Result<Vec<String>, ObserveError> {
    let found = kept(core)?.observation(tenant, bot).await?;
    let found = found.ok_or_else(|| ObserveError::NotObserved(bot.clone()))?;
    let mut changes = vec![format!("{bot} is not observed any more on release {}", found.release)];
    if core.bots.get(tenant, bot).is_some_and(|live| live.dry) {
        changes.extend(deploy::remove(core, tenant, bot).await?);
    }
    forget(core, tenant, bot).await?;
    Ok(changes)
}

/// Forgets whatever is observed of a bot.
pub(crate) async fn forget(core: &Core, tenant: &TenantId, bot: &BotName) -> Result<(), LedgerError> {
    if let Some(kept) = core.ledger.observations() {
        kept.unobserve(core.epoch, tenant, bot).await?;
    }
    core.observing.remove(tenant, bot);
    Ok(())
}

/// A release acts from now on: what was observed of it, or of a bot that did nothing, is over.
pub(crate) async fn acts(core: &Core, tenant: &TenantId, bot: &BotName, release: Digest) -> Result<(), LedgerError> {
    let Some(kept) = core.ledger.observations() else { return Ok(()) };
    match kept.observation(tenant, bot).await? {
        Some(found) if found.first || found.release == release => forget(core, tenant, bot).await,
        _ => Ok(()),
    }
}

/// Whether a bot is in service without acting: from before its first release is, until [`acts`] has been told. Whatever release a crash in between left in
/// service does nothing.
pub(crate) async fn is_dry(core: &Core, tenant: &TenantId, bot: &BotName) -> Result<bool, LedgerError> {
    let Some(kept) = core.ledger.observations() else { return Ok(false) };
    Ok(kept.observation(tenant, bot).await?.is_some_and(|found| found.first))
}

/// Goes on with what was observed before the host's start. The bots are in service.
pub(crate) async fn restore(core: &Arc<Core>) -> Result<(), LedgerError> {
    let Some(kept) = core.ledger.observations() else { return Ok(()) };
    for found in kept.all_observed(None).await? {
        let (tenant, bot) = (found.tenant.clone(), found.bot.clone());
        if found.first {
            register_first(core, &tenant, &bot, found.release);
        } else if let Err(error) = again(core, found).await {
            tracing::error!(%tenant, %bot, %error, "a release is not observed: its runs are counted when it is");
        }
    }
    Ok(())
}

async fn again(core: &Arc<Core>, found: Observation) -> Result<(), DeployError> {
    let Observation { tenant, release: digest, source, settings, .. } = found;
    let entry = core.sources.get(&tenant, &source).ok_or(DeployError::NoSource(source))?;
    let kept = core.ledger.release(&tenant, &digest).await?.ok_or(LedgerError::NotFound { what: "release" })?;
    let watches = Watch::of(&kept.manifest, &entry.bases)?;
    let release = core.prepare(&tenant, digest, kept.component, kept.manifest.clone()).await?;
    let settings = settings.into_iter().collect();
    register(core, &tenant, Examined { manifest: kept.manifest, entry, watches, settings, digest, release });
    Ok(())
}

/// What a release that does nothing may ask of others.
pub(crate) struct Nobody;

#[async_trait]
impl Outbound for Nobody {
    async fn send(&self, _: HttpRequest) -> Result<HttpResponse, HttpError> {
        Err(HttpError::Ends(Failure {
            kind: FailureKind::Reject,
            code: REQUEST.to_owned(),
            message: "it asks somebody outside, which a release that is observed may not".to_owned(),
            retry_after: None,
        }))
    }
}
