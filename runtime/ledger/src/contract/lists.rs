//! Checks of the registry, of what operators ask, and of the close.

use std::sync::Arc;

use hob_model::{FailureKind, RunState};

use super::fixtures::{Given, at, notification};
use crate::{Ledger, LedgerError, LogFilter, LogSeq, Next, RunFilter, SeenEvent, Subscription, SubscriptionStatus};

pub(super) async fn keeps_the_registry(ledger: Arc<dyn Ledger>) {
    let given = Given::a(ledger).await;
    let (ledger, epoch, tenant) = (&given.ledger, given.epoch, &given.tenant);
    let missing = ledger.activate(epoch, given.a_deployment()).await;
    assert_eq!(missing, Err(LedgerError::NotFound { what: "release" }));
    for _twice in 0..2 {
        ledger.put_release(epoch, given.a_release()).await.unwrap();
    }
    assert_eq!(ledger.activate(epoch, given.a_deployment()).await, Err(LedgerError::NotFound { what: "source" }));
    ledger.put_source(epoch, given.a_source()).await.unwrap();
    let mut source = given.a_source();
    source.auth = hob_model::Auth::Bearer { token: hob_model::SecretRef::Env("T".to_owned()) };
    ledger.put_source(epoch, source.clone()).await.unwrap();
    ledger.activate(epoch, given.a_deployment()).await.unwrap();
    assert_eq!(ledger.source(tenant, &given.source).await.unwrap(), Some(source.clone()));
    assert_eq!(ledger.sources(None).await.unwrap(), [source]);
    assert!(ledger.sources(Some(&"u".parse().unwrap())).await.unwrap().is_empty());
    assert_eq!(ledger.release(tenant, &given.release).await.unwrap(), Some(given.a_release()));
    assert_eq!(ledger.release(&"u".parse().unwrap(), &given.release).await.unwrap(), None);
    assert_eq!(ledger.deployments(Some(tenant)).await.unwrap(), [given.a_deployment()]);

    let subscription = Subscription {
        tenant: tenant.clone(),
        source: given.source.clone(),
        key: "tasks".parse().unwrap(),
        bot: given.bot.clone(),
        trigger: 0,
        reference: Some("Subscription/1".parse().unwrap()),
        criteria: "Task?status=ready".to_owned(),
        since: Some(at(5)),
        status: SubscriptionStatus::Requested,
        last_event: None,
    };
    ledger.put_subscription(epoch, subscription.clone()).await.unwrap();
    assert_eq!(ledger.subscriptions(tenant, None).await.unwrap(), std::slice::from_ref(&subscription));
    for number in [4, 7, 5] {
        let mut resolution = given.resolution(Vec::new());
        resolution.seen = vec![SeenEvent { source: given.source.clone(), subscription: subscription.key.clone(), number }];
        ledger.resolve(epoch, resolution).await.unwrap();
    }
    let active = Subscription { status: SubscriptionStatus::Active, ..subscription.clone() };
    ledger.put_subscription(epoch, active).await.unwrap();
    let found = ledger.subscription(tenant, &given.source, &subscription.key).await.unwrap().unwrap();
    assert_eq!((found.status, found.last_event), (SubscriptionStatus::Active, Some(7)));
    ledger.remove_subscription(epoch, tenant, &given.source, &subscription.key).await.unwrap();
    assert!(ledger.subscriptions(tenant, Some(&given.source)).await.unwrap().is_empty());

    let used = ledger.remove_source(epoch, tenant, &given.source).await;
    assert_eq!(used, Err(LedgerError::SourceInUse { by: given.bot.clone() }));
    let waiting = given.pending("1").await.key;
    assert_eq!(ledger.deactivate(epoch, tenant, &given.bot, at(9)).await.unwrap(), [waiting]);
    assert!(matches!(ledger.deactivate(epoch, tenant, &given.bot, at(9)).await, Err(LedgerError::NotFound { .. })));
    assert!(ledger.deployments(None).await.unwrap().is_empty());
    assert!(!ledger.deployment(tenant, &given.bot).await.unwrap().unwrap().active);
    ledger.remove_source(epoch, tenant, &given.source).await.unwrap();
    assert_eq!(ledger.source(tenant, &given.source).await.unwrap(), None);
}

pub(super) async fn lists_runs_and_logs(ledger: Arc<dyn Ledger>) {
    let given = Given::a(ledger).await;
    let (ledger, tenant) = (&given.ledger, &given.tenant);
    let mut keys = Vec::new();
    for id in ["1", "2", "3"] {
        let head = given.pending(id).await;
        let mut tried = given.tried(1, Some(FailureKind::Fatal));
        tried.journal = Some(Given::journal(&[&format!("line {id}a"), &format!("line {id}b")]));
        ledger.fail(given.epoch, &head.key, tried, Next::Dead).await.unwrap();
        keys.push(head);
    }
    let open = given.pending("4").await;
    let list =
        async |filter: RunFilter| -> Vec<_> { ledger.runs(tenant, &filter).await.unwrap().iter().map(|row| row.seq).collect() };
    let all = RunFilter::default();
    assert_eq!(list(all.clone()).await, [open.seq, keys[2].seq, keys[1].seq, keys[0].seq]);
    let dead = RunFilter { state: Some(RunState::Dead), limit: 2, ..all.clone() };
    assert_eq!(list(dead.clone()).await, [keys[2].seq, keys[1].seq]);
    assert_eq!(list(RunFilter { before: Some(keys[1].seq), ..dead }).await, [keys[0].seq]);
    assert!(list(RunFilter { bot: Some("other".parse().unwrap()), ..all.clone() }).await.is_empty());
    assert!(list(RunFilter { since: Some(at(11)), ..all }).await.is_empty());
    let counts = ledger.run_counts(tenant, Some(&given.bot)).await.unwrap();
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [(RunState::Pending, 1), (RunState::Dead, 3)]);

    let lines = async |filter: LogFilter| ledger.logs(tenant, &filter).await.unwrap();
    let newest = lines(LogFilter { limit: 3, ..LogFilter::default() }).await;
    assert_eq!(newest.iter().map(|l| l.line.text.as_str()).collect::<Vec<_>>(), ["line 2b", "line 3a", "line 3b"]);
    let after = LogFilter { after: Some(newest[1].seq), ..LogFilter::default() };
    assert_eq!(lines(after).await, newest[2..]);
    let of_run = LogFilter { run: Some(keys[0].key.run), after: Some(LogSeq::ZERO), ..LogFilter::default() };
    assert_eq!(lines(of_run).await.len(), 2);
    assert!(lines(LogFilter { bot: Some("other".parse().unwrap()), ..LogFilter::default() }).await.is_empty());

    drop(ledger.accept(vec![notification("t", 1)]).await.unwrap());
    let stats = ledger.stats().await.unwrap();
    assert_eq!((stats.runs[&RunState::Dead], stats.unresolved, stats.dead_notifications), (3, 1, 0));
    assert!(stats.bytes > 0 && stats.commits > 0 && stats.writes >= stats.commits);
}

pub(super) async fn says_when_there_is_news(ledger: Arc<dyn Ledger>) {
    let mut news = ledger.watch();
    drop(ledger.accept(vec![notification("t", 1)]).await.unwrap());
    news.changed().await.unwrap();
    let given = Given::a(ledger).await;
    assert!(!news.has_changed().unwrap());
    given.pending("1").await;
    news.changed().await.unwrap();
    let key = given.key("1", 1);
    given.fails(&key, 1, FailureKind::Fatal, Next::Dead).await.unwrap();
    news.mark_unchanged();
    given.ledger.retry(given.epoch, &key).await.unwrap();
    assert!(news.has_changed().unwrap());
}

pub(super) async fn answers_closed_after_the_close(ledger: Arc<dyn Ledger>) {
    for _twice in 0..2 {
        ledger.close().await.unwrap();
    }
    assert_eq!(ledger.accept(vec![notification("t", 1)]).await.map(drop), Err(LedgerError::Closed));
    assert_eq!(ledger.claim().await, Err(LedgerError::Closed));
    assert_eq!(ledger.stats().await.map(drop), Err(LedgerError::Closed));
}
