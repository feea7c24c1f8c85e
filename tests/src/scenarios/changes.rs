//! Changes reach bots, whole and in order, and what bots write is kept together or not at all.

use serde_json::{Value, json};

use crate::fhir::{reference, version};
use crate::hapi::Options;
use crate::logs::CANARY;
use crate::site::{Site, answers};

/// A create, an update and a delete each make one run with what happened and the content that counts.
pub async fn create_update_and_delete_reach_a_bot(options: Options) {
    let site = Site::start(options, "changes").await;
    let more =
        format!("[[on]]\nchange = \"{}\"\ninteractions = [\"create\", \"update\", \"delete\"]\n", site.criteria("Patient", "a"));
    let deployed = site.deploy("watcher", &more, json!({"change": [["event"]]})).await;
    assert_eq!(deployed["manual_steps"], json!([]), "{deployed:#}");

    let stored = site.fhir.create(&site.patient("a")).await;
    let patient = reference(&stored);
    site.runs("watcher", 1).await;
    site.fhir.edit(&patient, "gender", json!("female")).await;
    site.runs("watcher", 2).await;
    site.fhir.delete(&patient).await;
    let runs = site.runs("watcher", 3).await;

    let expected = [("create", "1", None), ("update", "2", Some("1")), ("delete", "3", Some("2"))];
    for (run, (interaction, version, previous)) in runs.iter().zip(expected) {
        assert_eq!((run["state"].as_str(), run["trigger"].as_str()), (Some("done"), Some("change")), "{run:#}");
        assert_eq!(run["subject"], format!("{patient} v{version}"));
        let cause = &run["event"];
        assert_eq!((&cause["interaction"], &cause["previous"]), (&json!(interaction), &json!(previous)), "{run:#}");
        let seen = &answers(run)[0];
        let trigger = seen["trigger"].as_str().unwrap();
        assert!(
            trigger.contains(&format!("interaction: \"{interaction}\"")) && trigger.contains(&format!("version: \"{version}\"")),
            "{trigger}"
        );
        // A delete comes with the last content.
        let gender = if version == "1" { Value::Null } else { json!("female") };
        assert_eq!(seen["resource"]["gender"], gender, "{run:#}");
        assert_eq!(seen["resource"]["name"][0]["family"], CANARY);
    }
    site.end().await;
}

/// Two creates and an update of one run are there together; what the bot wrote does not trigger it again.
pub async fn writes_commit_together(options: Options) {
    let site = Site::start(options, "together").await;
    let more = format!(
        "scopes = [\"system/Patient.ru\", \"system/Observation.c\"]\n[[on]]\nchange = \"{}\"\n",
        site.criteria("Patient", "a")
    );
    let mut second = site.observation("b");
    // Refers to the first by what the run calls it before the server has named it.
    second["derivedFrom"] = json!([{"reference": "{0}"}]);
    let steps = json!([
        ["create", site.observation("a")],
        ["create", second],
        ["patch", "{ref}", [{"op": "add", "path": "/gender", "value": "female"}]],
    ]);
    site.deploy("writer", &more, json!({"change": steps})).await;

    let patient = reference(&site.fhir.create(&site.patient("a")).await);
    let run = site.runs("writer", 1).await.remove(0);
    assert_eq!(run["state"], "done", "{run:#}");
    assert_eq!(run["attempts"], 1);
    assert_eq!(run["wrote"].as_array().unwrap().len(), 3, "{run:#}");
    let (first, second) = (site.observations("a").await, site.observations("b").await);
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_eq!(first[0]["subject"]["reference"], patient);
    assert_eq!(second[0]["derivedFrom"][0]["reference"], reference(&first[0]));
    let now = site.fhir.read(&patient).await;
    assert_eq!((version(&now), &now["gender"]), ("2", &json!("female")));

    // A later change from outside shows that the bot's own one has been looked at and passed over.
    site.fhir.edit(&patient, "language", json!("en")).await;
    let runs = site.runs("writer", 2).await;
    site.quiet().await;
    assert_eq!(site.rows("writer").await.len(), 2);
    assert_eq!(runs[1]["subject"], format!("{patient} v3"));
    site.end().await;
}

/// One entry that the server refuses takes the others with it, and the run says why.
pub async fn one_bad_entry_leaves_nothing(options: Options) {
    let site = Site::start(options, "bad-entry").await;
    let more = format!(
        "scopes = [\"system/Patient.ru\", \"system/Observation.c\"]\n[[on]]\nchange = \"{}\"\n",
        site.criteria("Patient", "a")
    );
    let mut bad = site.observation("b");
    if options.integrity {
        bad["subject"] = json!({"reference": format!("Patient/{CANARY}")});
    } else {
        bad["effectiveDateTime"] = json!(format!("not-a-date-{CANARY}"));
    }
    let steps = json!([
        ["create", site.observation("a")],
        ["patch", "{ref}", [{"op": "add", "path": "/gender", "value": "female"}]],
        ["create", bad],
    ]);
    site.deploy("writer", &more, json!({"change": steps})).await;

    let patient = reference(&site.fhir.create(&site.patient("a")).await);
    let run = site.runs("writer", 1).await.remove(0);
    assert_eq!((&run["state"], &run["failure"]["code"]), (&json!("dead"), &json!("refused")), "{run:#}");
    assert_eq!(run["wrote"], json!([]));
    assert_eq!((site.observations("a").await.len(), site.observations("b").await.len()), (0, 0));
    let now = site.fhir.read(&patient).await;
    assert_eq!((version(&now), &now["gender"]), ("1", &Value::Null));
    let dead = site.get("dead").await;
    assert_eq!(dead["runs"][0]["run"], run["run"]);
    site.end().await;
}

/// Updates of one patient as fast as the server takes them reach the bot in version order, once each.
pub async fn quick_updates_come_in_order(options: Options) {
    const VERSIONS: usize = 200;
    let site = Site::start(options, "quick").await;
    let more = format!("[[on]]\nchange = \"{}\"\n", site.criteria("Patient", "a"));
    site.deploy("watcher", &more, json!({"change": [["say", "saw {version}"]]})).await;

    let mut patient = site.fhir.create(&site.patient("a")).await;
    for number in 2..=VERSIONS {
        patient["multipleBirthInteger"] = json!(number);
        patient = site.fhir.update(&patient).await;
    }
    assert_eq!(version(&patient), VERSIONS.to_string());
    let rows = crate::wait::until("the last version's run", || async {
        let rows = site.rows("watcher").await;
        (rows.len() >= VERSIONS && rows.iter().all(|row| !row["ended"].is_null())).then_some(rows)
    })
    .await;
    site.quiet().await;
    let subject = reference(&patient);
    let expected: Vec<String> = (1..=VERSIONS).map(|number| format!("{subject} v{number}")).collect();
    let got: Vec<&str> = rows.iter().map(|row| row["subject"].as_str().unwrap()).collect();
    assert_eq!(got, expected);
    assert!(rows.iter().all(|row| row["state"] == "done" && row["attempts"] == 1));
    // What the bot itself said, in the order in which it said it.
    let lines = site.get("logs?bot=watcher&limit=1000").await;
    let said: Vec<&str> = lines["lines"].as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap().trim()).collect();
    let expected: Vec<String> = (1..=VERSIONS).map(|number| format!("saw {number}")).collect();
    assert_eq!(said, expected);
    site.end().await;
}
