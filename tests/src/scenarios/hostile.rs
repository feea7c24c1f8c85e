//! Bots that do what they may not, or what nobody should.

use serde_json::json;

use crate::fhir::reference;
use crate::hapi::Options;
use crate::site::{Site, answers};

/// What the manifest does not grant is refused, with the scope that would be needed, and nothing is written.
pub async fn outside_its_scopes(options: Options) {
    let site = Site::start(options, "scopes").await;
    let more = format!("scopes = [\"system/Patient.r\"]\n[[on]]\nchange = \"{}\"\n", site.criteria("Patient", "a"));
    let steps = json!([
        ["create", site.observation("a")],
        ["patch", "{ref}", [{"op": "add", "path": "/gender", "value": "female"}]],
        ["search", "Observation", format!("identifier={}|a", site.system())],
        ["read", "{ref}"],
    ]);
    site.deploy("snoop", &more, json!({"change": steps})).await;

    let patient = reference(&site.fhir.create(&site.patient("a")).await);
    let run = site.runs("snoop", 1).await.remove(0);
    let answers = answers(&run);
    for (step, scope) in [(0, "system/Observation.c"), (1, "system/Patient.u"), (2, "system/Observation.s")] {
        let message = answers[step]["message"].as_str().unwrap_or_else(|| panic!("not refused: {run:#}"));
        assert!(message.contains(scope), "{message:?} does not name {scope}");
    }
    assert_eq!(answers[3]["ok"]["id"], patient.split_once('/').unwrap().1);
    assert_eq!(run["wrote"], json!([]));
    assert_eq!(site.observations("a").await.len(), 0);
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
    site.end().await;
}
