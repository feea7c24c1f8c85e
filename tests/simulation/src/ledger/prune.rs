//! Pruning: what is over and old enough goes, in the order of places.

use hob_ledger::{NotificationSeq, PruneCursor, PruneRules, Pruned, RunKey, RunSeq, Wrote};
use hob_model::{ChangeKey, ResourceKey, RunState, Timestamp};

use super::state::{Run, Stage, State};

/// How far a server's clock may be from the host's, in microseconds.
const SKEW: i64 = 24 * 60 * 60 * 1_000_000;

impl State {
    pub(super) fn prune(&mut self, rules: &PruneRules, from: PruneCursor, limit: usize) -> Pruned {
        let (mut notifications, mut runs) = (0, 0);
        let mut next = PruneCursor { notifications: None, runs: None };
        if let Some(after) = from.notifications {
            (next.notifications, notifications) = self.prune_notifications(rules, after, limit);
        }
        if let Some(after) = from.runs {
            (next.runs, runs) = self.prune_runs(rules, after, limit);
        }
        Pruned { runs, notifications, next }
    }

    fn prune_notifications(
        &mut self,
        rules: &PruneRules,
        after: NotificationSeq,
        limit: usize,
    ) -> (Option<NotificationSeq>, usize) {
        let page = self.notifications.range(NotificationSeq::new(after.get() + 1)..).take(limit);
        let page: Vec<(NotificationSeq, Timestamp)> = page.map(|(seq, stored)| (*seq, stored.received)).collect();
        let mut gone = 0;
        for (seq, received) in &page {
            if *received >= rules.ended.max(rules.dead) {
                return (None, gone);
            }
            let limit = if self.dead.contains(seq) { rules.dead } else { rules.ended };
            if !self.unresolved.contains(seq) && *received < limit {
                self.notifications.remove(seq);
                self.dead.remove(seq);
                gone += 1;
            }
        }
        (page.last().filter(|_| page.len() == limit).map(|(seq, _)| *seq), gone)
    }

    fn prune_runs(&mut self, rules: &PruneRules, after: RunSeq, limit: usize) -> (Option<RunSeq>, usize) {
        let page = self.places.range(RunSeq::new(after.get() + 1)..).take(limit);
        let page: Vec<(RunSeq, RunKey)> = page.map(|(seq, key)| (*seq, key.clone())).collect();
        let mut gone = 0;
        for (_, key) in &page {
            let Some(run) = self.runs.get(key) else { continue };
            if run.event.event.received >= rules.ended.max(rules.dead) {
                return (None, gone);
            }
            let limit = if run.head.state == RunState::Dead { rules.dead } else { rules.ended };
            let is_over = !run.head.state.is_open() && !run.head.held && run.ended.is_some_and(|ended| ended < limit);
            if is_over && !self.needs(key, run, rules) {
                self.forget_run(key);
                gone += 1;
            }
        }
        (page.last().filter(|_| page.len() == limit).map(|(seq, _)| *seq), gone)
    }

    /// Whether something that is not over still needs the run.
    fn needs(&self, key: &RunKey, run: &Run, rules: &PruneRules) -> bool {
        let holds = self.fences.values().any(|fence| {
            fence.key.tenant == key.tenant
                && Some(&fence.key.source) == run.head.source.as_ref()
                && fence.held_by == Some(key.run)
        });
        let sends = self.outbox.iter().any(|(of, request)| {
            let is_needed = match &request.stage {
                Stage::Waiting | Stage::Sending => true,
                Stage::Dead { ended, .. } => *ended >= rules.dead,
                Stage::Done => false,
            };
            of.tenant == key.tenant && of.run == key.run && is_needed
        });
        holds || sends || wrote(run).iter().any(|wrote| self.guards(key, run, wrote))
    }

    /// Whether the loop guard may still be asked for a version that the run wrote: until the resource's mark has come to it.
    fn guards(&self, key: &RunKey, run: &Run, wrote: &Wrote) -> bool {
        let (Some(source), Some(ended)) = (&run.head.source, run.ended) else { return false };
        let resource = ResourceKey { tenant: key.tenant.clone(), source: source.clone(), resource: wrote.reference.clone() };
        let Some(mark) = self.marks.get(&resource) else { return false };
        let passed = mark.version == wrote.version
            || matches!((mark.version.number(), wrote.version.number()), (Some(seen), Some(own)) if seen >= own)
            || mark.occurred.is_some_and(|at| at.micros() > ended.micros().saturating_add(SKEW));
        !passed
    }

    fn forget_run(&mut self, key: &RunKey) {
        let Some(run) = self.runs.remove(key) else { return };
        self.places.remove(&run.head.seq);
        if let Some(source) = &run.head.source {
            for Wrote { reference, version } in wrote(&run).iter().cloned() {
                let resource = ResourceKey { tenant: key.tenant.clone(), source: source.clone(), resource: reference };
                let of = ChangeKey { resource, version };
                if self.own_writes.get(&of).is_some_and(|own| own.run == key.run) {
                    self.own_writes.remove(&of);
                }
            }
        }
        for line in run.attempts.values().flat_map(|tried| &tried.lines) {
            self.logs.remove(line);
        }
        self.asks.retain(|of, _| of.run != *key);
        self.outbox.retain(|of, _| !(of.tenant == key.tenant && of.run == key.run));
        let id = run.event.event.id;
        if !self.runs.values().any(|other| other.head.key.tenant == key.tenant && other.event.event.id == id) {
            self.events.remove(&(key.tenant.clone(), id));
        }
    }
}

fn wrote(run: &Run) -> &[Wrote] {
    run.recorded.as_ref().map_or(&[], |kept| &kept.wrote)
}
