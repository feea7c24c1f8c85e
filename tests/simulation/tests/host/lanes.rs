//! Lanes behind dead letters.

use hob_model::{Cause, Effects, Event, Failure, RunState};
use http::Method;
use serde_json::json;

use crate::dead::site;
use crate::site::{Asked, Site, fatal};

fn fails(asked: &Asked<'_>) -> Result<Effects, Failure> {
    if asked.bad { Err(fatal()) } else { Ok(Effects::default()) }
}

const DEAD: RunState = RunState::Dead;
const DONE: RunState = RunState::Done;
const PENDING: RunState = RunState::Pending;

/// The versions of a Task that the bot which waits was run on, in their order.
fn order(site: &Site, id: &str) -> Vec<String> {
    let of = |event: Event| match event.cause {
        Cause::Change { key, .. } => (key.resource.resource.id.as_str() == id).then(|| key.version.to_string()),
        _ => None,
    };
    site.seen("waits").into_iter().filter_map(of).collect()
}

#[tokio::test(start_paused = true)]
async fn a_lane_goes_on_behind_a_dead_letter_or_waits_as_the_manifest_says() {
    let mut site = site(fails).await;
    site.deploy("goes-on", "[[on]]\nchange = \"Task\"").await;
    site.deploy("waits", "on-dead = \"wait\"\n[[on]]\nchange = \"Task\"").await;
    for (id, status) in [("a", "failed"), ("a", "ready"), ("b", "ready")] {
        site.write(id, status);
        site.quiet().await;
    }
    site.until("goes-on", &[("Task/a 1", DEAD), ("Task/a 2", DONE), ("Task/b 1", DONE)]).await;
    let held = [("Task/a 1", DEAD), ("Task/a 2", PENDING), ("Task/b 1", DONE)];
    let rows = site.until("waits", &held).await;
    assert_eq!((rows[0].holds, rows[2].holds), (Some(1), None));
    // The next host knows of it.
    site.crash();
    site.again().await;
    site.write("a", "ready");
    site.quiet().await;
    let rows = site.until("waits", &[held[0], held[1], held[2], ("Task/a 3", PENDING)]).await;
    assert_eq!(rows[0].holds, Some(2));

    site.must(Method::POST, &format!("runs/{}/drop", rows[0].run), json!({})).await;
    let rows = site.until("waits", &[held[0], ("Task/a 2", DONE), held[2], ("Task/a 3", DONE)]).await;
    assert_eq!(rows[0].holds, None);
    assert_eq!(order(&site, "a"), ["1", "2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_is_opened_again_goes_before_those_that_waited_for_it() {
    let site = site(fails).await;
    site.deploy("waits", "on-dead = \"wait\"\n[[on]]\nchange = \"Task\"").await;
    for status in ["failed", "ready", "ready"] {
        site.write("a", status);
        site.quiet().await;
    }
    let rows = site.until("waits", &[("Task/a 1", DEAD), ("Task/a 2", PENDING), ("Task/a 3", PENDING)]).await;
    // Still bad: it dies again and holds again.
    let retry = format!("runs/{}/retry", rows[0].run);
    site.must(Method::POST, &retry, json!({})).await;
    site.quiet().await;
    let rows = site.until("waits", &[("Task/a 1", DEAD), ("Task/a 2", PENDING), ("Task/a 3", PENDING)]).await;
    assert_eq!((rows[0].attempts, rows[0].holds), (2, Some(2)));
    site.mend();
    site.must(Method::POST, &retry, json!({})).await;
    site.until("waits", &[("Task/a 1", DONE), ("Task/a 2", DONE), ("Task/a 3", DONE)]).await;
    assert_eq!(order(&site, "a"), ["1", "1", "1", "2", "3"]);
}
