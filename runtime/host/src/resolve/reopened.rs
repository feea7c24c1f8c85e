//! Word to the resolver that notifications behind it wait for it again.

use std::sync::{Mutex, PoisonError};

use hob_ledger::NotificationSeq;
use tokio::sync::Notify;

/// The earliest of the dead letters that were opened again since the resolver last looked.
#[derive(Default)]
pub(crate) struct Reopened {
    from: Mutex<Option<NotificationSeq>>,
    news: Notify,
}

impl Reopened {
    /// These are in the ledger's list of what is unresolved again.
    pub(crate) fn tell(&self, seqs: &[NotificationSeq]) {
        let mut from = self.from.lock().unwrap_or_else(PoisonError::into_inner);
        *from = seqs.iter().copied().chain(*from).min();
        drop(from);
        self.news.notify_one();
    }

    /// Waits for word.
    pub(super) async fn told(&self) {
        self.news.notified().await;
    }

    /// The earliest, once.
    pub(super) fn take(&self) -> Option<NotificationSeq> {
        self.from.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
