//! Answers that are lost, and hosts that die, between the server's commit and Hob's knowing of it.

use serde_json::json;

use crate::fhir::{reference, version};
use crate::hapi::Options;
use crate::proxy::Mode;
use crate::site::Site;

fn writer(site: &Site) -> (String, serde_json::Value) {
    let more = format!(
        "scopes = [\"system/Patient.ru\", \"system/Observation.c\"]\n[retry]\nfirst-ms = 50\n[[on]]\nchange = \"{}\"\n",
        site.criteria("Patient", "a")
    );
    let steps = json!([
        ["create", site.observation("a")],
        ["create", site.observation("b")],
        ["patch", "{ref}", [{"op": "add", "path": "/gender", "value": "female"}]],
    ]);
    (more, json!({"change": steps}))
}

/// The host is killed after the server has committed and before it knows. Then people go on with what it made. After the restart their work
/// stands, nothing is made a second time, and the run is done.
pub async fn killed_between_commit_and_answer(options: Options) {
    let mut site = Site::start_process(options, "killed").await;
    let (more, steps) = writer(&site);
    site.deploy("writer", &more, steps).await;

    site.server.set(Mode::Swallow);
    let patient = reference(&site.fhir.create(&site.patient("a")).await);
    assert_eq!(site.server.lost(1).await, [200]);
    site.kill().await;
    site.server.set(Mode::Pass);

    let (first, second) = (site.observations("a").await, site.observations("b").await);
    assert_eq!((first.len(), second.len()), (1, 1), "the server had committed");
    site.fhir.edit(&reference(&first[0]), "status", json!("amended")).await;
    site.fhir.delete(&reference(&second[0])).await;

    site.start_there().await;
    let run = site.runs("writer", 1).await.remove(0);
    assert_eq!(run["state"], "done", "{run:#}");
    site.quiet().await;
    let now = site.observations("a").await;
    assert_eq!((now.len(), version(&now[0]), &now[0]["status"]), (1, "2", &json!("amended")));
    assert_eq!(site.observations("b").await.len(), 0, "what was deleted stays deleted");
    assert!(!site.fhir.is_there(&reference(&second[0])).await);
    let now = site.fhir.read(&patient).await;
    assert_eq!((version(&now), &now["gender"]), ("2", &json!("female")));
    assert_eq!(site.rows("writer").await.len(), 1, "its own update, seen after the restart, is known as its own");
    site.end().await;
}

/// The host is killed while its transaction is still on its way. The next host sends what was recorded; when the first one arrives after all, it
/// finds that it has happened.
pub async fn killed_and_overtaken(options: Options) {
    let mut site = Site::start_process(options, "overtaken").await;
    let (more, steps) = writer(&site);
    site.deploy("writer", &more, steps).await;

    site.server.set(Mode::Hold);
    let patient = reference(&site.fhir.create(&site.patient("a")).await);
    site.server.held(1).await;
    site.kill().await;
    site.server.set(Mode::Pass);
    assert_eq!(site.observations("a").await.len(), 0, "nothing has arrived");

    site.start_there().await;
    let run = site.runs("writer", 1).await.remove(0);
    assert_eq!(run["state"], "done", "{run:#}");
    site.server.release();
    assert_eq!(site.server.late(1).await, [409]);
    assert_eq!((site.observations("a").await.len(), site.observations("b").await.len()), (1, 1));
    assert_eq!(version(&site.fhir.read(&patient).await), "2");
    site.quiet().await;
    assert_eq!(site.rows("writer").await.len(), 1);
    site.end().await;
}

/// The answer is lost and the host lives: it finds out, and sends nothing again.
pub async fn a_lost_answer_is_found_out(options: Options) {
    let site = Site::start(options, "lost").await;
    let (more, steps) = writer(&site);
    site.deploy("writer", &more, steps).await;
    let before = site.server.transactions();

    site.server.set(Mode::DropAnswer);
    let patient = reference(&site.fhir.create(&site.patient("a")).await);
    assert_eq!(site.server.lost(1).await, [200]);
    site.server.set(Mode::Pass);
    let run = site.runs("writer", 1).await.remove(0);
    assert_eq!(run["state"], "done", "{run:#}");
    assert_eq!((site.observations("a").await.len(), site.observations("b").await.len()), (1, 1));
    assert_eq!(version(&site.fhir.read(&patient).await), "2");
    assert_eq!(site.server.transactions() - before, 1);
    site.end().await;
}

/// A network that delivers the transaction twice makes it happen once.
pub async fn a_doubled_transaction_happens_once(options: Options) {
    let site = Site::start(options, "doubled").await;
    let (more, steps) = writer(&site);
    site.deploy("writer", &more, steps).await;

    site.server.set(Mode::Twice);
    let patient = reference(&site.fhir.create(&site.patient("a")).await);
    let run = site.runs("writer", 1).await.remove(0);
    // The host got the second answer, a refusal, and looked.
    assert_eq!(site.server.lost(1).await, [200]);
    assert_eq!(run["state"], "done", "{run:#}");
    assert_eq!((site.observations("a").await.len(), site.observations("b").await.len()), (1, 1));
    assert_eq!(version(&site.fhir.read(&patient).await), "2");
    site.end().await;
}
