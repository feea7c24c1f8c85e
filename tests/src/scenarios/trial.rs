//! Another release on what was recorded, and releases that are observed: what they would do is told, and nothing of it is done.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fhir::reference;
use crate::hapi::Options;
use crate::site::{Site, acting};
use crate::wait::until;

/// The lines of a trial: the runs that it tells of, and the sum at its end.
pub async fn trial(site: &Site, bot: &str, wish: Value) -> (Vec<Value>, Value) {
    let text = site.stream(&format!("bots/{bot}/replay"), wish).await;
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sum = lines.last().cloned().unwrap_or_else(|| panic!("no sum"));
    assert!(sum["groups"].is_object(), "{text}");
    (lines.into_iter().filter(|line| line["group"].is_string()).collect(), sum)
}

/// The one run of a trial with other steps.
async fn tried(site: &Site, bot: &str, steps: Value) -> Value {
    let (mut lines, sum) = trial(site, bot, json!({"settings": {"steps": {"change": steps}}, "all": true})).await;
    assert_eq!((lines.len(), &sum["looked"]), (1, &json!(1)), "{lines:#?} {sum:#}");
    lines.remove(0)
}

const RULES: &str = "scopes = [\"system/Observation.cs\", \"system/Patient.rs\"]\n[[http]]\nmethods = [\"POST\"]\nhost = \"sms.example\"\npath = \"/\"\n";

/// One recorded run, and releases that do as it did, otherwise, worse, nothing, and what cannot be known.
pub async fn another_release_is_tried_on_what_was_recorded(options: Options) {
    try_another_release(Site::start(options, "trial").await).await;
}

/// The same on any site.
pub async fn try_another_release(site: Site) {
    let other = site.fhir.create(&site.patient("other")).await;
    let more = format!("{RULES}[[on]]\nchange = \"{}\"\n", site.criteria("Patient", "a"));
    let steps = json!([["read", reference(&other)], ["create", site.observation("a")]]);
    site.deploy("tried", &more, json!({"change": steps})).await;
    site.fhir.create(&site.patient("a")).await;
    let run = site.runs("tried", 1).await.remove(0);
    assert_eq!(run["state"], "done", "{run:#}");
    // What came after the run is not what it could have seen.
    let stranger = site.fhir.create(&site.patient("stranger")).await;
    site.fhir.edit(&reference(&other), "language", json!("en")).await;
    let written = site.observations("a").await.len();

    let same = tried(&site, "tried", steps.clone()).await;
    assert_eq!((&same["group"], &same["changes"]), (&json!("same"), &json!([])), "{same:#}");

    let coded = json!([["read", reference(&other)], ["create", site.observation("b")]]);
    let changed = tried(&site, "tried", coded).await;
    assert_eq!(changed["group"], "changed", "{changed:#}");
    let change = &changed["changes"][0];
    assert_eq!((&change["in"], &change["of"]), (&json!("create"), &json!("Observation")), "{changed:#}");
    assert_eq!((&change["path"], &change["old"], &change["new"]), (&json!("/identifier/0/value"), &json!("a"), &json!("b")));
    assert_eq!(changed["asked"], Value::Null, "the read is the journal's: {changed:#}");

    // A new read is answered as of then: by the history, or by what has not changed since.
    let read = tried(&site, "tried", json!([["vread", reference(&other), "1"], ["history", reference(&other)]])).await;
    assert_eq!(read["group"], "changed", "{read:#}");
    assert!(!read["changes"].to_string().contains("\"language\"") && read["asked"] == 2, "{read:#}");
    let absent = tried(&site, "tried", json!([["read", reference(&stranger)]])).await;
    assert_eq!(absent["group"], "changed", "{absent:#}");
    assert!(absent["changes"].to_string().contains("not-found"), "it was not there yet: {absent:#}");

    // What a search found then nobody knows; the marked answer is what there is now.
    let searched = tried(&site, "tried", json!([["search", "Patient", "_id=none"], ["create", site.observation("b")]])).await;
    assert_eq!((&searched["group"], &searched["marks"][0]["why"]), (&json!("undecidable"), &json!("now")), "{searched:#}");
    assert!(!searched["changes"].as_array().unwrap().is_empty(), "{searched:#}");
    let asked = tried(&site, "tried", json!([["ask", "POST", "https://sms.example/send", "hi"]])).await;
    assert_eq!((&asked["group"], &asked["marks"][0]["why"]), (&json!("undecidable"), &json!("unknown")), "{asked:#}");

    let fails = tried(&site, "tried", json!([["trap", 3]])).await;
    assert_eq!((&fails["group"], &fails["now"]["outcome"]), (&json!("new-failure"), &json!("trap")), "{fails:#}");

    // A release that is nowhere deployed, with other criteria.
    let mut wish = acting(
        "hapi",
        "tried",
        "2.0.0",
        &format!("{RULES}[[on]]\nchange = \"{}\"\n", site.criteria("Patient", "b")),
        Value::Null,
    );
    let members = wish.as_object_mut().unwrap();
    members.remove("source");
    members.insert("settings".to_owned(), json!({"steps": {"change": steps}}));
    let (lines, sum) = trial(&site, "tried", wish.clone()).await;
    assert_eq!((&lines[0]["group"], &sum["groups"]["not-triggered"]), (&json!("not-triggered"), &json!(1)), "{lines:#?}");
    assert_eq!(lines[0]["changes"][0]["in"], "create", "what would not be done is told: {lines:#?}");

    let (lines, _) = trial(&site, "tried", json!({"until": "2020-01-01T00:00:00Z"})).await;
    assert!(lines.is_empty());
    wish["manifest"] = json!(wish["manifest"].as_str().unwrap().replacen("tried", "other", 1));
    let (status, refused) = site.call(Method::POST, "bots/tried/replay", Some(wish)).await;
    assert_eq!((status, &refused["error"]["code"]), (StatusCode::BAD_REQUEST, &json!("replay-bot")), "{refused:#}");

    // De-identified, nothing of the patient's is told.
    let wish = json!({"settings": {"steps": {"change": [["read", reference(&other)], ["create", site.observation("canary-b")]]}}, "deidentify": true});
    let text = site.stream("bots/tried/replay", wish).await;
    assert!(text.contains("changed") && !text.contains("canary-b"), "{text}");

    assert_eq!(site.observations("a").await.len(), written, "nothing was written");
    assert!(site.observations("b").await.is_empty(), "nothing was written");
    assert_eq!(site.rows("tried").await.len(), 1, "no run was made");
    site.end().await;
}

/// What is kept of an observed release once it has looked at `count` runs.
async fn observed(site: &Site, bot: &str, count: u64) -> Value {
    until(&format!("{count} observed runs of {bot}"), || async {
        let seen = site.get(&format!("observe/{bot}")).await;
        (seen["looked"] == count).then_some(seen)
    })
    .await
}

/// A release beside the live one sees what that one saw, and does nothing until it is promoted.
pub async fn a_release_is_observed_before_it_acts(options: Options) {
    observe_a_release(Site::start(options, "observed").await).await;
}

/// The same on any site.
pub async fn observe_a_release(mut site: Site) {
    let more = format!("{RULES}[[on]]\nchange = \"{}\"\n", site.criteria("Patient", "a"));
    let steps = |value: &str| json!({"change": [["create", site.observation(value)]]});
    let (first, second) = (steps("a"), steps("b"));
    site.deploy("seen", &more, first.clone()).await;
    site.fhir.create(&site.patient("a")).await;
    site.runs("seen", 1).await;

    let mut release = acting("hapi", "seen", "2.0.0", &more, second.clone());
    release["observe"] = json!(true);
    let answer = site.must(Method::POST, "bots", Some(release.clone())).await;
    assert_eq!((&answer["bot"]["version"], &answer["bot"]["acts"]), (&json!("1.0.0"), &json!(true)), "{answer:#}");
    site.fhir.create(&site.patient("a")).await;
    site.runs("seen", 2).await;
    let seen = observed(&site, "seen", 1).await;
    assert_eq!((&seen["groups"]["changed"], &seen["first"]), (&json!(1), &json!(false)), "{seen:#}");
    assert_eq!(seen["examples"][0]["changes"][0]["path"], "/identifier/0/value", "{seen:#}");

    // It is there after a restart, and goes on.
    site.stop().await;
    site.start_here().await;
    site.fhir.create(&site.patient("a")).await;
    let seen = observed(&site, "seen", 2).await;
    assert_eq!((&seen["groups"]["changed"], &seen["missed"]), (&json!(2), &json!(0)), "{seen:#}");
    let hidden = site.get("observe/seen?deidentify=true").await;
    assert_eq!(hidden["examples"].as_array().unwrap().len(), 2, "{hidden:#}");
    assert!(hidden["examples"][0]["subject"].as_str().unwrap().starts_with("Patient/id-"), "{hidden:#}");
    assert_eq!((site.observations("a").await.len(), site.observations("b").await.len()), (3, 0), "it did nothing");

    // Dropped, it is forgotten; observed again and promoted, it acts.
    site.must(Method::DELETE, "observe/seen", None).await;
    let (status, gone) = site.call(Method::GET, "observe/seen", None).await;
    assert_eq!((status, &gone["error"]["code"]), (StatusCode::NOT_FOUND, &json!("not-observed")), "{gone:#}");
    // What it would take beyond the live release is named, for nobody sees it.
    let mut wider = acting("hapi", "seen", "3.0.0", &format!("{more}[[on]]\ninvoke = true\n"), second);
    wider["observe"] = json!(true);
    let told = site.must(Method::POST, "bots", Some(wider)).await["changes"].to_string();
    assert!(told.contains("invoke = true") && !told.contains("change ="), "{told}");
    let told = site.must(Method::POST, "bots", Some(release)).await["changes"].to_string();
    assert!(!told.contains("not observed"), "{told}");
    let promoted = site.must(Method::POST, "observe/seen/promote", None).await;
    assert_eq!((&promoted["bot"]["version"], &promoted["bot"]["observed"]), (&json!("2.0.0"), &Value::Null), "{promoted:#}");
    site.active(&promoted).await;
    site.fhir.create(&site.patient("a")).await;
    site.runs("seen", 4).await;
    assert_eq!((site.observations("a").await.len(), site.observations("b").await.len()), (3, 1));
    assert_eq!(site.get("observe").await["observed"], json!([]));
    site.end().await;
}

/// What a bot decides that never acted is told, and neither written, nor set, nor sent.
pub async fn a_first_release_is_observed(options: Options) {
    observe_a_first_release(Site::start(options, "first").await).await;
}

/// The same on any site.
pub async fn observe_a_first_release(mut site: Site) {
    let more = format!("{RULES}[[on]]\nchange = \"{}\"\n[[on]]\ntimer = true\n", site.criteria("Patient", "a"));
    let steps = json!({
        "change": [
            ["create", site.observation("a")],
            ["timer", "soon", "2020-01-01T00:00:00Z", {"n": 1}],
            ["send", "k", "POST", "https://sms.example/send", "hi"],
        ],
    });
    let mut release = acting("hapi", "new", "1.0.0", &more, steps);
    release["observe"] = json!(true);
    let answer = site.must(Method::POST, "bots", Some(release)).await;
    assert_eq!(answer["bot"]["acts"], false, "{answer:#}");
    site.active(&answer).await;
    site.fhir.create(&site.patient("a")).await;
    let seen = observed(&site, "new", 1).await;
    assert_eq!((&seen["groups"]["changed"], &seen["first"]), (&json!(1), &json!(true)), "{seen:#}");
    let kinds: Vec<&str> = seen["examples"][0]["changes"].as_array().unwrap().iter().filter_map(|c| c["in"].as_str()).collect();
    assert_eq!(kinds, ["create", "timer", "outbox"], "{seen:#}");
    // Also after a restart.
    site.stop().await;
    site.start_here().await;
    site.fhir.create(&site.patient("a")).await;
    observed(&site, "new", 2).await;
    let runs = site.runs("new", 2).await;
    assert!(runs.iter().all(|run| run["state"] == "done" && run["wrote"] == json!([])), "{runs:#?}");
    let status = site.status().await;
    assert_eq!((&status["timers"], &status["outbox"], &status["dead_requests"]), (&json!(0), &json!(0), &json!(0)), "{status:#}");
    assert!(site.observations("a").await.is_empty(), "it did something");

    site.must(Method::DELETE, "observe/new", None).await;
    assert_eq!(site.get("bots").await["bots"], json!([]));
    site.end().await;
}
