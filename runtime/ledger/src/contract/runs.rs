//! Checks of a run's life.

use std::collections::BTreeMap;
use std::sync::Arc;

use hob_model::{FailureKind, RunState, VersionId};

use super::fixtures::{Given, at};
use crate::{FenceKey, FenceUse, Finish, Ledger, LedgerError, NewRun, Next, Opening, Recorded, RunKey, Wrote};

pub(super) async fn goes_from_record_to_done(ledger: Arc<dyn Ledger>) {
    let given = Given::a(ledger).await;
    let head = given.pending("1").await;
    let (ledger, key) = (&given.ledger, &head.key);
    let mut recorded = given.recorded(1);
    let fence = FenceUse { slot: 2, reference: "Basic/f".parse().unwrap(), version: Some("8".parse().unwrap()) };
    let slot = FenceKey { tenant: given.tenant.clone(), source: given.source.clone(), slot: 2 };
    ledger.put_fence(given.epoch, &slot, fence.reference.clone(), fence.version.clone()).await.unwrap();
    recorded.fence = Some(fence);
    ledger.record(given.epoch, key, recorded.clone(), Given::journal(&["one", "two"])).await.unwrap();
    let found = ledger.load(key).await.unwrap();
    assert_eq!((found.head.state, found.head.attempt, found.recorded), (RunState::Recorded, 1, Some(recorded)));

    // A conflict: again on fresh reads, and then it goes through.
    given.fails(key, 1, FailureKind::Conflict, Next::Again { at: at(40) }).await.unwrap();
    let found = ledger.load(key).await.unwrap();
    assert!(found.recorded.is_none());
    assert_eq!((found.head.state, found.head.not_before), (RunState::Pending, Some(at(40))));
    assert_eq!((found.head.failures, found.head.conflicts, found.attempts.len()), (0, 1, 1));
    ledger.record(given.epoch, key, given.recorded(2), Given::journal(&["three"])).await.unwrap();
    let mut done = given.done(2);
    done.wrote = vec![Wrote { reference: "Task/9".parse().unwrap(), version: "1".parse().unwrap() }];
    done.references = BTreeMap::from([("urn:uuid:1".to_owned(), "Task/9".parse().unwrap())]);
    for _twice in 0..2 {
        assert!(ledger.finish(given.epoch, key, done.clone()).await.unwrap().is_empty());
    }
    assert!(given.open().await.is_empty());
    assert!(ledger.load(key).await.unwrap().recorded.is_none());

    let shown = ledger.show(key).await.unwrap();
    assert_eq!((shown.row.state, shown.row.attempts, shown.row.ended), (RunState::Done, 2, Some(at(30))));
    assert_eq!(shown.row.subject, Some(("Task/1".parse().unwrap(), "1".parse().unwrap())));
    assert!(shown.row.failure.is_none());
    assert_eq!((shown.wrote, shown.references), (done.wrote, done.references));
    assert_eq!(shown.record.recorded.unwrap().bundle, "bundle 2");
    assert_eq!(shown.result.unwrap().bytes, "ok");
    let logs: Vec<Vec<String>> =
        shown.attempts.iter().map(|a| a.journal.as_ref().unwrap().log.iter().map(|l| l.text.clone()).collect()).collect();
    assert_eq!(logs, [vec!["one", "two"], vec!["three"]]);
    assert_eq!(shown.attempts[0].attempt, given.tried(1, Some(FailureKind::Conflict)).attempt);
    assert_eq!(shown.attempts[1].journal.as_ref().unwrap().seed, 7);
    // What is done stays done.
    let late = ledger.record(given.epoch, key, given.recorded(3), Given::journal(&[])).await;
    assert_eq!(late, Err(LedgerError::RunIs { state: RunState::Done, needs: "open" }));
    assert!(matches!(ledger.retry(given.epoch, key).await, Err(LedgerError::RunIs { .. })));
}

pub(super) async fn counts_failures_once(ledger: Arc<dyn Ledger>) {
    let given = Given::a(ledger).await;
    let key = given.pending("1").await.key;
    for number in [1, 1, 2] {
        given.fails(&key, number, FailureKind::Retry, Next::Again { at: at(50) }).await.unwrap();
    }
    // The same number and another start is another attempt.
    let mut other = given.tried(2, Some(FailureKind::Retry));
    other.attempt.started = at(21);
    given.ledger.fail(given.epoch, &key, other, Next::Again { at: at(50) }).await.unwrap();
    given.fails(&key, 3, FailureKind::Conflict, Next::Again { at: at(60) }).await.unwrap();
    let head = given.ledger.load(&key).await.unwrap().head;
    assert_eq!((head.failures, head.conflicts, head.attempt, head.not_before), (3, 1, 3, Some(at(60))));
    for _twice in 0..2 {
        given.fails(&key, 4, FailureKind::Fatal, Next::Dead).await.unwrap();
    }
    let head = given.ledger.load(&key).await.unwrap().head;
    assert_eq!((head.state, head.failures, head.not_before), (RunState::Dead, 4, None));
    let row = given.ledger.show(&key).await.unwrap().row;
    assert_eq!(row.failure, given.tried(4, Some(FailureKind::Fatal)).attempt.failure);
    let late = given.fails(&key, 5, FailureKind::Fatal, Next::Dead).await;
    assert_eq!(late, Err(LedgerError::RunIs { state: RunState::Dead, needs: "open" }));
}

pub(super) async fn stops_an_attempt_that_was_overtaken(ledger: Arc<dyn Ledger>) {
    let given = Given::a(ledger).await;
    let key = given.pending("1").await.key;
    let newer = NewRun { supersedes_earlier: true, ..given.a_run("1", Opening::Pending) };
    assert_eq!(given.resolved("1", 2, vec![newer]).await.superseded, std::slice::from_ref(&key));
    let ended = LedgerError::RunIs { state: RunState::Superseded, needs: "open" };
    let recorded = given.ledger.record(given.epoch, &key, given.recorded(1), Given::journal(&["x"])).await;
    assert_eq!(recorded, Err(ended.clone()));
    assert_eq!(given.ledger.finish(given.epoch, &key, given.done(1)).await, Err(ended.clone()));
    assert_eq!(given.fails(&key, 1, FailureKind::Retry, Next::Again { at: at(1) }).await, Err(ended));
    let shown = given.ledger.show(&key).await.unwrap();
    assert!(shown.attempts.is_empty() && shown.record.recorded.is_none());
    given.ledger.supersede(given.epoch, &key, at(50)).await.unwrap();

    let second = given.key("1", 2);
    given.ledger.supersede(given.epoch, &second, at(50)).await.unwrap();
    assert!(given.open().await.is_empty());
}

pub(super) async fn opens_ended_runs_again(ledger: Arc<dyn Ledger>) {
    let given = Given::a(ledger).await;
    let (first, unsure) = (given.pending("1").await, given.pending("2").await);
    given.ledger.record(given.epoch, &first.key, given.recorded(1), Given::journal(&[])).await.unwrap();
    given.fails(&first.key, 1, FailureKind::Fatal, Next::Dead).await.unwrap();
    assert!(given.ledger.show(&first.key).await.unwrap().record.recorded.is_some());
    given.ledger.record(given.epoch, &unsure.key, given.recorded(1), Given::journal(&[])).await.unwrap();
    given.fails(&unsure.key, 2, FailureKind::Retry, Next::Resend { at: at(5) }).await.unwrap();
    let waiting = given.ledger.load(&unsure.key).await.unwrap();
    assert_eq!((waiting.head.state, waiting.head.not_before), (RunState::Recorded, Some(at(5))));
    given.fails(&unsure.key, 3, FailureKind::Retry, Next::DeadUnsure).await.unwrap();
    assert!(given.open().await.is_empty());

    // One afresh; the other may be on the server: its effects are sent as they are.
    let again = given.ledger.retry(given.epoch, &first.key).await.unwrap();
    assert_eq!((again.state, again.seq, again.failures, again.attempt), (RunState::Pending, first.seq, 0, 1));
    assert_eq!(given.ledger.retry(given.epoch, &unsure.key).await.unwrap().state, RunState::Recorded);
    assert_eq!(given.ledger.load(&unsure.key).await.unwrap().recorded, Some(given.recorded(1)));
    assert_eq!(given.open().await.iter().map(|h| h.seq).collect::<Vec<_>>(), [first.seq, unsure.seq]);
    let open = given.ledger.retry(given.epoch, &first.key).await.unwrap_err();
    assert!(matches!(open, LedgerError::RunIs { state: RunState::Pending, .. }));

    given.fails(&first.key, 2, FailureKind::Reject, Next::Rejected).await.unwrap();
    assert_eq!(given.ledger.load(&first.key).await.unwrap().head.state, RunState::Rejected);
    assert_eq!(given.ledger.retry(given.epoch, &first.key).await.unwrap().state, RunState::Pending);
}

pub(super) async fn holds_a_lane_behind_a_dead_letter(ledger: Arc<dyn Ledger>) {
    let given = Given::a(ledger).await;
    let ledger = &given.ledger;
    let (first, other) = (given.pending("1").await, given.pending("2").await);
    let second = given.resolved("1", 2, vec![given.a_run("1", Opening::Pending)]).await.heads.remove(0);
    let in_lane = async |after| {
        let found = ledger.open_in_lane(&given.tenant, &given.bot, &first.lane, after, 9).await.unwrap();
        found.into_iter().map(|head| (head.seq, head.held)).collect::<Vec<_>>()
    };
    let hold = async |number| {
        let tried = given.tried(number, Some(FailureKind::Fatal));
        ledger.fail_and_hold(given.epoch, &first.key, tried, Next::Dead).await
    };
    assert_eq!(in_lane(crate::RunSeq::ZERO).await, [(first.seq, false), (second.seq, false)]);
    for _twice in 0..2 {
        hold(1).await.unwrap();
    }
    assert_eq!(in_lane(crate::RunSeq::ZERO).await, [(first.seq, true), (second.seq, false)]);
    assert_eq!(in_lane(first.seq).await, [(second.seq, false)]);
    let held: Vec<_> = given.open().await.iter().map(|head| (head.seq, head.state, head.held)).collect();
    let open = |seq| (seq, RunState::Pending, false);
    assert_eq!(held, [(first.seq, RunState::Dead, true), open(other.seq), open(second.seq)]);
    assert_eq!(ledger.show(&first.key).await.unwrap().row.holds, Some(1));
    assert_eq!(ledger.show(&second.key).await.unwrap().row.holds, None);

    // Retried it is an open run again; given up it is dead and nothing more.
    assert!(!ledger.retry(given.epoch, &first.key).await.unwrap().held);
    let open = ledger.give_up(given.epoch, &first.key).await;
    assert_eq!(open, Err(LedgerError::RunIs { state: RunState::Pending, needs: "dead" }));
    hold(2).await.unwrap();
    for _twice in 0..2 {
        ledger.give_up(given.epoch, &first.key).await.unwrap();
        assert_eq!(in_lane(crate::RunSeq::ZERO).await, [(second.seq, false)]);
    }
    assert_eq!(ledger.load(&first.key).await.unwrap().head.state, RunState::Dead);

    // Only a dead letter holds.
    let tried = given.tried(1, Some(FailureKind::Reject));
    ledger.fail_and_hold(given.epoch, &second.key, tried, Next::Rejected).await.unwrap();
    assert!(in_lane(crate::RunSeq::ZERO).await.is_empty());
}

pub(super) async fn keeps_tenants_apart(ledger: Arc<dyn Ledger>) {
    let given = Given::a(ledger).await;
    let head = given.pending("1").await;
    let other = RunKey { tenant: "u".parse().unwrap(), run: head.key.run };
    let none = Err(LedgerError::NotFound { what: "run" });
    assert_eq!(given.ledger.load(&other).await.map(drop), none);
    assert_eq!(given.ledger.show(&other).await.map(drop), none);
    assert_eq!(given.ledger.retry(given.epoch, &other).await.map(drop), none);
    assert_eq!(given.ledger.give_up(given.epoch, &other).await, none);
    assert_eq!(given.ledger.finish(given.epoch, &other, given.done(1)).await.map(drop), none);
    let open = given.ledger.open_runs(&other.tenant, &given.bot, crate::RunSeq::ZERO, 9).await.unwrap();
    assert!(open.is_empty());
    assert!(given.ledger.runs(&other.tenant, &crate::RunFilter::default()).await.unwrap().is_empty());
}

pub(super) async fn gives_a_fence_to_one_run(ledger: Arc<dyn Ledger>) {
    let given = Given::a(ledger).await;
    let (ledger, source) = (&given.ledger, &given.source);
    let runs = [given.pending("1").await.key, given.pending("2").await.key];
    let put = async |slot: u32, version: &str| {
        let key = FenceKey { tenant: given.tenant.clone(), source: source.clone(), slot };
        ledger
            .put_fence(given.epoch, &key, format!("Basic/{slot}").parse().unwrap(), VersionId::new(version).ok())
            .await
            .unwrap();
    };
    let behind = |slot: u32, version: &str, attempt: u32| {
        let fence = FenceUse { slot, reference: format!("Basic/{slot}").parse().unwrap(), version: VersionId::new(version).ok() };
        Recorded { fence: Some(fence), ..given.recorded(attempt) }
    };
    let record = async |run: &RunKey, recorded: Recorded| ledger.record(given.epoch, run, recorded, Given::journal(&[])).await;
    let all = async || ledger.fences(&given.tenant, source).await.unwrap();
    let holders = async || all().await.iter().map(|f| f.held_by).collect::<Vec<_>>();
    put(0, "6").await;
    put(1, "1").await;

    // Refused whole: the slot has moved, another run holds it, or there is none.
    let taken = |slot| Err(LedgerError::FenceTaken { slot });
    assert_eq!(record(&runs[0], behind(0, "5", 1)).await, taken(0));
    record(&runs[0], behind(0, "6", 1)).await.unwrap();
    record(&runs[0], behind(0, "6", 1)).await.unwrap();
    assert_eq!(record(&runs[1], behind(0, "6", 1)).await, taken(0));
    assert_eq!(record(&runs[1], behind(2, "1", 1)).await, taken(2));
    let untouched = ledger.load(&runs[1]).await.unwrap();
    assert_eq!((untouched.head.state, untouched.attempts.len()), (RunState::Pending, 0));
    assert_eq!(holders().await, [Some(runs[0].run), None]);

    // The first is done and its fence has moved; the second failed and its fence has not.
    record(&runs[1], behind(1, "1", 1)).await.unwrap();
    ledger.finish(given.epoch, &runs[0], Finish { fence: VersionId::new("7").ok(), ..given.done(1) }).await.unwrap();
    assert_eq!((all().await[0].version.clone(), all().await[0].held_by), (VersionId::new("7").ok(), None));
    given.fails(&runs[1], 1, FailureKind::Retry, Next::Resend { at: at(1) }).await.unwrap();
    assert_eq!(holders().await, [None, Some(runs[1].run)]);
    given.fails(&runs[1], 2, FailureKind::Conflict, Next::Again { at: at(1) }).await.unwrap();
    assert_eq!(holders().await, [None, None]);

    // A run holds one at most: that of its last attempt.
    record(&runs[1], behind(1, "1", 3)).await.unwrap();
    record(&runs[1], behind(0, "7", 4)).await.unwrap();
    assert_eq!(holders().await, [Some(runs[1].run), None]);
    let recorded = ledger.load(&runs[1]).await.unwrap().recorded;
    assert_eq!(recorded, Some(behind(0, "7", 4)));
}
