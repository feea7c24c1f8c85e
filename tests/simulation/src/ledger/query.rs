//! What operators ask.

use std::collections::BTreeMap;

use hob_ledger::{LogFilter, LogRow, LogSeq, Result, RunDetail, RunFilter, RunKey, RunRow, RunSeq, Stats, StoredAttempt};
use hob_model::{BotName, Cause, RunState, TenantId};

use super::run::record_of;
use super::state::{Run, State};

impl State {
    pub(super) fn runs(&self, tenant: &TenantId, filter: &RunFilter) -> Vec<RunRow> {
        let before = filter.before.unwrap_or(RunSeq::new(u64::MAX));
        let wanted = |run: &&Run| {
            run.head.key.tenant == *tenant
                && filter.bot.as_ref().is_none_or(|bot| run.head.bot == *bot)
                && filter.state.is_none_or(|state| run.head.state == state)
                && filter.since.is_none_or(|since| run.event.event.received >= since)
        };
        let newest_first = self.places.range(..before).rev().filter_map(|(_, key)| self.runs.get(key));
        newest_first.filter(wanted).take(filter.limit).map(|run| self.row(run)).collect()
    }

    pub(super) fn run_counts(&self, tenant: Option<&TenantId>, bot: Option<&BotName>) -> BTreeMap<RunState, u64> {
        let mut counts = BTreeMap::new();
        for head in self.runs.values().map(|run| &run.head) {
            if tenant.is_none_or(|of| head.key.tenant == *of) && bot.is_none_or(|of| head.bot == *of) {
                *counts.entry(head.state).or_default() += 1;
            }
        }
        counts
    }

    pub(super) fn show(&self, key: &RunKey) -> Result<RunDetail> {
        let run = self.run(key)?;
        let kept = run.recorded.as_ref();
        let recorded = kept.map(|kept| kept.recorded.clone());
        let attempts = run.attempts.values().map(|tried| StoredAttempt {
            attempt: tried.attempt.clone(),
            release: tried.release,
            journal: tried.journal.clone(),
        });
        Ok(RunDetail {
            row: self.row(run),
            result: recorded.as_ref().and_then(|recorded| recorded.result.clone()),
            record: record_of(run, recorded),
            attempts: attempts.collect(),
            wrote: kept.map(|kept| kept.wrote.clone()).unwrap_or_default(),
            references: kept.map(|kept| kept.references.clone()).unwrap_or_default(),
        })
    }

    pub(super) fn logs(&self, tenant: &TenantId, filter: &LogFilter) -> Vec<LogRow> {
        let wanted = |(of, row): &&(TenantId, LogRow)| {
            of == tenant && filter.bot.as_ref().is_none_or(|bot| row.bot == *bot) && filter.run.is_none_or(|run| row.run == run)
        };
        let after = LogSeq::new(filter.after.unwrap_or_default().get() + 1);
        let lines = self.logs.range(after..).map(|(_, line)| line).filter(wanted).map(|(_, row)| row.clone());
        if filter.after.is_some() {
            return lines.take(filter.limit).collect();
        }
        let mut newest: Vec<LogRow> = lines.rev().take(filter.limit).collect();
        newest.reverse();
        newest
    }

    pub(super) fn stats(&self) -> Stats {
        let (outbox, dead_requests) = self.outbox_counts();
        Stats {
            runs: self.run_counts(None, None),
            unresolved: self.unresolved.len() as u64,
            dead_notifications: self.dead.len() as u64,
            outbox,
            dead_requests,
            timers: self.timers.len() as u64,
            bytes: self.notifications.values().map(|stored| stored.body.len() as u64).sum(),
            commits: self.writes,
            writes: self.writes,
        }
    }

    pub(super) fn row(&self, run: &Run) -> RunRow {
        let behind = |other: &&Run| other.head.lane == run.head.lane && other.head.seq > run.head.seq;
        let holds = run.head.held.then(|| {
            let open = self.open.get(&(run.head.key.tenant.clone(), run.head.bot.clone()));
            open.into_iter().flat_map(BTreeMap::values).filter_map(|key| self.runs.get(key)).filter(behind).count() as u64
        });
        let event = &run.event.event;
        let (trigger, subject) = match &event.cause {
            Cause::Change { key, .. } => ("change", Some((key.resource.resource.clone(), key.version.clone()))),
            Cause::Cron { .. } => ("cron", None),
            Cause::Timer { .. } => ("timer", None),
            Cause::Invoke { .. } => ("invoke", None),
            Cause::Reply { .. } => ("reply", None),
        };
        RunRow {
            seq: run.head.seq,
            run: run.head.key.run,
            bot: run.head.bot.clone(),
            state: run.head.state,
            holds,
            trigger: trigger.to_owned(),
            subject,
            received: event.received,
            ended: run.ended,
            attempts: run.head.attempt,
            failure: run.failure.clone(),
        }
    }
}
