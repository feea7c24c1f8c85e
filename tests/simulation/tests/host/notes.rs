//! A bot that leaves a note for each version of a Task, and what its notes on a server say: that nothing is missing, nothing is there twice, and all of
//! it came in order.

use std::collections::BTreeMap;
use std::time::Duration;

use hob_model::{Cause, Effects, Failure, RunState, Write};
use serde_json::json;

use crate::site::{Asked, Site};

/// One Observation for each version of a Task.
pub(crate) fn notes(asked: &Asked<'_>) -> Result<Effects, Failure> {
    let Cause::Change { key, .. } = &asked.event.cause else { return Ok(Effects::default()) };
    let name = format!("{} {}", key.resource.resource, key.version);
    let resource = json!({
        "resourceType": "Observation", "status": "final",
        "identifier": [{"system": "urn:sim:of", "value": name}],
    });
    let write = Write::Create {
        resource_type: "Observation".parse().unwrap(),
        reference: "urn:uuid:note".to_owned(),
        is_final: false,
        if_none_exist: None,
        resource,
    };
    Ok(Effects { writes: vec![write], ..Effects::default() })
}

/// Deploys the bot on a source.
pub(crate) async fn deploy(site: &Site, source: &str) {
    site.deploy_on(source, &format!("on-{source}"), "scopes = [\"system/Observation.c\"]\n[[on]]\nchange = \"Task\"").await;
}

/// A note.
pub(crate) struct Note {
    /// Its place in the server's order of commits.
    place: u64,
    /// How long after its Task's version it came.
    pub(crate) took: Duration,
}

/// The notes on a server, by the Task's id and version.
pub(crate) fn on(site: &Site, source: &str) -> BTreeMap<(String, u64), Note> {
    let server = site.far(source).server();
    let mut written = BTreeMap::new();
    for kept in server.versions().filter(|kept| kept.resource_type == "Task") {
        written.insert((kept.id.to_owned(), kept.version.parse::<u64>().unwrap()), kept.at);
    }
    let mut notes = BTreeMap::new();
    for kept in server.versions().filter(|kept| kept.resource_type == "Observation") {
        let name = kept.resource.unwrap()["identifier"][0]["value"].as_str().unwrap();
        let (id, version) = name.strip_prefix("Task/").unwrap().split_once(' ').unwrap();
        let of = (id.to_owned(), version.parse().unwrap());
        let took = kept.at.since(written[&of]);
        assert!(notes.insert(of, Note { place: kept.sequence, took }).is_none(), "{source}: {name} was noted twice");
    }
    notes
}

/// Waits until each of so many versions has its note, an hour at most, and sees that those of a Task came in the order of its versions.
pub(crate) async fn all_are_there(site: &Site, source: &str, versions: usize) -> BTreeMap<(String, u64), Note> {
    for _ in 0..360 {
        if on(site, source).len() == versions {
            break;
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    let notes = on(site, source);
    assert_eq!(notes.len(), versions, "{source}: notes an hour after all was well");
    let mut last = BTreeMap::new();
    for ((id, version), note) in &notes {
        let before = last.insert(id, note.place);
        assert!(before < Some(note.place), "{source}: Task/{id} {version} was noted before the version before it");
    }
    assert_eq!(done(site, source).await, versions, "{source}: runs that are done");
    notes
}

/// How many runs of the bot are done.
pub(crate) async fn done(site: &Site, source: &str) -> usize {
    site.rows(&format!("on-{source}")).await.iter().filter(|row| row.state == RunState::Done).count()
}

/// The 99th percentile of how long they took.
pub(crate) fn p99<'a>(notes: impl Iterator<Item = &'a Note>) -> Duration {
    let mut took: Vec<Duration> = notes.map(|note| note.took).collect();
    took.sort_unstable();
    took[took.len() * 99 / 100]
}
