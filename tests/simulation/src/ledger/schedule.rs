//! What comes due: timers, cron, the outbox.

use hob_ledger::{CronKey, DueOutbox, DueTimer, NewEvent, NewRun, Opening, OutboxKey, Queued, Result, RunHead, TimerKey};
use hob_model::{Cause, Event, EventId, Timestamp};

use super::Mutation;
use super::state::State;

impl State {
    /// Timers of bots in service, the earliest first.
    fn live_timers(&self) -> impl Iterator<Item = &(Timestamp, TimerKey)> {
        let live = |key: &TimerKey| self.deployments.get(&(key.tenant.clone(), key.bot.clone())).is_some_and(|d| d.active);
        self.timers_due.iter().filter(move |(_, key)| live(key))
    }

    pub(super) fn due_timers(&self, now: Timestamp, limit: usize) -> Vec<DueTimer> {
        let due = self.live_timers().take_while(|(due, _)| *due <= now).take(limit);
        due.filter_map(|(due, key)| {
            let timer = self.timers.get(key)?;
            Some(DueTimer { key: key.clone(), due: *due, set_by: timer.set_by, source: timer.source.clone() })
        })
        .collect()
    }

    pub(super) fn next_timer(&self) -> Option<Timestamp> {
        self.live_timers().next().map(|(due, _)| *due)
    }

    pub(super) fn fire_timer(&mut self, due: &DueTimer, now: Timestamp) -> Option<RunHead> {
        let of = &due.key;
        let release = self.deployments.get(&(of.tenant.clone(), of.bot.clone())).filter(|d| d.active)?.release;
        let twice = self.makes(Mutation::TimerTwice);
        let timer = self.timers.get_mut(of).filter(|timer| timer.due == due.due && timer.set_by == due.set_by)?;
        let mut id = of.event_id(due.due, due.set_by);
        if timer.fired {
            id = EventId::of_parts(&[b"again", id.as_bytes()]);
        }
        let event = Event {
            id,
            tenant: of.tenant.clone(),
            source: timer.source.clone(),
            cause: Cause::Timer { key: of.key.clone(), due: due.due, set_by: due.set_by },
            occurred: Some(due.due),
            received: now,
            hop: timer.hop,
        };
        let payload = timer.payload.clone();
        if twice && !timer.fired {
            timer.fired = true;
        } else {
            self.timers.remove(of);
            self.timers_due.remove(&(due.due, of.clone()));
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

    pub(super) fn due_outbox(&self, now: Timestamp, limit: usize) -> Vec<DueOutbox> {
        let due = self.outbox_due.iter().take_while(|(due, _)| *due <= now).take(limit);
        let mut found: Vec<DueOutbox> = due
            .filter_map(|(_, key)| {
                let request = self.outbox.get(key)?;
                Some(DueOutbox {
                    key: key.clone(),
                    bot: request.bot.clone(),
                    lane: request.lane.clone(),
                    source: request.source.clone(),
                    hop: request.hop,
                    item: request.item.clone(),
                    idempotency_key: key.idempotency_key(),
                    attempts: request.attempts,
                    staged: request.staged,
                })
            })
            .collect();
        found.sort_by(|a, b| (a.staged, &a.key).cmp(&(b.staged, &b.key)));
        found
    }

    pub(super) fn next_outbox(&self) -> Option<Timestamp> {
        self.outbox_due.first().map(|(due, _)| *due)
    }

    pub(super) fn outbox_again(&mut self, key: &OutboxKey, at: Timestamp) -> Result<()> {
        let request = self.outbox.get_mut(key).filter(|request| request.due.is_some()).ok_or_else(Self::no_request)?;
        request.attempts += 1;
        if let Some(before) = request.due.replace(at) {
            self.outbox_due.remove(&(before, key.clone()));
        }
        self.outbox_due.insert((at, key.clone()));
        Ok(())
    }

    pub(super) fn outbox_done(&mut self, key: &OutboxKey, reply: Option<NewEvent>) -> Result<Queued> {
        let request = self.outbox.get_mut(key).ok_or_else(Self::no_request)?;
        if let Some(before) = request.due.take() {
            request.attempts += 1;
            self.outbox_due.remove(&(before, key.clone()));
        }
        Ok(reply.map(|event| self.add_event(event, None)).unwrap_or_default())
    }
}
