//! Dead letters: what cannot be handled, or may have happened, holds up nobody and is not done twice.

use std::sync::Arc;

use hob_ledger::{DeadFilter, Ledger, NotificationSeq};
use hob_model::{Cause, Effects, Failure, OutboxItem, RunState};
use hob_simulation::ledger::{ModelLedger, ModelStore, Mutations};
use http::Method;
use serde_json::json;

use crate::site::{Asked, Decide, EHR, Manner, Received, Site};

pub(crate) async fn site(decide: Decide) -> Site {
    site_with(&[EHR], decide).await
}

/// On a store in memory.
pub(crate) async fn site_with(sources: &[&str], decide: Decide) -> Site {
    let store = ModelStore::new(Mutations::default());
    let open = move || Arc::new(ModelLedger::open(Arc::clone(&store))) as Arc<dyn Ledger>;
    Site::start(open, tempfile::tempdir().unwrap(), sources, decide).await
}

fn nothing(_asked: &Asked<'_>) -> Result<Effects, Failure> {
    Ok(Effects::default())
}

#[tokio::test(start_paused = true)]
async fn a_notification_at_which_the_host_panics_is_put_aside_until_somebody_mended_it() {
    let site = site(nothing).await;
    site.deploy("bot", "[[on]]\nchange = \"Task\"").await;
    // What lies between is read, and the host panics at it.
    site.lost("poison", "ready");
    site.write("poison", "ready");
    site.write("good", "ready");
    site.until("bot", &[("Task/good 1", RunState::Done)]).await;
    site.quiet().await;
    let all = DeadFilter { code: Some("poison".to_owned()), ..DeadFilter::default() };
    let dead = site.ledger.dead_notifications(&site.tenant, &all, None, 9).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert!(site.ledger.unresolved(NotificationSeq::ZERO, 9).await.unwrap().is_empty());
    // The host goes on, and reads it again when it is told to.
    site.write("good", "ready");
    site.until("bot", &[("Task/good 1", RunState::Done), ("Task/good 2", RunState::Done)]).await;
    site.mend();
    site.must(Method::POST, &format!("dead/notifications/{}/retry", dead[0].seq.get()), json!({})).await;
    let done = ["Task/good 1", "Task/good 2", "Task/poison 1", "Task/poison 2"].map(|run| (run, RunState::Done));
    site.until("bot", &done).await;
    assert!(site.ledger.dead_notifications(&site.tenant, &DeadFilter::default(), None, 9).await.unwrap().is_empty());
}

fn panics(asked: &Asked<'_>) -> Result<Effects, Failure> {
    assert!(!asked.bad, "a bot at which the host panics");
    Ok(Effects::default())
}

#[tokio::test(start_paused = true)]
async fn a_run_at_which_the_host_panics_is_a_dead_letter_and_its_lane_goes_on() {
    let mut site = site(panics).await;
    site.deploy("bot", "[retry]\nattempts = 4\n[[on]]\nchange = \"Task\"").await;
    site.write("a", "failed");
    // Cut off in the midst of it, too.
    site.until("bot", &[("Task/a 1", RunState::Pending)]).await;
    site.crash();
    site.again().await;
    site.write("a", "ready");
    let rows = site.until("bot", &[("Task/a 1", RunState::Dead), ("Task/a 2", RunState::Done)]).await;
    assert_eq!(rows[0].failure.as_ref().map(|failure| failure.code.as_str()), Some("panic"));
    assert!((4..=5).contains(&rows[0].attempts), "{} attempts", rows[0].attempts);
    site.mend();
    assert_eq!(site.must(Method::POST, "retry/runs?code=panic", json!({})).await["opened"], 1);
    site.until("bot", &[("Task/a 1", RunState::Done), ("Task/a 2", RunState::Done)]).await;
}

/// Each bot sends one request for each change.
fn sends(asked: &Asked<'_>) -> Result<Effects, Failure> {
    let send = OutboxItem {
        key: "k".to_owned(),
        method: "POST".to_owned(),
        url: "http://sms.sim/".to_owned(),
        headers: Vec::new(),
        body: asked.bot.as_bytes().to_vec(),
    };
    let outbox = if matches!(asked.event.cause, Cause::Change { .. }) { vec![send] } else { Vec::new() };
    Ok(Effects { outbox, ..Effects::default() })
}

const SENDER: &str = "[[on]]\nchange = \"Task\"\n[[on]]\nreply = true\n[[http]]\nmethods = [\"POST\"]\nhost = \"sms.sim\"\npath = \"/\"\ninsecure = true";
const ENDED: [(&str, RunState); 2] = [("Task/a 1", RunState::Done), ("reply", RunState::Done)];

/// The status that the last answer which a bot heard bore.
fn heard(site: &Site, bot: &str) -> Option<u16> {
    let last = site.seen(bot).pop().unwrap();
    let Cause::Reply { status, .. } = last.cause else { panic!("no answer was heard") };
    status
}

fn keys(received: &[Received]) -> Vec<&str> {
    received.iter().map(|one| one.key.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_answer_is_lost_is_not_sent_again_until_somebody_says_so() {
    let site = site(sends).await;
    site.deploy("careful", SENDER).await;
    site.receiver(Manner::LosesOne);
    site.write("a", "ready");
    let rows = site.until("careful", &ENDED).await;
    assert_eq!((heard(&site, "careful"), site.received().len()), (None, 1));
    site.quiet().await;
    assert_eq!(site.received().len(), 1);
    let dead = site.ledger.dead_requests(&site.tenant, &DeadFilter::default(), None, 9).await.unwrap();
    assert_eq!(dead.iter().map(|one| one.reason.code.as_str()).collect::<Vec<_>>(), ["outbox-unknown"]);

    site.must(Method::POST, &format!("dead/outbox/{}/k/retry", rows[0].run), json!({})).await;
    site.until("careful", &[ENDED[0], ENDED[1], ENDED[1]]).await;
    assert_eq!(heard(&site, "careful"), Some(202));
    let received = site.received();
    assert_eq!(received.len(), 2);
    assert_eq!(keys(&received)[0], keys(&received)[1]);
    assert!(site.ledger.dead_requests(&site.tenant, &DeadFilter::default(), None, 9).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_answer_is_lost_is_sent_again_where_the_manifest_says_so() {
    let site = site(sends).await;
    site.deploy("again", &format!("{SENDER}\n[outbox]\nunknown = \"resend\"")).await;
    site.receiver(Manner::LosesOne);
    site.write("a", "ready");
    site.until("again", &ENDED).await;
    site.quiet().await;
    assert_eq!(heard(&site, "again"), Some(202));
    let received = site.received();
    assert_eq!(received.len(), 2, "{received:?}");
    assert_eq!(keys(&received)[0], keys(&received)[1]);
}

#[tokio::test(start_paused = true)]
async fn what_was_being_sent_when_the_host_died_ends_as_the_manifest_says() {
    let mut site = site(sends).await;
    site.deploy("careful", SENDER).await;
    site.deploy("again", &format!("{SENDER}\n[outbox]\nunknown = \"resend\"")).await;
    site.receiver(Manner::Hangs);
    site.write("a", "ready");
    site.until("careful", &ENDED[..1]).await;
    site.until("again", &ENDED[..1]).await;
    while site.received().len() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(site.ledger.sending_outbox().await.unwrap().len(), 2);
    site.crash();
    site.receiver(Manner::Answers);
    site.again().await;
    site.until("careful", &ENDED).await;
    site.until("again", &ENDED).await;
    site.quiet().await;
    assert_eq!((heard(&site, "careful"), heard(&site, "again")), (None, Some(202)));
    let of = |bot: &str| site.received().iter().filter(|one| one.body == bot).cloned().collect::<Vec<_>>();
    assert_eq!(of("careful").len(), 1, "it may have arrived, and nobody said that twice does no harm");
    let again = of("again");
    assert_eq!(again.len(), 2);
    assert_eq!(again[0], again[1]);
    assert!(site.ledger.sending_outbox().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_request_to_an_address_inside_is_a_dead_letter_at_once_and_says_who_can_open_it() {
    let site = site(sends).await;
    site.deploy("curious", SENDER).await;
    site.receiver(Manner::IsInside);
    site.write("a", "ready");
    let rows = site.until("curious", &ENDED).await;
    site.quiet().await;
    assert_eq!((heard(&site, "curious"), site.received().len()), (None, 0));
    let dead = site.ledger.dead_requests(&site.tenant, &DeadFilter::default(), None, 9).await.unwrap();
    let reasons: Vec<_> = dead.iter().map(|one| (one.reason.code.as_str(), one.reason.message.as_str())).collect();
    let [("outbox-address", message)] = reasons[..] else { panic!("{reasons:?}") };
    assert!(message.contains("sms.sim") && message.contains("`[outbound] allow`"), "{message}");
    // The operator lists it, and opens it again.
    site.receiver(Manner::Answers);
    site.must(Method::POST, &format!("dead/outbox/{}/k/retry", rows[0].run), json!({})).await;
    site.until("curious", &[ENDED[0], ENDED[1], ENDED[1]]).await;
    assert_eq!((heard(&site, "curious"), site.received().len()), (Some(202), 1));
}
