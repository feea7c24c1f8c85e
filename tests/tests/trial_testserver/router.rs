//! Three changes of the shipped task router, each of which is known to touch one kind of Task and no other, on some hundreds of recorded runs.

use std::collections::BTreeSet;
use std::path::Path;

use hob_tests::built;
use hob_tests::scenarios::trial::trial;
use hob_tests::site::Site;
use reqwest::Method;
use serde_json::{Value, json};

const TASKS: usize = 300;

/// What becomes of a Task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// It goes up the crisis route.
    Red,
    /// Nobody is licensed where the patient is.
    Nobody,
    /// It goes to the one doctor who is.
    Doctor,
}

fn kind(n: usize) -> Kind {
    match n % 10 {
        0 => Kind::Red,
        1..=3 => Kind::Nobody,
        _ => Kind::Doctor,
    }
}

fn task(n: usize) -> Value {
    let code = |code: &str| json!([{"coding": [{"system": "http://snomed.info/sct", "code": code}]}]);
    let mut task = json!({
        "resourceType": "Task", "id": format!("t{n}"), "status": "ready", "intent": "order", "code": {"text": "Review the new results"},
        "for": {"reference": "Patient/pat-ny"}, "authoredOn": "2026-11-23T13:00:00Z", "performerType": code("158965000"),
    });
    match kind(n) {
        Kind::Red => {
            // Only its own trigger takes it.
            task["status"] = json!("draft");
            task["identifier"] = json!([{"system": "https://hob.dev/fhir/identifier/red-flag", "value": format!("r{n}")}]);
        }
        Kind::Nobody => task["for"] = json!({"reference": "Patient/pat-tx"}),
        Kind::Doctor => {}
    }
    task
}

fn of(wanted: Kind) -> BTreeSet<String> {
    (0..TASKS).filter(|n| kind(*n) == wanted).map(|n| format!("Task/t{n} v1")).collect()
}

fn subjects(lines: &[Value], group: &str) -> BTreeSet<String> {
    let told = lines.iter().filter(|line| line["group"] == group);
    told.map(|line| line["subject"].as_str().unwrap().to_owned()).collect()
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub async fn exactly_the_runs_whose_writes_change(site: Site) {
    let folder = built::root().join("bots/task-router");
    for resource in read(&folder.join("cases/given/clinic.json")).as_array().unwrap() {
        site.fhir.update(resource).await;
    }
    let manifest = std::fs::read_to_string(folder.join("bot.toml")).unwrap();
    let rules = read(&folder.join("rules.example.json"));
    let component = tokio::task::spawn_blocking(|| built::component("task-router")).await.unwrap();
    let encoded = data_encoding::BASE64.encode(&component);
    let body = json!({"manifest": manifest, "component": encoded, "source": "hapi", "settings": {"rules": rules}});
    let deployed = site.must(Method::POST, "bots", Some(body)).await;
    site.active(&deployed).await;
    for n in 0..TASKS {
        site.fhir.update(&task(n)).await;
    }
    let runs = site.rows_when("task-router", TASKS).await;
    assert!(runs.iter().all(|run| run["state"] == "done"), "{runs:#?}");
    let all = u64::try_from(TASKS).unwrap();
    let count = |kind: Kind| u64::try_from(of(kind).len()).unwrap();

    // The same release does the same, without a question to anybody.
    let (lines, sum) = trial(&site, "task-router", json!({})).await;
    assert!(lines.is_empty(), "{:#}", lines[0]);
    assert_eq!((&sum["groups"]["same"], &sum["asked"]), (&json!(all), &json!(0)), "{sum:#}");

    // Another component: one letter of the note that red flags get.
    let (was, is) = (b"until a person acknowledges it.", b"until a person acknowledges it!");
    let found: Vec<usize> = component.windows(was.len()).enumerate().filter(|(_, at)| at == was).map(|(at, _)| at).collect();
    assert_eq!(found.len(), 1, "the note stands once in the component");
    let mut changed = component.to_vec();
    changed.splice(found[0]..found[0] + was.len(), *is);
    let (lines, sum) = trial(&site, "task-router", json!({"component": data_encoding::BASE64.encode(&changed)})).await;
    assert_eq!(subjects(&lines, "changed"), of(Kind::Red));
    assert_eq!((&sum["groups"]["same"], lines.len()), (&json!(all - count(Kind::Red)), of(Kind::Red).len()), "{sum:#}");
    let change = &lines[0]["changes"][0];
    assert_eq!((&change["in"], &change["path"]), (&json!("update"), &json!("/note/0/text")), "{:#}", lines[0]);
    assert!(change["new"].as_str().unwrap().ends_with('!'));

    // Other rules: who is told where nobody is eligible.
    let mut other = rules.clone();
    other["escalation"]["performer_type"]["code"] = json!("night-desk");
    assert_ne!(other, rules);
    let (lines, sum) = trial(&site, "task-router", json!({"settings": {"rules": other}})).await;
    assert_eq!(subjects(&lines, "changed"), of(Kind::Nobody), "{sum:#}");
    assert_eq!(sum["groups"]["same"], all - count(Kind::Nobody), "{sum:#}");

    // Another manifest: no trigger for red flags that are not ready.
    let cut = manifest.find("# Red flags also with an owner").unwrap();
    let end = manifest.find("[limits]").unwrap();
    let fewer = format!("{}{}", &manifest[..cut], &manifest[end..]);
    let wish = json!({"manifest": fewer, "component": encoded, "sample": 100});
    let (lines, sum) = trial(&site, "task-router", wish).await;
    assert_eq!((&sum["looked"], &sum["found"]), (&json!(100), &json!(all)), "{sum:#}");
    assert!(subjects(&lines, "not-triggered").is_subset(&of(Kind::Red)), "{sum:#}");
    let wish = json!({"manifest": fewer, "component": encoded});
    let (lines, sum) = trial(&site, "task-router", wish).await;
    assert_eq!(subjects(&lines, "not-triggered"), of(Kind::Red), "{sum:#}");
    assert_eq!(sum["groups"]["same"], all - count(Kind::Red), "{sum:#}");
    site.end().await;
}
