//! Requests of the outbox.

use std::collections::BTreeMap;

use hob_ledger::{
    DeadFilter, DeadRequest, DueOutbox, LedgerError, NewEvent, OutboxKey, OutboxSeq, Queued, Result, RunKey, host_of,
};
use hob_model::{OutboxItem, TenantId, Timestamp};

use super::dead::matches;
use super::schedule::in_turn;
use super::state::{Request, Stage, State};

impl State {
    /// Puts a request into the outbox, unless it is there.
    pub(super) fn stage(&mut self, by: &RunKey, item: OutboxItem, now: Timestamp) {
        let Some(run) = self.runs.get(by) else { return };
        let of = OutboxKey { tenant: by.tenant.clone(), run: by.run, key: item.key.clone() };
        if self.outbox.contains_key(&of) {
            return;
        }
        self.last_request = OutboxSeq::new(self.last_request.get() + 1);
        let request = Request {
            seq: self.last_request,
            bot: run.head.bot.clone(),
            lane: run.head.lane.clone(),
            source: run.head.source.clone(),
            hop: run.event.event.hop,
            host: host_of(&item.url),
            item,
            stage: Stage::Waiting,
            attempts: 0,
            round: 0,
            due: now,
            staged: now,
        };
        self.outbox.insert(of, request);
    }

    /// What waits, by bot and host, each in its order; with how many of each are being sent.
    fn queues(&self) -> impl Iterator<Item = (usize, Vec<(Timestamp, OutboxSeq, OutboxKey)>)> {
        let mut queues: BTreeMap<_, (usize, Vec<_>)> = BTreeMap::new();
        for (key, request) in &self.outbox {
            let (sending, waiting) = queues.entry((&key.tenant, &request.bot, &request.host)).or_default();
            match request.stage {
                Stage::Waiting => waiting.push((request.due, request.seq, key.clone())),
                Stage::Sending => *sending += 1,
                Stage::Done | Stage::Dead { .. } => {}
            }
        }
        queues.into_values().map(|(sending, mut waiting)| {
            waiting.sort();
            (sending, waiting)
        })
    }

    pub(super) fn begin_outbox(&mut self, now: Timestamp, share: usize, limit: usize) -> Vec<DueOutbox> {
        let due = self.queues().map(|(sending, waiting)| {
            let due = waiting.into_iter().take_while(|(due, ..)| *due <= now);
            due.take(share.saturating_sub(sending)).map(|(due, _, key)| (due, key)).collect()
        });
        let begun = in_turn(due, limit);
        for key in &begun {
            if let Some(request) = self.outbox.get_mut(key) {
                request.stage = Stage::Sending;
            }
        }
        begun.iter().filter_map(|key| Some(due_outbox(key, self.outbox.get(key)?))).collect()
    }

    pub(super) fn sending_outbox(&self) -> Vec<DueOutbox> {
        let sending = self.outbox.iter().filter(|(_, request)| matches!(request.stage, Stage::Sending));
        sending.map(|(key, request)| due_outbox(key, request)).collect()
    }

    pub(super) fn next_outbox(&self, share: usize) -> Option<Timestamp> {
        let room = self.queues().filter(|(sending, _)| *sending < share);
        room.filter_map(|(_, waiting)| waiting.first().map(|(due, ..)| *due)).min()
    }

    fn request(&mut self, key: &OutboxKey) -> Result<&mut Request> {
        self.outbox.get_mut(key).ok_or(LedgerError::NotFound { what: "outbox request" })
    }

    pub(super) fn outbox_again(&mut self, key: &OutboxKey, at: Timestamp) -> Result<()> {
        let request = self.request(key)?;
        if matches!(request.stage, Stage::Sending) {
            request.stage = Stage::Waiting;
            request.attempts += 1;
            request.due = at;
        }
        Ok(())
    }

    /// Ends a request that has no end, as answered or as given up.
    pub(super) fn outbox_end(&mut self, key: &OutboxKey, end: Stage, reply: Option<NewEvent>) -> Result<Queued> {
        let request = self.request(key)?;
        if matches!(request.stage, Stage::Waiting | Stage::Sending) {
            request.stage = end;
            request.attempts += 1;
        }
        Ok(reply.map(|event| self.add_event(event, None)).unwrap_or_default())
    }

    pub(super) fn dead_requests(
        &self,
        tenant: &TenantId,
        filter: &DeadFilter,
        before: Option<OutboxSeq>,
        limit: usize,
    ) -> Vec<DeadRequest> {
        let letter = |(key, request): (&OutboxKey, &Request)| {
            let Stage::Dead { ended, reason } = &request.stage else { return None };
            let wanted = key.tenant == *tenant
                && matches(filter, &request.bot, request.source.as_ref(), &reason.code, *ended)
                && before.is_none_or(|before| request.seq < before);
            wanted.then(|| DeadRequest {
                seq: request.seq,
                key: key.clone(),
                bot: request.bot.clone(),
                source: request.source.clone(),
                host: request.host.clone(),
                method: request.item.method.clone(),
                staged: request.staged,
                ended: *ended,
                attempts: request.attempts,
                reason: reason.clone(),
            })
        };
        let mut dead: Vec<DeadRequest> = self.outbox.iter().filter_map(letter).collect();
        dead.sort_by_key(|letter| std::cmp::Reverse(letter.seq));
        dead.truncate(limit);
        dead
    }

    pub(super) fn retry_requests(&mut self, keys: &[OutboxKey], at: Timestamp) -> u64 {
        let mut opened = 0;
        for key in keys {
            let Some(request) = self.outbox.get_mut(key).filter(|request| matches!(request.stage, Stage::Dead { .. })) else {
                continue;
            };
            request.stage = Stage::Waiting;
            request.attempts = 0;
            request.round += 1;
            request.due = at;
            opened += 1;
        }
        opened
    }

    /// How many have no end, and how many were given up.
    pub(super) fn outbox_counts(&self) -> (u64, u64) {
        self.outbox.values().fold((0, 0), |(open, dead), request| match request.stage {
            Stage::Waiting | Stage::Sending => (open + 1, dead),
            Stage::Dead { .. } => (open, dead + 1),
            Stage::Done => (open, dead),
        })
    }
}

fn due_outbox(key: &OutboxKey, request: &Request) -> DueOutbox {
    DueOutbox {
        key: key.clone(),
        bot: request.bot.clone(),
        lane: request.lane.clone(),
        source: request.source.clone(),
        hop: request.hop,
        item: request.item.clone(),
        idempotency_key: key.idempotency_key(),
        attempts: request.attempts,
        round: request.round,
        staged: request.staged,
    }
}
