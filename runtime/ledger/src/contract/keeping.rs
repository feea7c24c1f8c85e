//! Checks of pruning: what is over goes, what is needed stays, and nothing is run twice for it.

use std::sync::Arc;

use hob_model::{FailureKind, OutboxItem, RunState, TimerOp, Timestamp, VersionId};
use serde_json::json;

use super::fixtures::{Given, at, change, notification};
use crate::{
    DeadFilter, DeadReason, FenceKey, FenceUse, Ledger, LedgerError, NewNotification, Next, NotificationSeq, Opening, OutboxKey,
    PruneCursor, PruneRules, Recorded, ResolvedChange, RunFilter, RunKey, Verdict, Wrote,
};

/// Later than all that the checks do.
const LATER: Timestamp = at(1_000_000);
const EARLIER: Timestamp = at(0);

/// A pass, a few rows a time. Gives how many runs and notifications went.
async fn pass(given: &Given, rules: PruneRules) -> (usize, usize) {
    let (mut gone, mut from) = ((0, 0), PruneCursor::BEGIN);
    while !from.is_end() {
        let pruned = given.ledger.prune(given.epoch, &rules, from, 2).await.unwrap();
        gone = (gone.0 + pruned.runs, gone.1 + pruned.notifications);
        from = pruned.next;
    }
    gone
}

async fn states(given: &Given) -> Vec<RunState> {
    let filter = RunFilter { limit: 100, ..RunFilter::default() };
    given.ledger.runs(&given.tenant, &filter).await.unwrap().iter().rev().map(|row| row.state).collect()
}

async fn is_there(given: &Given, key: &RunKey) -> bool {
    match given.ledger.show(key).await {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error, LedgerError::NotFound { what: "run" });
            false
        }
    }
}

pub(super) async fn forgets_what_is_over(ledger: Arc<dyn Ledger>) {
    let given = Given::a(ledger).await;
    let (ledger, all) = (&given.ledger, PruneRules { ended: LATER, dead: LATER });
    let open = given.pending("1").await.key;
    let done = given.pending("2").await.key;
    ledger.record(given.epoch, &done, given.recorded(1), Given::journal(&["line"])).await.unwrap();
    ledger.finish(given.epoch, &done, given.done(1)).await.unwrap();
    let dead = given.pending("3").await.key;
    let tried = given.tried(1, Some(FailureKind::Fatal));
    ledger.fail_and_hold(given.epoch, &dead, tried, Next::Dead).await.unwrap();
    // One event, two runs: it stays until both are gone.
    let mut other = given.a_run("4", Opening::Pending);
    other.bot = "c".parse().unwrap();
    let both = given.resolved("4", 1, vec![given.a_run("4", Opening::Superseded), other]).await;
    let kept = both.heads[0].key.clone();
    assert_eq!(pass(&given, PruneRules { ended: EARLIER, dead: EARLIER }).await, (0, 0));

    assert_eq!(pass(&given, PruneRules { ended: LATER, dead: EARLIER }).await, (2, 0));
    assert!(!is_there(&given, &done).await && is_there(&given, &dead).await);
    assert!(ledger.logs(&given.tenant, &crate::LogFilter::default()).await.unwrap().is_empty());
    assert_eq!(ledger.load(&kept).await.unwrap().event.id, change("t", "4", 1).key.event_id());
    assert_eq!(ledger.load(&open).await.unwrap().head.state, RunState::Pending);
    // A dead letter that holds its lane is waited for.
    assert_eq!(pass(&given, all).await, (0, 0));
    ledger.give_up(given.epoch, &dead).await.unwrap();
    assert_eq!(pass(&given, all).await, (1, 0));
    assert_eq!(states(&given).await, [RunState::Pending, RunState::Pending]);
    // What is left goes on as if nothing had been.
    ledger.finish(given.epoch, &open, given.done(1)).await.unwrap();
    ledger.finish(given.epoch, &kept, given.done(1)).await.unwrap();
    assert_eq!(pass(&given, all).await, (2, 0));
    // The marks know what was run.
    for id in ["1", "2", "3", "4"] {
        let mark = ledger.mark(&change("t", id, 1).key.resource).await.unwrap().unwrap();
        assert_eq!((mark.version.as_str(), mark.ordinal), ("1", 1));
    }
    let over = ledger.retry(given.epoch, &done).await;
    assert_eq!(over, Err(LedgerError::NotFound { what: "run" }));
}

pub(super) async fn keeps_what_is_needed(ledger: Arc<dyn Ledger>) {
    let given = Given::deployed(ledger).await;
    let (ledger, source, all) = (&given.ledger, &given.source, PruneRules { ended: LATER, dead: LATER });
    // A request that is to be sent, is being sent or was given up, and a timer that is set.
    let sends = given.pending("1").await.key;
    let mut done = given.done(1);
    let item = OutboxItem { key: "k".into(), method: "POST".into(), url: "https://x/".into(), headers: vec![], body: vec![] };
    done.outbox = vec![item];
    done.timers = vec![TimerOp::Set { key: "t".to_owned(), at: at(500), payload: json!(1) }];
    ledger.finish(given.epoch, &sends, done).await.unwrap();
    // Effects of which nobody knows whether they are on the server, and the fence that tells.
    let unsure = given.pending("2").await.key;
    let fence = FenceKey { tenant: given.tenant.clone(), source: source.clone(), slot: 0 };
    ledger.put_fence(given.epoch, &fence, "Basic/0".parse().unwrap(), VersionId::new("1").ok()).await.unwrap();
    let moves = FenceUse { slot: 0, reference: "Basic/0".parse().unwrap(), version: VersionId::new("1").ok() };
    let recorded = Recorded { fence: Some(moves), ..given.recorded(1) };
    ledger.record(given.epoch, &unsure, recorded, Given::journal(&[])).await.unwrap();
    given.fails(&unsure, 1, FailureKind::Retry, Next::DeadUnsure).await.unwrap();
    assert_eq!(pass(&given, all).await, (0, 0));
    assert_eq!(ledger.retry(given.epoch, &unsure).await.unwrap().state, RunState::Recorded);

    let request = OutboxKey { tenant: given.tenant.clone(), run: sends.run, key: "k".to_owned() };
    assert_eq!(ledger.begin_outbox(given.epoch, at(100), 1, 9).await.unwrap().len(), 1);
    assert_eq!(pass(&given, all).await, (0, 0));
    // A dead letter for as long as dead letters are kept, though its run is done.
    let reason = DeadReason { code: "c".to_owned(), message: "m".to_owned() };
    ledger.outbox_dead(given.epoch, &request, at(100), reason, None).await.unwrap();
    assert_eq!(pass(&given, PruneRules { ended: LATER, dead: at(100) }).await, (0, 0));
    assert_eq!(pass(&given, PruneRules { ended: LATER, dead: at(101) }).await, (1, 0));
    assert_eq!(ledger.stats().await.unwrap().dead_requests, 0);
    // The timer fires for all that, and once.
    let fired = ledger.fire_timers(given.epoch, at(500), 9).await.unwrap().remove(0);
    ledger.finish(given.epoch, &fired.key, given.done(1)).await.unwrap();
    assert_eq!(pass(&given, all).await, (1, 0));
    assert!(ledger.fire_timers(given.epoch, LATER, 9).await.unwrap().is_empty());
}

pub(super) async fn keeps_the_loop_guard(ledger: Arc<dyn Ledger>) {
    let given = Given::a(ledger).await;
    let (ledger, all) = (&given.ledger, PruneRules { ended: LATER, dead: LATER });
    // A run on Task/1 writes version 2 of Task/2, which has a mark, and Task/9, of which nobody ever told.
    given.resolved("2", 1, Vec::new()).await;
    let run = given.pending("1").await.key;
    ledger.record(given.epoch, &run, given.recorded(1), Given::journal(&[])).await.unwrap();
    let mut done = given.done(1);
    let wrote =
        |reference: &str, version: &str| Wrote { reference: reference.parse().unwrap(), version: version.parse().unwrap() };
    done.wrote = vec![wrote("Task/2", "2"), wrote("Task/9", "1")];
    ledger.finish(given.epoch, &run, done).await.unwrap();
    let own = change("t", "2", 2).key;
    assert_eq!(pass(&given, all).await, (0, 0));
    assert_eq!(ledger.wrote(&own).await.unwrap().map(|own| own.bot), Some(given.bot.clone()));
    // Its notification came and was judged: nobody will ask again.
    given.resolved("2", 2, Vec::new()).await;
    assert_eq!(pass(&given, all).await, (1, 0));
    assert_eq!(ledger.wrote(&own).await.unwrap(), None);
    assert_eq!(ledger.wrote(&change("t", "9", 1).key).await.unwrap(), None);
}

pub(super) async fn forgets_notifications(ledger: Arc<dyn Ledger>) {
    let given = Given::a(ledger).await;
    let ledger = &given.ledger;
    let verdict = Verdict::Dead(DeadReason { code: "c".to_owned(), message: "m".to_owned() });
    let control = NewNotification { verdict: Verdict::Control, ..notification("t", 2) };
    let dead = NewNotification { verdict, ..notification("u", 3) };
    let batch = vec![notification("t", 1), control, dead, notification("u", 4), notification("t", 5)];
    let seqs: Vec<_> = ledger.accept(batch).await.unwrap().iter().map(crate::Receipt::seq).collect();
    let resolved = ResolvedChange { change: change("t", "1", 1), ordinal: Some(1), received: at(1), hop: 0, runs: Vec::new() };
    let mut resolution = given.resolution(vec![resolved]);
    resolution.notifications = vec![seqs[0], seqs[4]];
    ledger.resolve(given.epoch, resolution).await.unwrap();
    assert_eq!(pass(&given, PruneRules { ended: at(1), dead: at(1) }).await, (0, 0));
    assert_eq!(pass(&given, PruneRules { ended: LATER, dead: EARLIER }).await, (0, 3));
    assert_eq!(ledger.dead_notifications(&"u".parse().unwrap(), &DeadFilter::default(), None, 9).await.unwrap().len(), 1);
    assert_eq!(pass(&given, PruneRules { ended: EARLIER, dead: LATER }).await, (0, 1));
    let open = ledger.unresolved(NotificationSeq::ZERO, 9).await.unwrap();
    assert_eq!(open.iter().map(|n| n.seq).collect::<Vec<_>>(), [seqs[3]]);
    // Seqs are not given again.
    assert!(ledger.accept(vec![notification("t", 6)]).await.unwrap()[0].seq() > seqs[4]);
}
