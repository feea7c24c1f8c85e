//! One change is one run, whatever brings it.

use serde_json::json;

use crate::fhir::reference;
use crate::hapi::Options;
use crate::proxy::again;
use crate::site::{Site, answers};
use crate::wait::until;

/// Two Subscriptions, a redelivery, and a redelivery after another release went live: one run.
pub async fn one_change_is_one_run(options: Options) {
    let site = Site::start(options, "once").await;
    let criteria = site.criteria("Patient", "a");
    let more = format!("[[on]]\nchange = \"{criteria}\"\n[[on]]\nchange = \"{criteria}&active=true\"\n");
    let deployed = site.deploy("watcher", &more, json!({"change": [["event"]]})).await;
    assert_eq!(deployed["bot"]["subscriptions"].as_array().unwrap().len(), 2);

    let patient = reference(&site.fhir.create(&site.patient("a")).await);
    let posted = until("a notification of each Subscription", || async {
        let seen: Vec<_> = site.hooks.seen().into_iter().filter(|seen| seen.path.ends_with(&patient)).collect();
        (seen.len() == 2).then_some(seen)
    })
    .await;
    assert!(posted[0].path != posted[1].path, "each Subscription has its own path");
    let first = site.runs("watcher", 1).await.remove(0);
    site.quiet().await;
    assert_eq!(site.rows("watcher").await.len(), 1);

    for seen in &posted {
        assert_eq!(again(&site.hooks.base_url(), seen).await, 200);
    }
    site.quiet().await;
    assert_eq!(site.rows("watcher").await.len(), 1);

    let next = site.deploy_on("hapi", "watcher", "1.1.0", &more, json!({"change": [["event"], ["event"]]})).await;
    assert!(next["bot"]["release"] != deployed["bot"]["release"]);
    for seen in &posted {
        assert_eq!(again(&site.hooks.base_url(), seen).await, 200);
    }
    site.quiet().await;
    let rows = site.rows("watcher").await;
    assert_eq!((rows.len(), &rows[0]["run"], &rows[0]["attempts"]), (1, &first["run"], &json!(1)));

    // The next version runs on the new release.
    site.fhir.edit(&patient, "gender", json!("female")).await;
    let runs = site.runs("watcher", 2).await;
    assert_eq!(runs[1]["release"], next["bot"]["release"]);
    assert_eq!(answers(&runs[1]).as_array().unwrap().len(), 2);
    site.end().await;
}
