//! What bots ask somebody outside in the midst of a run.

use hob_model::{Effects, Failure, FailureKind, RunState};
use http::Method;
use serde_json::json;

use crate::dead::site;
use crate::site::{Asked, Manner, Received, Site};

const DONE: RunState = RunState::Done;

/// The first attempt at each Task meets a conflict, until somebody mends it.
fn conflicts(asked: &Asked<'_>) -> Result<Effects, Failure> {
    let failure = Failure { kind: FailureKind::Retry, code: "conflict".to_owned(), message: String::new(), retry_after: None };
    if asked.bad { Err(failure) } else { Ok(Effects::default()) }
}

async fn deploy(site: &Site, bot: &str) {
    let more = format!(
        "[secrets]\nTOKEN = {{ file = \"{}\" }}\n[[http]]\nmethods = [\"GET\", \"POST\"]\nhost = \"sms.sim\"\npath = \"/\"\ninsecure = true\nsecrets = [\"TOKEN\"]\n\
         [[on]]\nchange = \"Task\"",
        site.secret_file().display()
    );
    site.deploy(bot, &more).await;
}

fn bodies(received: &[Received]) -> Vec<&str> {
    received.iter().map(|one| one.body.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_tried_again_is_given_the_answer_that_it_got_and_never_a_secret() {
    let mut site = site(conflicts).await;
    deploy(&site, "asks-by-post").await;
    site.write("a", "failed");
    site.until("asks-by-post", &[("Task/a 1", RunState::Pending)]).await;
    while site.seen("asks-by-post").len() < 2 {
        tokio::task::yield_now().await;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    site.crash();
    site.again().await;
    site.mend();
    let rows = site.until("asks-by-post", &[("Task/a 1", DONE)]).await;
    assert!(rows[0].attempts >= 2, "{rows:?}");
    // The receiver was given the secret; that the bot was not given it back is asserted by the bot.
    assert_eq!(bodies(&site.received()), ["I am simulated"]);
}

#[tokio::test(start_paused = true)]
async fn where_nobody_knows_whether_it_was_done_the_run_stops_until_somebody_has_looked() {
    let site = site(conflicts).await;
    deploy(&site, "asks-by-post").await;
    site.receiver(Manner::LosesOne);
    site.write("a", "ready");
    let rows = site.until("asks-by-post", &[("Task/a 1", RunState::Dead)]).await;
    assert_eq!(rows[0].failure.as_ref().map(|failure| failure.code.as_str()), Some("request-unknown"));
    site.quiet().await;
    assert_eq!(site.received().len(), 1);
    site.must(Method::POST, &format!("runs/{}/retry", rows[0].run), json!({})).await;
    site.until("asks-by-post", &[("Task/a 1", DONE)]).await;
    let received = site.received();
    assert_eq!((received.len(), &received[0].key), (2, &received[1].key));
}

#[tokio::test(start_paused = true)]
async fn what_only_reads_is_asked_again_by_itself() {
    let site = site(conflicts).await;
    deploy(&site, "asks-by-get").await;
    site.receiver(Manner::LosesOne);
    site.write("a", "ready");
    site.until("asks-by-get", &[("Task/a 1", DONE)]).await;
    let received = site.received();
    assert_eq!((received.len(), &received[0].key), (2, &received[1].key));
}

#[tokio::test(start_paused = true)]
async fn an_address_inside_is_told_the_bot_and_nothing_is_left_unknown() {
    let site = site(conflicts).await;
    deploy(&site, "asks-by-post").await;
    site.receiver(Manner::IsInside);
    site.write("a", "ready");
    let failed = async || site.until("asks-by-post", &[("Task/a 1", RunState::Pending)]).await.remove(0).failure;
    let failure = loop {
        match failed().await {
            Some(failure) => break failure,
            None => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    };
    assert_eq!(failure.code, "refused");
    assert!(failure.message.contains("sms.sim") && failure.message.contains("`[outbound] allow`"), "{}", failure.message);
    assert!(site.received().is_empty());
    // Nothing was sent, so a later attempt asks as if for the first time.
    site.receiver(Manner::Answers);
    site.until("asks-by-post", &[("Task/a 1", DONE)]).await;
    assert_eq!(bodies(&site.received()), ["I am simulated"]);
}
