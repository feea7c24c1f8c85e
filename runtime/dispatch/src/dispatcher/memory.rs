//! What comes into memory and what must leave it: news, pages, runs opened again, and the bound.

use hob_model::{BotName, TenantId};

use super::Dispatcher;
use crate::backoff::Counts;
use crate::bot::{BotIx, Run, Standing, State};
use crate::io::{PageRequest, RunHead};
use crate::order::Place;

impl Dispatcher {
    pub(super) fn ask(&mut self) -> Option<PageRequest> {
        let ix = self.hungry.iter().copied().find(|ix| self.has_room(*ix))?;
        self.last_number += 1;
        let id = self.last_number;
        let room = self.share();
        let bot = self.bots.get_mut(&ix)?;
        let after_seq = bot.pager.ask(id);
        let limit = room.saturating_sub(bot.order.len()).min(self.config.page).max(1);
        let request = PageRequest { id, tenant: bot.tenant.clone(), bot: bot.name.clone(), after_seq, limit };
        self.touch(ix);
        Some(request)
    }

    pub(super) fn queued(&mut self, head: &RunHead) {
        let Some(ix) = self.known(head) else { return };
        let Some(bot) = self.bots.get_mut(&ix) else {
            return;
        };
        if bot.pager.live(head.seq) {
            self.admit_or_rewind(ix, head);
        }
        self.touch(ix);
    }

    pub(super) fn retry(&mut self, head: &RunHead) {
        if let Some(run) = self.runs.get_mut(&head.run) {
            if !run.is_idle() {
                return;
            }
            run.not_before = head.not_before;
            run.counts = Counts { failures: head.failures, conflicts: head.conflicts };
            let (bot, place, first) = (run.bot, run.place, run.state != State::Behind);
            if first {
                self.set_first(place);
            }
            self.touch(bot);
            return;
        }
        let Some(ix) = self.known(head) else { return };
        let Some(bot) = self.bots.get_mut(&ix) else {
            return;
        };
        if bot.pager.reopened(head.seq) {
            self.admit_or_rewind(ix, head);
        }
        self.touch(ix);
    }

    /// The bot of a head that is not in memory and whose runs are kept in memory.
    pub(super) fn known(&self, head: &RunHead) -> Option<BotIx> {
        let ix = self.bot_ix(&head.tenant, &head.bot)?;
        let kept = self.bots.get(&ix).is_some_and(|bot| bot.standing != Standing::Removed);
        (kept && !self.runs.contains_key(&head.run)).then_some(ix)
    }

    pub(super) fn bot_ix(&self, tenant: &TenantId, bot: &BotName) -> Option<BotIx> {
        self.names.get(tenant)?.1.get(bot).copied()
    }

    pub(super) fn page(&mut self, request: &PageRequest, mut heads: Vec<RunHead>, more: bool) {
        let Some(ix) = self.bot_ix(&request.tenant, &request.bot) else {
            return;
        };
        let Some(bot) = self.bots.get_mut(&ix) else {
            return;
        };
        if let Some(page) = bot.pager.answer(request.id) {
            heads.retain(|head| head.tenant == request.tenant && head.bot == request.bot && head.seq > request.after_seq);
            heads.sort_by_key(|head| head.seq);
            // A page that says more and brings nothing would be asked for without end.
            let more = more && !heads.is_empty();
            let mut all = true;
            for head in &heads {
                if !self.runs.contains_key(&head.run) && !page.is_stale(head.run) && !self.admit(ix, head) {
                    all = false;
                    break;
                }
                if let Some(bot) = self.bots.get_mut(&ix) {
                    bot.pager.saw(head.seq);
                }
            }
            if let Some(bot) = self.bots.get_mut(&ix).filter(|_| all && !more) {
                bot.pager.reached_end(&page);
            }
        }
        self.touch(ix);
    }

    pub(super) fn admit_or_rewind(&mut self, ix: BotIx, head: &RunHead) {
        let admitted = self.admit(ix, head);
        if let Some(bot) = self.bots.get_mut(&ix) {
            if admitted { bot.pager.saw(head.seq) } else { bot.pager.rewind(head.seq) }
        }
    }

    /// Takes a head into memory, if there is room.
    pub(super) fn admit(&mut self, ix: BotIx, head: &RunHead) -> bool {
        if !self.has_room(ix) {
            return false;
        }
        if self.is_full() {
            self.evict();
        }
        let source = head.source.as_ref().map(|source| self.sources.number(&head.tenant, source));
        let Some(bot) = self.bots.get_mut(&ix) else {
            return false;
        };
        let place = Place { seq: head.seq, run: head.run };
        let resource = head.resource.clone().map(|resource| (source, resource));
        let counts = Counts { failures: head.failures, conflicts: head.conflicts };
        let run = Run { bot: ix, place, source, not_before: head.not_before, counts, state: State::Behind };
        self.runs.insert(head.run, run);
        bot.order.insert(place, &head.lane, resource.as_ref(), head.recorded);
        self.settle(ix);
        true
    }

    /// How many heads one bot may have in memory; at least one.
    pub(super) fn share(&self) -> usize {
        (self.config.heads / self.bots.len().max(1)).min(self.config.heads_per_bot).max(1)
    }

    pub(super) fn is_full(&self) -> bool {
        self.runs.len() >= self.config.heads.max(self.bots.len())
    }

    pub(super) fn has_room(&self, ix: BotIx) -> bool {
        self.bots.get(&ix).is_some_and(|bot| bot.order.len() < self.share()) && (!self.is_full() || self.victim().is_some())
    }

    /// The newest idle run of the bot that is furthest over its share: a bot came after it had filled memory.
    pub(super) fn victim(&self) -> Option<Place> {
        let share = self.share();
        let over = self.bots.values().filter(|bot| bot.order.len() > share);
        let idle = over.filter_map(|bot| Some((bot.order.len(), bot.order.newest_idle()?)));
        idle.max_by_key(|(len, _)| *len).map(|(_, place)| place)
    }

    pub(super) fn evict(&mut self) {
        if let Some(place) = self.victim() {
            self.forget(place, false);
        }
    }
}
