//! Checks of what gap repair and a source's own queue hang on.

use std::sync::Arc;

use bytes::Bytes;

use super::fixtures::{Given, at, notification};
use crate::{Ledger, LedgerError, NotificationSeq, SweepMark};

pub(super) async fn keeps_how_far_it_swept(ledger: Arc<dyn Ledger>) {
    let given = Given::deployed(ledger).await;
    let (ledger, tenant, source) = (&given.ledger, &given.tenant, &given.source);
    let mark = |kind: &str, seen, looked| SweepMark {
        tenant: tenant.clone(),
        source: source.clone(),
        resource_type: kind.parse().unwrap(),
        seen: at(seen),
        looked: at(looked),
    };
    assert!(ledger.sweeps(tenant, source).await.unwrap().is_empty());
    for _twice in 0..2 {
        ledger.swept(given.epoch, mark("Task", 50, 51)).await.unwrap();
    }
    // A server's clock may be turned back: the mark goes with it.
    ledger.swept(given.epoch, mark("Task", 40, 61)).await.unwrap();
    ledger.swept(given.epoch, mark("Observation", 70, 71)).await.unwrap();
    assert_eq!(ledger.sweeps(tenant, source).await.unwrap(), [mark("Observation", 70, 71), mark("Task", 40, 61)]);
    assert!(ledger.sweeps(&"u".parse().unwrap(), source).await.unwrap().is_empty());
    assert!(ledger.sweeps(tenant, &"other".parse().unwrap()).await.unwrap().is_empty());

    let epoch = ledger.claim().await.unwrap();
    let lost = ledger.swept(given.epoch, mark("Task", 90, 91)).await;
    assert_eq!(lost, Err(LedgerError::LeaseLost { held: given.epoch, current: epoch }));
    // A source that comes back under the same name is another one.
    ledger.deactivate(epoch, tenant, &given.bot, at(9)).await.unwrap();
    ledger.remove_source(epoch, tenant, source).await.unwrap();
    assert!(ledger.sweeps(tenant, source).await.unwrap().is_empty());
}

pub(super) async fn gives_each_source_its_own_queue(ledger: Arc<dyn Ledger>) {
    let given = Given::a(ledger).await;
    let ledger = &given.ledger;
    assert!(ledger.unresolved_sources().await.unwrap().is_empty());
    let queue = [("b", "s"), ("a", "s"), ("a", "r"), ("a", "s"), ("b", "s"), ("a", "s")];
    let mut seqs = Vec::new();
    for (n, (tenant, source)) in (1..).zip(queue) {
        let mut new = notification(tenant, n);
        new.source = source.parse().unwrap();
        if n == 2 {
            // A large one makes a short page, and nothing is passed over.
            new.body = Bytes::from(vec![b'x'; 17 * 1024 * 1024]);
        }
        seqs.push(ledger.accept(vec![new]).await.unwrap()[0].seq());
    }
    let of = |tenant: &str, source: &str| (tenant.parse().unwrap(), source.parse().unwrap());
    assert_eq!(ledger.unresolved_sources().await.unwrap(), [of("a", "r"), of("a", "s"), of("b", "s")]);
    let (tenant, source) = of("a", "s");
    let mut after = NotificationSeq::ZERO;
    let mut seen = Vec::new();
    loop {
        let page = ledger.unresolved_of(&tenant, &source, after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.seq;
        assert!(page.iter().all(|n| n.notification.tenant == tenant && n.notification.source == source));
        seen.extend(page.into_iter().map(|n| n.seq));
    }
    assert_eq!(seen, [seqs[1], seqs[3], seqs[5]]);
    let mut resolution = given.resolution(Vec::new());
    resolution.tenant = tenant.clone();
    resolution.notifications = seen;
    ledger.resolve(given.epoch, resolution).await.unwrap();
    assert!(ledger.unresolved_of(&tenant, &source, NotificationSeq::ZERO, 2).await.unwrap().is_empty());
    assert_eq!(ledger.unresolved_sources().await.unwrap(), [of("a", "r"), of("b", "s")]);
}
