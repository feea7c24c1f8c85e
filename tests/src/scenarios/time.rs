//! What comes due by itself, and what comes back from outside.

use std::time::Duration;

use hob_host::SystemClock;
use hob_model::{Clock as _, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

use crate::hapi::Options;
use crate::logs::CANARY;
use crate::proxy::Receiver;
use crate::site::{Site, answers};
use crate::wait::until;

fn instant(value: &Value) -> Timestamp {
    Timestamp::parse(value.as_str().unwrap()).unwrap()
}

/// A timer fires after it is due and not before, though the host was restarted in between; one that was taken back does not.
pub async fn timers_survive_a_restart(options: Options) {
    let mut site = Site::start(options, "timers").await;
    let due = SystemClock.now() + Duration::from_secs(6);
    let more =
        format!("[[on]]\nchange = \"{}\"\ninteractions = [\"create\"]\n[[on]]\ntimer = true\n", site.criteria("Patient", "a"));
    let change = json!([
        ["timer", "kept", due.to_string(), {"patient": "{ref}"}],
        ["timer", "taken-back", due.to_string(), {}],
        ["cancel", "taken-back"],
    ]);
    site.deploy("waker", &more, json!({"change": change, "timer": [["payload"], ["say", "{key}"]]})).await;
    site.fhir.create(&site.patient("a")).await;
    let first = site.runs("waker", 1).await.remove(0);
    assert_eq!(first["state"], "done", "{first:#}");
    assert_eq!(site.status().await["timers"], 1);

    site.stop().await;
    site.start_here().await;
    let runs = site.runs("waker", 2).await;
    let fired = &runs[1];
    assert_eq!((&fired["state"], &fired["trigger"]), (&json!("done"), &json!("timer")), "{fired:#}");
    assert!(instant(&fired["attempts_list"][0]["started"]) >= due, "{fired:#}");
    assert!(answers(fired)[0].as_str().unwrap().contains("Patient/"), "{fired:#}");
    assert_eq!(fired["log"][0]["text"].as_str().map(str::trim), Some("kept"));
    site.quiet().await;
    assert_eq!((site.rows("waker").await.len(), site.status().await["timers"].as_u64()), (2, Some(0)));
    site.end().await;
}

/// A cron trigger fires at its instants, each once.
pub async fn cron_fires(options: Options) {
    let site = Site::start(options, "cron").await;
    site.deploy("ticker", "[[on]]\ncron = \"* * * * * *\"\nzone = \"America/New_York\"\n", json!({"cron": [["event"]]})).await;
    let rows = until("three ticks", || async {
        let rows = site.rows("ticker").await;
        (rows.iter().filter(|row| row["state"] == "done").count() >= 3).then_some(rows)
    })
    .await;
    let mut instants = Vec::new();
    for row in rows.iter().filter(|row| row["state"] == "done") {
        let run = site.run(row["run"].as_str().unwrap()).await;
        let at = instant(&run["event"]["at"]);
        assert!(instant(&run["attempts_list"][0]["started"]) >= at);
        instants.push(at);
    }
    assert!(instants.windows(2).all(|two| two[0] < two[1]), "{instants:?}");
    site.must(Method::DELETE, "bots/ticker", None).await;
    assert_eq!(site.get("bots").await["bots"], json!([]));
    site.end().await;
}

/// A request is sent after the commit, under one key however often it must be tried, and its answer comes back as an event.
pub async fn outbox_sends_and_hears(options: Options) {
    let site = Site::start(options, "outbox").await;
    for failures in [0_usize, 1] {
        let receiver = Receiver::start("{\"heard\": true}", failures).await;
        let (bot, value) = (format!("sender-{failures}"), format!("p{failures}"));
        let more = format!(
            "[[on]]\nchange = \"{}\"\n[[on]]\nreply = true\n[[http]]\nmethods = [\"POST\"]\nhost = \"{}\"\npath = \"/in\"\ninsecure = true\n",
            site.criteria("Patient", &value),
            receiver.authority()
        );
        let send =
            json!(["send", "k", "POST", format!("http://{}/in/box", receiver.authority()), format!("{{ref}} is {CANARY}")]);
        let elsewhere = json!(["send", "l", "POST", format!("http://{}/out", receiver.authority()), ""]);
        site.deploy(&bot, &more, json!({"change": [send, elsewhere], "reply": [["event"], ["payload"]]})).await;
        site.fhir.create(&site.patient(&value)).await;

        let runs = site.runs(&bot, 2).await;
        let (asked, heard) = (&runs[0], &runs[1]);
        assert_eq!(
            (&asked["state"], &heard["state"], &heard["trigger"]),
            (&json!("done"), &json!("done"), &json!("reply")),
            "{runs:#?}"
        );
        assert!(answers(asked)[1]["error"].is_string(), "what no rule allows is refused: {asked:#}");
        assert!(answers(heard)[0]["trigger"].as_str().unwrap().contains("status: Some(200)"), "{heard:#}");
        assert_eq!(answers(heard)[1], "{\"heard\": true}");
        let seen = receiver.seen();
        assert_eq!(seen.len(), failures + 1);
        let keys: Vec<_> = seen.iter().map(|seen| seen.headers["idempotency-key"].clone()).collect();
        assert!(keys.windows(2).all(|two| two[0] == two[1]) && !keys[0].is_empty());
        assert!(seen.iter().all(|seen| seen.path == "/in/box" && seen.body.starts_with(b"Patient/")));
    }
    site.quiet().await;
    assert_eq!(site.status().await["outbox"], 0);
    site.end().await;
}
