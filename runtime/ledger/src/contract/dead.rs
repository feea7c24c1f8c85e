//! Checks of dead letters: runs and notifications.

use std::sync::Arc;

use bytes::Bytes;
use hob_model::{Failure, FailureKind, RunState};

use super::fixtures::{Given, at, notification};
use crate::{
    DeadFilter, DeadKind, DeadReason, Ledger, NewNotification, Next, NotificationSeq, Opening, Receipt, RunSeq, Verdict,
};

/// A run on `Task/{id}` that died of `code` at `ended`.
async fn died(given: &Given, id: &str, code: &str, ended: i64) -> crate::RunHead {
    let head = given.pending(id).await;
    let mut tried = given.tried(1, Some(FailureKind::Fatal));
    tried.attempt.ended = at(ended);
    code.clone_into(&mut tried.attempt.failure.as_mut().unwrap().code);
    given.ledger.fail(given.epoch, &head.key, tried, Next::Dead).await.unwrap();
    head
}

pub(super) async fn finds_dead_runs(ledger: Arc<dyn Ledger>) {
    let given = Given::a(ledger).await;
    let (ledger, tenant) = (&given.ledger, &given.tenant);
    let scope = [died(&given, "1", "scope", 100).await, died(&given, "2", "scope", 200).await];
    let words = died(&given, "3", "A bot's own words", 300).await;
    let failure = Failure { kind: FailureKind::Fatal, code: "hop-limit".to_owned(), message: "m".to_owned(), retry_after: None };
    given.resolved("4", 1, vec![given.a_run("4", Opening::Dead(failure))]).await;
    let rejected = given.pending("5").await;
    given.fails(&rejected.key, 1, FailureKind::Reject, Next::Rejected).await.unwrap();

    let all = DeadFilter::default();
    let list = async |filter: DeadFilter| ledger.dead_runs(tenant, &filter, None, 9).await.unwrap();
    let seqs = async |filter: DeadFilter| list(filter).await.iter().map(|row| row.seq).collect::<Vec<_>>();
    let rows = list(all.clone()).await;
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().all(|row| row.state == RunState::Dead && row.failure.is_some() && row.ended.is_some()));
    assert!(rows.iter().map(|row| std::cmp::Reverse(row.seq)).is_sorted());
    let page = ledger.dead_runs(tenant, &all, Some(rows[1].seq), 1).await.unwrap();
    assert_eq!(page, rows[2..3]);
    let of = |code: &str| DeadFilter { code: Some(code.to_owned()), ..DeadFilter::default() };
    assert_eq!(seqs(of("scope")).await, [scope[1].seq, scope[0].seq]);
    assert_eq!(seqs(of("other")).await, [words.seq]);
    assert_eq!(seqs(DeadFilter { since: Some(at(100)), until: Some(at(200)), ..all.clone() }).await, [scope[0].seq]);
    assert_eq!(
        seqs(DeadFilter { bot: Some(given.bot.clone()), source: Some(given.source.clone()), ..all.clone() }).await.len(),
        4
    );
    assert!(seqs(DeadFilter { bot: Some("other".parse().unwrap()), ..all.clone() }).await.is_empty());
    assert!(seqs(DeadFilter { source: Some("other".parse().unwrap()), ..all.clone() }).await.is_empty());
    assert!(ledger.dead_runs(&"u".parse().unwrap(), &all, None, 9).await.unwrap().is_empty());
    let counts = ledger.dead_counts(tenant, DeadKind::Run, &DeadFilter { since: Some(at(100)), ..all }).await.unwrap();
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [("other".to_owned(), 1), ("scope".to_owned(), 2)]);
}

pub(super) async fn opens_a_slice_of_dead_runs(ledger: Arc<dyn Ledger>) {
    let given = Given::a(ledger).await;
    let (ledger, tenant) = (&given.ledger, &given.tenant);
    let mut dead = Vec::new();
    for n in 1..=5 {
        dead.push(died(&given, &n.to_string(), if n == 2 { "trap" } else { "scope" }, 100).await.seq);
    }
    let filter = DeadFilter { code: Some("scope".to_owned()), ..DeadFilter::default() };
    let mut after = RunSeq::ZERO;
    let mut opened = Vec::new();
    loop {
        let heads = ledger.retry_dead(given.epoch, tenant, &filter, after, 2).await.unwrap();
        let Some(last) = heads.last() else { break };
        after = last.seq;
        // One that dies again at once is not opened a second time by the same slice.
        let again = heads[0].key.clone();
        assert_eq!((heads[0].failures, heads[0].state), (0, RunState::Pending));
        opened.extend(heads.into_iter().map(|head| head.seq));
        let mut tried = given.tried(2, Some(FailureKind::Fatal));
        "scope".clone_into(&mut tried.attempt.failure.as_mut().unwrap().code);
        ledger.fail(given.epoch, &again, tried, Next::Dead).await.unwrap();
    }
    assert_eq!(opened, [dead[0], dead[2], dead[3], dead[4]]);
    assert_eq!(given.open().await.iter().map(|head| head.seq).collect::<Vec<_>>(), [dead[2], dead[4]]);
    let counts = ledger.dead_counts(tenant, DeadKind::Run, &DeadFilter::default()).await.unwrap();
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [("scope".to_owned(), 2), ("trap".to_owned(), 1)]);
}

fn reason(code: &str) -> DeadReason {
    DeadReason { code: code.to_owned(), message: "at byte 7".to_owned() }
}

pub(super) async fn finds_dead_notifications(ledger: Arc<dyn Ledger>) {
    let tenant = "t".parse().unwrap();
    let dead = |n: u64, source: &str, code: &str| NewNotification {
        verdict: Verdict::Dead(reason(code)),
        source: source.parse().unwrap(),
        received: at(i64::try_from(n).unwrap()),
        ..notification("t", n)
    };
    let new = vec![dead(1, "s", "notification-json"), dead(2, "s", "focus"), dead(3, "x", "focus")];
    let seqs: Vec<_> = ledger.accept(new.clone()).await.unwrap().iter().map(Receipt::seq).collect();
    let all = DeadFilter::default();
    let list = async |filter: DeadFilter| {
        let found = ledger.dead_notifications(&tenant, &filter, None, 9).await.unwrap();
        found.iter().map(|dead| dead.seq).collect::<Vec<_>>()
    };
    assert_eq!(list(all.clone()).await, [seqs[2], seqs[1], seqs[0]]);
    assert_eq!(list(DeadFilter { source: Some("s".parse().unwrap()), ..all.clone() }).await, [seqs[1], seqs[0]]);
    assert_eq!(list(DeadFilter { code: Some("focus".to_owned()), until: Some(at(3)), ..all.clone() }).await, [seqs[1]]);
    assert_eq!(list(DeadFilter { since: Some(at(3)), ..all.clone() }).await, [seqs[2]]);
    assert!(list(DeadFilter { bot: Some("b".parse().unwrap()), ..all.clone() }).await.is_empty());
    let older = ledger.dead_notifications(&tenant, &all, Some(seqs[1]), 9).await.unwrap();
    assert_eq!((older.len(), older[0].seq, older[0].notification.body.len()), (1, seqs[0], 0));
    let counts = ledger.dead_counts(&tenant, DeadKind::Notification, &all).await.unwrap();
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [("focus".to_owned(), 2), ("notification-json".to_owned(), 1)]);
    let whole = ledger.dead_notification(&tenant, seqs[0]).await.unwrap().unwrap();
    assert_eq!((whole.notification, whole.cut), (new[0].clone(), false));
    assert_eq!(ledger.dead_notification(&"u".parse().unwrap(), seqs[0]).await.unwrap(), None);
}

pub(super) async fn reads_notifications_again(ledger: Arc<dyn Ledger>) {
    let given = Given::a(ledger).await;
    let (ledger, tenant) = (&given.ledger, &given.tenant);
    let large = Bytes::from(vec![b'x'; 200_000]);
    let whole = NewNotification {
        verdict: Verdict::Dead(reason("notification-json")),
        size: 200_000,
        body: large.clone(),
        ..notification("t", 1)
    };
    let cut = NewNotification { size: 9_000_000, ..whole.clone() };
    let batch = vec![whole.clone(), cut, notification("t", 2)];
    let seqs: Vec<_> = ledger.accept(batch).await.unwrap().iter().map(Receipt::seq).collect();
    ledger.bury(given.epoch, tenant, seqs[2], reason("poison")).await.unwrap();
    let told = ledger.dead_notifications(tenant, &DeadFilter::default(), None, 9).await.unwrap();
    assert_eq!(told.iter().map(|dead| dead.cut).collect::<Vec<_>>(), [false, true, false]);

    assert_eq!(ledger.reopen(given.epoch, &"u".parse().unwrap(), seqs.clone()).await.unwrap(), 0);
    assert_eq!(ledger.reopen(given.epoch, tenant, seqs.clone()).await.unwrap(), 2);
    assert_eq!(ledger.reopen(given.epoch, tenant, seqs.clone()).await.unwrap(), 0);
    let open = ledger.unresolved(NotificationSeq::ZERO, 9).await.unwrap();
    assert_eq!(open.iter().map(|stored| stored.seq).collect::<Vec<_>>(), [seqs[0], seqs[2]]);
    assert_eq!(open[0].notification, NewNotification { verdict: Verdict::Usable, ..whole });
    // It dies anew with the new reason, or is resolved and no dead letter any more.
    ledger.bury(given.epoch, tenant, seqs[0], reason("focus")).await.unwrap();
    let mut resolution = given.resolution(Vec::new());
    resolution.notifications = vec![seqs[2]];
    ledger.resolve(given.epoch, resolution).await.unwrap();
    assert_eq!(ledger.reopen(given.epoch, tenant, vec![seqs[2]]).await.unwrap(), 0);
    let counts = ledger.dead_counts(tenant, DeadKind::Notification, &DeadFilter::default()).await.unwrap();
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [("focus".to_owned(), 1), ("notification-json".to_owned(), 1)]);
}
