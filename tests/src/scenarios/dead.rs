//! Dead letters: what they hold up, what becomes of them, and how they are opened again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::fhir::reference;
use crate::hapi::Options;
use crate::site::{Site, acting, answers};
use crate::wait::until;

/// Runs of a bot by their subjects and states, the oldest first.
async fn told(site: &Site, bot: &str) -> Vec<(String, String)> {
    let word = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let mut rows: Vec<_> = site.rows(bot).await.iter().map(|row| (word(row, "subject"), word(row, "state"))).collect();
    rows.sort();
    rows
}

/// Where the manifest says so, the runs behind a dead letter wait, also over a restart and a new release, until somebody has it run again or gives it
/// up; others' lanes go on.
pub async fn a_dead_letter_holds_its_lane(options: Options) {
    let mut site = Site::start(options, "holds").await;
    let more = format!(
        "on-dead = \"wait\"\nscopes = [\"system/Observation.c\"]\n[retry]\nattempts = 1\n[[on]]\nchange = \"{}\"\n",
        site.criteria("Patient", "a")
    );
    site.deploy("strict", &more, json!({"change": [["trap", 3]]})).await;
    let patients = [(); 2].map(|()| site.patient("a"));
    let mut names = Vec::new();
    for patient in &patients {
        let made = site.fhir.create(patient).await;
        site.fhir.edit(&reference(&made), "language", json!("en")).await;
        names.push(reference(&made));
    }
    let [first, second] = names.as_slice() else { unreachable!("two were made") };
    let stand = |name: &str, states: [&str; 2]| {
        states.iter().zip(1..).map(|(state, n)| (format!("{name} v{n}"), (*state).to_owned())).collect::<Vec<_>>()
    };
    let stands = async |site: &Site, of_first: [&str; 2], of_second: [&str; 2]| {
        let mut wanted = [stand(first, of_first), stand(second, of_second)].concat();
        wanted.sort();
        until(&format!("{wanted:?}"), || async { (told(site, "strict").await == wanted).then_some(()) }).await;
    };
    stands(&site, ["dead", "pending"], ["dead", "pending"]).await;
    let dead = site.get("dead/runs").await;
    assert_eq!(dead["counts"], json!({"trap": 2}), "{dead:#}");
    assert!(dead["runs"].as_array().unwrap().iter().all(|row| row["holds"] == 1), "{dead:#}");

    site.stop().await;
    site.start_here().await;
    let mended = json!({"change": [["create", site.observation("a")]]});
    let answer = site.must(Method::POST, "bots", Some(acting("hapi", "strict", "2.0.0", &more, mended))).await;
    site.active(&answer).await;
    stands(&site, ["dead", "pending"], ["dead", "pending"]).await;

    let run_of = |name: &str| {
        let subject = format!("{name} v1");
        let row = dead["runs"].as_array().unwrap().iter().find(|row| row["subject"] == subject.as_str());
        row.unwrap()["run"].as_str().unwrap().to_owned()
    };
    site.must(Method::POST, &format!("runs/{}/drop", run_of(second)), None).await;
    stands(&site, ["dead", "pending"], ["dead", "done"]).await;
    let matched = site.must(Method::POST, "retry/runs", Some(json!({"bot": "strict", "code": "trap", "dry_run": true}))).await;
    assert_eq!((&matched["matched"], &matched["opened"]), (&json!({"trap": 2}), &json!(0)), "{matched:#}");
    site.must(Method::POST, &format!("runs/{}/retry", run_of(first)), None).await;
    stands(&site, ["done", "done"], ["dead", "done"]).await;
    site.end().await;
}

/// Takes requests and closes the connection without a word, until it is told to answer.
struct Mute {
    address: String,
    answers: Arc<AtomicBool>,
    /// Path and `Idempotency-Key` of each.
    seen: Arc<Mutex<Vec<(String, String)>>>,
}

impl Mute {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mute = Self { address, answers: Arc::default(), seen: Arc::default() };
        let (answers, seen) = (Arc::clone(&mute.answers), Arc::clone(&mute.seen));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(take(stream, Arc::clone(&answers), Arc::clone(&seen)));
            }
        });
        mute
    }

    fn keys(&self, path: &str) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|(of, _)| of == path).map(|(_, key)| key.clone()).collect()
    }
}

async fn take(mut stream: TcpStream, answers: Arc<AtomicBool>, seen: Arc<Mutex<Vec<(String, String)>>>) {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut more = [0; 1_024];
        let Ok(read @ 1..) = stream.read(&mut more).await else { return };
        head.extend_from_slice(&more[..read]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let key = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("idempotency-key: ").map(str::to_owned));
    seen.lock().unwrap().push((path, key.unwrap_or_default()));
    if answers.load(Ordering::SeqCst) {
        let _ = stream.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
        let _ = stream.shutdown().await;
    }
}

/// A request of which nobody knows whether it arrived is not sent a second time, unless the manifest says that the receiver takes it; the bot hears of
/// both ends, and an operator can have what was given up sent again, under its old key.
pub async fn an_unknown_outcome_ends_as_the_manifest_says(options: Options) {
    let site = Site::start(options, "unknown").await;
    let receiver = Mute::start().await;
    for (bot, outbox) in [("careful", ""), ("sure", "[outbox]\nunknown = \"resend\"\n")] {
        let more = format!(
            "[[on]]\nchange = \"{}\"\n[[on]]\nreply = true\n[[http]]\nmethods = [\"POST\"]\nhost = \"{}\"\npath = \"/{bot}\"\ninsecure = true\n{outbox}",
            site.criteria("Patient", bot),
            receiver.address
        );
        let send = json!(["send", "k", "POST", format!("http://{}/{bot}", receiver.address), "x"]);
        site.deploy(bot, &more, json!({"change": [send], "reply": [["event"]]})).await;
        site.fhir.create(&site.patient(bot)).await;
    }
    let heard = async |bot: &str, count: usize| {
        let run = site.runs(bot, count).await.remove(count - 1);
        answers(&run)[0]["trigger"].as_str().unwrap().to_owned()
    };
    assert!(heard("careful", 2).await.contains("status: None"));
    let again = until("a second try", || async { Some(receiver.keys("/sure")).filter(|keys| keys.len() > 1) }).await;
    assert!(again.iter().all(|key| *key == again[0] && !key.is_empty()), "{again:?}");
    assert_eq!(receiver.keys("/careful").len(), 1);
    let dead = site.get("dead/outbox").await;
    assert_eq!(dead["counts"], json!({"outbox-unknown": 1}), "{dead:#}");

    receiver.answers.store(true, Ordering::SeqCst);
    assert!(heard("sure", 2).await.contains("status: Some(202)"));
    let opened = site.must(Method::POST, "retry/outbox", Some(json!({"bot": "careful"}))).await;
    assert_eq!(opened["opened"], 1, "{opened:#}");
    assert!(heard("careful", 3).await.contains("status: Some(202)"));
    let keys = receiver.keys("/careful");
    assert!(keys.len() == 2 && keys[0] == keys[1], "{keys:?}");
    let status = site.status().await;
    assert_eq!((&status["outbox"], &status["dead_requests"]), (&json!(0), &json!(0)), "{status:#}");
    site.end().await;
}
