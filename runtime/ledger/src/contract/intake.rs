//! Checks of intake and of the lease.

use std::sync::Arc;

use bytes::Bytes;

use super::fixtures::{Given, notification};
use crate::{DeadFilter, DeadReason, Ledger, LedgerError, NewNotification, NotificationSeq, Receipt, Verdict};

fn reason(code: &str) -> DeadReason {
    DeadReason { code: code.to_owned(), message: "at byte 7".to_owned() }
}

pub(super) async fn keeps_what_it_accepts(ledger: Arc<dyn Ledger>) {
    let usable = notification("t", 1);
    let control = NewNotification { verdict: Verdict::Control, ..notification("t", 2) };
    let large = Bytes::from(vec![b'x'; 100_000]);
    let dead = NewNotification {
        verdict: Verdict::Dead(reason("too-large")),
        size: 9_000_000,
        body: large,
        subscription: None,
        ..notification("t", 3)
    };
    let receipts = ledger.accept(vec![usable.clone(), control, dead.clone()]).await.unwrap();
    let seqs: Vec<_> = receipts.iter().map(Receipt::seq).collect();
    assert!(seqs.len() == 3 && seqs.is_sorted());

    let open = ledger.unresolved(NotificationSeq::ZERO, 10).await.unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].seq, &open[0].notification), (seqs[0], &usable));

    let kept = ledger.dead_notification(&usable.tenant, seqs[2]).await.unwrap().unwrap();
    assert_eq!((kept.notification, kept.reason, kept.cut), (dead, reason("too-large"), true));
}

pub(super) async fn buries_what_cannot_be_resolved(ledger: Arc<dyn Ledger>) {
    let given = Given::a(ledger).await;
    let ledger = &given.ledger;
    let seqs: Vec<_> =
        ledger.accept(vec![notification("t", 1), notification("t", 2)]).await.unwrap().iter().map(Receipt::seq).collect();
    for _twice in 0..2 {
        ledger.bury(given.epoch, &given.tenant, seqs[0], reason("gone")).await.unwrap();
    }
    let left = ledger.unresolved(NotificationSeq::ZERO, 10).await.unwrap();
    assert_eq!(left.iter().map(|n| n.seq).collect::<Vec<_>>(), [seqs[1]]);
    assert_eq!(ledger.dead_notifications(&given.tenant, &DeadFilter::default(), None, 10).await.unwrap().len(), 1);
    assert!(ledger.dead_notifications(&given.tenant, &DeadFilter::default(), Some(seqs[0]), 10).await.unwrap().is_empty());

    let elsewhere = ledger.bury(given.epoch, &"u".parse().unwrap(), seqs[1], reason("gone")).await;
    assert_eq!(elsewhere, Err(LedgerError::NotFound { what: "notification" }));
    // A notification that was buried stays buried.
    let mut resolution = given.resolution(Vec::new());
    resolution.notifications = seqs.clone();
    ledger.resolve(given.epoch, resolution).await.unwrap();
    assert!(ledger.unresolved(NotificationSeq::ZERO, 10).await.unwrap().is_empty());
    assert_eq!(ledger.dead_notifications(&given.tenant, &DeadFilter::default(), None, 10).await.unwrap().len(), 1);
}

pub(super) async fn gives_pages_over_tenants(ledger: Arc<dyn Ledger>) {
    let tenants = ["b", "a", "a", "c", "a", "b"];
    for (n, tenant) in (1..).zip(tenants) {
        let mut new = notification(tenant, n);
        if tenant == "a" {
            // Large ones make short pages, and nothing is passed over.
            new.body = Bytes::from(vec![b'x'; 17 * 1024 * 1024]);
        }
        drop(ledger.accept(vec![new]).await.unwrap());
    }
    let mut after = NotificationSeq::ZERO;
    let mut seen = Vec::new();
    loop {
        let page = ledger.unresolved(after, 4).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.seq;
        seen.extend(page.into_iter().map(|n| n.notification.tenant.to_string()));
    }
    assert_eq!(seen, tenants);
}

pub(super) async fn ends_older_leases(ledger: Arc<dyn Ledger>) {
    let old = Given::a(Arc::clone(&ledger)).await;
    old.pending("1").await;
    let new = Given::a(ledger).await;
    assert!(new.epoch > old.epoch);
    let lost = LedgerError::LeaseLost { held: old.epoch, current: new.epoch };
    let key = old.key("1", 1);
    let recorded = old.ledger.record(old.epoch, &key, old.recorded(1), Given::journal(&[])).await;
    assert_eq!(recorded, Err(lost.clone()));
    assert_eq!(old.ledger.finish(old.epoch, &key, old.done(1)).await, Err(lost.clone()));
    assert_eq!(old.ledger.resolve(old.epoch, old.resolution(Vec::new())).await, Err(lost));
    // Nothing of it is there, and the new host goes on.
    assert_eq!(new.open().await.len(), 1);
    new.ledger.finish(new.epoch, &key, new.done(1)).await.unwrap();
    assert!(new.open().await.is_empty());
}
