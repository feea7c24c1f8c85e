//! Somebody else changes the event's resource while a bot is at work on it.

use serde_json::{Value, json};

use crate::fhir::{reference, version};
use crate::hapi::Options;
use crate::proxy::Mode;
use crate::site::{Site, answers};

/// Between the bot's decision and the commit a person edits the resource: the next attempt works on that, and both edits stand.
pub async fn an_edit_before_the_commit_is_worked_on(options: Options) {
    let site = Site::start(options, "edited").await;
    let more = format!(
        "scopes = [\"system/Patient.ru\", \"system/Observation.c\"]\n[[on]]\nchange = \"{}\"\ninteractions = [\"create\"]\n",
        site.criteria("Patient", "a")
    );
    let steps = json!([["event"], ["create", site.observation("a")], ["patch", "{ref}", [{"op": "add", "path": "/gender", "value": "female"}]]]);
    site.deploy("writer", &more, json!({"change": steps})).await;

    site.server.set(Mode::Hold);
    let patient = reference(&site.fhir.create(&site.patient("a")).await);
    site.server.held(1).await;
    site.fhir.edit(&patient, "language", json!("en")).await;
    site.server.set(Mode::Pass);
    site.server.release();

    let run = site.runs("writer", 1).await.remove(0);
    assert_eq!((&run["state"], &run["attempts"]), (&json!("done"), &json!(2)), "{run:#}");
    assert_eq!(run["attempts_list"][0]["failure"]["kind"], "conflict", "{run:#}");
    assert_eq!(run["subject"], format!("{patient} v1"), "it is the run of the create still");
    let seen = &answers(&run)[0];
    assert_eq!((&seen["attempt"], &seen["resource"]["language"]), (&json!(2), &json!("en")), "{seen:#}");
    let now = site.fhir.read(&patient).await;
    assert_eq!((version(&now), &now["gender"], &now["language"]), ("3", &json!("female"), &json!("en")));
    assert_eq!(site.observations("a").await.len(), 1);
    site.end().await;
}

/// After the edit the resource is no longer what the bot asked for: the run ends superseded and writes nothing.
pub async fn an_edit_that_no_longer_matches_supersedes(options: Options) {
    let site = Site::start(options, "unmatched").await;
    let more = format!(
        "scopes = [\"system/Patient.ru\", \"system/Observation.c\"]\n[[on]]\nchange = \"{}&active=true\"\n",
        site.criteria("Patient", "a")
    );
    let steps =
        json!([["create", site.observation("a")], ["patch", "{ref}", [{"op": "add", "path": "/gender", "value": "female"}]]]);
    site.deploy("writer", &more, json!({"change": steps})).await;

    site.server.set(Mode::Hold);
    let patient = reference(&site.fhir.create(&site.patient("a")).await);
    site.server.held(1).await;
    site.fhir.edit(&patient, "active", json!(false)).await;
    site.server.set(Mode::Pass);
    site.server.release();

    let run = site.runs("writer", 1).await.remove(0);
    assert_eq!((&run["state"], &run["wrote"]), (&json!("superseded"), &json!([])), "{run:#}");
    let now = site.fhir.read(&patient).await;
    assert_eq!((version(&now), &now["gender"]), ("2", &Value::Null));
    assert_eq!(site.observations("a").await.len(), 0);
    site.end().await;
}
