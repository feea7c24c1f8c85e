//! A recorded run is repeated from its journal alone: the same calls, log and outcome, whatever the run did and however it ended.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hob_engine::{Outside, Release, Replayed, RunInput, RunOutput, is_unknown};
use hob_model::{Difference, Journal, ManualClock};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::fake::Fake;
use crate::stage::{answers, failure, input, now, release, run_input, task, with_resource};

const RULES: &str = "scopes = [\"system/Task.cruds\", \"system/Patient.r\", \"system/Basic.s?code=a\"]\n\
    [limits]\ncpu-ms = 300\nwall-ms = 2000\nmemory-mib = 32\nhost-calls = 40\nwrites = 6\n\
    [[http]]\nmethods = [\"POST\"]\nhost = \"sms.example\"\npath = \"/v1\"\nsecrets = [\"TOKEN\"]\n\
    [settings.days]\ntype = \"integer\"\ndefault = 3\n[secrets]\nTOKEN = { env = \"T\" }\n\
    KEY = { env = \"K\", sign = \"hmac-sha256\" }\nSHOWN = { env = \"S\", expose = true }\n";

fn server(page: usize) -> Arc<Fake> {
    let tasks = (0..5).map(|n| task(&n.to_string(), if n % 2 == 0 { "ready" } else { "draft" }));
    let others = [json!({ "resourceType": "Patient", "id": "p", "active": true }), json!({ "resourceType": "Basic", "id": "b" })];
    let server = Fake::with(tasks.chain(others));
    server.put(task("1", "completed"));
    Arc::new(Fake { page, ..server })
}

/// One step of the actor, of any kind.
fn step() -> impl Strategy<Value = Value> {
    let id =
        || prop_oneof![(0_u8..6).prop_map(|n| format!("Task/{n}")), Just("Patient/p".to_owned()), Just("Task/no".to_owned())];
    let status = || prop_oneof![Just("ready"), Just("draft"), Just("completed")];
    let reads = prop_oneof![
        id().prop_map(|it| json!(["read", it])),
        (id(), 0_u8..3).prop_map(|(it, version)| json!(["vread", it, version.to_string()])),
        id().prop_map(|it| json!(["history", it])),
        status().prop_map(|status| json!(["search", "Task", format!("status={status}")])),
        Just(json!(["search", "Basic", ""])),
        Just(json!(["search-all", "Task", ""])),
        (1_u8..4).prop_map(|page| json!(["more", format!("page:{page}")])),
        proptest::collection::vec(id(), 0..12).prop_map(|ids| json!(["batch", ids])),
    ];
    let writes = prop_oneof![
        status().prop_map(|status| json!(["create", task("", status)])),
        status().prop_map(|status| json!(["create", task("", status), format!("status={status}")])),
        (0_u8..6, status()).prop_map(|(n, status)| json!(["update", task(&n.to_string(), status)])),
        (id(), status()).prop_map(|(it, status)| json!(["patch", it, [{ "op": "replace", "path": "/status", "value": status }]])),
        id().prop_map(|it| json!(["delete", it])),
        (id(), 0_u8..3).prop_map(|(it, version)| json!(["guard", it, version.to_string()])),
    ];
    let others = prop_oneof![
        (0_u8..3).prop_map(|n| json!(["timer", n.to_string(), "2026-02-01T00:00:00Z", { "n": n }])),
        (0_u8..3).prop_map(|n| json!(["cancel", n.to_string()])),
        (0_u8..3).prop_map(|n| json!(["send", n.to_string(), "POST", "https://sms.example/v1/send", "hi"])),
        (0_u8..3).prop_map(|n| json!(["ask", "POST", "https://sms.example/v1/number", n.to_string()])),
        Just(json!(["ask", "GET", "https://evil.example/", ""])),
        Just(json!(["setting", "days"])),
        Just(json!(["secret", "TOKEN"])),
        (0_u8..3).prop_map(|n| json!(["sign", "KEY", "hmac-sha256", n.to_string()])),
        Just(json!(["sign", "KEY", "es256", "x"])),
        // From here on the journal has marks where the secret was.
        Just(json!(["expose", "SHOWN", "https://sms.example/v1/shown"])),
        Just(json!(["expose", "TOKEN", ""])),
        Just(json!(["fhirpath", { "resourceType": "Task", "status": "ready" }, "now().toString() & today().toString()"])),
        Just(json!(["fhirpath", { "resourceType": "Task" }, "status = = 1"])),
        Just(json!(["machine"])),
        Just(json!(["event"])),
        (0_usize..2_000).prop_map(|length| json!(["log", length])),
    ];
    let ends = prop_oneof![
        Just(json!(["reject", "no", "why"])),
        Just(json!(["retry", "later", "why"])),
        Just(json!(["ask", "POST", "https://sms.example/v1", "later"])),
        Just(json!(["ask", "POST", "https://sms.example/v1", "nobody knows"])),
        Just(json!(["trap", 3])),
        Just(json!(["recurse"])),
        Just(json!(["exit"])),
        Just(json!(["hog", 64])),
        Just(json!(["read", "Observation/1"])),
        Just(json!(["operation", "everything", "Patient/a", ""])),
    ];
    prop_oneof![8 => reads, 8 => writes, 6 => others, 1 => ends]
}

async fn again(release: &Release, input: RunInput, recorded: &RunOutput) -> Replayed {
    let kept = serde_json::to_string(&recorded.journal).unwrap();
    let journal: Journal = serde_json::from_str(&kept).unwrap();
    // What the journal has does not count.
    let input = RunInput { seed: 0, now: now() + std::time::Duration::from_secs(9), previous: None, ..input };
    release.replay(input, journal, Arc::new(ManualClock::new(now()))).await
}

/// What a release makes of what another recorded, with what it asks anew put to `anew`.
async fn otherwise(release: &Release, input: RunInput, recorded: &RunOutput, anew: &Arc<Fake>) -> RunOutput {
    let kept = serde_json::to_string(&recorded.journal).unwrap();
    let journal: Journal = serde_json::from_str(&kept).unwrap();
    let clock = Arc::new(ManualClock::new(now()));
    let outside = Outside { fhir: anew.clone(), http: anew.clone(), secrets: anew.clone(), clock };
    release.otherwise(RunInput { seed: 0, ..input }, Arc::new(journal), outside).await
}

#[test]
fn a_thousand_random_runs_are_repeated_byte_for_byte() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let release = release(RULES);
    let case = (proptest::collection::vec(step(), 1..14), any::<u64>(), 0_usize..4, any::<bool>());
    let counts = Cell::new((0, 0, 0));
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(1_000) });
    let done = runner.run(&case, |(steps, seed, page, on_task)| {
        let steps = Value::Array(steps);
        let input = if on_task { with_resource(steps, task("1", "completed")) } else { input(steps) };
        let input = RunInput { seed, previous: on_task.then(|| task("1", "draft").into()), ..input };
        let recorded = runtime.block_on(run_input(&release, input.clone(), &server(page)));
        let repeated = runtime.block_on(again(&release, input.clone(), &recorded));
        // As another release, on the same journal: nobody is asked anything either.
        let nobody = Arc::new(Fake::default());
        let otherwise = runtime.block_on(otherwise(&release, input, &recorded, &nobody));
        prop_assert_eq!(nobody.calls.load(Ordering::SeqCst) + nobody.asked.lock().unwrap().len(), 0);
        prop_assert_eq!(&otherwise.effects, &repeated.output.effects);
        prop_assert_eq!(&otherwise.result, &repeated.output.result);
        let (calls, writes, failed) = counts.get();
        let also = usize::from(recorded.result.is_err());
        counts.set((calls + recorded.journal.calls.len(), writes + recorded.effects.writes.len(), failed + also));
        prop_assert!(repeated.whole, "not whole: {:?}", repeated.output.result);
        prop_assert_eq!(&repeated.difference, &None);
        prop_assert_eq!(&repeated.output.effects, &recorded.effects);
        prop_assert_eq!(&repeated.output.result, &recorded.result);
        prop_assert_eq!(&repeated.output.journal.log, &recorded.journal.log);
        Ok(())
    });
    done.unwrap();
    let (calls, writes, failed) = counts.get();
    println!("1,000 runs: {calls} calls, {writes} writes, {failed} failed");
    assert!(calls > 2_000 && writes > 300 && failed > 50, "{calls} calls, {writes} writes, {failed} failed");
}

#[tokio::test]
async fn a_run_that_a_time_limit_ended_is_repeated_up_to_there() {
    // A busy machine may take long to give a loop its CPU time.
    let looping = release(&RULES.replace("wall-ms = 2000", "wall-ms = 30000"));
    let script = input(json!([["read", "Task/1"], ["create", task("", "draft")], ["loop"]]));
    let recorded = run_input(&looping, script.clone(), &server(0)).await;
    assert_eq!(failure(&recorded).code, "limit-cpu");
    let repeated = again(&looping, script, &recorded).await;
    assert_eq!((repeated.whole, &repeated.difference), (false, &None));
    assert_eq!(repeated.output.journal.calls.len(), recorded.journal.calls.len());
    // The server never answered.
    let release = release(RULES);
    let hangs = Arc::new(Fake { hangs: true, ..Fake::default() });
    let script = input(json!([["setting", "days"], ["read", "Task/1"], ["read", "Task/2"]]));
    let recorded = run_input(&release, script.clone(), &hangs).await;
    assert_eq!(failure(&recorded).code, "limit-wall");
    let repeated = again(&release, script, &recorded).await;
    assert_eq!((repeated.whole, &repeated.difference), (false, &None));
}

#[tokio::test]
async fn what_differs_is_found_and_named() {
    let release = release(RULES);
    let script = input(json!([["read", "Task/1"], ["say", "hello"], ["create", task("", "draft")], ["setting", "days"]]));
    let recorded = run_input(&release, script.clone(), &server(0)).await;
    let told = async |change: &dyn Fn(&mut Journal)| {
        let mut journal = recorded.journal.clone();
        change(&mut journal);
        release.replay(script.clone(), journal, Arc::new(ManualClock::new(now()))).await.difference
    };
    assert_eq!(told(&|_| {}).await, None);
    let other = |journal: &mut Journal| journal.calls.last_mut().unwrap().response = serde_json::value::to_raw_value(&1).unwrap();
    let last = recorded.journal.calls.len();
    let named = |name: &str| Some(name.to_owned());
    let differs = Difference::Call { number: last, recorded: named("settings.get"), repeated: named("settings.get") };
    assert_eq!(told(&other).await, Some(differs));
    let less = |journal: &mut Journal| drop(journal.calls.pop());
    assert_eq!(told(&less).await, Some(Difference::Call { number: last, recorded: None, repeated: named("settings.get") }));
    assert_eq!(told(&|journal| journal.log[0].text.push('!')).await, Some(Difference::Log { number: 1 }));
    let outcome = |journal: &mut Journal| journal.outcome = Some(hob_model::Digest::of(b"another"));
    assert_eq!(told(&outcome).await, Some(Difference::Outcome));
    // Less is known than the run asked for.
    assert!(told(&|journal| journal.said.clear()).await.is_some());
}

#[tokio::test]
async fn another_release_is_answered_by_what_it_asks_and_asks_the_rest() {
    let release = release(RULES);
    let then = server(0);
    let ask = json!(["ask", "POST", "https://sms.example/v1/number", "1"]);
    let script = json!([["read", "Task/2"], ["search", "Task", "status=ready"], ["read", "Task/1"], ask]);
    let recorded = run_input(&release, input(script), &then).await;
    // Since then all has changed.
    let since = server(0);
    for id in ["1", "2", "3"] {
        since.put(task(id, "failed"));
    }
    let on = async |steps: Value| otherwise(&release, input(steps), &recorded, &since).await;
    let steps = json!([["read", "Task/1"], ["read", "Task/3"], ask, ["read", "Task/2"], ["patch", "Task/2", [{"op": "replace", "path": "/intent", "value": "plan"}]]]);
    let output = on(steps).await;
    let told = answers(&output);
    let status = |at: usize| told[at]["ok"]["status"].as_str().unwrap_or_default().to_owned();
    assert_eq!([status(0), status(1), status(3)], ["completed", "failed", "ready"], "{told:#}");
    assert_eq!(told[2]["status"], 201, "{told:#}");
    assert_eq!(since.calls.load(Ordering::SeqCst), 1, "only what was not asked then");
    assert!(since.asked.lock().unwrap().is_empty(), "the recorded answer serves");
    let hob_model::Write::Update { read, resource, .. } = &output.effects.writes[0] else { panic!("no update") };
    assert_eq!((read.as_str(), &resource["status"]), ("1", &json!("ready")), "it rests on what was read then");

    // A signature that was not made then cannot be made now, nor a secret be looked up.
    let signed = on(json!([["sign", "KEY", "hmac-sha256", "x"]])).await;
    assert!(is_unknown(failure(&signed)), "{:?}", signed.result);
    let clock = on(json!([["fhirpath", {"resourceType": "Task"}, "now().toString()"]])).await;
    assert!(is_unknown(failure(&clock)), "{:?}", clock.result);
}
