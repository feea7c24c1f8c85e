//! Checks of timers and cron.

use std::sync::Arc;

use bytes::Bytes;
use hob_model::{Cause, Event, FailureKind, Payload, RunState, TimerOp, Timestamp};
use serde_json::json;

use super::fixtures::{Given, at};
use crate::{CronKey, Ledger, LedgerError, NewEvent, Next, Opening, RunHead, RunKey};

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

/// Fires at most `limit` of what is due at `now`.
async fn fire(given: &Given, now: Timestamp, limit: usize) -> Vec<RunHead> {
    given.ledger.fire_timers(given.epoch, now, limit).await.unwrap()
}

pub(super) async fn fires_timers_once(ledger: Arc<dyn Ledger>) {
    let given = Given::deployed(ledger).await;
    let ledger = &given.ledger;
    with_timers(&given, "1", vec![set("x", at(200)), set("y", at(100)), set("z", at(300))]).await;
    assert_eq!(ledger.next_timer().await.unwrap(), Some(at(100)));
    assert!(fire(&given, at(99), 9).await.is_empty());
    // Late, the earliest first, no more than asked for; a clock that goes back afterwards fires nothing again.
    let head = fire(&given, at(250), 1).await.remove(0);
    assert!(fire(&given, at(150), 9).await.is_empty());
    assert_eq!(ledger.next_timer().await.unwrap(), Some(at(200)));
    assert_eq!((head.lane.as_str(), head.state, head.source.as_ref()), ("l", RunState::Pending, Some(&given.source)));
    let record = ledger.load(&head.key).await.unwrap();
    assert_eq!((record.event.occurred, record.event.received, record.release), (Some(at(100)), at(250), given.release));
    assert!(matches!(record.event.cause, Cause::Timer { ref key, due, .. } if key == "y" && due == at(100)));
    assert_eq!(&record.payload.bytes[..], br#"{"n":1}"#);
    let second = fire(&given, at(250), 9).await;
    assert_eq!(second.len(), 1);
    assert!(fire(&given, at(250), 9).await.is_empty());
    assert_eq!(given.open().await, [head.clone(), second[0].clone()]);

    // Out of service: nothing is due, and the timers are gone.
    let over = ledger.deactivate(given.epoch, &given.tenant, &given.bot, at(260)).await.unwrap();
    assert_eq!(over, [head.key, second[0].key.clone()]);
    assert_eq!((ledger.next_timer().await.unwrap(), fire(&given, at(999), 9).await), (None, Vec::new()));
}

pub(super) async fn shares_timers_over_bots(ledger: Arc<dyn Ledger>) {
    let mut given = Given::deployed(ledger).await;
    let crowd: Vec<_> = (0..6).map(|n| set(&n.to_string(), at(n))).collect();
    with_timers(&given, "1", crowd).await;
    // Another bot of the same clinic, with one timer that is due later than all of them.
    given.bot = "other".parse().unwrap();
    given.ledger.activate(given.epoch, given.a_deployment()).await.unwrap();
    with_timers(&given, "2", vec![set("x", at(50))]).await;
    let bots = |heads: Vec<RunHead>| heads.into_iter().map(|head| head.bot.to_string()).collect::<Vec<_>>();
    assert_eq!(bots(fire(&given, at(60), 3).await), ["b", "other", "b"]);
    assert_eq!(bots(fire(&given, at(60), 2).await), ["b", "b"]);
    assert_eq!(bots(fire(&given, at(60), 9).await), ["b", "b"]);
    assert_eq!(given.ledger.next_timer().await.unwrap(), None);
}

pub(super) async fn takes_timers_back(ledger: Arc<dyn Ledger>) {
    let given = Given::deployed(ledger).await;
    let ledger = &given.ledger;
    let cancel = || vec![TimerOp::Cancel { key: "x".to_owned() }];
    // Not fired.
    with_timers(&given, "1", vec![set("x", at(100))]).await;
    assert!(with_timers(&given, "2", cancel()).await.is_empty());
    assert_eq!(ledger.next_timer().await.unwrap(), None);
    assert!(fire(&given, at(100), 9).await.is_empty());
    // Fired and not started: whoever starts anew does not find it, and whoever knows of it is told when it comes to run.
    with_timers(&given, "3", vec![set("x", at(100))]).await;
    let fired = fire(&given, at(100), 9).await.remove(0);
    assert_eq!(with_timers(&given, "4", cancel()).await, std::slice::from_ref(&fired.key));
    assert_eq!(ledger.load(&fired.key).await.unwrap().head.state, RunState::Superseded);
    assert!(given.open().await.is_empty());
    let refused = ledger.finish(given.epoch, &fired.key, given.done(1)).await;
    assert!(matches!(refused, Err(LedgerError::RunIs { state: RunState::Superseded, .. })));
    // Failed once, and waiting to be tried again: it has not ended, so it is taken back too.
    with_timers(&given, "8", vec![set("x", at(100))]).await;
    let fired = fire(&given, at(100), 9).await.remove(0);
    given.fails(&fired.key, 1, FailureKind::Retry, Next::Again { at: at(900) }).await.unwrap();
    assert_eq!(with_timers(&given, "9", cancel()).await, [fired.key]);
    // Moved: what has fired was of the timer before. A timer set for the same instant by another run fires anew.
    with_timers(&given, "5", vec![set("x", at(100))]).await;
    let fired = fire(&given, at(100), 9).await.remove(0);
    assert_eq!(with_timers(&given, "6", vec![set("x", at(400))]).await, [fired.key]);
    assert_eq!(ledger.next_timer().await.unwrap(), Some(at(400)));
    assert!(fire(&given, at(399), 9).await.is_empty());
    // Another lane has timers of its own.
    let other = given.resolved("7", 1, vec![given.a_run("m", Opening::Pending)]).await.heads.remove(0);
    let mut done = given.done(1);
    done.timers = cancel();
    ledger.finish(given.epoch, &other.key, done).await.unwrap();
    // A timer's own run may set it again.
    let fired = fire(&given, at(400), 9).await.remove(0);
    let mut done = given.done(1);
    done.timers = vec![set("x", at(500))];
    assert!(ledger.finish(given.epoch, &fired.key, done).await.unwrap().is_empty());
    assert_eq!(ledger.next_timer().await.unwrap(), Some(at(500)));
}

pub(super) fn event(given: &Given, id: hob_model::EventId, cause: Cause) -> NewEvent {
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
    // An event without runs only moves the mark: a trigger that is new begins where it was deployed.
    let mut nothing = event(&given, cron.event_id(at(300)), Cause::Cron { schedule: cron.schedule.clone(), at: at(300) });
    nothing.runs.clear();
    assert!(given.ledger.fire_cron(given.epoch, &cron, at(300), nothing).await.unwrap().heads.is_empty());
    assert_eq!(given.ledger.cron_mark(&cron).await.unwrap(), Some(at(300)));
    let elsewhere = CronKey { zone: "UTC".to_owned(), ..cron };
    assert_eq!(given.ledger.cron_mark(&elsewhere).await.unwrap(), None);
}
