//! What is on the server, compared with what a run without kills gives.
//!
//! The patients' own histories say what there was to do: every version of every patient gets one result; every version of a busy one
//! that somebody else wrote gets a result, a version, a timer, a request and a question besides. Anything more is doubled, anything less is lost, and the history
//! of the results says in which order they were made.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::receiver::Receiver;
use crate::site::{BUSY, ECHO, REPLY, TICK, TIMER};

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Versions of patients.
    pub(crate) versions: usize,
    /// Results, timers, answers and requests that were to be there.
    pub(crate) wanted: usize,
    pub(crate) lost: Vec<String>,
    pub(crate) doubled: Vec<String>,
    pub(crate) inverted: Vec<String>,
}

impl Verdict {
    pub(crate) fn is_clean(&self) -> bool {
        self.lost.is_empty() && self.doubled.is_empty() && self.inverted.is_empty()
    }
}

/// One version in a history.
struct Entry {
    id: String,
    version: u64,
    /// None for a delete.
    resource: Option<Value>,
}

/// Reads the server at `base` and judges.
pub(crate) async fn judge(base: &str, receiver: &Receiver) -> Result<Verdict, String> {
    let http = reqwest::Client::new();
    let patients = history(&http, base, "Patient").await?;
    let observations = history(&http, base, "Observation").await?;

    let mut wanted: BTreeMap<(&str, String), u64> = BTreeMap::new();
    let mut found: BTreeMap<(&str, String), u64> = BTreeMap::new();
    let mut verdict = Verdict { versions: patients.len(), ..Verdict::default() };
    for entry in &patients {
        let of_version = format!("Patient/{}/{}", entry.id, entry.version);
        wanted.insert((ECHO, of_version.clone()), 1);
        let Some(resource) = entry.resource.as_ref().filter(|resource| resource["gender"] == "other") else { continue };
        if let Some(trigger) = resource["maritalStatus"]["text"].as_str() {
            *found.entry(("a version by", format!("Patient/{}/{trigger}", entry.id))).or_default() += 1;
            continue;
        }
        let key = format!("{}-{}", entry.id, entry.version);
        for system in [TIMER, REPLY] {
            wanted.insert((system, key.clone()), 1);
        }
        for system in [BUSY, "a version by", "a request by", "a question by"] {
            wanted.insert((system, of_version.clone()), 1);
        }
    }
    for (what, texts) in [("a request by", receiver.messages()), ("a question by", receiver.questions())] {
        for text in texts {
            *found.entry((what, text)).or_default() += 1;
        }
    }
    let mut newest: BTreeMap<(&str, String), u64> = BTreeMap::new();
    for entry in &observations {
        let identifier = entry.resource.as_ref().map(|resource| &resource["identifier"][0]);
        let text = |name: &str| identifier.and_then(|identifier| identifier[name].as_str()).unwrap_or_default();
        let Some(system) = [ECHO, BUSY, TIMER, REPLY, TICK].into_iter().find(|system| *system == text("system")) else {
            continue;
        };
        let value = text("value").to_owned();
        if let Some((patient, version)) = value.rsplit_once('/') {
            let version = version.parse().unwrap_or(0);
            let last = newest.entry((system, patient.to_owned())).or_default();
            if version < *last {
                verdict.inverted.push(format!("{system} {value} after version {last}"));
            }
            *last = version.max(*last);
        }
        if system == TICK {
            // Which instants there are is the clock's business; each is once.
            wanted.insert((system, value.clone()), 1);
        }
        *found.entry((system, value)).or_default() += 1;
    }
    verdict.wanted = wanted.len();
    for (what, want) in &wanted {
        let there = found.get(what).copied().unwrap_or(0);
        if there < *want {
            verdict.lost.push(format!("{} {}", what.0, what.1));
        }
    }
    for (what, there) in &found {
        let want = wanted.get(what).copied().unwrap_or(0);
        if *there > want {
            verdict.doubled.push(format!("{} {}: {there}, not {want}", what.0, what.1));
        }
    }
    Ok(verdict)
}

/// All versions of a type, oldest first.
async fn history(http: &reqwest::Client, base: &str, resource_type: &str) -> Result<Vec<Entry>, String> {
    let mut entries = Vec::new();
    let mut url = format!("{base}/{resource_type}/_history?_count=500");
    loop {
        let answer = http.get(&url).send().await.map_err(|e| format!("{resource_type}/_history: {e}"))?;
        let text = answer.text().await.map_err(|e| format!("{resource_type}/_history: {e}"))?;
        let page: Value = serde_json::from_str(&text).map_err(|e| format!("{resource_type}/_history: {e}"))?;
        for entry in page["entry"].as_array().into_iter().flatten() {
            entries.push(
                read(resource_type, entry)
                    .ok_or_else(|| format!("{resource_type}/_history has an entry without id or version"))?,
            );
        }
        let next = page["link"].as_array().into_iter().flatten().find(|link| link["relation"] == "next");
        match next.and_then(|link| link["url"].as_str()) {
            Some(next) => next.clone_into(&mut url),
            None => break,
        }
    }
    entries.reverse();
    Ok(entries)
}

fn read(resource_type: &str, entry: &Value) -> Option<Entry> {
    let resource = entry.get("resource").filter(|resource| resource.is_object()).cloned();
    // A delete has no resource: the entry's own words name it.
    let url = entry["request"]["url"].as_str().unwrap_or_default();
    let etag = entry["response"]["etag"].as_str().unwrap_or_default();
    let of_resource = |pointer: &str| resource.as_ref().and_then(|resource| resource.pointer(pointer)?.as_str());
    let version = of_resource("/meta/versionId")
        .or_else(|| url.split_once("/_history/").map(|(_, version)| version))
        .unwrap_or_else(|| etag.trim_start_matches("W/").trim_matches('"'));
    let id = of_resource("/id").or_else(|| url.split('/').skip_while(|part| *part != resource_type).nth(1));
    Some(Entry { id: id?.to_owned(), version: version.parse().ok()?, resource })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::sync::mpsc;

    use super::*;
    use crate::front::Front;
    use crate::site::observation;

    /// A server with one patient of two versions and one that a delete ended, and these results.
    async fn found(results: &[(&str, &str)]) -> Verdict {
        let (asks, _deaths) = mpsc::channel(1);
        let front = Front::start(None, false, asks).await.unwrap();
        let http = reqwest::Client::new();
        let put = async |resource: Value| {
            let path = format!("{}/Patient/{}", front.base(), resource["id"].as_str().unwrap());
            let answer = http.put(path).header("content-type", "application/fhir+json").body(resource.to_string()).send().await;
            assert!(answer.unwrap().status().is_success());
        };
        put(json!({"resourceType": "Patient", "id": "a", "active": true})).await;
        put(json!({"resourceType": "Patient", "id": "a", "active": true, "gender": "male"})).await;
        put(json!({"resourceType": "Patient", "id": "2", "active": true})).await;
        http.delete(format!("{}/Patient/2", front.base())).send().await.unwrap();
        for (system, value) in results {
            let body = observation(system, value).to_string();
            let path = format!("{}/Observation", front.base());
            http.post(path).header("content-type", "application/fhir+json").body(body).send().await.unwrap();
        }
        judge(front.base(), &Receiver::default()).await.unwrap()
    }

    const ALL: [(&str, &str); 4] = [(ECHO, "Patient/a/1"), (ECHO, "Patient/2/1"), (ECHO, "Patient/a/2"), (ECHO, "Patient/2/2")];

    #[tokio::test]
    async fn one_result_for_each_version_in_order_is_clean() {
        let verdict = found(&ALL).await;
        assert!(verdict.is_clean(), "{verdict:?}");
        assert_eq!((verdict.versions, verdict.wanted), (4, 4));
    }

    #[tokio::test]
    async fn what_is_missing_twice_or_out_of_order_is_seen() {
        let lost = found(&ALL[..3]).await;
        assert_eq!((lost.lost, lost.doubled.len()), (vec!["urn:crash:echo Patient/2/2".to_owned()], 0));
        let doubled = found(&[&ALL[..], &ALL[3..]].concat()).await;
        assert_eq!((doubled.lost.len(), doubled.doubled), (0, vec!["urn:crash:echo Patient/2/2: 2, not 1".to_owned()]));
        let unasked = found(&[&ALL[..], &[(TIMER, "a-2"), (TICK, "noon"), (TICK, "noon")]].concat()).await;
        assert_eq!(unasked.doubled, ["urn:crash:tick noon: 2, not 1", "urn:crash:timer a-2: 1, not 0"]);
        let inverted = found(&[ALL[2], ALL[0], ALL[1], ALL[3]]).await;
        assert_eq!((inverted.inverted.len(), inverted.lost.len(), inverted.doubled.len()), (1, 0, 0));
    }

    #[tokio::test]
    async fn a_busy_patient_wants_all_that_its_bot_does() {
        let (asks, _deaths) = mpsc::channel(1);
        let front = Front::start(None, false, asks).await.unwrap();
        let patient = json!({"resourceType": "Patient", "active": true, "gender": "other"});
        let ask = reqwest::Client::new().post(format!("{}/Patient", front.base())).body(patient.to_string());
        ask.header("content-type", "application/fhir+json").send().await.unwrap();
        let verdict = judge(front.base(), &Receiver::default()).await.unwrap();
        assert_eq!((verdict.wanted, verdict.lost.len()), (7, 7), "{verdict:?}");
    }
}
