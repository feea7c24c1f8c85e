//! Other people's work: patients created, changed and deleted as fast as the server takes it, with a bound on how far the host may be behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::front::Front;

/// Writers at once; each has patients of its own.
const WRITERS: u64 = 4;

/// How much there is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Patients of all writers together.
    pub(crate) patients: usize,
    /// Versions that may wait for their results: a backlog that outlasts several kills.
    pub(crate) behind: u64,
}

/// What is going on.
#[derive(Default)]
pub(crate) struct Progress {
    /// Changes that the server took.
    pub(crate) changes: AtomicU64,
    /// The writers end at their goal once this is set.
    pub(crate) may_end: AtomicBool,
}

struct Patient {
    id: String,
    /// The busy bot works on it; it is never deleted.
    busy: bool,
    there: bool,
}

/// Starts the writers. They end when `goal` changes are made and they may end.
pub(crate) fn start(
    front: &Arc<Front>,
    seed: u64,
    goal: u64,
    load: Load,
    deletes: bool,
    progress: &Arc<Progress>,
) -> JoinSet<Result<(), String>> {
    let mut writers = JoinSet::new();
    for number in 0..WRITERS {
        let (front, progress) = (Arc::clone(front), Arc::clone(progress));
        let random = StdRng::seed_from_u64(seed ^ (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        writers.spawn(write(front, random, goal, load, deletes, progress));
    }
    writers
}

async fn write(
    front: Arc<Front>,
    mut random: StdRng,
    goal: u64,
    load: Load,
    deletes: bool,
    progress: Arc<Progress>,
) -> Result<(), String> {
    let own = (load.patients / usize::try_from(WRITERS).unwrap_or(1)).max(1);
    let http = reqwest::Client::new();
    let mut patients: Vec<Patient> = Vec::new();
    let mut count = 0_u64;
    loop {
        if progress.may_end.load(Ordering::SeqCst) && progress.changes.load(Ordering::SeqCst) >= goal {
            return Ok(());
        }
        if front.waiting() >= load.behind {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        }
        count += 1;
        let create = patients.is_empty() || (patients.len() < own && random.random_bool(0.2));
        if create {
            let busy = patients.len().is_multiple_of(5);
            let answer = send(&http, &front, Method::POST, "Patient", Some(&content(None, busy, count))).await?;
            let id = answer["id"].as_str().ok_or("the server gave a new patient no id")?.to_owned();
            patients.push(Patient { id, busy, there: true });
        } else {
            // A few have much of the traffic.
            let among = if random.random_bool(0.3) { patients.len().min(3) } else { patients.len() };
            let index = random.random_range(0..among);
            let patient = &mut patients[index];
            let path = format!("Patient/{}", patient.id);
            if deletes && !patient.busy && patient.there && random.random_bool(0.1) {
                send(&http, &front, Method::DELETE, &path, None).await?;
                patient.there = false;
            } else {
                let content = content(Some(&patient.id), patient.busy, count);
                send(&http, &front, Method::PUT, &path, Some(&content)).await?;
                patient.there = true;
            }
        }
        progress.changes.fetch_add(1, Ordering::SeqCst);
    }
}

fn content(id: Option<&str>, busy: bool, count: u64) -> Value {
    let mut patient = json!({
        "resourceType": "Patient",
        "active": true,
        "gender": if busy { "other" } else { "unknown" },
        "name": [{"family": format!("Number {count}")}],
    });
    if let Some(id) = id {
        patient["id"] = json!(id);
    }
    patient
}

/// Sends until the server takes it: HAPI refuses one of two that write to one place at once.
async fn send(http: &reqwest::Client, front: &Front, method: Method, path: &str, body: Option<&Value>) -> Result<Value, String> {
    let mut said = String::new();
    for _ in 0..20 {
        let mut request = http.request(method.clone(), format!("{}/{path}", front.base()));
        if let Some(body) = body {
            request = request.header("content-type", "application/fhir+json").body(body.to_string());
        }
        let response = request.send().await.map_err(|e| format!("{method} {path}: {e}"))?;
        let status = response.status();
        let text = response.text().await.map_err(|e| format!("{method} {path}: {e}"))?;
        if status.is_success() {
            return Ok(serde_json::from_str(&text).unwrap_or_default());
        }
        said = format!("{method} {path}: {status} {text}");
        if status.as_u16() != 409 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(said)
}
