//! Deploying a release: check it, keep it, put it in service, and make the source notify.
//!
//! The order is such that a failure at any step leaves what was live before in service, and that nothing is missed: the bot judges changes from the
//! moment that its first Subscription was made, by the source's clock.

mod examine;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hob_fhir::Secret;
use hob_fhir::subscriptions::{self, Dialect, Wanted};
use hob_ledger::{Deployment, LedgerError, RunFilter, RunKey, RunSeq, Subscription, SubscriptionStatus};
use hob_model::{
    BotName, Digest, Inbound, Interaction, Manifest, ManifestError, RunState, SourceId, SubscriptionKey, TenantId, Trigger,
};
use serde_json::{Map, Value};

pub(crate) use examine::{Examined, checked, examine, keep};

use crate::agenda;
use crate::bots::{Limited, LiveBot};
use crate::core::Core;
use crate::observe;
use crate::resolve::{JudgeError, Watch};
use crate::run::attempt::targets;
use crate::run::driver::{Message, live};
use crate::sandbox::Prepared;
use crate::secrets::{self, SecretError};
use crate::sources::SourceEntry;

/// What is to be deployed.
#[derive(Clone)]
pub(crate) struct Wish {
    pub(crate) tenant: TenantId,
    pub(crate) source: SourceId,
    /// The text of `bot.toml`, and its name for errors.
    pub(crate) manifest: String,
    pub(crate) file: String,
    pub(crate) component: Bytes,
    pub(crate) settings: Map<String, Value>,
}

/// What a deploy did.
#[derive(Debug)]
pub(crate) struct Deployed {
    pub(crate) bot: BotName,
    pub(crate) changes: Vec<String>,
    pub(crate) manual_steps: Vec<String>,
}

/// Why a release is not deployed. What was in service before still is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeployError {
    /// `bot.toml` is wrong.
    #[error(transparent)]
    Manifest(#[from] Box<ManifestError>),
    /// A trigger cannot be judged by the host.
    #[error("{0}: write criteria that one resource can answer by itself")]
    Criteria(#[from] JudgeError),
    /// The component is refused.
    #[error(transparent)]
    Component(#[from] hob_engine::EngineError),
    /// No such source.
    #[error("there is no source {0} in this tenant: `hob source add` makes it known")]
    NoSource(SourceId),
    /// The source was not proved to commit once.
    #[error("the source {source_id} is not proved to commit a run's writes once ({why}): run `hob source check {source_id}`")]
    Unproved {
        /// Which.
        source_id: SourceId,
        /// What is missing.
        why: &'static str,
    },
    /// The source cannot give back what the bot needs.
    #[error(
        "on change = {criteria:?}: the source {source_id} is not proved to show deletes in the history of a type, so one whose notification is lost is lost: write `source-only = true` beside it to do without, or run `hob source check {source_id}`"
    )]
    Unrecoverable {
        /// Which.
        source_id: SourceId,
        /// Of the trigger.
        criteria: String,
    },
    /// A setting is unknown, missing or of another type.
    #[error("setting {name}: {why}")]
    Setting {
        /// Its name.
        name: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A secret that the bot or the source needs.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The source did not take the Subscription.
    #[error("the Subscription for {criteria:?} could not be made: {error}")]
    Subscribe {
        /// For what.
        criteria: String,
        /// Why.
        error: Box<hob_fhir::FhirError>,
    },
    /// The ledger did not take it.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The host stops.
    #[error("the host is stopping: deploy again when it is back")]
    Stopping,
}

/// Whether a release does what its runs decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acts {
    /// It does.
    Live,
    /// It does nothing, and is looked at: see [`crate::observe`].
    Observed,
}

/// Deploys a release.
pub(crate) async fn deploy(core: &Arc<Core>, wish: Wish, acts: Acts) -> Result<Deployed, DeployError> {
    let examined = examine(core, &wish).await?;
    let now = core.clock.now();
    let dry = acts == Acts::Observed;
    let Wish { tenant, source, .. } = wish.clone();
    let Examined { manifest, entry, digest, settings, .. } = &examined;
    let (manifest, entry, digest, settings) = (manifest.clone(), Arc::clone(entry), *digest, settings.clone());
    let name = manifest.name.clone();
    // Notifications of the new Subscriptions wait until the bot is there to want them.
    let gate = entry.deploying.write().await;
    let mut deployed = Deployed {
        bot: name.clone(),
        changes: vec![format!("{name} {} release {digest}", if dry { "does nothing yet: it is observed on" } else { "runs" })],
        manual_steps: Vec::new(),
    };
    let subscriptions = subscribe(core, &entry, &manifest, &mut deployed).await?;
    keep(core, &wish, &examined).await?;
    let was = core.ledger.deployment(&tenant, &name).await?.filter(|was| was.active);
    let before = match &was {
        Some(was) => core.ledger.release(&tenant, &was.release).await?,
        None => None,
    };
    agenda::cron::begin(core, &tenant, &source, &manifest, before.as_ref().map(|before| &before.manifest)).await?;
    let first = was.map_or(now, |was| was.deployed.min(now));
    let deployment = Deployment {
        tenant: tenant.clone(),
        bot: name.clone(),
        release: digest,
        source: Some(source.clone()),
        settings: settings.clone().into_iter().collect(),
        deployed: first,
        active: true,
    };
    // The rows first: a bot in service without them would begin with the first version of everything.
    for subscription in &subscriptions {
        core.ledger.put_subscription(core.epoch, subscription.clone()).await?;
    }
    if let (true, Some(observations)) = (dry, core.ledger.observations()) {
        // Before it is in service: a crash in between leaves nothing that acts.
        let observation = observe::observation(core, &wish, &examined, true).await?;
        observations.observe(core.epoch, observation).await?;
    }
    core.ledger.activate(core.epoch, deployment).await?;
    if dry {
        observe::register_first(core, &tenant, &name, digest);
    } else {
        observe::acts(core, &tenant, &name, digest).await?;
    }
    let Examined { mut watches, release, .. } = examined;
    begin_at(&mut watches, &subscriptions, now);
    let parts = Parts { manifest, release, digest, watches, settings, deployed: first, dry };
    put_in_service(core, &tenant, &source, parts).await?;
    drop(gate);
    for subscription in subscriptions {
        active(core, &entry, subscription, &mut deployed).await?;
    }
    Ok(deployed)
}

/// Makes the source notify for each change trigger; says what the ledger is to keep of that.
async fn subscribe(
    core: &Core,
    entry: &SourceEntry,
    manifest: &Manifest,
    deployed: &mut Deployed,
) -> Result<Vec<Subscription>, DeployError> {
    let statement = entry.client.capability_statement().await;
    let dialect = statement.as_ref().map_or(Dialect::Plain, Dialect::of);
    let mut rows = Vec::new();
    let (tenant, source) = (&entry.source.tenant, &entry.source.id);
    for (index, trigger) in manifest.on.iter().enumerate() {
        let Trigger::Change { criteria, interactions, .. } = trigger else { continue };
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let Ok(key) = SubscriptionKey::new(format!("{}.{index}", manifest.name)) else { continue };
        let known = core.ledger.subscription(tenant, source, &key).await?;
        let wanted = wanted(core, entry, &key, criteria, interactions.contains(&Interaction::Delete), dialect, &manifest.name)?;
        let ensured = subscriptions::ensure(&entry.client, &wanted).await;
        let (reference, status, mark) = match ensured {
            Ok(ensured) => {
                let mark = ensured.iter().filter_map(|one| one.mark).min();
                let (mut reference, mut status) = (None, SubscriptionStatus::Requested);
                for one in ensured {
                    deployed.changes.extend(one.changes);
                    if reference.is_none() {
                        reference = Some(one.reference);
                        status = one.status.parse().unwrap_or(status);
                    }
                }
                (reference, status, mark)
            }
            Err(error) if error.is_transient() => {
                return Err(DeployError::Subscribe { criteria: criteria.clone(), error: Box::new(error) });
            }
            Err(error) => {
                deployed.changes.push(format!("no Subscription for {criteria:?}: {error}"));
                deployed.manual_steps.extend(subscriptions::manual_steps(&wanted));
                (None, SubscriptionStatus::Requested, None)
            }
        };
        // The first mark of the same criteria stays: a redeploy must not forget what happened since. Others begin now: it must not run the past either.
        let same = known.filter(|known| known.criteria == *criteria);
        let mark = same.and_then(|known| known.since).or(mark).or(Some(core.clock.now()));
        rows.push(Subscription {
            tenant: tenant.clone(),
            source: source.clone(),
            key,
            bot: manifest.name.clone(),
            trigger: index,
            reference,
            criteria: criteria.clone(),
            since: mark,
            status,
            last_event: None,
        });
    }
    Ok(rows)
}

#[allow(clippy::too_many_arguments, reason = "one of each that a Subscription says")]
pub(crate) fn wanted(
    core: &Core,
    entry: &SourceEntry,
    key: &SubscriptionKey,
    criteria: &str,
    deletes: bool,
    dialect: Dialect,
    bot: &BotName,
) -> Result<Wanted, SecretError> {
    let mut headers = Vec::new();
    let mut signing_secret = None;
    match &entry.source.inbound {
        Inbound::Header { name, value } => {
            headers.push((name.clone(), Secret::new(secrets::resolve(value)?.expose())));
        }
        Inbound::Hmac { secret, .. } => signing_secret = Some(Secret::new(secrets::resolve(secret)?.expose())),
        Inbound::Path { .. } => {}
    }
    Ok(Wanted {
        criteria: for_server(criteria, dialect),
        endpoint: endpoint(core, entry, key)?,
        headers,
        signing_secret,
        deletes,
        reason: format!("Hob: {bot}"),
        dialect,
    })
}

/// The criteria as the server gets them: never narrower than the bot's, which the host judges itself.
///
/// HAPI refuses a type without a question mark, and has no index for `:missing` unless told: then each match fails, and HAPI tries the whole message
/// again, for every subscription. So it is given no parameters with modifiers.
fn for_server(criteria: &str, dialect: Dialect) -> String {
    let (kind, query) = criteria.split_once('?').unwrap_or((criteria, ""));
    let plain = |pair: &&str| dialect != Dialect::Hapi || !pair.split('=').next().unwrap_or_default().contains(':');
    let kept: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).filter(plain).collect();
    format!("{kind}?{}", kept.join("&"))
}

/// Waits until the server posts, so that nothing that changes after the deploy is missed, and keeps where it stands.
async fn active(core: &Core, entry: &SourceEntry, mut row: Subscription, deployed: &mut Deployed) -> Result<(), LedgerError> {
    if row.reference.is_none() {
        return Ok(());
    }
    until_active(core, entry, &mut row).await;
    if row.status != SubscriptionStatus::Active {
        let told = format!("the Subscription for {:?} is {}, not active: the server does not post yet", row.criteria, row.status);
        deployed.changes.push(told);
    }
    core.ledger.put_subscription(core.epoch, row).await
}

/// Waits a while for the server to make a Subscription active, and notes how it stands.
pub(crate) async fn until_active(core: &Core, entry: &SourceEntry, row: &mut Subscription) {
    let Some(reference) = row.reference.clone() else { return };
    for _ in 0..100 {
        if row.status != SubscriptionStatus::Requested {
            return;
        }
        core.pause(Duration::from_millis(100)).await;
        if let Ok(found) = entry.client.read(&reference).await {
            row.status = found.resource["status"].as_str().and_then(|text| text.parse().ok()).unwrap_or(row.status);
        }
    }
}

/// Each trigger begins where its Subscription did; one without, now.
fn begin_at(watches: &mut [Watch], subscriptions: &[Subscription], now: hob_model::Timestamp) {
    for watch in watches {
        let row = subscriptions.iter().find(|row| row.trigger == watch.trigger);
        watch.since = row.and_then(|row| row.since).or(Some(now));
    }
}

/// Where a source posts the notifications of one subscription.
pub(crate) fn endpoint(core: &Core, entry: &SourceEntry, key: &SubscriptionKey) -> Result<String, SecretError> {
    let secret = entry.path_secret()?.map(|secret| format!("{secret}/")).unwrap_or_default();
    Ok(format!("{}/in/{}/{}/{secret}{key}", core.public_url, entry.source.tenant, entry.source.id))
}

struct Parts {
    manifest: Manifest,
    release: Arc<dyn Prepared>,
    digest: Digest,
    watches: Vec<Watch>,
    settings: BTreeMap<String, Value>,
    deployed: hob_model::Timestamp,
    dry: bool,
}

async fn put_in_service(core: &Core, tenant: &TenantId, source: &SourceId, parts: Parts) -> Result<(), DeployError> {
    let Parts { manifest, release, digest, watches, settings, deployed, dry } = parts;
    let bot = core.bots.put(LiveBot {
        tenant: tenant.clone(),
        name: manifest.name.clone(),
        digest,
        manifest,
        release,
        source: source.clone(),
        settings,
        watches,
        deployed,
        limited: Limited::default(),
        dry,
    });
    let filter = RunFilter { bot: Some(bot.name.clone()), limit: 1, ..RunFilter::default() };
    let newest = core.ledger.runs(tenant, &filter).await?.first().map_or(RunSeq::ZERO, |row| row.seq);
    let policy = live(core, bot.manifest.retry.clone(), bot.manifest.on_dead);
    core.tell(Message::Policy { tenant: tenant.clone(), bot: bot.name.clone(), policy, newest }).await;
    core.agenda.notify_one();
    core.gaps.bots_changed();
    Ok(())
}

/// Puts a deployment of the ledger back in service at the host's start.
pub(crate) async fn restore(core: &Arc<Core>, deployment: Deployment) -> Result<(), DeployError> {
    let Deployment { tenant, bot, release: digest, source, settings, deployed, .. } = deployment;
    let source = source.ok_or(LedgerError::NotFound { what: "source of the bot" })?;
    let entry = core.sources.get(&tenant, &source).ok_or_else(|| DeployError::NoSource(source.clone()))?;
    let kept = core.ledger.release(&tenant, &digest).await?.ok_or(LedgerError::NotFound { what: "release" })?;
    let mut watches = Watch::of(&kept.manifest, &entry.bases)?;
    let release = core.prepare(&tenant, digest, kept.component, kept.manifest.clone()).await?;
    let subscriptions = core.ledger.subscriptions(&tenant, Some(&source)).await?;
    let subscriptions: Vec<Subscription> = subscriptions.into_iter().filter(|s| s.bot == bot).collect();
    begin_at(&mut watches, &subscriptions, deployed);
    let settings = settings.into_iter().collect();
    commits_under_way(core, &entry, &tenant, &bot).await?;
    let dry = observe::is_dry(core, &tenant, &bot).await?;
    let parts = Parts { manifest: kept.manifest, release, digest, watches, settings, deployed, dry };
    put_in_service(core, &tenant, &source, parts).await
}

/// Tells resolve of the commits that the host before this one may have left under way: what they made may be notified before their runs are resumed.
async fn commits_under_way(core: &Core, entry: &SourceEntry, tenant: &TenantId, bot: &BotName) -> Result<(), LedgerError> {
    // By state: there are as many as were in flight, where what waits may be a million.
    let mut filter = RunFilter { state: Some(RunState::Recorded), bot: Some(bot.clone()), limit: 1_000, ..RunFilter::default() };
    loop {
        let rows = core.ledger.runs(tenant, &filter).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        filter.before = Some(last.seq);
        for row in rows {
            let key = RunKey { tenant: tenant.clone(), run: row.run };
            if let Some(recorded) = core.ledger.load(&key).await?.recorded {
                core.commit_begins(&key, core.inflight.begin(tenant, &entry.source.id, targets(&recorded.effects)));
            }
        }
    }
}

/// Takes a bot out of service and sets its Subscriptions off. The ledger first: what comes after it can be repeated, and nothing that waits is lost in between.
pub(crate) async fn remove(core: &Core, tenant: &TenantId, bot: &BotName) -> Result<Vec<String>, DeployError> {
    let deployment =
        core.ledger.deployment(tenant, bot).await?.filter(|d| d.active).ok_or(LedgerError::NotFound { what: "bot" })?;
    let entry = deployment.source.as_ref().and_then(|source| core.sources.get(tenant, source));
    let gate = match &entry {
        Some(entry) => Some(entry.deploying.write().await),
        None => None,
    };
    let ended = core.ledger.deactivate(core.epoch, tenant, bot, core.clock.now()).await?;
    core.bots.remove(tenant, bot);
    let policy = hob_dispatch::Policy::Removed;
    core.tell(Message::Policy { tenant: tenant.clone(), bot: bot.clone(), policy, newest: RunSeq::ZERO }).await;
    drop(gate);
    let mut changes = vec![format!("{bot} is out of service; {} runs that waited are superseded", ended.len())];
    for run in ended {
        core.commit_ended(&run);
    }
    if let Some(entry) = entry {
        let source = &entry.source.id;
        for subscription in core.ledger.subscriptions(tenant, Some(source)).await?.into_iter().filter(|s| s.bot == *bot) {
            match subscriptions::off(&entry.client, &endpoint(core, &entry, &subscription.key)?).await {
                Ok(done) => {
                    changes.extend(done);
                    core.ledger.remove_subscription(core.epoch, tenant, source, &subscription.key).await?;
                }
                Err(error) => changes.push(format!("the Subscription for {:?} is still on: {error}", subscription.criteria)),
            }
        }
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_never_asked_for_less_than_the_bot_wants() {
        assert_eq!(for_server("Task", Dialect::Plain), "Task?");
        assert_eq!(for_server("Task?status=ready&owner:missing=true", Dialect::Hapi), "Task?status=ready");
        assert_eq!(for_server("Task?owner:missing=true", Dialect::Hapi), "Task?");
        assert_eq!(for_server("Task?status=ready&owner:missing=true", Dialect::Medplum), "Task?status=ready&owner:missing=true");
        // A colon in a value is no modifier.
        assert_eq!(for_server("Task?code=http://x|y", Dialect::Hapi), "Task?code=http://x|y");
    }
}
