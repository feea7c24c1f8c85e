//! Notifications in, and what waits or died of them.

use std::collections::btree_map::Entry;

use hob_ledger::{DeadReason, LedgerError, NewNotification, NotificationSeq, Receipt, Result, StoredNotification, Verdict};
use hob_model::{SourceId, TenantId};

use super::Mutation;
use super::state::State;

impl State {
    pub(super) fn accept(&mut self, batch: Vec<NewNotification>) -> Vec<Receipt> {
        let mut receipts = Vec::with_capacity(batch.len());
        for mut new in batch {
            let seq = NotificationSeq::new(self.last_notification.get() + 1);
            self.last_notification = seq;
            new.size = new.size.max(new.body.len() as u64);
            let verdict = new.verdict.clone();
            self.notifications.insert(seq, new);
            match verdict {
                Verdict::Usable => self.waits(seq),
                Verdict::Control => {}
                Verdict::Dead(_) => drop(self.dead.insert(seq)),
            }
            if self.makes(Mutation::AckBeforeFsync) {
                self.volatile.insert(seq);
            }
            receipts.push(hob_ledger::contract::receipt(seq));
        }
        receipts
    }

    fn unresolved_after(&self, after: NotificationSeq) -> impl Iterator<Item = (NotificationSeq, &NewNotification)> {
        let range = self.unresolved.range(NotificationSeq::new(after.get() + 1)..);
        range.filter_map(|seq| Some((*seq, self.notifications.get(seq)?)))
    }

    pub(super) fn unresolved(&self, after: NotificationSeq, limit: usize) -> Vec<StoredNotification> {
        self.unresolved_after(after).take(limit).map(stored).collect()
    }

    pub(super) fn unresolved_sources(&self) -> Vec<(TenantId, SourceId)> {
        self.waiting.keys().cloned().collect()
    }

    /// A notification that is kept waits to be resolved.
    pub(super) fn waits(&mut self, seq: NotificationSeq) {
        if self.unresolved.insert(seq)
            && let Some(new) = self.notifications.get(&seq)
        {
            *self.waiting.entry((new.tenant.clone(), new.source.clone())).or_default() += 1;
        }
    }

    /// It waits no more.
    pub(super) fn waits_no_more(&mut self, seq: NotificationSeq) {
        if self.unresolved.remove(&seq)
            && let Some(new) = self.notifications.get(&seq)
            && let Entry::Occupied(mut count) = self.waiting.entry((new.tenant.clone(), new.source.clone()))
        {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    pub(super) fn unresolved_of(
        &self,
        tenant: &TenantId,
        source: &SourceId,
        after: NotificationSeq,
        limit: usize,
    ) -> Vec<StoredNotification> {
        let of = |(_, new): &(NotificationSeq, &NewNotification)| new.tenant == *tenant && new.source == *source;
        self.unresolved_after(after).filter(of).take(limit).map(stored).collect()
    }

    pub(super) fn bury(&mut self, tenant: &TenantId, seq: NotificationSeq, reason: DeadReason) -> Result<()> {
        let found = self.notifications.get_mut(&seq).filter(|stored| stored.tenant == *tenant);
        let stored = found.ok_or(LedgerError::NotFound { what: "notification" })?;
        stored.verdict = Verdict::Dead(reason);
        self.waits_no_more(seq);
        self.dead.insert(seq);
        Ok(())
    }
}

fn stored((seq, notification): (NotificationSeq, &NewNotification)) -> StoredNotification {
    StoredNotification { seq, notification: notification.clone() }
}
