//! The good end of a run: everything that it decided takes effect at once.

use bytes::Bytes;
use hob_ledger::{Finish, OwnWrite, Result, RunKey, TimerKey};
use hob_model::{Attempt, ChangeKey, Payload, ResourceKey, RunState, TimerOp, Timestamp};

use super::Mutation;
use super::run::put_attempt;
use super::state::{Kept, State, Timer};

impl State {
    pub(super) fn finish(&mut self, key: &RunKey, finish: Finish) -> Result<Vec<RunKey>> {
        if self.run(key)?.head.state == RunState::Done {
            return Ok(Vec::new());
        }
        let run = self.open_run(key)?;
        let Finish { tried, recorded, wrote, references, timers, outbox, fence } = finish;
        let was_recorded = run.head.state == RunState::Recorded;
        let (number, ended) = (tried.attempt.number, tried.attempt.ended);
        run.head.attempt = run.head.attempt.max(number);
        run.failure = None;
        put_attempt(run, Attempt { failure: None, ..tried.attempt }, true, tried.release);
        if let Some(recorded) = recorded {
            run.recorded = Some(Kept { live: false, recorded, wrote: Vec::new(), references: Default::default() });
        }
        let (bot, source, hop) = (run.head.bot.clone(), run.head.source.clone(), run.event.event.hop);
        if let Some(kept) = &mut run.recorded {
            kept.live = false;
            kept.wrote.clone_from(&wrote);
            kept.references = references;
        }
        if let Some(journal) = tried.journal {
            self.put_journal(key, number, ended, journal);
        }
        self.turn(key, RunState::Done, Some(ended));
        if let Some(source) = source {
            for written in wrote {
                let resource = ResourceKey { tenant: key.tenant.clone(), source: source.clone(), resource: written.reference };
                let own = OwnWrite { bot: bot.clone(), hop, run: key.run };
                self.own_writes.entry(ChangeKey { resource, version: written.version }).or_insert(own);
            }
            if let Some(version) = fence {
                self.fence_moved(key, &source, &version);
            }
        }
        self.free_fences(key);
        let mut taken_back = Vec::new();
        if !(was_recorded && self.makes(Mutation::TimerBeforeCommit)) {
            for timer in &timers {
                taken_back.extend(self.apply(key, timer, ended));
            }
        }
        if !(was_recorded && self.makes(Mutation::OutboxBeforeCommit)) {
            for item in outbox {
                self.stage(key, item, ended);
            }
        }
        Ok(taken_back)
    }

    /// Sets, moves or takes back a timer. Either way a firing that has not ended is taken back: it was of the timer before.
    pub(super) fn apply(&mut self, by: &RunKey, timer: &TimerOp, now: Timestamp) -> Vec<RunKey> {
        let Some(run) = self.runs.get(by) else { return Vec::new() };
        let (TimerOp::Set { key, .. } | TimerOp::Cancel { key }) = timer;
        let (bot, lane) = (run.head.bot.clone(), run.head.lane.clone());
        let of = TimerKey { tenant: by.tenant.clone(), bot: bot.clone(), lane: lane.clone(), key: key.clone() };
        let (source, hop) = (run.head.source.clone(), run.event.event.hop);
        let old = self.timers.remove(&of);
        if let Some(old) = &old {
            self.timers_due.remove(&(old.due, old.place, of.clone()));
        }
        if let TimerOp::Set { at, payload, .. } = timer {
            let payload = Payload { content_type: "application/json".to_owned(), bytes: Bytes::from(payload.to_string()) };
            self.last_timer += 1;
            let place = old.map_or(self.last_timer, |old| old.place);
            self.timers_due.insert((*at, place, of.clone()));
            self.timers.insert(of, Timer { due: *at, place, set_by: by.run, source, hop, payload, fired: false });
        }
        self.supersede_where(&by.tenant, &bot, now, |run| run.head.lane == lane && run.timer.as_deref() == Some(key.as_str()))
    }
}
