//! The contract, what outlives a handle, and each mistake seen where it is made.

use std::sync::Arc;

use bytes::Bytes;
use hob_ledger::contract::{CHECKS, Given, hold, notification};
use hob_ledger::{Ledger, LedgerError, NotificationSeq, Recorded};
use hob_model::{Effects, Journal, OutboxItem, RunState, TimerOp, Timestamp};

use super::{ModelLedger, ModelStore, Mutation, Mutations};

fn fresh(mutations: Mutations) -> Arc<dyn Ledger> {
    Arc::new(ModelLedger::open(ModelStore::new(mutations)))
}

#[tokio::test]
async fn holds_the_contract() {
    hold(|_| async { fresh(Mutations::default()) }).await;
}

#[tokio::test]
async fn a_store_outlives_its_handles() {
    let store = ModelStore::new(Mutations::default());
    let mut epochs = Vec::new();
    for round in 1..=3 {
        let ledger = ModelLedger::open(Arc::clone(&store));
        epochs.push(ledger.claim().await.unwrap());
        drop(ledger.accept(vec![notification("t", round)]).await.unwrap());
        if round == 1 {
            ledger.close().await.unwrap();
            assert_eq!(ledger.claim().await, Err(LedgerError::Closed));
        } else {
            drop(ledger);
            store.crash();
        }
        let next = ModelLedger::open(Arc::clone(&store));
        let kept = next.unresolved(NotificationSeq::ZERO, 9).await.unwrap();
        assert_eq!(kept.len() as u64, round);
    }
    assert!(epochs.is_sorted_by(|a, b| a < b));
}

/// Which checks of the contract a mistake breaks.
async fn broken(mutation: Mutation) -> Vec<&'static str> {
    let mut broken = Vec::new();
    for (name, check) in CHECKS {
        let ledger = fresh([mutation].into_iter().collect());
        if tokio::spawn(check(ledger)).await.is_err() {
            broken.push(*name);
        }
    }
    broken
}

#[tokio::test]
async fn mistakes_that_one_call_shows_break_the_contract() {
    for (mutation, check) in [
        (Mutation::NoDedupe, "resolve::moves_marks_forward_only"),
        (Mutation::LanesOff, "resolve::makes_one_run_of_a_change"),
        (Mutation::TimerTwice, "schedule::fires_timers_once"),
        (Mutation::EpochIgnored, "intake::ends_older_leases"),
    ] {
        assert!(broken(mutation).await.contains(&check), "{mutation}");
    }
}

fn recorded(given: &Given, timers: Vec<TimerOp>, outbox: Vec<OutboxItem>) -> (Recorded, Journal) {
    let effects = Effects { timers, outbox, ..Effects::default() };
    let recorded = Recorded { attempt: 1, release: given.release, effects, bundle: Bytes::new(), fence: None, result: None };
    (recorded, Journal::default())
}

#[tokio::test]
async fn what_was_accepted_before_the_fsync_is_lost() {
    let store = ModelStore::new([Mutation::AckBeforeFsync].into_iter().collect());
    let ledger = ModelLedger::open(Arc::clone(&store));
    drop(ledger.accept(vec![notification("t", 1)]).await.unwrap());
    ledger.claim().await.unwrap();
    drop(ledger.accept(vec![notification("t", 2)]).await.unwrap());
    assert_eq!(ledger.unresolved(NotificationSeq::ZERO, 9).await.unwrap().len(), 2);
    store.crash();
    let kept = ledger.unresolved(NotificationSeq::ZERO, 9).await.unwrap();
    assert_eq!(kept.iter().map(|n| n.notification.path.as_str()).collect::<Vec<_>>(), ["Task/1"]);
}

#[tokio::test]
async fn a_redeploy_forgets_what_ended() {
    let given = Given::deployed(fresh([Mutation::ForgetOnRedeploy].into_iter().collect())).await;
    let (ended, open) = (given.pending("1").await, given.pending("2").await);
    given.ledger.supersede(given.epoch, &ended.key, Timestamp::from_micros(1)).await.unwrap();
    let live = given.ledger.deployment(&given.tenant, &given.bot).await.unwrap().unwrap();
    given.ledger.activate(given.epoch, live).await.unwrap();
    assert_eq!(given.ledger.load(&ended.key).await.map(drop), Err(LedgerError::NotFound { what: "run" }));
    assert!(given.ledger.load(&open.key).await.is_ok());
    assert_eq!(given.pending("1").await.key, ended.key);
}

#[tokio::test]
async fn timers_and_requests_come_before_the_commit() {
    let mistakes = [Mutation::TimerBeforeCommit, Mutation::OutboxBeforeCommit];
    for (mutations, early) in [(mistakes.into_iter().collect(), 1), (Mutations::default(), 0)] {
        let given = Given::deployed(fresh(mutations)).await;
        let run = given.pending("1").await.key;
        let at = Timestamp::from_micros(5);
        let timer = TimerOp::Set { key: "x".to_owned(), at, payload: serde_json::Value::Null };
        let (key, url) = ("k".to_owned(), "https://sms.example/".to_owned());
        let item = OutboxItem { key, method: "POST".to_owned(), url, headers: Vec::new(), body: Vec::new() };
        let (recorded, journal) = recorded(&given, vec![timer], vec![item]);
        given.ledger.record(given.epoch, &run, recorded, journal).await.unwrap();
        assert_eq!(given.ledger.fire_timers(given.epoch, at, 9).await.unwrap().len(), early);
        assert_eq!(given.ledger.begin_outbox(given.epoch, at, 9, 9).await.unwrap().len(), early);
    }
}

#[tokio::test]
async fn the_next_host_starts_afresh_what_was_recorded() {
    for (mutations, state) in
        [([Mutation::ResumeAfresh].into_iter().collect(), RunState::Pending), (Mutations::default(), RunState::Recorded)]
    {
        let given = Given::a(fresh(mutations)).await;
        let run = given.pending("1").await.key;
        let (recorded, journal) = recorded(&given, Vec::new(), Vec::new());
        given.ledger.record(given.epoch, &run, recorded, journal).await.unwrap();
        let next = Given::a(Arc::clone(&given.ledger)).await;
        let found = next.ledger.load(&run).await.unwrap();
        assert_eq!((found.head.state, found.recorded.is_some()), (state, state == RunState::Recorded));
    }
}
