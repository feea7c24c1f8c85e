//! What comes into memory and what must leave it: news, pages, runs opened again, and the bound.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use hob_model::{BotName, LaneKey, TenantId};

use super::{Dispatcher, Leaves};
use crate::backoff::Counts;
use crate::bot::{BotIx, Run, Standing, State};
use crate::io::{PageRequest, RunHead};
use crate::order::{Place, ResourceKey};
use crate::pager::Page;
use crate::passed::{Bounds, LaneIx};

/// What became of a run that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    /// It is in memory.
    In,
    /// It was passed over.
    Passed,
    /// There is no room for it.
    Not,
}

impl Dispatcher {
    pub(super) fn ask(&mut self) -> Option<PageRequest> {
        let ix = self.hungry.iter().copied().find(|ix| self.has_room(*ix))?;
        self.last_number += 1;
        let id = self.last_number;
        let (share, depth) = (self.share(), self.depth(ix));
        let bot = self.bots.get_mut(&ix)?;
        let (lane, after_seq) = bot.pager.ask(id);
        let room = share.saturating_sub(bot.order.len());
        let room = lane.as_ref().map_or(room, |lane| room.min(depth.saturating_sub(bot.order.lane_len(lane))));
        let limit = room.min(self.config.page).max(1);
        let request = PageRequest { id, tenant: bot.tenant.clone(), bot: bot.name.clone(), lane, after_seq, limit };
        self.touch(ix);
        Some(request)
    }

    pub(super) fn queued(&mut self, head: &RunHead) {
        let Some(ix) = self.known(head) else { return };
        let Some(bot) = self.bots.get_mut(&ix) else {
            return;
        };
        if bot.pager.live(&head.lane, head.seq) {
            let depth = self.depth(ix);
            self.bring_or_rewind(ix, head, depth);
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
            let (ix, place, first) = (run.bot, run.place, run.state != State::Behind);
            if first {
                self.set_first(place);
            }
            if let Some(bot) = self.bots.get_mut(&ix) {
                bot.order.set_held(place, false);
            }
            self.lane_changed(ix, &head.lane);
            self.settle(ix);
            return;
        }
        let Some(ix) = self.known(head) else { return };
        let Some(bot) = self.bots.get_mut(&ix) else {
            return;
        };
        if bot.pager.reopened(&head.lane, head.seq) {
            // Its lane may be as deep as it is: it belongs before what is there.
            self.bring_or_rewind(ix, head, usize::MAX);
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
            let asked = |head: &RunHead| (&head.tenant, &head.bot) == (&request.tenant, &request.bot);
            let lane = |head: &RunHead| request.lane.as_ref().is_none_or(|lane| *lane == head.lane);
            heads.retain(|head| asked(head) && lane(head) && head.seq > request.after_seq);
            heads.sort_by_key(|head| head.seq);
            // A page that says more and brings nothing would be asked for without end.
            let more = more && !heads.is_empty();
            match page.lane {
                None => self.page_of_all(ix, &page, &heads, more),
                Some(lane) => self.page_of_lane(ix, lane, &page, &heads, more),
            }
            if let Some(lane) = &request.lane {
                self.lane_changed(ix, lane);
            }
        }
        self.touch(ix);
    }

    fn page_of_all(&mut self, ix: BotIx, page: &Page, heads: &[RunHead], more: bool) {
        for head in heads {
            let depth = self.depth(ix);
            if !self.runs.contains_key(&head.run) && !page.is_stale(head.run) && self.bring(ix, head, depth) == Came::Not {
                return;
            }
            if let Some(bot) = self.bots.get_mut(&ix) {
                bot.pager.saw(head.seq);
            }
        }
        if let Some(bot) = self.bots.get_mut(&ix).filter(|_| !more) {
            bot.pager.reached_end(page);
        }
    }

    fn page_of_lane(&mut self, ix: BotIx, lane: LaneIx, page: &Page, heads: &[RunHead], more: bool) {
        let mut end = !more;
        for head in heads {
            let resource = self.resource_key(head).map(|key| hash(&key));
            let known = self.runs.contains_key(&head.run) || page.is_stale(head.run);
            let Some(bot) = self.bots.get_mut(&ix) else { return };
            if !bot.pager.is_read(head.seq) {
                end = true;
                break;
            }
            if !known {
                if let Some(on) = bot.pager.passed().blocker(&head.lane, resource, head.seq) {
                    bot.pager.passed().wait(lane, head.seq, on);
                    return;
                }
                if !self.admit(ix, head) {
                    return;
                }
            }
            if let Some(bot) = self.bots.get_mut(&ix) {
                bot.pager.saw_in(lane, head.seq, resource);
            }
        }
        if let Some(bot) = self.bots.get_mut(&ix) {
            bot.pager.read_lane(lane, page, end);
        }
    }

    fn bring_or_rewind(&mut self, ix: BotIx, head: &RunHead, depth: usize) {
        let came = self.bring(ix, head, depth);
        if let Some(bot) = self.bots.get_mut(&ix) {
            if came == Came::Not { bot.pager.rewind(head.seq) } else { bot.pager.saw(head.seq) }
        }
    }

    /// Takes a run into memory, or passes over it: where its lane has `depth` runs in memory, or is held and memory
    /// is short, or was passed over before it,
    /// or an older run of its resource was.
    fn bring(&mut self, ix: BotIx, head: &RunHead, depth: usize) -> Came {
        let resource = self.resource_key(head).map(|key| hash(&key));
        let (share, bounds) = (self.share(), self.bounds());
        let Some(bot) = self.bots.get_mut(&ix) else {
            return Came::Not;
        };
        let must =
            bot.pager.is_passed(&head.lane, head.seq) || bot.pager.passed().blocker(&head.lane, resource, head.seq).is_some();
        let deep = depth < usize::MAX
            && (bot.order.lane_len(&head.lane) >= depth || (bot.is_short(share) && bot.order.is_held(&head.lane)));
        if (must || deep) && bot.pager.pass(&head.lane, resource, head.seq, bounds) {
            self.lane_changed(ix, &head.lane);
            return Came::Passed;
        }
        if must {
            bot.pager.stall();
            return Came::Not;
        }
        if self.admit(ix, head) { Came::In } else { Came::Not }
    }

    /// A lane has more or fewer runs in memory than before.
    pub(super) fn lane_changed(&mut self, ix: BotIx, lane: &LaneKey) {
        let depth = self.depth(ix);
        if let Some(bot) = self.bots.get_mut(&ix).filter(|bot| bot.pager.reads_from(lane)) {
            let wants = bot.order.lane_len(lane) <= depth / 2 && !bot.order.is_held(lane);
            bot.pager.passed().set_wants(lane, wants);
        }
    }

    /// How many heads of one lane may be in memory. Lanes that were passed over share half of the bot's memory; the other half is
    /// for those that come.
    fn depth(&mut self, ix: BotIx) -> usize {
        let share = self.share();
        let deep = self.bots.get_mut(&ix).map_or(0, |bot| bot.pager.passed().len());
        (share / (2 * (deep + 1))).min(self.config.heads_per_lane).max(1)
    }

    pub(super) fn bounds(&self) -> Bounds {
        Bounds { lanes: self.share() / 2, resources: self.config.passed / self.bots.len().max(1) }
    }

    fn resource_key(&mut self, head: &RunHead) -> Option<ResourceKey> {
        let resource = head.resource.clone()?;
        let source = head.source.as_ref().map(|source| self.sources.number(&head.tenant, source));
        Some((source, resource))
    }

    /// Takes a head into memory, if there is room.
    fn admit(&mut self, ix: BotIx, head: &RunHead) -> bool {
        if !self.has_room(ix) {
            return false;
        }
        if self.is_full() {
            self.evict();
        }
        let source = head.source.as_ref().map(|source| self.sources.number(&head.tenant, source));
        let resource = self.resource_key(head);
        let Some(bot) = self.bots.get_mut(&ix) else {
            return false;
        };
        let place = Place { seq: head.seq, run: head.run };
        let counts = Counts { failures: head.failures, conflicts: head.conflicts };
        let run = Run {
            bot: ix,
            place,
            source,
            resource: resource.as_ref().map(hash),
            not_before: head.not_before,
            counts,
            state: State::Behind,
        };
        self.runs.insert(head.run, run);
        bot.order.insert(place, &head.lane, resource.as_ref(), head.recorded, head.held);
        self.lane_changed(ix, &head.lane);
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
            self.forget(place, Leaves::Unread);
        }
    }
}

/// The same in every process: the standard hasher without a random key.
fn hash(key: &ResourceKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}
