//! Checks of what comes due.

use std::sync::Arc;

use bytes::Bytes;
use hob_model::{Cause, Event, FailureKind, OutboxItem, Payload, RunState, TimerOp, Timestamp};
use serde_json::json;

use super::fixtures::{Given, at};
use crate::{CronKey, Ledger, LedgerError, NewEvent, Next, Opening, OutboxKey, RunKey};

fn set(key: &str, when: Timestamp) -> TimerOp {
    TimerOp::Set { key: key.to_owned(), at: when, payload: json!({"n": 1}) }
}

/// A run on a new task in lane `l` that ends with these timers.
async fn with_timers(given: &Given, id: &str, timers: Vec<TimerOp>) -> Vec<RunKey> {
    let run = given.resolved(id, 1, vec![given.a_run("l", Opening::Pending)]).await.heads.remove(0);
    let mut done = given.done(1);
    done.timers = timers;
    given.ledger.finish(given.epoch, &run.key, done).await.unwrap()
}

pub(super) async fn fires_timers_once(ledger: Arc<dyn Ledger>) {
    let given = Given::deployed(ledger).await;
    let ledger = &given.ledger;
    with_timers(&given, "1", vec![set("x", at(200)), set("y", at(100)), set("z", at(300))]).await;
    assert_eq!(ledger.next_timer().await.unwrap(), Some(at(100)));
    assert!(ledger.due_timers(at(99), 9).await.unwrap().is_empty());
    let due = ledger.due_timers(at(200), 9).await.unwrap();
    assert_eq!(due.iter().map(|t| (t.key.key.as_str(), t.due)).collect::<Vec<_>>(), [("y", at(100)), ("x", at(200))]);
    assert_eq!(ledger.due_timers(at(200), 1).await.unwrap(), due[..1]);

    let head = ledger.fire_timer(given.epoch, &due[0], at(150)).await.unwrap().unwrap();
    assert_eq!(ledger.fire_timer(given.epoch, &due[0], at(151)).await.unwrap(), None);
    assert_eq!((head.lane.as_str(), head.state, head.source.as_ref()), ("l", RunState::Pending, Some(&given.source)));
    let record = ledger.load(&head.key).await.unwrap();
    assert_eq!((record.event.occurred, record.event.received, record.release), (Some(at(100)), at(150), given.release));
    assert!(matches!(record.event.cause, Cause::Timer { ref key, due, .. } if key == "y" && due == at(100)));
    assert_eq!(&record.payload.bytes[..], br#"{"n":1}"#);
    assert_eq!(ledger.due_timers(at(200), 9).await.unwrap(), due[1..]);

    // Out of service: nothing is due, and the timers are gone.
    let over = ledger.deactivate(given.epoch, &given.tenant, &given.bot, at(160)).await.unwrap();
    assert_eq!(over, [head.key]);
    assert_eq!(ledger.fire_timer(given.epoch, &due[1], at(200)).await.unwrap(), None);
    assert_eq!((ledger.next_timer().await.unwrap(), ledger.due_timers(at(999), 9).await.unwrap()), (None, Vec::new()));
}

pub(super) async fn takes_timers_back(ledger: Arc<dyn Ledger>) {
    let given = Given::deployed(ledger).await;
    let ledger = &given.ledger;
    let cancel = || vec![TimerOp::Cancel { key: "x".to_owned() }];
    // Not fired.
    with_timers(&given, "1", vec![set("x", at(100))]).await;
    let stale = ledger.due_timers(at(100), 9).await.unwrap().remove(0);
    assert!(with_timers(&given, "2", cancel()).await.is_empty());
    assert_eq!(ledger.next_timer().await.unwrap(), None);
    assert_eq!(ledger.fire_timer(given.epoch, &stale, at(100)).await.unwrap(), None);
    // Fired and not started.
    with_timers(&given, "3", vec![set("x", at(100))]).await;
    let due = ledger.due_timers(at(100), 9).await.unwrap().remove(0);
    let fired = ledger.fire_timer(given.epoch, &due, at(100)).await.unwrap().unwrap();
    assert_eq!(with_timers(&given, "4", cancel()).await, std::slice::from_ref(&fired.key));
    assert_eq!(ledger.load(&fired.key).await.unwrap().head.state, RunState::Superseded);
    // Moved: what has fired was of the timer before. A timer set for the same instant by another run fires anew.
    with_timers(&given, "5", vec![set("x", at(100))]).await;
    let due = ledger.due_timers(at(100), 9).await.unwrap().remove(0);
    let fired = ledger.fire_timer(given.epoch, &due, at(100)).await.unwrap().unwrap();
    assert_eq!(with_timers(&given, "6", vec![set("x", at(400))]).await, [fired.key]);
    assert_eq!(ledger.next_timer().await.unwrap(), Some(at(400)));
    assert!(ledger.due_timers(at(399), 9).await.unwrap().is_empty());
    // Another lane has timers of its own.
    let other = given.resolved("7", 1, vec![given.a_run("m", Opening::Pending)]).await.heads.remove(0);
    let mut done = given.done(1);
    done.timers = cancel();
    ledger.finish(given.epoch, &other.key, done).await.unwrap();
    // A timer's own run may set it again.
    let due = ledger.due_timers(at(400), 9).await.unwrap().remove(0);
    let fired = ledger.fire_timer(given.epoch, &due, at(400)).await.unwrap().unwrap();
    let mut done = given.done(1);
    done.timers = vec![set("x", at(500))];
    assert!(ledger.finish(given.epoch, &fired.key, done).await.unwrap().is_empty());
    assert_eq!(ledger.next_timer().await.unwrap(), Some(at(500)));
}

fn event(given: &Given, id: hob_model::EventId, cause: Cause) -> NewEvent {
    let event = Event {
        id,
        tenant: given.tenant.clone(),
        source: Some(given.source.clone()),
        cause,
        occurred: None,
        received: at(10),
        hop: 0,
    };
    let payload = Payload { content_type: "text/plain".to_owned(), bytes: Bytes::from_static(b"p") };
    NewEvent { event, payload, runs: vec![given.a_run("l", Opening::Pending)] }
}

pub(super) async fn fires_cron_once(ledger: Arc<dyn Ledger>) {
    let given = Given::a(ledger).await;
    let cron = CronKey {
        tenant: given.tenant.clone(),
        bot: given.bot.clone(),
        schedule: "0 0 9 * * *".to_owned(),
        zone: "America/New_York".to_owned(),
    };
    assert_eq!(given.ledger.cron_mark(&cron).await.unwrap(), None);
    let mut made = 0;
    for instant in [at(100), at(100), at(90), at(200)] {
        let cause = Cause::Cron { schedule: cron.schedule.clone(), at: instant };
        let event = event(&given, cron.event_id(instant), cause);
        made += given.ledger.fire_cron(given.epoch, &cron, instant, event).await.unwrap().heads.len();
    }
    assert_eq!(made, 2);
    assert_eq!(given.ledger.cron_mark(&cron).await.unwrap(), Some(at(200)));
    let elsewhere = CronKey { zone: "UTC".to_owned(), ..cron };
    assert_eq!(given.ledger.cron_mark(&elsewhere).await.unwrap(), None);
}

pub(super) async fn sends_the_outbox_once(ledger: Arc<dyn Ledger>) {
    let given = Given::a(ledger).await;
    let ledger = &given.ledger;
    let run = given.pending("1").await.key;
    let item = |key: &str| OutboxItem {
        key: key.to_owned(),
        method: "POST".to_owned(),
        url: "https://sms.example/send".to_owned(),
        headers: vec![("a".to_owned(), "b".to_owned())],
        body: b"hi".to_vec(),
    };
    // What a failed attempt staged is not sent.
    given.fails(&run, 1, FailureKind::Retry, Next::Again { at: at(1) }).await.unwrap();
    assert!(ledger.due_outbox(at(999), 9).await.unwrap().is_empty());
    let mut done = given.done(2);
    done.outbox = vec![item("one"), item("two\n/ü")];
    for _twice in 0..2 {
        ledger.finish(given.epoch, &run, done.clone()).await.unwrap();
    }
    let due = ledger.due_outbox(at(30), 9).await.unwrap();
    assert_eq!(due.iter().map(|d| &d.item).collect::<Vec<_>>(), done.outbox.iter().collect::<Vec<_>>());
    assert_eq!((due[0].attempts, due[0].bot.as_str(), due[0].lane.as_str(), due[0].staged), (0, "b", "1", at(30)));
    assert!(due[1].idempotency_key.bytes().all(|b| b.is_ascii_graphic()));
    assert_ne!(due[0].idempotency_key, due[1].idempotency_key);

    ledger.outbox_again(given.epoch, &due[0].key, at(80)).await.unwrap();
    assert_eq!(ledger.due_outbox(at(79), 9).await.unwrap(), due[1..]);
    assert_eq!(ledger.due_outbox(at(80), 9).await.unwrap()[0].idempotency_key, due[0].idempotency_key);
    let cause = Cause::Reply { sent_by: run.run, key: "one".to_owned(), status: Some(200) };
    let reply = event(&given, due[0].key.event_id(), cause);
    let made = ledger.outbox_done(given.epoch, &due[0].key, Some(reply.clone())).await.unwrap();
    assert_eq!(made.heads.len(), 1);
    assert!(ledger.outbox_done(given.epoch, &due[0].key, Some(reply)).await.unwrap().heads.is_empty());
    assert_eq!(ledger.next_outbox().await.unwrap(), Some(at(30)));
    ledger.outbox_done(given.epoch, &due[1].key, None).await.unwrap();
    assert_eq!((ledger.next_outbox().await.unwrap(), ledger.due_outbox(at(999), 9).await.unwrap()), (None, Vec::new()));
    let unknown = OutboxKey { key: "three".to_owned(), ..due[0].key.clone() };
    assert!(matches!(ledger.outbox_again(given.epoch, &unknown, at(1)).await, Err(LedgerError::NotFound { .. })));
}
