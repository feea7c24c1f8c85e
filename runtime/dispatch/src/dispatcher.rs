//! The dispatcher: puts the parts together and holds the bounds.
//!
//! Contract: after one input, or a batch of them, call [`Dispatcher::poll`] until it says [`Output::Wait`], and again at the
//! instant that it names. What it says is a function of the inputs, the times given and the seed.
//!
//! `Wait` names the earliest instant at which time alone may let a run start: the end of the wait of a run that is first in its
//! order, or the first try of a source that such a run waits for. It looks at neither caps nor pauses, which only inputs
//! change: so it is never too late, and a spurious poll is the price.
//!
//! Trade-off: the memory bound is shared evenly over the known bots. A flood of one bot uses less memory than there is; in
//! return no bot can keep another's runs out, not even with runs that wait for hours. Within a bot no lane can keep the others out:
//! each has few heads in memory, and where memory is short one that a dead letter holds has that alone.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hob_model::{BotName, OnDead, RunId, RunState, TenantId, Timestamp};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::backoff::{self, Counts, Next};
use crate::bot::{Bot, BotIx, Run, Standing, State, TenantIx};
use crate::deadlines::Deadlines;
use crate::io::{Config, Input, Outcome, Output};
use crate::order::Place;
use crate::sources::{SourceIx, Sources};
use crate::turns::Turns;

mod memory;
mod policy;

/// How a run leaves memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaves {
    /// It is over.
    Ended,
    /// It is to be read again.
    Unread,
    /// It was passed over: its lane will be read again.
    Passed,
}

/// Decides what runs when.
#[derive(Debug)]
pub struct Dispatcher {
    config: Config,
    rng: ChaCha8Rng,
    /// The latest time that was given: time does not go back.
    now: Timestamp,
    /// The last number given to a tenant, bot or question.
    last_number: u64,
    names: BTreeMap<TenantId, (TenantIx, BTreeMap<BotName, BotIx>)>,
    bots: BTreeMap<BotIx, Bot>,
    runs: BTreeMap<RunId, Run>,
    sources: Sources,
    turns: Turns<TenantIx, BotIx>,
    deadlines: Deadlines<(BotIx, Place)>,
    in_flight: usize,
    /// Bots of which more is to be read.
    hungry: BTreeSet<BotIx>,
    outputs: VecDeque<Output>,
}

impl Dispatcher {
    /// An empty dispatcher. `seed` decides all of its randomness (jitter).
    #[must_use]
    pub fn new(config: Config, seed: u64) -> Self {
        Self {
            sources: Sources::new(config.per_source),
            config,
            rng: ChaCha8Rng::seed_from_u64(seed),
            now: Timestamp::from_micros(i64::MIN),
            last_number: 0,
            names: BTreeMap::new(),
            bots: BTreeMap::new(),
            runs: BTreeMap::new(),
            turns: Turns::new(),
            deadlines: Deadlines::new(),
            in_flight: 0,
            hungry: BTreeSet::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Heads in memory.
    #[must_use]
    pub fn heads(&self) -> usize {
        self.runs.len()
    }

    /// Runs in flight, with those whose end is being written.
    #[must_use]
    pub const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Takes in what happened. Poll afterwards. What names an unknown bot, run or question is ignored.
    pub fn handle(&mut self, input: Input, now: Timestamp) {
        self.now = self.now.max(now);
        match input {
            Input::Queued(head) => self.queued(&head),
            Input::Page { request, heads, more } => self.page(&request, heads, more),
            Input::Ended { run, outcome } => self.ended(run, outcome),
            Input::Policy { tenant, bot, policy } => self.policy(tenant, bot, policy),
            Input::SourceUp { tenant, source } => {
                let ix = self.sources.number(&tenant, &source);
                self.sources.up(ix);
            }
            Input::SourceDown { tenant, source, until } => {
                let ix = self.sources.number(&tenant, &source);
                self.sources.down(ix, until);
            }
            Input::Retry(head) => self.retry(&head),
        }
    }

    /// The next thing to do. To be called until it says [`Output::Wait`].
    pub fn poll(&mut self, now: Timestamp) -> Output {
        self.now = self.now.max(now);
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        while let Some((bot, place)) = self.deadlines.pop_due(self.now) {
            self.set_state(place, State::Ready);
            self.touch(bot);
        }
        if let Some(start) = self.start() {
            return start;
        }
        if let Some(question) = self.ask() {
            return Output::NeedMore(question);
        }
        let source = self.sources.next(self.now);
        Output::Wait(self.deadlines.next().into_iter().chain(source).min())
    }

    fn start(&mut self) -> Option<Output> {
        if self.in_flight >= self.config.in_flight {
            return None;
        }
        let (bots, sources, now) = (&self.bots, &self.sources, self.now);
        let free = self.config.in_flight - self.in_flight;
        let (ix, place) = self.turns.take(|ix| bots.get(&ix)?.startable(sources, free, now))?;
        self.set_state(place, State::InFlight);
        let bot = self.bots.get_mut(&ix)?;
        bot.in_flight += 1;
        self.in_flight += 1;
        bot.order.start(place);
        let (tenant, name) = (bot.tenant.clone(), bot.name.clone());
        let run = self.runs.get(&place.run)?;
        if let Some(source) = run.source {
            self.sources.started(source);
        }
        let attempt = run.counts.failures.saturating_add(run.counts.conflicts).saturating_add(1);
        self.settle(ix);
        Some(Output::Start { tenant, bot: name, run: place.run, attempt })
    }

    fn ended(&mut self, id: RunId, outcome: Outcome) {
        let Some(run) = self.runs.get_mut(&id) else {
            if outcome == Outcome::Finished {
                // A page on its way may show it as open, or as holding its lane.
                for bot in self.bots.values_mut() {
                    bot.pager.ended(id);
                    bot.pager.passed().wake();
                }
                self.touch_all();
            }
            return;
        };
        let (ix, place, source, was) = (run.bot, run.place, run.source, run.state);
        if let (Outcome::Finished, Some(source)) = (outcome, source.filter(|_| was == State::InFlight)) {
            self.sources.finished(source);
        }
        match outcome {
            Outcome::Finished => self.forget(place, Leaves::Ended),
            _ if run.is_idle() => {}
            Outcome::Held => self.hold(place),
            Outcome::Failed { kind, retry_after } if was == State::InFlight => {
                let Some(bot) = self.bots.get(&ix) else {
                    return;
                };
                let floor = retry_after.map(|wait| wait.min(self.config.max_retry_after));
                let next = backoff::after_failure(&mut run.counts, kind, floor, &bot.retry, self.now, &mut self.rng);
                let Counts { failures, conflicts } = run.counts;
                let (tenant, bot, on_dead) = (bot.tenant.clone(), bot.name.clone(), bot.on_dead);
                match next {
                    Next::Again(at) => {
                        self.outputs.push_back(Output::Retry { tenant, bot, run: id, at, failures, conflicts });
                        self.wait_until(place, at);
                    }
                    Next::End(reason) => {
                        let hold = on_dead == OnDead::Wait && reason.state() == RunState::Dead;
                        run.state = State::Ending;
                        self.outputs.push_back(Output::End { tenant, bot, run: id, failures, conflicts, reason, hold });
                    }
                }
            }
            // Lost, or an end that could not be written: again, as after a crash.
            Outcome::Failed { .. } | Outcome::Lost => {
                let at = backoff::after_loss(self.now, &mut self.rng);
                self.wait_until(place, at);
            }
        }
    }

    /// A run that was in flight waits in its lane.
    fn wait_until(&mut self, place: Place, at: Timestamp) {
        self.stop(place, Some(at), false);
    }

    /// A dead letter that was in flight holds its lane. Where memory is short the others of the lane leave it, or many lanes that stand
    /// still would fill it.
    fn hold(&mut self, place: Place) {
        self.stop(place, None, true);
        let Some(ix) = self.runs.get(&place.run).map(|run| run.bot) else { return };
        let bounds = self.bounds();
        let share = self.share();
        while let Some((lane, youngest)) = self.bots.get(&ix).filter(|bot| bot.is_short(share)).and_then(|bot| {
            let lane = bot.order.lane_of(place)?;
            Some((lane.clone(), bot.order.last_of_lane(lane)?))
        }) {
            let resource = self.runs.get(&youngest.run).and_then(|run| run.resource);
            let Some(bot) = self.bots.get_mut(&ix) else { return };
            if youngest.seq < place.seq || !bot.pager.pass(&lane, resource, youngest.seq, bounds) {
                return;
            }
            self.forget(youngest, Leaves::Passed);
        }
    }

    fn stop(&mut self, place: Place, until: Option<Timestamp>, held: bool) {
        let Some(run) = self.runs.get_mut(&place.run) else {
            return;
        };
        run.not_before = until;
        run.state = State::Behind;
        let (ix, source) = (run.bot, run.source);
        self.left_flight(ix, source);
        let Some(bot) = self.bots.get_mut(&ix) else {
            return;
        };
        if held {
            bot.order.set_held(place, true);
        }
        bot.order.stop(place);
        let removed = bot.standing == Standing::Removed;
        self.settle(ix);
        if removed {
            self.forget(place, Leaves::Unread);
        }
    }

    fn left_flight(&mut self, ix: BotIx, source: Option<SourceIx>) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(bot) = self.bots.get_mut(&ix) {
            bot.in_flight = bot.in_flight.saturating_sub(1);
        }
        if let Some(source) = source {
            self.sources.stopped(source);
        }
    }

    /// Takes a run out of memory.
    fn forget(&mut self, place: Place, leaves: Leaves) {
        let Some(run) = self.runs.get(&place.run) else {
            return;
        };
        let (ix, source, resource, idle) = (run.bot, run.source, run.resource, run.is_idle());
        if !idle {
            self.left_flight(ix, source);
        }
        self.set_state(place, State::Ending);
        let bounds = self.bounds();
        let Some(bot) = self.bots.get_mut(&ix) else {
            return;
        };
        let lane = bot.order.lane_of(place).cloned();
        bot.order.remove(place);
        match (leaves, &lane) {
            (Leaves::Ended, _) => bot.pager.ended(place.run),
            (Leaves::Passed, _) => {}
            // A lane that was passed over has its own place to be read from.
            (Leaves::Unread, Some(lane)) if bot.pager.reads_from(lane) && bot.pager.pass(lane, resource, place.seq, bounds) => {}
            (Leaves::Unread, _) => bot.pager.rewind(place.seq),
        }
        if let Some(lane) = lane {
            self.lane_changed(ix, &lane);
        }
        self.settle(ix);
        self.runs.remove(&place.run);
        if self.bots.get(&ix).is_some_and(|bot| bot.standing == Standing::Removed && bot.order.len() == 0) {
            self.drop_bot(ix);
        }
    }

    /// Carries over what changed in a bot's order.
    fn settle(&mut self, ix: BotIx) {
        let Some(bot) = self.bots.get_mut(&ix) else {
            return;
        };
        for (place, first) in bot.order.take_changes() {
            if !self.runs.get(&place.run).is_some_and(Run::is_idle) {
                continue;
            }
            if first { self.set_first(place) } else { self.set_state(place, State::Behind) }
        }
        self.touch(ix);
    }

    /// Order lets the run start: now, or when its wait is over.
    fn set_first(&mut self, place: Place) {
        let until = self.runs.get(&place.run).and_then(|run| run.not_before).filter(|at| *at > self.now);
        self.set_state(place, until.map_or(State::Ready, State::Until));
    }

    /// The one place where a run enters and leaves the sets of those that wait.
    fn set_state(&mut self, place: Place, state: State) {
        let Some(run) = self.runs.get_mut(&place.run) else {
            return;
        };
        let Some(bot) = self.bots.get_mut(&run.bot) else {
            return;
        };
        match run.state {
            State::Until(at) => self.deadlines.remove(at, (run.bot, place)),
            State::Ready => {
                bot.remove_ready(run.source, place);
                if let Some(source) = run.source {
                    self.sources.unready(source);
                }
            }
            State::Behind | State::InFlight | State::Ending => {}
        }
        match state {
            State::Until(at) => self.deadlines.insert(at, (run.bot, place)),
            State::Ready => {
                bot.add_ready(run.source, place);
                if let Some(source) = run.source {
                    self.sources.ready(source);
                }
            }
            State::Behind | State::InFlight | State::Ending => {}
        }
        run.state = state;
    }

    /// Finds out anew whether a bot takes part in the round and whether more of it is to be read: a lane when half of what it may have
    /// in memory is free, the rest when an eighth of the bot's share is, so that a ledger is not asked for each run.
    fn touch(&mut self, ix: BotIx) {
        let share = self.share();
        let Some(bot) = self.bots.get_mut(&ix) else { return };
        let active = bot.is_active();
        if active != bot.in_round {
            bot.in_round = active;
            self.turns.set(bot.tenant_ix, ix, active);
        }
        let low_water = share - (share / 8).max(1);
        let wants = bot.pager.wants_lane() || (bot.pager.wants() && bot.order.len() <= low_water);
        if bot.standing == Standing::Live && wants {
            self.hungry.insert(ix);
        } else {
            self.hungry.remove(&ix);
        }
    }
}
