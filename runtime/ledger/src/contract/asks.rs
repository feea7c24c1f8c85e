//! Checks of what runs ask outside in their midst.

use std::sync::Arc;

use bytes::Bytes;
use hob_model::{Digest, FailureKind, RunState};

use super::fixtures::{Given, at};
use crate::{AskKey, Asked, Ledger, LedgerError, Next, REQUEST_UNKNOWN, RunKey};

fn key(run: &RunKey, what: &str) -> AskKey {
    AskKey { run: run.clone(), ask: Digest::of_parts(&[what.as_bytes()]) }
}

pub(super) async fn asks_once(ledger: Arc<dyn Ledger>) {
    let given = Given::a(ledger).await;
    let ledger = &given.ledger;
    let (run, other) = (given.pending("1").await.key, given.pending("2").await.key);
    let (first, second) = (key(&run, "first"), key(&run, "second"));
    let ask = async |key: &AskKey| ledger.ask(given.epoch, key).await;
    assert_eq!(ask(&first).await, Ok(Asked::Now));
    assert_eq!(ask(&first).await, Ok(Asked::Unknown));
    assert_eq!(ask(&second).await, Ok(Asked::Now));
    assert_eq!(ask(&key(&other, "first")).await, Ok(Asked::Now), "another run asks for itself");
    assert_ne!(first.idempotency_key(), key(&other, "first").idempotency_key());
    let answer = Bytes::from_static(b"\0 \xff 42");
    for _twice in 0..2 {
        ledger.answered(given.epoch, &first, answer.clone()).await.unwrap();
    }
    // A conflict or a failure later, the answer is the same.
    given.fails(&run, 1, FailureKind::Retry, Next::Again { at: at(1) }).await.unwrap();
    assert_eq!(ask(&first).await, Ok(Asked::Before(answer)));
    assert_eq!(ask(&second).await, Ok(Asked::Unknown));
    let nobody = ledger.answered(given.epoch, &key(&run, "third"), Bytes::new()).await;
    assert!(matches!(nobody, Err(LedgerError::NotFound { .. })), "{nobody:?}");

    ledger.finish(given.epoch, &run, given.done(2)).await.unwrap();
    let late = ask(&key(&run, "fourth")).await;
    assert!(matches!(late, Err(LedgerError::RunIs { state: RunState::Done, .. })), "{late:?}");
    let absent = RunKey { tenant: "nobody".parse().unwrap(), run: run.run };
    assert!(matches!(ask(&key(&absent, "first")).await, Err(LedgerError::NotFound { .. })));
    let newer = ledger.claim().await.unwrap();
    assert!(matches!(ask(&key(&other, "late")).await, Err(LedgerError::LeaseLost { .. })));
    assert_eq!(ledger.ask(newer, &key(&other, "first")).await, Ok(Asked::Unknown), "a crash later it is as unknown");
}

pub(super) async fn asks_again_what_was_not_done(ledger: Arc<dyn Ledger>) {
    let given = Given::a(ledger).await;
    let ledger = &given.ledger;
    let run = given.pending("1").await.key;
    let (not_done, done) = (key(&run, "not done"), key(&run, "done"));
    for each in [&not_done, &done] {
        assert_eq!(ledger.ask(given.epoch, each).await, Ok(Asked::Now));
    }
    let answer = Bytes::from_static(b"yes");
    ledger.answered(given.epoch, &done, answer.clone()).await.unwrap();
    for each in [&not_done, &done] {
        ledger.unasked(given.epoch, each).await.unwrap();
    }
    assert_eq!(ledger.ask(given.epoch, &not_done).await, Ok(Asked::Now));
    assert_eq!(ledger.ask(given.epoch, &done).await, Ok(Asked::Before(answer.clone())), "an answer stays");
    // Whoever opens a run that ended of something else has not looked at the receiver.
    given.fails(&run, 1, FailureKind::Fatal, Next::Dead).await.unwrap();
    ledger.retry(given.epoch, &run).await.unwrap();
    assert_eq!(ledger.ask(given.epoch, &not_done).await, Ok(Asked::Unknown));
    given.fails_of(&run, 2, REQUEST_UNKNOWN, Next::Dead).await.unwrap();
    ledger.retry(given.epoch, &run).await.unwrap();
    assert_eq!(ledger.ask(given.epoch, &not_done).await, Ok(Asked::Now));
    assert_eq!(ledger.ask(given.epoch, &done).await, Ok(Asked::Before(answer)));
}
