//! Notifications in, and what waits or died of them.

use hob_ledger::{
    DeadNotification, DeadReason, LedgerError, NewNotification, NotificationSeq, Receipt, Result, StoredNotification, Verdict,
};
use hob_model::TenantId;

use super::Mutation;
use super::state::State;

impl State {
    pub(super) fn accept(&mut self, batch: Vec<NewNotification>) -> Vec<Receipt> {
        let mut receipts = Vec::with_capacity(batch.len());
        for mut new in batch {
            let seq = NotificationSeq::new(self.last_notification.get() + 1);
            self.last_notification = seq;
            new.size = new.size.max(new.body.len() as u64);
            match &new.verdict {
                Verdict::Usable => drop(self.unresolved.insert(seq)),
                Verdict::Control => {}
                Verdict::Dead(_) => {
                    new.body.truncate(NewNotification::DEAD_BODY);
                    self.dead.insert(seq);
                }
            }
            self.notifications.insert(seq, new);
            if self.makes(Mutation::AckBeforeFsync) {
                self.volatile.insert(seq);
            }
            receipts.push(hob_ledger::contract::receipt(seq));
        }
        receipts
    }

    pub(super) fn unresolved(&self, after: NotificationSeq, limit: usize) -> Vec<StoredNotification> {
        let stored = |seq: &NotificationSeq| {
            let notification = self.notifications.get(seq)?.clone();
            Some(StoredNotification { seq: *seq, notification })
        };
        self.unresolved.range(NotificationSeq::new(after.get() + 1)..).take(limit).filter_map(stored).collect()
    }

    pub(super) fn bury(&mut self, tenant: &TenantId, seq: NotificationSeq, reason: DeadReason) -> Result<()> {
        let found = self.notifications.get_mut(&seq).filter(|stored| stored.tenant == *tenant);
        let stored = found.ok_or(LedgerError::NotFound { what: "notification" })?;
        stored.verdict = Verdict::Dead(reason);
        stored.body.truncate(NewNotification::DEAD_BODY);
        self.unresolved.remove(&seq);
        self.dead.insert(seq);
        Ok(())
    }

    pub(super) fn dead(&self, tenant: &TenantId, before: Option<NotificationSeq>, limit: usize) -> Vec<DeadNotification> {
        let letter = |seq: &NotificationSeq| {
            let notification = self.notifications.get(seq).filter(|stored| stored.tenant == *tenant)?.clone();
            let Verdict::Dead(reason) = &notification.verdict else { return None };
            Some(DeadNotification { seq: *seq, reason: reason.clone(), notification })
        };
        let before = before.unwrap_or(NotificationSeq::new(u64::MAX));
        self.dead.range(..before).rev().filter_map(letter).take(limit).collect()
    }
}
