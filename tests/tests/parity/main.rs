//! The test server against real HAPI: the same requests to both, on the same data, and what they answer compared: status, version, hits, order, pages,
//! content. `cases.rs` says how the requests are written, `side.rs` what of an answer is a server's own choice. Where the two are known to differ, the
//! request says why; one that no longer differs fails the test as one that newly does.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that fails says so by a panic, and this one has something to tell"
)]
#![allow(missing_docs, unreachable_pub, reason = "a test binary has no users")]

mod cases;
mod side;

use std::collections::BTreeMap;
use std::sync::Arc;

use hob_host::SystemClock;
use hob_model::BaseUrl;
use hob_tests::hapi::{self, Options};
use hob_testserver::{Delivery, Running, Server, Settings};
use serde_json::Value;
use tokio::net::TcpListener;

use cases::Case;
use side::Side;

/// The promise that this test keeps.
const LEAST_COMPARED: usize = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_test_server_answers_as_hapi_does() {
    let cases: Arc<Vec<Case>> = Arc::new(cases::all());
    assert!(cases.len() >= LEAST_COMPARED, "{} requests", cases.len());
    // A server of its own: what others wrote would be found by searches.
    let hapi = tokio::task::spawn_blocking(|| hapi::Hapi::start(Options::PLAIN)).await.unwrap().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/fhir", listener.local_addr().unwrap());
    let server = Server::new(Settings::hapi(BaseUrl::new(&base).unwrap()));
    let running = Running::start(listener, server, Arc::new(SystemClock), Delivery::default()).unwrap();

    let on_hapi = tokio::spawn({
        let (cases, base) = (Arc::clone(&cases), hapi.base_url().to_owned());
        async move { Side::new(base).play(&cases).await }
    });
    let ours = Side::new(base).play(&cases).await;
    let theirs = on_hapi.await.unwrap();
    drop(running);

    let (mut agreed, mut known, mut wrong) = (0, BTreeMap::<&str, usize>::new(), Vec::new());
    for (case, (mut theirs, mut ours)) in cases.iter().zip(theirs.into_iter().zip(ours)) {
        leave_out(&mut theirs, &mut ours);
        match (&case.differs, theirs == ours) {
            (None, true) => agreed += 1,
            (Some(why), false) => *known.entry(why).or_default() += 1,
            (Some(_), true) => wrong.push(format!("{} {} {}: differs no longer", case.at, case.method, case.path)),
            (None, false) => wrong.push(told(case, &theirs, &ours)),
        }
    }
    let differ: usize = known.values().sum();
    println!(
        "{} requests compared with HAPI 8.8.0: {agreed} agree, {differ} differ for {} known reasons",
        cases.len(),
        known.len()
    );
    for (why, number) in &known {
        println!("  {number:>2}  {why}");
    }
    assert!(wrong.is_empty(), "{} surprises:\n{}", wrong.len(), wrong.join("\n"));
    assert!(agreed >= LEAST_COMPARED, "{agreed} agree");
}

/// Leaves out what only one of them tells and R4 leaves open: headers and details of entries, and the total of a search that goes on.
fn leave_out(theirs: &mut Value, ours: &mut Value) {
    both_or_none(theirs, ours, &["etag", "location"]);
    let (Some(theirs), Some(ours)) = (theirs.get_mut("body"), ours.get_mut("body")) else { return };
    leave_out_of_bundle(theirs, ours);
}

fn leave_out_of_bundle(theirs: &mut Value, ours: &mut Value) {
    if theirs.get("bundle").is_none() || ours.get("bundle").is_none() {
        return;
    }
    if theirs["total"].is_null() || ours["total"].is_null() {
        theirs["total"] = Value::Null;
        ours["total"] = Value::Null;
    }
    let entries = |bundle: &'_ mut Value| bundle["entries"].take();
    let (Value::Array(mut their_entries), Value::Array(mut our_entries)) = (entries(theirs), entries(ours)) else { return };
    for (theirs, ours) in their_entries.iter_mut().zip(&mut our_entries) {
        both_or_none(theirs, ours, &["etag", "location", "outcome"]);
        if let (Some(theirs), Some(ours)) = (theirs.get_mut("resource"), ours.get_mut("resource")) {
            leave_out_of_bundle(theirs, ours);
        }
    }
    theirs["entries"] = Value::Array(their_entries);
    ours["entries"] = Value::Array(our_entries);
}

fn both_or_none(theirs: &mut Value, ours: &mut Value, keys: &[&str]) {
    for key in keys {
        if theirs.get(key).is_none() || ours.get(key).is_none() {
            for one in [&mut *theirs, &mut *ours] {
                one.as_object_mut().and_then(|fields| fields.shift_remove(*key));
            }
        }
    }
}

fn told(case: &Case, theirs: &Value, ours: &Value) -> String {
    let short = |value: &Value| value.to_string().chars().take(1200).collect::<String>();
    let Case { at, method, path, .. } = case;
    format!("{at} {method} {path}\n    HAPI: {}\n    ours: {}", short(theirs), short(ours))
}
