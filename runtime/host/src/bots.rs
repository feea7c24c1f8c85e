//! The bots in service: compiled, with their criteria ready to judge.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use hob_engine::LIMIT_CODES;
use hob_model::{BotName, Digest, Manifest, SourceId, TenantId, Timestamp};
use serde_json::Value;

use crate::resolve::Watch;
use crate::sandbox::Prepared;

/// A bot in service.
pub(crate) struct LiveBot {
    pub(crate) tenant: TenantId,
    pub(crate) name: BotName,
    pub(crate) digest: Digest,
    pub(crate) manifest: Manifest,
    pub(crate) release: Arc<dyn Prepared>,
    pub(crate) source: SourceId,
    pub(crate) settings: BTreeMap<String, Value>,
    pub(crate) watches: Vec<Watch>,
    /// When it first went live, by the host's clock.
    pub(crate) deployed: Timestamp,
    /// Attempts that ended at a limit.
    pub(crate) limited: Limited,
    /// It is observed: its runs decide, and nothing of that is done.
    pub(crate) dry: bool,
}

/// How many attempts ended at which limit since the release came into service on this host.
#[derive(Debug, Default)]
pub(crate) struct Limited([AtomicU64; LIMIT_CODES.len()]);

impl Limited {
    /// Counts a failure, if it is of a limit. A bot's own codes are not counted, however they are spelled: none has a place here.
    pub(crate) fn count(&self, code: &str) {
        if let Some(at) = LIMIT_CODES.iter().position(|limit| *limit == code) {
            self.0[at].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The limits at which an attempt has ended, with how often.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        LIMIT_CODES.into_iter().zip(counts).filter(|(_, count)| *count > 0).collect()
    }
}

impl LiveBot {
    /// Since when a type matters to the bot; `None` where that is not known.
    pub(crate) fn since(&self, kind: &str) -> Option<Timestamp> {
        self.watches.iter().filter(|watch| watch.resource_type() == kind).map(|watch| watch.since).min().flatten()
    }

    pub(crate) fn watches_type(&self, kind: &str) -> bool {
        self.watches.iter().any(|watch| watch.resource_type() == kind)
    }
}

/// All bots of all tenants.
#[derive(Default)]
pub(crate) struct Bots(RwLock<BTreeMap<(TenantId, BotName), Arc<LiveBot>>>);

impl Bots {
    pub(crate) fn get(&self, tenant: &TenantId, bot: &BotName) -> Option<Arc<LiveBot>> {
        let bots = self.0.read().unwrap_or_else(PoisonError::into_inner);
        bots.get(&(tenant.clone(), bot.clone())).cloned()
    }

    /// The bots that work on a source, by name.
    pub(crate) fn on(&self, tenant: &TenantId, source: &SourceId) -> Vec<Arc<LiveBot>> {
        let bots = self.0.read().unwrap_or_else(PoisonError::into_inner);
        bots.values().filter(|bot| bot.tenant == *tenant && bot.source == *source).cloned().collect()
    }

    pub(crate) fn all(&self) -> Vec<Arc<LiveBot>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    pub(crate) fn put(&self, bot: LiveBot) -> Arc<LiveBot> {
        let bot = Arc::new(bot);
        let key = (bot.tenant.clone(), bot.name.clone());
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&bot));
        bot
    }

    pub(crate) fn remove(&self, tenant: &TenantId, bot: &BotName) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&(tenant.clone(), bot.clone()));
    }
}
