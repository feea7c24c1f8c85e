//! What a FHIR server did not notify is found and run: all of it, in order, once.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};

use crate::fhir::{reference, version};
use crate::hapi::Options;
use crate::proxy::Mode;
use crate::site::{Site, acting};
use crate::wait::until;

/// Writers at once.
const WRITERS: usize = 6;

const ALL: &str = "interactions = [\"create\", \"update\", \"delete\"]\n";

async fn watcher(site: &Site) {
    let more = format!("[[on]]\nchange = \"{}\"\n{ALL}", site.criteria("Patient", "a"));
    site.deploy("watcher", &more, json!({"change": [["say", "{ref} {version}"]]})).await;
}

/// Does `work` for each, some at once.
async fn each<T, F: Future<Output = String>>(all: impl IntoIterator<Item = T>, work: impl Fn(T) -> F) -> Vec<String> {
    futures::stream::iter(all).map(work).buffer_unordered(WRITERS).collect().await
}

async fn created(site: &Site) -> String {
    reference(&site.fhir.create(&site.patient("a")).await)
}

async fn changed(site: &Site, patient: &str, times: usize) -> String {
    let mut now = site.fhir.read(patient).await;
    for _ in 0..times {
        let next = version(&now).parse::<u64>().unwrap() + 1;
        now["multipleBirthInteger"] = json!(next);
        now = site.fhir.update(&now).await;
    }
    patient.to_owned()
}

/// All runs of the watcher, the oldest first.
async fn all_rows(site: &Site) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut before = String::new();
    loop {
        let page = site.get(&format!("runs?bot=watcher&limit=1000{before}")).await;
        rows.extend(page["runs"].as_array().unwrap().iter().cloned());
        match page["next"].as_u64() {
            Some(next) => before = format!("&before={next}"),
            None => break,
        }
    }
    rows.reverse();
    rows
}

/// Waits until each of these has a run for every version from 1 to the last; then none has more, and the bot saw each one's in order.
async fn every_version_once_in_order(site: &Site, last: &BTreeMap<String, u64>) {
    let expected: usize = last.values().map(|last| usize::try_from(*last).unwrap()).sum();
    let rows = until(&format!("{expected} ended runs"), || async {
        let counts = site.get("bots").await["bots"][0]["runs"].clone();
        let ended = counts["done"].as_u64().unwrap_or_default();
        if ended < expected as u64 {
            return None;
        }
        Some(all_rows(site).await)
    })
    .await;
    site.quiet().await;
    assert_eq!(rows.len(), expected);
    assert!(rows.iter().all(|row| row["state"] == "done" && row["attempts"] == 1));
    // What the bot itself said, in the order in which it said it.
    let mut said: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut after = 0;
    loop {
        let page = site.get(&format!("logs?bot=watcher&limit=1000&after={after}")).await;
        let lines = page["lines"].as_array().unwrap();
        for line in lines {
            let (patient, version) = line["text"].as_str().unwrap().trim().split_once(' ').unwrap();
            said.entry(patient.to_owned()).or_default().push(version.parse().unwrap());
        }
        match lines.last() {
            Some(line) => after = line["seq"].as_u64().unwrap(),
            None => break,
        }
    }
    let wanted: BTreeMap<String, Vec<u64>> =
        last.iter().map(|(patient, last)| (patient.clone(), (1..=*last).collect())).collect();
    assert_eq!(said, wanted);
}

/// While the host is stopped, 500 resources are changed, created, and created and deleted at once, and nothing of that is ever notified: the server gave
/// up, or lost its queue. Once the host is back every version has run, in order, once.
pub async fn what_came_while_stopped_is_run(options: Options) {
    const CHANGED: usize = 200;
    const CREATED: usize = 150;
    const GONE: usize = 150;
    let mut site = Site::start(options, "stopped").await;
    watcher(&site).await;
    let before = each(0..CHANGED, |_| created(&site)).await;
    let mut last: BTreeMap<String, u64> = before.iter().map(|patient| (patient.clone(), 1)).collect();
    every_version_once_in_order(&site, &last).await;

    site.stop().await;
    let stopped = stopped_for();
    site.hooks.set(if stopped.is_zero() { Mode::Lose } else { Mode::Down });
    let numbered = before.iter().enumerate();
    each(numbered, |(number, patient)| changed(&site, patient, if number % 4 == 0 { 3 } else { 1 })).await;
    for (number, patient) in before.iter().enumerate() {
        last.insert(patient.clone(), if number % 4 == 0 { 4 } else { 2 });
    }
    let made = each(0..CREATED, |_| created(&site)).await;
    last.extend(made.into_iter().map(|patient| (patient, 1)));
    let gone = each(0..GONE, |_| async {
        let patient = created(&site).await;
        site.fhir.delete(&patient).await;
        patient
    })
    .await;
    last.extend(gone.into_iter().map(|patient| (patient, 2)));
    tokio::time::sleep(stopped).await;
    // The server has nothing left to send: what the host finds, it finds by itself.
    site.start_here().await;
    every_version_once_in_order(&site, &last).await;
    let source = until("a sweep that is done", || async {
        let source = site.get("sources").await["sources"][0].clone();
        (source["last_sweep"]["done"] == true).then_some(source)
    })
    .await;
    assert!(source["sweeps"].as_array().unwrap().iter().any(|sweep| sweep["type"] == "Patient"), "{source:#}");

    // A second start finds nothing new.
    site.stop().await;
    site.hooks.set(Mode::Pass);
    site.start_here().await;
    until("the sweep of the second start", || async {
        (site.get("sources").await["sources"][0]["last_sweep"]["done"] == true).then_some(())
    })
    .await;
    every_version_once_in_order(&site, &last).await;
    site.end().await;
}

/// How long the host stays away by the clock, for whoever wants to see it: `HOB_TEST_STOPPED_S` seconds. Without it nothing is waited for, and the server's
/// messages are lost at once.
fn stopped_for() -> Duration {
    let seconds = std::env::var("HOB_TEST_STOPPED_S").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or_default())
}

/// 50 patients are changed 1,000 times as fast as the server takes it. In between the host cannot be reached for longer than the server tries; what it
/// then sends comes out of order. Every version reaches the bot in its order, once; also the last ones, which nothing that came after them would show.
pub async fn quick_updates_with_an_unreachable_host(options: Options) {
    const PATIENTS: usize = 50;
    const UPDATES: usize = 20;
    const LAST: usize = 10;
    let options = Options { retry_seconds: 1, ..options };
    let mut site = Site::start(options, "unreachable").await;
    // The server does not tell that it gave up: only a comparison finds it.
    site.restart_with("sweep-ms = 4000\n").await;
    watcher(&site).await;
    let patients = each(0..PATIENTS, |_| created(&site)).await;

    let given_up = async {
        site.hooks.set(Mode::Down);
        // Each message is tried for a second; these were tried and given up.
        site.hooks.refused(60).await;
        site.hooks.set(Mode::Pass);
    };
    let writing = each(&patients, |patient| changed(&site, patient, UPDATES));
    futures::join!(given_up, writing);
    let mut last: BTreeMap<String, u64> = patients.iter().map(|patient| (patient.clone(), UPDATES as u64 + 1)).collect();
    every_version_once_in_order(&site, &last).await;

    site.hooks.set(Mode::Down);
    each(&patients[..LAST], |patient| changed(&site, patient, 1)).await;
    for patient in &patients[..LAST] {
        last.insert(patient.clone(), UPDATES as u64 + 2);
    }
    // Found while nothing can be posted; and what is posted after all is known.
    every_version_once_in_order(&site, &last).await;
    site.hooks.set(Mode::Pass);
    let newest = site.fhir.edit(&patients[0], "language", json!("en")).await;
    last.insert(patients[0].clone(), version(&newest).parse().unwrap());
    every_version_once_in_order(&site, &last).await;
    site.end().await;
}

/// A Subscription that somebody switched off, and one that somebody deleted, post again, and what they did not post is run.
pub async fn a_silent_subscription_posts_again(options: Options) {
    let mut site = Site::start(options, "silent").await;
    site.restart_with("sweep-ms = 2000\n").await;
    watcher(&site).await;
    let subscription = || async {
        let bots = site.get("bots").await;
        bots["bots"][0]["subscriptions"][0]["reference"].as_str().unwrap().to_owned()
    };
    let active = || async {
        let reference = subscription().await;
        let (_, found) = site.fhir.ask(Method::GET, &reference, None).await;
        (found["status"] == "active").then_some(reference)
    };
    let mut last = BTreeMap::from([(created(&site).await, 1)]);
    every_version_once_in_order(&site, &last).await;

    let first = until("an active Subscription", active).await;
    site.fhir.edit(&first, "status", json!("off")).await;
    last.insert(created(&site).await, 1);
    every_version_once_in_order(&site, &last).await;
    assert_eq!(until("a Subscription that is active again", active).await, first);

    site.fhir.delete(&first).await;
    last.insert(created(&site).await, 1);
    every_version_once_in_order(&site, &last).await;
    let second = until("another Subscription", || async { active().await.filter(|reference| *reference != first) }).await;
    let source = site.get("sources").await["sources"][0].clone();
    assert!(source["last_sweep"].is_object(), "{source:#}");

    // What the host took out of service itself stays off.
    site.must(Method::DELETE, "bots/watcher", None).await;
    assert_eq!(site.fhir.read(&second).await["status"], "off");
    site.end().await;
}

/// How far behind Hob is can be seen; and a bot that needs what a source was not proved to give back is refused, unless it can do without.
pub async fn what_would_be_lost_is_said(options: Options) {
    let site = Site::start(options, "said").await;
    watcher(&site).await;
    until("the first sweep", || async { (site.get("sources").await["sources"][0]["last_sweep"]["done"] == true).then_some(()) })
        .await;
    let checked = || async {
        let text = site.stream("sources/hapi/check", json!({})).await;
        serde_json::from_str::<Value>(text.lines().last().unwrap()).unwrap()
    };
    site.hooks.set(Mode::Lose);
    created(&site).await;
    let behind = checked().await;
    assert_eq!((&behind["behind"][0]["type"], &behind["behind"][0]["waiting"]), (&json!("Patient"), &json!(1)), "{behind:#}");
    assert!(behind["behind"][0]["seen"].is_string() && behind["open_runs"] == 0, "{behind:#}");
    let recovers = behind["recovers"].as_array().unwrap();
    assert!(recovers.len() == 4 && recovers.iter().all(|recovery| recovery["recovered"] == true), "{behind:#}");

    let source = json!({"base": site.server.base_url(), "inbound": {"type": "header", "name": "Authorization", "value": {"file": site.secret("inbound")}}});
    site.must(Method::PUT, "sources/unproved", Some(source)).await;
    let bot = |more: &str| {
        let on = format!("[[on]]\nchange = \"{}\"\n{ALL}{more}", site.criteria("Patient", "b"));
        acting("unproved", "needing", "1.0.0", &on, json!({}))
    };
    let (status, answer) = site.call(Method::POST, "bots", Some(bot(""))).await;
    assert_eq!((status.as_u16(), &answer["error"]["code"]), (400, &json!("source-unrecoverable")), "{answer:#}");
    site.must(Method::POST, "bots", Some(bot("source-only = true\n"))).await;
    site.end().await;
}

/// The past of a bot is run on purpose: counted first, then made, and never twice.
pub async fn the_past_is_run_on_purpose(options: Options) {
    let site = Site::start(options, "past").await;
    let patients = each(0..12, |_| created(&site)).await;
    let since = site.fhir.read(&patients[0]).await["meta"]["lastUpdated"].clone();
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    for (number, patient) in patients.iter().enumerate() {
        changed(&site, patient, number % 3).await;
        last.insert(patient.clone(), number as u64 % 3 + 1);
    }
    site.fhir.delete(&patients[0]).await;
    last.insert(patients[0].clone(), 2);
    watcher(&site).await;
    let expected: u64 = last.values().sum();

    let backfill = |body: Value| async {
        let text = site.stream("bots/watcher/backfill", body).await;
        serde_json::from_str::<Value>(text.lines().last().unwrap()).unwrap()
    };
    let dry = backfill(json!({"dry_run": true})).await;
    assert_eq!((&dry["new"], &dry["dry_run"], &dry["unreadable"]), (&json!(expected), &json!(true), &json!(0)), "{dry:#}");
    let counted = |interaction: &str| {
        dry["counts"].as_array().unwrap().iter().find(|count| count["interaction"] == interaction).cloned().unwrap()
    };
    assert_eq!((&counted("create")["new"], &counted("delete")["new"]), (&json!(12), &json!(1)), "{dry:#}");
    assert!(site.rows("watcher").await.is_empty(), "a dry run makes nothing");
    let current = backfill(json!({"dry_run": true, "current": true})).await;
    assert_eq!(current["new"], 12, "{current:#}");
    let none = backfill(json!({"dry_run": true, "until": since})).await;
    assert!(none["new"].as_u64().unwrap() < 12, "{none:#}");

    // One that the bot has seen by itself gets no second run, also where the past is run again.
    changed(&site, &patients[1], 1).await;
    *last.get_mut(&patients[1]).unwrap() += 1;
    let newest = format!("{} v{}", patients[1], last[&patients[1]]);
    until("the run of the present", || async {
        site.rows("watcher").await.iter().any(|row| row["subject"] == newest.as_str() && row["state"] == "done").then_some(())
    })
    .await;
    let made = backfill(json!({})).await;
    assert_eq!(made["new"], expected, "{made:#}");
    let again = backfill(json!({})).await;
    assert_eq!(again["new"], 0, "{again:#}");
    site.quiet().await;
    let mut subjects: Vec<String> = all_rows(&site).await.iter().map(|row| row["subject"].as_str().unwrap().to_owned()).collect();
    subjects.sort();
    let mut wanted: Vec<String> =
        last.iter().flat_map(|(patient, last)| (1..=*last).map(move |version| format!("{patient} v{version}"))).collect();
    wanted.sort();
    assert_eq!(subjects, wanted);
    site.end().await;
}
