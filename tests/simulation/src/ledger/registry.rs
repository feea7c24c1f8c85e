//! Sources, releases, deployments and subscriptions.

use hob_ledger::{Deployment, LedgerError, Release, Result, RunKey, Subscription};
use hob_model::{BotName, Source, SourceId, TenantId, Timestamp};

use super::Mutation;
use super::state::{Run, State};

impl State {
    pub(super) fn put_source(&mut self, source: Source) {
        self.sources.insert((source.tenant.clone(), source.id.clone()), source);
    }

    pub(super) fn sources(&self, tenant: Option<&TenantId>) -> Vec<Source> {
        self.sources.values().filter(|source| tenant.is_none_or(|of| source.tenant == *of)).cloned().collect()
    }

    pub(super) fn remove_source(&mut self, tenant: &TenantId, id: &SourceId) -> Result<()> {
        let uses = |d: &&Deployment| d.active && d.tenant == *tenant && d.source.as_ref() == Some(id);
        if let Some(by) = self.deployments.values().find(uses) {
            return Err(LedgerError::SourceInUse { by: by.bot.clone() });
        }
        let gone = self.sources.remove(&(tenant.clone(), id.clone()));
        self.subscriptions.retain(|_, s| !(s.tenant == *tenant && s.source == *id));
        self.sweeps.retain(|_, mark| !(mark.tenant == *tenant && mark.source == *id));
        gone.map(drop).ok_or(LedgerError::NotFound { what: "source" })
    }

    pub(super) fn put_release(&mut self, release: Release) {
        self.releases.entry((release.tenant.clone(), release.digest)).or_insert(release);
    }

    pub(super) fn activate(&mut self, new: Deployment) -> Result<()> {
        if !self.releases.contains_key(&(new.tenant.clone(), new.release)) {
            return Err(LedgerError::NotFound { what: "release" });
        }
        if let Some(source) = &new.source
            && !self.sources.contains_key(&(new.tenant.clone(), source.clone()))
        {
            return Err(LedgerError::NotFound { what: "source" });
        }
        let of = (new.tenant.clone(), new.bot.clone());
        if self.makes(Mutation::ForgetOnRedeploy) && self.deployments.contains_key(&of) {
            self.forget(&new);
        }
        self.deployments.insert(of, new);
        Ok(())
    }

    fn forget(&mut self, of: &Deployment) {
        self.marks.retain(|key, _| !(key.tenant == of.tenant && Some(&key.source) == of.source.as_ref()));
        self.runs.retain(|key, run| key.tenant != of.tenant || run.head.bot != of.bot || run.head.state.is_open());
        self.places.retain(|_, key| self.runs.contains_key(key));
    }

    pub(super) fn deactivate(&mut self, tenant: &TenantId, bot: &BotName, at: Timestamp) -> Result<Vec<RunKey>> {
        let known = self.deployments.get_mut(&(tenant.clone(), bot.clone())).filter(|deployment| deployment.active);
        known.ok_or(LedgerError::NotFound { what: "bot in service" })?.active = false;
        self.timers.retain(|key, _| !(key.tenant == *tenant && key.bot == *bot));
        self.timers_due.retain(|(_, _, key)| !(key.tenant == *tenant && key.bot == *bot));
        let of_bot = |run: &&mut Run| run.head.key.tenant == *tenant && run.head.bot == *bot && run.head.held;
        for run in self.runs.values_mut().filter(of_bot) {
            run.head.held = false;
            if let Some(open) = self.open.get_mut(&(tenant.clone(), bot.clone())) {
                open.remove(&run.head.seq);
            }
        }
        Ok(self.supersede_where(tenant, bot, at, |_| true))
    }

    pub(super) fn deployments(&self, tenant: Option<&TenantId>) -> Vec<Deployment> {
        let wanted = |d: &&Deployment| d.active && tenant.is_none_or(|of| d.tenant == *of);
        self.deployments.values().filter(wanted).cloned().collect()
    }

    pub(super) fn put_subscription(&mut self, mut new: Subscription) {
        let of = (new.tenant.clone(), new.source.clone(), new.key.clone());
        if let Some(old) = self.subscriptions.get(&of) {
            new.last_event = new.last_event.max(old.last_event);
        }
        self.subscriptions.insert(of, new);
    }

    pub(super) fn subscriptions(&self, tenant: &TenantId, source: Option<&SourceId>) -> Vec<Subscription> {
        let wanted = |s: &&Subscription| s.tenant == *tenant && source.is_none_or(|of| s.source == *of);
        self.subscriptions.values().filter(wanted).cloned().collect()
    }
}
