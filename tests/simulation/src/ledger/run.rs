//! A run's life after it was made: load, record, fail, supersede, retry. Its good end is in `finish`.

use hob_ledger::{
    LedgerError, LogRow, LogSeq, Next, REQUEST_UNKNOWN, Recorded, Result, RunHead, RunKey, RunRecord, RunSeq, Tried,
};
use hob_model::{Attempt, BotName, Digest, FailureKind, Journal, LaneKey, RunState, TenantId, Timestamp};

use super::Mutation;
use super::state::{Kept, Run, State, Try};

impl State {
    pub(super) fn open_runs(&self, tenant: &TenantId, bot: &BotName, after: RunSeq, limit: usize) -> Vec<RunHead> {
        let Some(open) = self.open.get(&(tenant.clone(), bot.clone())) else { return Vec::new() };
        let after = open.range(RunSeq::new(after.get() + 1)..).take(limit);
        after.filter_map(|(_, key)| self.runs.get(key)).map(|run| self.told(&run.head)).collect()
    }

    pub(super) fn open_in_lane(
        &self,
        tenant: &TenantId,
        bot: &BotName,
        lane: &LaneKey,
        after: RunSeq,
        limit: usize,
    ) -> Vec<RunHead> {
        let Some(open) = self.open.get(&(tenant.clone(), bot.clone())) else { return Vec::new() };
        let after = open.range(RunSeq::new(after.get() + 1)..).filter_map(|(_, key)| self.runs.get(key));
        after.map(|run| self.told(&run.head)).filter(|head| head.lane == *lane).take(limit).collect()
    }

    pub(super) fn load(&self, key: &RunKey) -> Result<RunRecord> {
        let run = self.run(key)?;
        let recorded = run.recorded.as_ref().filter(|_| run.head.state == RunState::Recorded).map(|kept| kept.recorded.clone());
        Ok(record_of(run, recorded))
    }

    /// Of a run that must be open.
    pub(super) fn open_run(&mut self, key: &RunKey) -> Result<&mut Run> {
        let run = self.runs.get_mut(key).ok_or(LedgerError::NotFound { what: "run" })?;
        let state = run.head.state;
        if state.is_open() { Ok(run) } else { Err(LedgerError::RunIs { state, needs: "open" }) }
    }

    pub(super) fn record(&mut self, key: &RunKey, recorded: Recorded, journal: Journal) -> Result<()> {
        let started = journal.started;
        let (attempt, release) = (recorded.attempt, recorded.release);
        let timers = if self.makes(Mutation::TimerBeforeCommit) { recorded.effects.timers.clone() } else { Vec::new() };
        let outbox = if self.makes(Mutation::OutboxBeforeCommit) { recorded.effects.outbox.clone() } else { Vec::new() };
        self.open_run(key)?;
        if let Some(fence) = &recorded.fence {
            self.hold_fence(key, fence)?;
        }
        let run = self.open_run(key)?;
        run.head.attempt = run.head.attempt.max(attempt);
        run.recorded = Some(Kept { live: true, recorded, wrote: Vec::new(), references: Default::default() });
        put_attempt(run, Attempt { number: attempt, started, ended: started, failure: None }, false, release);
        self.put_journal(key, attempt, started, journal);
        self.turn(key, RunState::Recorded, None);
        for timer in &timers {
            self.apply(key, timer, started);
        }
        for item in outbox {
            self.stage(key, item, started);
        }
        Ok(())
    }

    /// Keeps what an attempt asked, was told and said; what an earlier call said of the same attempt goes.
    pub(super) fn put_journal(&mut self, key: &RunKey, number: u32, at: Timestamp, journal: Journal) {
        let Some(run) = self.runs.get_mut(key) else { return };
        let Some(tried) = run.attempts.get_mut(&number) else { return };
        for line in std::mem::take(&mut tried.lines) {
            self.logs.remove(&line);
        }
        for line in &journal.log {
            let seq = LogSeq::new(self.last_log.get() + 1);
            self.last_log = seq;
            let row = LogRow { seq, at, bot: run.head.bot.clone(), run: key.run, attempt: number, line: line.clone() };
            self.logs.insert(seq, (key.tenant.clone(), row));
            tried.lines.push(seq);
        }
        tried.journal = Some(journal);
    }

    /// `hold`: a dead letter holds its lane.
    pub(super) fn fail(&mut self, key: &RunKey, tried: Tried, next: Next, hold: bool) -> Result<()> {
        let Tried { attempt, release, journal } = tried;
        let run = self.run(key)?;
        // The start tells an attempt from another one that was given the same number.
        let told = |old: &Try| old.ended && old.attempt.started == attempt.started;
        let repeat = run.attempts.get(&attempt.number).is_some_and(told);
        let state = match next {
            Next::Again { .. } => RunState::Pending,
            Next::Resend { .. } => run.head.state,
            Next::Dead | Next::DeadUnsure => RunState::Dead,
            Next::Rejected => RunState::Rejected,
        };
        if repeat && run.head.state == state && !state.is_open() {
            return Ok(());
        }
        let run = self.open_run(key)?;
        if !repeat {
            let conflict = attempt.failure.as_ref().is_some_and(|failure| failure.kind == FailureKind::Conflict);
            let count = if conflict { &mut run.head.conflicts } else { &mut run.head.failures };
            *count += 1;
        }
        run.head.attempt = run.head.attempt.max(attempt.number);
        run.failure.clone_from(&attempt.failure);
        run.head.held = hold && state == RunState::Dead;
        let keeps = match next {
            Next::Resend { .. } | Next::DeadUnsure => true,
            Next::Again { .. } => {
                run.recorded = None;
                false
            }
            Next::Dead | Next::Rejected => {
                if let Some(kept) = &mut run.recorded {
                    kept.live = false;
                }
                false
            }
        };
        let (number, ended) = (attempt.number, attempt.ended);
        put_attempt(run, attempt, true, release);
        if let Some(journal) = journal {
            self.put_journal(key, number, ended, journal);
        }
        self.turn(key, state, (!state.is_open()).then_some(ended));
        if let Next::Again { at } | Next::Resend { at } = next
            && let Some(run) = self.runs.get_mut(key)
        {
            run.head.not_before = Some(at);
        }
        if !keeps {
            self.free_fences(key);
        }
        Ok(())
    }

    pub(super) fn supersede(&mut self, key: &RunKey, at: Timestamp) -> Result<()> {
        match self.run(key)?.head.state {
            RunState::Superseded => return Ok(()),
            RunState::Pending => {}
            state => return Err(LedgerError::RunIs { state, needs: "pending" }),
        }
        self.turn(key, RunState::Superseded, Some(at));
        self.free_fences(key);
        Ok(())
    }

    pub(super) fn retry(&mut self, key: &RunKey) -> Result<RunHead> {
        let run = self.runs.get_mut(key).ok_or(LedgerError::NotFound { what: "run" })?;
        let state = run.head.state;
        if state.is_open() || state == RunState::Done {
            return Err(LedgerError::RunIs { state, needs: "dead, rejected, superseded or late" });
        }
        run.recorded.take_if(|kept| !kept.live);
        run.head.failures = 0;
        run.head.conflicts = 0;
        let unknown = run.failure.take().is_some_and(|failure| failure.code == REQUEST_UNKNOWN);
        run.head.held = false;
        let state = if run.recorded.is_some() { RunState::Recorded } else { RunState::Pending };
        if unknown {
            self.forget_unanswered(key);
        }
        self.turn(key, state, None);
        Ok(self.told(&self.run(key)?.head))
    }

    pub(super) fn give_up(&mut self, key: &RunKey) -> Result<()> {
        let run = self.runs.get_mut(key).ok_or(LedgerError::NotFound { what: "run" })?;
        let (state, ended) = (run.head.state, run.ended);
        if state != RunState::Dead {
            return Err(LedgerError::RunIs { state, needs: "dead" });
        }
        run.head.held = false;
        self.turn(key, state, ended);
        Ok(())
    }
}

/// What the engine gets of a run.
pub(super) fn record_of(run: &Run, recorded: Option<Recorded>) -> RunRecord {
    RunRecord {
        head: run.head.clone(),
        event: run.event.event.clone(),
        payload: run.event.payload.clone(),
        release: run.release,
        attempts: run.attempts.values().map(|tried| tried.attempt.clone()).collect(),
        recorded,
    }
}

/// Keeps an attempt; a later call with the same number tells more of it.
pub(super) fn put_attempt(run: &mut Run, attempt: Attempt, ended: bool, release: Digest) {
    let old = run.attempts.remove(&attempt.number);
    let (journal, lines) = old.map(|old| (old.journal, old.lines)).unwrap_or_default();
    run.attempts.insert(attempt.number, Try { attempt, ended, release, journal, lines });
}
