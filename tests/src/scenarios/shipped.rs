//! The bots that Hob ships: whatever they write must be valid FHIR, as HAPI's validator judges.
//!
//! What they are run on is what their own cases hold, written to the server as a clinic's systems would, and one survey that comes due while the
//! test looks on.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use hob_host::SystemClock;
use hob_model::Clock as _;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::built::{self, component};
use crate::fhir::{Fhir, reference};
use crate::hapi::Options;
use crate::site::Site;
use crate::wait::until;

/// Names in the files and what the server calls them.
type Names = BTreeMap<String, String>;

fn json_file(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The three bots play their cases on a real server; nothing dies, and all that they wrote is valid.
pub async fn what_the_bots_write_is_valid(options: Options) {
    let site = Site::start(options, "shipped").await;
    let bots = built::root().join("bots");
    let mut names = Names::new();
    let clinic = json_file(&bots.join("task-router/cases/given/clinic.json"));
    put(&site.fhir, clinic.as_array().unwrap().clone(), &mut names).await;

    let crisis = renamed(json_file(&bots.join("pro-scorer/cases/given/crisis.json")), &names);
    let rules = renamed(json_file(&bots.join("task-router/rules.example.json")), &names);
    let settings = [
        ("pro-scorer", json!({"crisis": crisis})),
        ("task-router", json!({"rules": rules})),
        ("reminder", json!({"clinic": "Elm Street Clinic", "contact": "555-0199", "leads-minutes": [0]})),
    ];
    for (bot, settings) in settings {
        let manifest = fs::read_to_string(bots.join(bot).join("bot.toml")).unwrap();
        let component = tokio::task::spawn_blocking(move || component(bot)).await.unwrap();
        let component = data_encoding::BASE64.encode(&component);
        let body = json!({"manifest": manifest, "component": component, "source": "hapi", "settings": settings});
        let deployed = site.must(Method::POST, "bots", Some(body)).await;
        site.active(&deployed).await;
    }

    for bot in ["pro-scorer", "task-router"] {
        let mut files: Vec<_> = fs::read_dir(bots.join(bot).join("cases")).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "json")) {
            play(&site, &json_file(file), &names).await;
        }
    }
    survey(&site, &bots, &names).await;

    let written = until("a reminder, and the end of all else", || async {
        let status = site.status().await;
        let idle = status["unresolved"] == 0 && status["runs"]["pending"] == 0 && status["runs"]["recorded"] == 0;
        let written = if idle { written(&site).await } else { Vec::new() };
        written.iter().any(|name| name.starts_with("CommunicationRequest/")).then_some(written)
    })
    .await;
    assert_eq!(site.get("dead").await["counts"], json!({"runs": {}, "notifications": {}, "outbox": {}}));
    let of = |kind: &str| written.iter().filter(|name| name.starts_with(kind)).count();
    assert!(of("Observation/") >= 6 && of("Task/") >= 12, "{written:#?}");

    let mut wrong = Vec::new();
    for name in &written {
        let resource = site.fhir.read(name).await;
        let kind = resource["resourceType"].as_str().unwrap();
        let (status, outcome) = site.fhir.ask(Method::POST, &format!("{kind}/$validate"), Some(&resource)).await;
        assert!(status == StatusCode::OK || status == StatusCode::PRECONDITION_FAILED, "{status} {outcome:#}");
        let issues = outcome["issue"].as_array().unwrap();
        assert!(!issues.is_empty(), "it says at least that all is well");
        let bad = issues.iter().filter(|issue| issue["severity"] == "error" || issue["severity"] == "fatal");
        wrong.extend(bad.map(|issue| format!("{name}: {} at {}", issue["diagnostics"], issue["expression"])));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    site.end().await;
}

/// Every version that the bots wrote, as `Type/id/_history/version`.
async fn written(site: &Site) -> Vec<String> {
    let mut written = Vec::new();
    for bot in ["pro-scorer", "task-router", "reminder"] {
        for row in site.rows(bot).await {
            let run = site.run(row["run"].as_str().unwrap()).await;
            let names = run["wrote"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().replace(" v", "/_history/"));
            written.extend(names);
        }
    }
    written
}

/// Puts what a case gives on the server: the first version of each at once, later ones after it.
async fn play(site: &Site, case: &Value, names: &Names) {
    let mut names = names.clone();
    let (mut first, mut later): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
    for resource in case["given"].as_array().unwrap().iter().filter(|given| given.is_object()) {
        let again = first.iter().any(|known| reference(known) == reference(resource));
        // What refers to nothing that is given shows what a bot makes of that; a strict server does not take it.
        if dangling(resource, case, &names).is_none() {
            if again { &mut later } else { &mut first }.push(resource.clone());
        }
    }
    put(&site.fhir, first, &mut names).await;
    for mut resource in later {
        let name = names[&reference(&resource)].clone();
        resource = renamed(resource, &names);
        resource["id"] = json!(name.split_once('/').unwrap().1);
        site.fhir.update(&resource).await;
    }
}

/// A survey of a patient for whom it is day now, due in some seconds.
async fn survey(site: &Site, bots: &Path, names: &Names) {
    let case = json_file(&bots.join("reminder/cases/01-sets-a-timer.json"));
    let mut given: Vec<Value> = case["given"].as_array().unwrap().clone();
    given[0]["extension"] = json!([{"url": "http://hl7.org/fhir/StructureDefinition/timezone", "valueCode": by_day()}]);
    given[1].as_object_mut().unwrap().remove("focus");
    given[1]["authoredOn"] = json!(SystemClock.now().to_string());
    given[1]["restriction"]["period"]["end"] = json!((SystemClock.now() + Duration::from_secs(5)).to_string());
    put(&site.fhir, given, &mut names.clone()).await;
}

/// A zone without summer time where it is about noon.
fn by_day() -> &'static str {
    let now = SystemClock.now().to_string();
    let hour: usize = now[11..13].parse().unwrap();
    match hour {
        0..=2 => "Pacific/Guadalcanal",
        3..=5 => "Asia/Tokyo",
        6..=8 => "Asia/Kolkata",
        9..=11 => "Asia/Dubai",
        12..=14 => "Africa/Abidjan",
        15..=17 => "America/Panama",
        18..=20 => "America/Phoenix",
        _ => "Pacific/Honolulu",
    }
}

/// Creates resources in one transaction, under names that the server gives.
async fn put(fhir: &Fhir, resources: Vec<Value>, names: &mut Names) {
    if resources.is_empty() {
        return;
    }
    let own: Vec<String> = resources.iter().map(reference).collect();
    let urns =
        own.iter().enumerate().map(|(index, name)| (name.clone(), format!("urn:uuid:00000000-0000-4000-8000-{index:012}")));
    let urns: Names = urns.collect();
    let mut known = names.clone();
    known.extend(urns.clone());
    let entries = resources.into_iter().map(|mut resource| {
        let (url, kind) = (urns[&reference(&resource)].clone(), resource["resourceType"].clone());
        resource.as_object_mut().unwrap().remove("id");
        json!({"fullUrl": url, "resource": renamed(resource, &known), "request": {"method": "POST", "url": kind}})
    });
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries.collect::<Vec<_>>()});
    let (status, answer) = fhir.ask(Method::POST, "", Some(&bundle)).await;
    assert!(status.is_success(), "{status} {answer:#}");
    for (name, entry) in own.into_iter().zip(answer["entry"].as_array().unwrap()) {
        let location = entry["response"]["location"].as_str().unwrap();
        let parts: Vec<&str> = location.split('/').collect();
        let at = parts.iter().position(|part| *part == "_history").unwrap();
        names.insert(name, format!("{}/{}", parts[at - 2], parts[at - 1]));
    }
}

/// The same with every reference under its new name.
fn renamed(mut value: Value, names: &Names) -> Value {
    match &mut value {
        Value::String(text) => {
            if let Some(name) = names.get(text.as_str()) {
                *text = name.clone();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = renamed(item.take(), names)),
        Value::Object(members) => members.values_mut().for_each(|member| *member = renamed(member.take(), names)),
        _ => {}
    }
    value
}

/// The first reference to what is not there.
fn dangling<'a>(value: &'a Value, case: &Value, names: &Names) -> Option<&'a str> {
    match value {
        Value::Array(items) => items.iter().find_map(|item| dangling(item, case, names)),
        Value::Object(members) => members.iter().find_map(|(key, member)| match member.as_str().filter(|_| key == "reference") {
            Some(text) => {
                let given = case["given"].as_array().unwrap().iter().any(|given| given.is_object() && reference(given) == text);
                (!given && !names.contains_key(text) && !text.starts_with('#')).then_some(text)
            }
            None => dangling(member, case, names),
        }),
        _ => None,
    }
}
