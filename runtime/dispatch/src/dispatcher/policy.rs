//! Bots come, change, rest and go.

use std::collections::BTreeMap;

use hob_model::{BotName, TenantId};

use super::{Dispatcher, Leaves};
use crate::bot::{Bot, BotIx, Standing, TenantIx};
use crate::io::Policy;
use crate::pager::Pager;

impl Dispatcher {
    pub(super) fn policy(&mut self, tenant: TenantId, name: BotName, policy: Policy) {
        let mut ix = self.bot_ix(&tenant, &name);
        if ix.is_none() && matches!(policy, Policy::Live { .. }) {
            ix = Some(self.add_bot(tenant, name));
        }
        match (policy, ix.and_then(|ix| self.bots.get_mut(&ix))) {
            (Policy::Live { retry, concurrency, on_dead }, Some(bot)) => {
                if bot.standing == Standing::Removed {
                    // What came meanwhile was not looked at.
                    bot.pager = Pager::default();
                }
                bot.standing = Standing::Live;
                bot.retry = retry;
                bot.concurrency = concurrency.get() as usize;
                bot.on_dead = on_dead;
            }
            (Policy::Paused, Some(bot)) if bot.standing == Standing::Live => bot.standing = Standing::Paused,
            (Policy::Removed, Some(bot)) => {
                bot.standing = Standing::Removed;
                let mut kept = bot.order.len();
                while let Some(place) = ix.and_then(|ix| self.bots.get(&ix)?.order.newest_idle()) {
                    self.forget(place, Leaves::Unread);
                    kept -= 1;
                }
                if let Some(ix) = ix.filter(|_| kept == 0) {
                    self.drop_bot(ix);
                }
            }
            (Policy::Live { .. } | Policy::Paused | Policy::Removed, _) => {}
        }
        // The shares have changed.
        self.touch_all();
    }

    pub(super) fn touch_all(&mut self) {
        let all: Vec<BotIx> = self.bots.keys().copied().collect();
        for ix in all {
            self.touch(ix);
        }
    }

    fn add_bot(&mut self, tenant: TenantId, name: BotName) -> BotIx {
        self.last_number += 2;
        let (tenant_ix, bots) =
            self.names.entry(tenant.clone()).or_insert_with(|| (TenantIx(self.last_number - 1), BTreeMap::new()));
        let ix = BotIx(self.last_number);
        bots.insert(name.clone(), ix);
        self.bots.insert(ix, Bot::new(tenant, *tenant_ix, name));
        ix
    }

    pub(super) fn drop_bot(&mut self, ix: BotIx) {
        let Some(bot) = self.bots.remove(&ix) else {
            return;
        };
        self.turns.remove(bot.tenant_ix, ix);
        self.hungry.remove(&ix);
        if let Some((_, bots)) = self.names.get_mut(&bot.tenant) {
            bots.remove(&bot.name);
            if bots.is_empty() {
                self.names.remove(&bot.tenant);
            }
        }
    }
}
