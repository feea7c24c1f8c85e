//! What comes due: timers and cron.

use hob_ledger::{CronKey, NewEvent, NewRun, Opening, Queued, RunHead, TimerKey};
use hob_model::{BotName, Cause, Digest, Event, EventId, TenantId, Timestamp};

use super::Mutation;
use super::state::State;

/// The heads of all queues first, then the seconds, and so on; at one depth the earliest first.
pub(super) fn in_turn<T>(queues: impl Iterator<Item = Vec<(Timestamp, T)>>, limit: usize) -> Vec<T> {
    let mut all: Vec<(usize, Timestamp, T)> =
        queues.flat_map(|queue| queue.into_iter().enumerate().map(|(depth, (due, one))| (depth, due, one))).collect();
    all.sort_by_key(|(depth, due, _)| (*depth, *due));
    all.into_iter().take(limit).map(|(_, _, one)| one).collect()
}

impl State {
    fn live(&self) -> impl Iterator<Item = (&(TenantId, BotName), Digest)> {
        self.deployments.iter().filter(|(_, deployed)| deployed.active).map(|(of, deployed)| (of, deployed.release))
    }

    /// A bot's timers, the earliest first.
    fn timers_of<'a>(&'a self, of: &'a (TenantId, BotName)) -> impl Iterator<Item = &'a (Timestamp, u64, TimerKey)> {
        self.timers_due.iter().filter(|(_, _, key)| key.tenant == of.0 && key.bot == of.1)
    }

    pub(super) fn next_timer(&self) -> Option<Timestamp> {
        self.live().filter_map(|(of, _)| self.timers_of(of).next()).map(|(due, ..)| *due).min()
    }

    pub(super) fn fire_timers(&mut self, now: Timestamp, limit: usize) -> Vec<RunHead> {
        let due = self.live().map(|(of, release)| {
            let due = self.timers_of(of).take_while(|(due, ..)| *due <= now).take(limit);
            due.map(|(due, _, key)| (*due, (release, key.clone()))).collect()
        });
        let fired = in_turn(due, limit);
        fired.into_iter().filter_map(|(release, key)| self.fire(release, &key, now)).collect()
    }

    fn fire(&mut self, release: Digest, of: &TimerKey, now: Timestamp) -> Option<RunHead> {
        let twice = self.makes(Mutation::TimerTwice);
        let timer = self.timers.get_mut(of)?;
        let (due, set_by) = (timer.due, timer.set_by);
        let mut id = of.event_id(due, set_by);
        if timer.fired {
            id = EventId::of_parts(&[b"again", id.as_bytes()]);
        }
        let event = Event {
            id,
            tenant: of.tenant.clone(),
            source: timer.source.clone(),
            cause: Cause::Timer { key: of.key.clone(), due, set_by },
            occurred: Some(due),
            received: now,
            hop: timer.hop,
        };
        let payload = timer.payload.clone();
        if twice && !timer.fired {
            timer.fired = true;
        } else {
            let place = timer.place;
            self.timers.remove(of);
            self.timers_due.remove(&(due, place, of.clone()));
        }
        let lane = of.lane.clone();
        let run = NewRun { bot: of.bot.clone(), release, lane, opening: Opening::Pending, supersedes_earlier: false };
        let queued = self.add_event(NewEvent { event, payload, runs: vec![run] }, Some(&of.key));
        queued.heads.into_iter().next()
    }

    pub(super) fn fire_cron(&mut self, cron: &CronKey, at: Timestamp, event: NewEvent) -> Queued {
        if self.cron_marks.get(cron).is_some_and(|mark| at <= *mark) {
            return Queued::default();
        }
        self.cron_marks.insert(cron.clone(), at);
        self.add_event(event, None)
    }
}
