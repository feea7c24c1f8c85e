//! Checks of changes, marks and dedupe.

use std::sync::Arc;

use hob_model::{Failure, FailureKind, Interaction, RunState};

use super::fixtures::{Given, at, change, notification};
use crate::{Ledger, NewRun, Opening, Receipt, ResolvedChange, RunFilter, SeenEvent, Wrote};

pub(super) async fn makes_one_run_of_a_change(ledger: Arc<dyn Ledger>) {
    let given = Given::a(ledger).await;
    let accepted = given.ledger.accept(vec![notification("t", 1), notification("t", 1)]).await.unwrap();
    let seqs: Vec<_> = accepted.iter().map(Receipt::seq).collect();
    let resolved = |release: &[u8], runs: &[&str]| ResolvedChange {
        change: change("t", "1", 1),
        ordinal: Some(1),
        received: at(10),
        hop: 3,
        runs: runs
            .iter()
            .map(|bot| NewRun {
                bot: bot.parse().unwrap(),
                release: hob_model::Digest::of(release),
                ..given.a_run("1", Opening::Pending)
            })
            .collect(),
    };
    // By one subscription, by another, by a redelivery, and after a redeploy; then a second bot wants it too.
    let mut made = Vec::new();
    for (seq, change) in [
        (Some(seqs[0]), resolved(b"1", &["b"])),
        (Some(seqs[1]), resolved(b"1", &["b"])),
        (None, resolved(b"2", &["b"])),
        (None, resolved(b"2", &["b", "c"])),
    ] {
        let mut resolution = given.resolution(vec![change]);
        resolution.notifications.extend(seq);
        resolution.seen.push(SeenEvent { source: given.source.clone(), subscription: "x".parse().unwrap(), number: 1 });
        made.extend(given.ledger.resolve(given.epoch, resolution).await.unwrap().heads);
    }
    assert_eq!(made.iter().map(|h| h.bot.as_str()).collect::<Vec<_>>(), ["b", "c"]);
    assert_eq!(given.open().await, made[..1]);
    assert!(given.ledger.unresolved(crate::NotificationSeq::ZERO, 9).await.unwrap().is_empty());

    let record = given.ledger.load(&made[0].key).await.unwrap();
    let wanted = change("t", "1", 1);
    assert_eq!(record.event.id, wanted.key.event_id());
    assert_eq!((record.event.hop, record.event.occurred, record.release), (3, wanted.occurred, hob_model::Digest::of(b"1")));
    let payload: serde_json::Value = serde_json::from_slice(&record.payload.bytes).unwrap();
    assert_eq!(Some(payload), wanted.resource);
    assert_eq!(record.head, made[0]);
    assert_eq!(record.head.resource, Some("Task/1".parse().unwrap()));
}

pub(super) async fn moves_marks_forward_only(ledger: Arc<dyn Ledger>) {
    let given = Given::a(ledger).await;
    let resource = change("t", "1", 1).key.resource;
    assert_eq!(given.ledger.mark(&resource).await.unwrap(), None);
    for (version, ordinal) in [(1, Some(1)), (3, Some(3)), (2, Some(2)), (9, None)] {
        let change = ResolvedChange { change: change("t", "1", version), ordinal, received: at(1), hop: 0, runs: Vec::new() };
        given.ledger.resolve(given.epoch, given.resolution(vec![change])).await.unwrap();
    }
    let mark = given.ledger.mark(&resource).await.unwrap().unwrap();
    assert_eq!((mark.version.as_str(), mark.ordinal, mark.deleted, mark.occurred), ("3", 3, false, Some(at(3))));

    let mut delete = change("t", "1", 4);
    delete.interaction = Interaction::Delete;
    let delete = ResolvedChange { change: delete, ordinal: Some(4), received: at(1), hop: 0, runs: Vec::new() };
    given.ledger.resolve(given.epoch, given.resolution(vec![delete])).await.unwrap();
    assert!(given.ledger.mark(&resource).await.unwrap().unwrap().deleted);
}

pub(super) async fn supersedes_what_waits(ledger: Arc<dyn Ledger>) {
    let given = Given::a(ledger).await;
    let latest = || NewRun { supersedes_earlier: true, ..given.a_run("1", Opening::Pending) };
    given.resolved("1", 1, vec![latest()]).await;
    // What is recorded may be on the server: it is seen through.
    given.ledger.record(given.epoch, &given.key("1", 1), given.recorded(1), Given::journal(&[])).await.unwrap();
    given.resolved("2", 1, vec![latest()]).await;
    let second = given.resolved("1", 2, vec![latest()]).await;
    assert!(second.superseded.is_empty());

    // Two more at once: the last alone waits.
    let changes = [3, 4].map(|version| ResolvedChange {
        change: change("t", "1", version),
        ordinal: Some(version),
        received: at(10),
        hop: 0,
        runs: vec![latest()],
    });
    let queued = given.ledger.resolve(given.epoch, given.resolution(changes.into())).await.unwrap();
    assert_eq!(queued.superseded, [given.key("1", 2), given.key("1", 3)]);
    assert_eq!(queued.heads.iter().map(|h| &h.key).collect::<Vec<_>>(), [&given.key("1", 4)]);
    let open: Vec<_> = given.open().await.into_iter().map(|h| h.key).collect();
    assert_eq!(open, [given.key("1", 1), given.key("2", 1), given.key("1", 4)]);
    // The same again changes nothing.
    assert_eq!(given.resolved("1", 2, vec![latest()]).await, crate::Queued::default());
    assert_eq!(given.open().await.len(), 3);
}

pub(super) async fn keeps_what_is_not_run(ledger: Arc<dyn Ledger>) {
    let given = Given::a(ledger).await;
    let failure = Failure { kind: FailureKind::Fatal, code: "when".to_owned(), message: "line 3".to_owned(), retry_after: None };
    for (version, opening) in [(1, Opening::Late), (2, Opening::Superseded), (3, Opening::Dead(failure.clone()))] {
        let state = opening.state();
        assert!(given.resolved("1", version, vec![given.a_run("1", opening)]).await.heads.is_empty());
        let filter = RunFilter { state: Some(state), ..RunFilter::default() };
        let rows = given.ledger.runs(&given.tenant, &filter).await.unwrap();
        assert_eq!(rows.iter().map(|r| r.run).collect::<Vec<_>>(), [given.key("1", version).run]);
        assert_eq!(rows[0].failure.is_some(), state == RunState::Dead);
        assert!(rows[0].ended.is_some());
    }
    assert!(given.open().await.is_empty());
}

pub(super) async fn knows_its_own_writes(ledger: Arc<dyn Ledger>) {
    let given = Given::a(ledger).await;
    let head = given.pending("1").await;
    let written = change("t", "2", 5).key;
    assert_eq!(given.ledger.wrote(&written).await.unwrap(), None);
    let mut done = given.done(1);
    done.wrote = vec![Wrote { reference: written.resource.resource.clone(), version: written.version.clone() }];
    given.ledger.finish(given.epoch, &head.key, done).await.unwrap();
    let own = given.ledger.wrote(&written).await.unwrap().unwrap();
    assert_eq!((own.bot, own.hop, own.run), (given.bot.clone(), 0, head.key.run));
    assert_eq!(given.ledger.wrote(&change("u", "2", 5).key).await.unwrap(), None);
    assert_eq!(given.ledger.wrote(&change("t", "2", 4).key).await.unwrap(), None);
}
