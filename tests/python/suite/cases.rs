//! The example's cases, on its component: what it reads, writes and sets is what its files say, and every run is repeated byte for byte.

use std::collections::BTreeMap;
use std::sync::Arc;

use hob_engine::{RunInput, RunOutput};
use hob_model::{Cause, ChangeKey, FailureKind, Interaction, Manifest, ResourceKey, RunId, TimerOp, Timestamp, Trigger, Write};
use hob_search::Criteria;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::fake::Fake;
use crate::stage::{example, input, manifest, release, run, run_twice};

/// A file of `cases/`, in the format of the shipped bots' cases.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    title: String,
    given: Vec<Value>,
    event: Happening,
    #[serde(default)]
    settings: BTreeMap<String, Value>,
    now: String,
    expect: Value,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Happening {
    Change { change: String, resource: String },
    Timer { timer: String, due: String, payload: Value },
}

impl Case {
    /// The run's input; none where no trigger wants the event.
    fn input(&self, manifest: &Manifest) -> Option<RunInput> {
        let settings = manifest
            .settings
            .iter()
            .filter_map(|(name, spec)| Some((name.clone(), self.settings.get(name).or(spec.default.as_ref())?.clone())));
        let now = Timestamp::parse(&self.now).unwrap();
        let base = match &self.event {
            Happening::Timer { timer, due, payload } => {
                let (key, due, set_by) = (timer.clone(), Timestamp::parse(due).unwrap(), RunId::of_parts(&[b"earlier"]));
                input(Cause::Timer { key, due, set_by }, payload, None)
            }
            Happening::Change { change, resource } => {
                let is = |one: &&Value| {
                    format!("{}/{}", one["resourceType"].as_str().unwrap(), one["id"].as_str().unwrap()) == *resource
                };
                let versions: Vec<&Value> = self.given.iter().filter(is).collect();
                let mut newest = (*versions.last().expect("the event's resource is given")).clone();
                let wanted = manifest.on.iter().any(|trigger| match trigger {
                    Trigger::Change { criteria, interactions, .. } => {
                        let named = interactions.iter().any(|one| one.to_string() == *change);
                        named && Criteria::parse(criteria).unwrap().matches(&newest)
                    }
                    _ => false,
                });
                if !wanted {
                    return None;
                }
                let version = versions.len().to_string();
                newest["meta"]["versionId"] = json!(version);
                let resource = ResourceKey {
                    tenant: "clinic".parse().unwrap(),
                    source: "ehr".parse().unwrap(),
                    resource: resource.parse().unwrap(),
                };
                let interaction = if change == "create" { Interaction::Create } else { Interaction::Update };
                let cause =
                    Cause::Change { key: ChangeKey { resource, version: version.parse().unwrap() }, interaction, previous: None };
                input(cause, &newest.clone(), Some(newest))
            }
        };
        Some(RunInput { now, settings: settings.collect(), ..base })
    }
}

/// A conditional create's search as the bot gave it: the engine narrows it to the scopes.
fn asked(output: &RunOutput, narrowed: &str) -> String {
    let creates = output.journal.calls.iter().filter(|call| call.function == "fhir.create");
    let queries =
        creates.filter_map(|call| serde_json::from_str::<Value>(call.request.get()).ok()?[1].as_str().map(str::to_owned));
    queries.into_iter().find(|query| narrowed.starts_with(query.as_str())).unwrap_or_else(|| narrowed.to_owned())
}

/// What a run did, as a case says it.
fn did(output: &RunOutput) -> Value {
    let reads = output.journal.calls.iter().filter_map(|call| {
        let request: Value = serde_json::from_str(call.request.get()).unwrap();
        match call.function.as_str() {
            "fhir.read" => request[0].as_str().map(str::to_owned),
            "fhir.search" => Some(format!("{}?{}", request[0].as_str()?, request[1].as_str()?)),
            _ => None,
        }
    });
    let writes = output.effects.writes.iter().map(|write| match write {
        Write::Create { resource, if_none_exist, .. } => {
            let mut shown = resource.clone();
            shown.as_object_mut().unwrap().shift_remove("id");
            match if_none_exist {
                Some(query) => json!({ "create": shown, "if-none-exist": asked(output, query) }),
                None => json!({ "create": shown }),
            }
        }
        Write::Update { resource, read, .. } => {
            let mut shown = resource.clone();
            shown.as_object_mut().unwrap().shift_remove("meta");
            json!({ "update": shown, "if-match": read.to_string() })
        }
        Write::Delete { target, .. } => json!({ "delete": target.to_string() }),
    });
    let created = output.effects.writes.iter().find_map(|write| match write {
        Write::Create { reference, .. } => Some(reference.clone()),
        _ => None,
    });
    let timers = output.effects.timers.iter().map(|timer| match timer {
        // As `hob test` calls what a run creates.
        TimerOp::Set { key, at, payload } => {
            let text = payload.to_string();
            let named = created.as_ref().map_or(text.clone(), |made| text.replace(made, "Task/created-1"));
            json!({ "set": key, "at": at.to_string().replace(".000000Z", "Z"), "payload": serde_json::from_str::<Value>(&named).unwrap() })
        }
        TimerOp::Cancel { key } => json!({ "cancel": key }),
    });
    let failure = output.result.as_ref().err().map(|failure| {
        let kind = if failure.kind == FailureKind::Retry { "retry" } else { "reject" };
        json!({ "kind": kind, "code": failure.code, "message": failure.message })
    });
    json!({ "reads": reads.collect::<Vec<_>>(), "writes": writes.collect::<Vec<_>>(), "timers": timers.collect::<Vec<_>>(), "failure": failure })
}

#[tokio::test]
async fn every_case_of_the_example() {
    let (release, manifest) = (release(&example()), manifest(&example()));
    let mut files: Vec<_> = std::fs::read_dir(example().join("cases")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 6, "{files:?}");
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let case: Case = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let actual = match case.input(&manifest) {
            None => json!({ "started": false }),
            Some(input) => did(&run_twice(&release, input, &Arc::new(Fake::with(case.given.clone()))).await),
        };
        if actual != case.expect {
            if std::env::var_os("UPDATE_CASES").is_some() {
                let mut document: Value = serde_json::from_str(&text).unwrap();
                document["expect"] = actual;
                std::fs::write(&file, format!("{document:#}\n")).unwrap();
            } else {
                wrong.push(format!("{}: {}\nexpected {:#}\nactual {actual:#}", file.display(), case.title, case.expect));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Printed, not judged: what a run costs in this build, whose host functions are not optimised; `cargo xtask bench python` judges.
#[tokio::test]
async fn what_a_run_costs() {
    let (release, manifest) = (release(&example()), manifest(&example()));
    let text = std::fs::read_to_string(example().join("cases/01-crisis.json")).unwrap();
    let case: Case = serde_json::from_str(&text).unwrap();
    let fhir = Arc::new(Fake::with(case.given.clone()));
    let mut cpu = Vec::new();
    for _ in 0..200 {
        let output = run(&release, case.input(&manifest).unwrap(), &fhir).await;
        assert_eq!(output.effects.writes.len(), 1, "{:?}", output.result);
        cpu.push(output.cpu.as_micros());
    }
    cpu.sort_unstable();
    println!("200 runs: {} us of CPU in the middle, {} at least", cpu[100], cpu[0]);
}
