//! A FHIR server that is down.

use reqwest::Method;
use serde_json::json;

use crate::fhir::reference;
use crate::hapi::Options;
use crate::proxy::Mode;
use crate::site::{INBOUND, Site};

/// While one source does not answer, its changes and runs wait, and no attempt is held against the bot; another source goes on.
pub async fn changes_wait_and_others_go_on(options: Options) {
    let site = Site::start(options, "outage").await;
    let other = json!({"base": crate::hapi::shared(options).unwrap().base_url(), "inbound": {"type": "header", "name": "Authorization", "value": {"file": site.secret("inbound")}}});
    site.must(Method::PUT, "sources/other", Some(other)).await;
    site.check("other").await;
    let more = |value: &str| {
        format!(
            "scopes = [\"system/Observation.c\"]\n[retry]\nattempts = 1\n[[on]]\nchange = \"{}\"\ninteractions = [\"create\", \"update\", \"delete\"]\n",
            site.criteria("Patient", value)
        )
    };
    let steps = |value: &str| json!({"change": [["create", crate::fhir::observation(&site.system(), value, "Patient/none")]]});
    // Deletes are among what it waits for, so what it makes refers to nobody.
    let unbound = |value: &str| {
        let mut steps = steps(value);
        steps["change"][0][1].as_object_mut().unwrap().remove("subject");
        steps
    };
    site.deploy_on("hapi", "waiting", "1.0.0", &more("a"), unbound("a")).await;
    site.deploy_on("other", "going-on", "1.0.0", &more("b"), unbound("b")).await;

    site.server.set(Mode::Down);
    let patient = reference(&site.fhir.create(&site.patient("a")).await);
    site.fhir.edit(&patient, "gender", json!("female")).await;
    // The content of what is deleted can only be read from the server.
    site.fhir.delete(&patient).await;
    let (status, _) =
        site.notify(Method::POST, &format!("{}/hapi/waiting.0", site.tenant), &[("authorization", INBOUND)], "").await;
    assert!(status.is_success(), "taken, whether or not its server is up");
    for _ in 0..2 {
        site.fhir.create(&site.patient("b")).await;
    }
    for run in site.runs("going-on", 2).await {
        assert_eq!(run["state"], "done", "{run:#}");
    }
    let status = site.status().await;
    assert!(status["unresolved"].as_u64().unwrap() > 0 || status["runs"]["pending"].as_u64().unwrap() > 0, "{status:#}");
    assert!(site.rows("waiting").await.iter().all(|row| row["ended"].is_null()));
    assert_eq!(site.observations("a").await.len(), 0);

    site.server.set(Mode::Pass);
    let runs = site.runs("waiting", 3).await;
    for (number, run) in runs.iter().enumerate() {
        assert_eq!((&run["state"], &run["subject"]), (&json!("done"), &json!(format!("{patient} v{}", number + 1))), "{run:#}");
    }
    site.quiet().await;
    assert_eq!(site.observations("a").await.len(), 3);
    site.end().await;
}
