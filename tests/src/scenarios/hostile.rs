//! Bots that do what they may not, or what nobody should.

use serde_json::json;

use crate::fhir::reference;
use crate::hapi::Options;
use crate::site::{Site, answers};

/// What the manifest does not grant ends the run with the scope that would be needed, and nothing of it is written.
pub async fn outside_its_scopes(options: Options) {
    let site = Site::start(options, "scopes").await;
    let more =
        format!("scopes = [\"system/Patient.r\", \"system/Flag.c\"]\n[[on]]\nchange = \"{}\"\n", site.criteria("Patient", "a"));
    let cases = [
        ("creator", json!(["create", site.observation("a")]), "system/Observation.c"),
        ("changer", json!(["patch", "{ref}", [{"op": "add", "path": "/gender", "value": "female"}]]), "system/Patient.u"),
        ("deleter", json!(["delete", "{ref}"]), "system/Patient.d"),
        ("searcher", json!(["search", "Observation", format!("identifier={}|a", site.system())]), "system/Observation.s"),
    ];
    let flag =
        json!({"resourceType": "Flag", "status": "active", "code": {"text": site.tenant}, "subject": {"reference": "{ref}"}});
    for (name, step, _) in &cases {
        site.deploy(name, &more, json!({"change": [["create", flag], step]})).await;
    }
    site.deploy("reader", &more, json!({"change": [["read", "{ref}"]]})).await;

    let patient = reference(&site.fhir.create(&site.patient("a")).await);
    for (name, _, scope) in &cases {
        let run = site.runs(name, 1).await.remove(0);
        assert_eq!((&run["state"], &run["failure"]["code"]), (&json!("dead"), &json!("scope")), "{run:#}");
        let message = run["failure"]["message"].as_str().unwrap();
        assert!(message.contains(scope), "{message:?} does not name {scope}");
        assert_eq!(run["wrote"], json!([]));
    }
    let read = site.runs("reader", 1).await.remove(0);
    assert_eq!(answers(&read)[0]["ok"]["id"], patient.split_once('/').unwrap().1, "{read:#}");
    assert_eq!(site.observations("a").await.len(), 0);
    assert_eq!(site.fhir.search(&format!("Flag?subject={patient}")).await.len(), 0);
    assert_eq!(site.fhir.read(&patient).await["meta"]["versionId"], "1");
    site.end().await;
}

/// A looping bot, a memory hog and a trapping bot end as dead letters with the reason, while another bot goes on with the same patients.
pub async fn bad_bots_die_and_others_go_on(options: Options) {
    let site = Site::start(options, "hostile").await;
    let on = |limits: &str| {
        format!(
            "scopes = [\"system/Observation.c\"]\n[limits]\n{limits}\n[retry]\nattempts = 2\nfirst-ms = 20\nmax-ms = 50\n[[on]]\nchange = \"{}\"\n",
            site.criteria("Patient", "a")
        )
    };
    let bad = [
        ("looping", "cpu-ms = 100", json!(["loop"]), "limit-cpu"),
        ("hog", "memory-mib = 16", json!(["hog", 100]), "limit-memory"),
        ("trapping", "", json!(["trap", 3]), "trap"),
    ];
    for (name, limits, step, _) in &bad {
        // What a bot staged before it failed is not written.
        site.deploy(name, &on(limits), json!({"change": [["create", site.observation(name)], step]})).await;
    }
    site.deploy("good", &on(""), json!({"change": [["create", site.observation("good")]]})).await;
    for _ in 0..3 {
        site.fhir.create(&site.patient("a")).await;
    }

    for run in site.runs("good", 3).await {
        assert_eq!(run["state"], "done", "{run:#}");
    }
    assert_eq!(site.observations("good").await.len(), 3);
    for (name, _, _, code) in &bad {
        for run in site.runs(name, 3).await {
            assert_eq!((run["state"].as_str(), run["failure"]["code"].as_str()), (Some("dead"), Some(*code)), "{run:#}");
            assert_eq!(run["attempts"], 2, "{run:#}");
            assert!(!run["failure"]["message"].as_str().unwrap().is_empty());
        }
        assert_eq!(site.observations(name).await.len(), 0);
    }
    let dead = site.get("dead").await;
    assert_eq!(dead["runs"].as_array().unwrap().len(), 9);
    let listed = site.get("bots").await;
    let limited =
        |name: &str| listed["bots"].as_array().unwrap().iter().find(|bot| bot["name"] == name).unwrap()["limited"].clone();
    let counted = ["looping", "hog", "trapping", "good"].map(limited);
    assert_eq!(counted, [json!({"limit-cpu": 6}), json!({"limit-memory": 6}), json!({}), json!({})]);
    site.end().await;
}
