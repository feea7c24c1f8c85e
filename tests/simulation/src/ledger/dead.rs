//! Dead letters: found by bot, source, reason and time, and opened again.

use std::collections::BTreeMap;

use bytes::Bytes;
use hob_ledger::{
    DeadFilter, DeadKind, DeadNotification, NewNotification, NotificationSeq, Result, RunHead, RunKey, RunRow, RunSeq, Verdict,
};
use hob_model::{BotName, RunState, SourceId, TenantId, Timestamp};

use super::state::{Run, State};

/// What a filter asks of what has a bot and an end.
pub(super) fn matches(filter: &DeadFilter, bot: &BotName, source: Option<&SourceId>, code: &str, at: Timestamp) -> bool {
    filter.bot.as_ref().is_none_or(|wanted| wanted == bot)
        && filter.source.as_ref().is_none_or(|wanted| Some(wanted) == source)
        && filter.code.as_ref().is_none_or(|wanted| wanted == code)
        && filter.since.is_none_or(|since| at >= since)
        && filter.until.is_none_or(|until| at < until)
}

impl State {
    /// Dead runs in their order.
    fn dead_runs_of(&self, tenant: &TenantId, filter: &DeadFilter) -> impl DoubleEndedIterator<Item = &Run> {
        self.places.values().filter_map(|key| self.runs.get(key)).filter(move |run| {
            let code = run.failure.as_ref().map_or("other", |failure| failure.word());
            run.head.state == RunState::Dead
                && run.head.key.tenant == *tenant
                && matches(filter, &run.head.bot, run.head.source.as_ref(), code, run.ended.unwrap_or_default())
        })
    }

    pub(super) fn dead_runs(&self, tenant: &TenantId, filter: &DeadFilter, before: Option<RunSeq>, limit: usize) -> Vec<RunRow> {
        let newest_first = self.dead_runs_of(tenant, filter).rev();
        newest_first
            .filter(|run| before.is_none_or(|before| run.head.seq < before))
            .take(limit)
            .map(|run| self.row(run))
            .collect()
    }

    pub(super) fn retry_dead(
        &mut self,
        tenant: &TenantId,
        filter: &DeadFilter,
        after: RunSeq,
        limit: usize,
    ) -> Result<Vec<RunHead>> {
        let dead = self.dead_runs_of(tenant, filter).filter(|run| run.head.seq > after).take(limit);
        let keys: Vec<RunKey> = dead.map(|run| run.head.key.clone()).collect();
        keys.iter().map(|key| self.retry(key)).collect()
    }

    fn letter(&self, tenant: &TenantId, seq: NotificationSeq) -> Option<DeadNotification> {
        let notification = self.notifications.get(&seq).filter(|stored| stored.tenant == *tenant)?.clone();
        let Verdict::Dead(reason) = notification.verdict.clone() else { return None };
        Some(DeadNotification { seq, cut: notification.is_cut(), reason, notification })
    }

    pub(super) fn dead_notifications(
        &self,
        tenant: &TenantId,
        filter: &DeadFilter,
        before: Option<NotificationSeq>,
        limit: usize,
    ) -> Vec<DeadNotification> {
        // No notification is of a bot.
        let any_bot = DeadFilter { bot: None, ..filter.clone() };
        let nobody = BotName::new("nobody").ok().filter(|_| filter.bot.is_none());
        let wanted = |letter: &DeadNotification| {
            let NewNotification { source, received, .. } = &letter.notification;
            nobody.as_ref().is_some_and(|bot| matches(&any_bot, bot, Some(source), &letter.reason.code, *received))
        };
        let listed = |mut letter: DeadNotification| {
            letter.notification.body = Bytes::new();
            letter
        };
        let before = before.unwrap_or(NotificationSeq::new(u64::MAX));
        let newest_first = self.dead.range(..before).rev().filter_map(|seq| self.letter(tenant, *seq));
        newest_first.filter(wanted).take(limit).map(listed).collect()
    }

    pub(super) fn dead_notification(&self, tenant: &TenantId, seq: NotificationSeq) -> Option<DeadNotification> {
        self.letter(tenant, seq)
    }

    pub(super) fn reopen(&mut self, tenant: &TenantId, seqs: &[NotificationSeq]) -> u64 {
        let mut opened = 0;
        for seq in seqs {
            if self.letter(tenant, *seq).is_some_and(|letter| !letter.cut)
                && let Some(stored) = self.notifications.get_mut(seq)
            {
                stored.verdict = Verdict::Usable;
                self.dead.remove(seq);
                self.waits(*seq);
                opened += 1;
            }
        }
        opened
    }

    pub(super) fn dead_counts(&self, tenant: &TenantId, kind: DeadKind, filter: &DeadFilter) -> BTreeMap<String, u64> {
        let codes: Vec<String> = match kind {
            DeadKind::Run => {
                let code = |run: &Run| run.failure.as_ref().map_or("other", |failure| failure.word()).to_owned();
                self.dead_runs_of(tenant, filter).map(code).collect()
            }
            DeadKind::Notification => {
                let all = self.dead_notifications(tenant, filter, None, usize::MAX);
                all.into_iter().map(|letter| letter.reason.code).collect()
            }
            DeadKind::Request => {
                let all = self.dead_requests(tenant, filter, None, usize::MAX);
                all.into_iter().map(|letter| letter.reason.code).collect()
            }
        };
        codes.into_iter().fold(BTreeMap::new(), |mut counts, code| {
            *counts.entry(code).or_default() += 1;
            counts
        })
    }
}
