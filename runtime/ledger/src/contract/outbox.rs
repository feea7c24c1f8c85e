//! Checks of the outbox.

use std::sync::Arc;

use hob_model::{Cause, FailureKind, OutboxItem};

use super::fixtures::{Given, at};
use super::schedule::event;
use crate::{DeadFilter, DeadKind, DeadReason, DueOutbox, Ledger, LedgerError, NewEvent, Next, OutboxKey};

fn item(key: &str, url: &str) -> OutboxItem {
    OutboxItem {
        key: key.to_owned(),
        method: "POST".to_owned(),
        url: url.to_owned(),
        headers: vec![("a".to_owned(), "b".to_owned())],
        body: b"hi".to_vec(),
    }
}

const SMS: &str = "https://sms.example/send?x=1";

/// A run on `Task/{id}` that ends with these requests.
async fn staged(given: &Given, id: &str, items: Vec<OutboxItem>) -> OutboxKey {
    let run = given.pending(id).await.key;
    let mut done = given.done(1);
    done.outbox = items;
    given.ledger.finish(given.epoch, &run, done).await.unwrap();
    OutboxKey { tenant: run.tenant, run: run.run, key: String::new() }
}

async fn begin(given: &Given, now: i64, share: usize, limit: usize) -> Vec<DueOutbox> {
    given.ledger.begin_outbox(given.epoch, at(now), share, limit).await.unwrap()
}

fn keys(due: &[DueOutbox]) -> Vec<&str> {
    due.iter().map(|one| one.key.key.as_str()).collect()
}

fn why(code: &str) -> DeadReason {
    DeadReason { code: code.to_owned(), message: "it said no".to_owned() }
}

fn reply(given: &Given, of: &DueOutbox, status: Option<u16>) -> NewEvent {
    let cause = Cause::Reply { sent_by: of.key.run, key: of.key.key.clone(), status };
    event(given, of.key.event_id(of.round), cause)
}

pub(super) async fn sends_the_outbox_once(ledger: Arc<dyn Ledger>) {
    let given = Given::a(ledger).await;
    let ledger = &given.ledger;
    let run = given.pending("1").await.key;
    // What a failed attempt staged is not sent.
    given.fails(&run, 1, FailureKind::Retry, Next::Again { at: at(1) }).await.unwrap();
    assert!(begin(&given, 999, 9, 9).await.is_empty());
    let mut done = given.done(2);
    done.outbox = vec![item("one", SMS), item("two\n/ü", SMS)];
    for _twice in 0..2 {
        ledger.finish(given.epoch, &run, done.clone()).await.unwrap();
    }
    assert_eq!(ledger.next_outbox(9).await.unwrap(), Some(at(30)));
    assert!(begin(&given, 29, 9, 9).await.is_empty());
    let due = begin(&given, 30, 9, 9).await;
    assert_eq!(due.iter().map(|d| &d.item).collect::<Vec<_>>(), done.outbox.iter().collect::<Vec<_>>());
    assert_eq!((due[0].attempts, due[0].bot.as_str(), due[0].lane.as_str(), due[0].staged), (0, "b", "1", at(30)));
    assert!(due[1].idempotency_key.bytes().all(|b| b.is_ascii_graphic()));
    assert_ne!(due[0].idempotency_key, due[1].idempotency_key);
    // What is being sent is not given again, and whoever comes after a crash finds it.
    assert!(begin(&given, 999, 9, 9).await.is_empty());
    assert_eq!((ledger.next_outbox(9).await.unwrap(), ledger.sending_outbox().await.unwrap()), (None, due.clone()));

    for _twice in 0..2 {
        ledger.outbox_again(given.epoch, &due[0].key, at(80), why("unavailable")).await.unwrap();
    }
    assert!(begin(&given, 79, 9, 9).await.is_empty());
    let again = begin(&given, 80, 9, 9).await;
    assert_eq!((again[0].idempotency_key.as_str(), again[0].attempts), (due[0].idempotency_key.as_str(), 1));
    let answer = reply(&given, &again[0], Some(200));
    let made = ledger.outbox_done(given.epoch, &due[0].key, Some(answer.clone())).await.unwrap();
    assert_eq!(made.heads.len(), 1);
    assert!(ledger.outbox_done(given.epoch, &due[0].key, Some(answer)).await.unwrap().heads.is_empty());
    // What was answered is not tried again.
    ledger.outbox_again(given.epoch, &due[0].key, at(81), why("late")).await.unwrap();
    ledger.outbox_done(given.epoch, &due[1].key, None).await.unwrap();
    assert_eq!((ledger.next_outbox(9).await.unwrap(), begin(&given, 999, 9, 9).await), (None, Vec::new()));
    assert!(ledger.sending_outbox().await.unwrap().is_empty());
    let unknown = OutboxKey { key: "three".to_owned(), ..due[0].key.clone() };
    let refused = ledger.outbox_again(given.epoch, &unknown, at(1), why("x")).await;
    assert!(matches!(refused, Err(LedgerError::NotFound { .. })));
}

pub(super) async fn shares_the_outbox_over_hosts(ledger: Arc<dyn Ledger>) {
    let given = Given::a(ledger).await;
    let ledger = &given.ledger;
    let slow = (0..5).map(|n| item(&format!("slow {n}"), "https://SLOW.example:8443/a")).collect();
    staged(&given, "1", slow).await;
    staged(&given, "2", vec![item("quick", "https://quick.example")]).await;
    // Two to the slow one, in the order in which they were staged, and the other is not kept waiting.
    let first = begin(&given, 30, 2, 9).await;
    let mut told = keys(&first);
    assert!(told.iter().position(|key| *key == "slow 0") < told.iter().position(|key| *key == "slow 1"), "{told:?}");
    told.sort_unstable();
    assert_eq!(told, ["quick", "slow 0", "slow 1"]);
    assert_eq!((begin(&given, 30, 2, 9).await, ledger.next_outbox(2).await.unwrap()), (Vec::new(), None));
    let slow = first.iter().find(|one| one.key.key == "slow 0").unwrap();
    ledger.outbox_again(given.epoch, &slow.key, at(90), why("unavailable")).await.unwrap();
    assert_eq!(ledger.next_outbox(2).await.unwrap(), Some(at(30)));
    // One that is tried again later does not hold up those behind it.
    assert_eq!(keys(&begin(&given, 30, 2, 9).await), ["slow 2"]);
    assert_eq!(keys(&begin(&given, 30, 9, 1).await), ["slow 3"]);
}

pub(super) async fn keeps_requests_that_were_given_up(ledger: Arc<dyn Ledger>) {
    let given = Given::a(ledger).await;
    let ledger = &given.ledger;
    let key = staged(&given, "1", vec![item("a", SMS), item("b", "http://SMS.example:81#x"), item("c", SMS)]).await;
    let due = begin(&given, 30, 9, 9).await;
    let gone = reply(&given, &due[0], None);
    assert_eq!(due[0].key.key, "a");
    let mut made = Vec::new();
    for _twice in 0..2 {
        let queued =
            ledger.outbox_dead(given.epoch, &due[0].key, at(50), why("outbox-unknown"), Some(gone.clone())).await.unwrap();
        made.extend(queued.heads);
    }
    assert_eq!(made.len(), 1);
    let other = due.iter().find(|one| one.key.key == "b").unwrap();
    ledger.outbox_dead(given.epoch, &other.key, at(60), why("outbox-given-up"), None).await.unwrap();
    ledger.outbox_done(given.epoch, &due.iter().find(|one| one.key.key == "c").unwrap().key, None).await.unwrap();

    let all = DeadFilter::default();
    let list = ledger.dead_requests(&given.tenant, &all, None, 9).await.unwrap();
    let told: Vec<_> = list.iter().map(|one| (one.key.key.as_str(), one.host.as_str(), one.reason.code.as_str())).collect();
    assert_eq!(told, [("b", "sms.example:81", "outbox-given-up"), ("a", "sms.example", "outbox-unknown")]);
    assert_eq!(
        (list[1].ended, list[1].attempts, &list[1].method[..], &list[1].reason),
        (at(50), 1, "POST", &why("outbox-unknown"))
    );
    assert_eq!(ledger.dead_requests(&given.tenant, &all, Some(list[0].seq), 9).await.unwrap(), list[1..]);
    let late = DeadFilter { since: Some(at(51)), until: Some(at(61)), bot: Some(given.bot.clone()), ..all.clone() };
    assert_eq!(ledger.dead_requests(&given.tenant, &late, None, 9).await.unwrap(), list[..1]);
    let counts = ledger.dead_counts(&given.tenant, DeadKind::Request, &all).await.unwrap();
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [("outbox-given-up".to_owned(), 1), ("outbox-unknown".to_owned(), 1)]);
    assert_eq!(ledger.stats().await.unwrap().dead_requests, 2);

    // Again, once, under the old key; its answer is an event of its own. What was answered stays so.
    let done = OutboxKey { key: "c".to_owned(), ..key };
    let wanted = vec![due[0].key.clone(), done];
    assert_eq!(ledger.retry_requests(given.epoch, wanted.clone(), at(70)).await.unwrap(), 1);
    assert_eq!(ledger.retry_requests(given.epoch, wanted, at(70)).await.unwrap(), 0);
    let again = begin(&given, 70, 9, 9).await.remove(0);
    assert_eq!((again.attempts, again.round, &again.idempotency_key), (0, 1, &due[0].idempotency_key));
    let answer = reply(&given, &again, Some(200));
    assert_eq!(ledger.outbox_done(given.epoch, &again.key, Some(answer)).await.unwrap().heads.len(), 1);
    assert_eq!(ledger.dead_requests(&given.tenant, &all, None, 9).await.unwrap().len(), 1);
}
