//! Laws that hold whatever is asked, in whatever order.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails says so by a panic")]

mod common;

use std::collections::BTreeMap;

use common::{Site, patient, with_id};
use hob_model::Interaction;
use hob_testserver::{Server, VersionIds};
use proptest::prelude::*;
use serde_json::{Value, json};

const GENDERS: [&str; 3] = ["male", "female", "other"];

/// One write; ids and versions that may or may not be there. The server's own ids are numbers, these are not.
#[derive(Debug, Clone)]
enum Op {
    Create(usize),
    Update { id: u8, gender: usize, read: Option<u8> },
    Patch { id: u8, gender: usize, read: Option<u8> },
    Delete { id: u8, read: Option<u8> },
}

#[derive(Debug, Clone)]
enum Ask {
    One(Op),
    Transaction(Vec<Op>),
    Nonsense,
    ClockBack(i64),
}

fn op() -> impl Strategy<Value = Op> {
    let read = || prop::option::of(1..4_u8);
    prop_oneof![
        (0..3_usize).prop_map(Op::Create),
        (1..5_u8, 0..3_usize, read()).prop_map(|(id, gender, read)| Op::Update { id, gender, read }),
        (1..5_u8, 0..3_usize, read()).prop_map(|(id, gender, read)| Op::Patch { id, gender, read }),
        (1..5_u8, read()).prop_map(|(id, read)| Op::Delete { id, read }),
    ]
}

fn ask() -> impl Strategy<Value = Ask> {
    prop_oneof![
        4 => op().prop_map(Ask::One),
        4 => prop::collection::vec(op(), 1..4).prop_map(Ask::Transaction),
        1 => Just(Ask::Nonsense),
        1 => (1..100_i64).prop_map(Ask::ClockBack),
    ]
}

/// The entry of a Bundle.
fn entry(op: &Op) -> Value {
    let request = |method: &str, id: u8, read: Option<u8>| {
        let mut request = json!({"method": method, "url": format!("Patient/{}", name(id))});
        if let Some(read) = read {
            request["ifMatch"] = json!(format!("W/\"{read}\""));
        }
        request
    };
    match *op {
        Op::Create(gender) => json!({"request": {"method": "POST", "url": "Patient"}, "resource": patient(GENDERS[gender])}),
        Op::Update { id, gender, read } => {
            json!({"request": request("PUT", id, read), "resource": with_id(patient(GENDERS[gender]), &name(id))})
        }
        Op::Patch { id, gender, read } => {
            let patch = json!([{"op": "replace", "path": "/gender", "value": GENDERS[gender]}]).to_string();
            let data = data_encoding::BASE64.encode(patch.as_bytes());
            let binary = json!({"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data});
            json!({"request": request("PATCH", id, read), "resource": binary})
        }
        Op::Delete { id, read } => json!({"request": request("DELETE", id, read)}),
    }
}

fn name(id: u8) -> String {
    format!("p{id}")
}

/// Each version as the history has it: content's gender, none for a delete.
type Model = BTreeMap<String, Vec<Option<String>>>;

fn model(server: &Server) -> Model {
    let mut model = Model::new();
    for kept in server.versions().filter(|kept| kept.resource_type == "Patient") {
        let gender = kept.resource.map(|resource| resource["gender"].as_str().unwrap().to_owned());
        assert_eq!(gender.is_none(), kept.interaction == Interaction::Delete);
        model.entry(kept.id.to_owned()).or_default().push(gender);
    }
    model
}

/// What R4 says that one write does: what it makes of the model, or nothing where it is refused.
fn expected(before: &Model, op: &Op) -> Option<Model> {
    let mut after = before.clone();
    let holds = |id: &str, read: Option<u8>, absent: bool| match (before.get(id), read) {
        (Some(versions), Some(read)) => versions.len() == usize::from(read),
        (None, Some(_)) => absent,
        (_, None) => true,
    };
    let (id, gender) = match *op {
        Op::Create(gender) => {
            let given = before.keys().filter(|id| !id.starts_with('p')).count();
            ((given + 1).to_string(), Some(gender))
        }
        Op::Update { id, gender, read } if holds(&name(id), read, false) => (name(id), Some(gender)),
        Op::Patch { id, gender, read } if holds(&name(id), read, false) => {
            before.get(&name(id))?.last()?.as_ref()?;
            (name(id), Some(gender))
        }
        Op::Delete { id, read } if holds(&name(id), read, true) => (name(id), None),
        _ => return None,
    };
    let gender = gender.map(|gender| GENDERS[gender].to_owned());
    let versions = after.entry(id.clone()).or_default();
    match versions.last() {
        None if gender.is_none() => drop(after.remove(&id)),
        Some(last) if *last == gender => {}
        _ => versions.push(gender),
    }
    Some(after)
}

fn target(op: &Op) -> Option<u8> {
    match *op {
        Op::Create(_) => None,
        Op::Update { id, .. } | Op::Patch { id, .. } | Op::Delete { id, .. } => Some(id),
    }
}

/// Entries are judged on what was before them all.
fn expected_of_all(before: &Model, ops: &[Op]) -> Option<Model> {
    let targets: Vec<u8> = ops.iter().filter_map(target).collect();
    if (1..targets.len()).any(|n| targets[n..].contains(&targets[n - 1])) {
        return None;
    }
    ops.iter().try_fold(before.clone(), |after, op| expected(&after, op))
}

fn check_lists(site: &mut Site) {
    let all: Vec<(u64, String)> = site
        .server
        .versions()
        .filter(|kept| kept.resource_type == "Patient")
        .map(|kept| (kept.sequence, format!("Patient/{}/{}", kept.id, kept.version)))
        .collect();
    let mut newest_first = all.clone();
    newest_first.sort_by_key(|(sequence, _)| std::cmp::Reverse(*sequence));
    let names: Vec<String> = newest_first.into_iter().map(|(_, name)| name).collect();
    assert_eq!(site.pages("Patient/_history?_count=3"), names, "the type's history is the order of commits");
    let model = model(&site.server);
    for (id, versions) in &model {
        let own: Vec<&String> = names.iter().filter(|name| name.starts_with(&format!("Patient/{id}/"))).collect();
        assert_eq!(site.pages(&format!("Patient/{id}/_history?_count=2")).iter().collect::<Vec<_>>(), own);
        let read = site.get(&format!("Patient/{id}"));
        match versions.last().unwrap() {
            Some(gender) => assert_eq!((read.status, read.body["gender"].as_str()), (200, Some(gender.as_str()))),
            None => assert_eq!(read.status, 410),
        }
    }
    for gender in GENDERS {
        let found = site.pages(&format!("Patient?gender={gender}&_count=1"));
        let alive = model.values().filter(|versions| versions.last().unwrap().as_deref() == Some(gender)).count();
        assert_eq!(found.len(), alive);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_server_does_what_a_plain_list_of_versions_says(asks in prop::collection::vec(ask(), 1..20)) {
        let mut site = Site::new(|_| {});
        let hook = json!({
            "resourceType": "Subscription", "id": "hook", "status": "active", "criteria": "Patient?",
            "channel": {"type": "rest-hook", "endpoint": "http://hob.test/in", "payload": "application/fhir+json"},
        });
        site.put(&hook, None);
        for ask in asks {
            let before = model(&site.server);
            let count = site.server.versions().count();
            let (status, expected) = match &ask {
                Ask::One(op) => {
                    let done = site.send("POST", "", &[], &json!({"resourceType": "Bundle", "type": "batch", "entry": [entry(op)]}));
                    let status = done.body["entry"][0]["response"]["status"].as_str().unwrap()[..3].parse().unwrap();
                    (status, expected(&before, op))
                }
                Ask::Transaction(ops) => {
                    let done = site.transaction(ops.iter().map(entry).collect());
                    (done.status, expected_of_all(&before, ops))
                }
                Ask::Nonsense => (site.transaction(json!([entry(&Op::Create(0)), {"request": {}}])).status, None),
                Ask::ClockBack(seconds) => {
                    site.now -= seconds;
                    (200, Some(before.clone()))
                }
            };
            let after = model(&site.server);
            match expected {
                Some(expected) => {
                    prop_assert!(status < 300, "{ask:?} {status} {before:?}");
                    prop_assert_eq!(&after, &expected, "{:?}", ask);
                }
                None => {
                    prop_assert!(status >= 400, "{ask:?} {status} {before:?}");
                    prop_assert_eq!(&after, &before, "what was refused leaves nothing: {:?}", ask);
                }
            }
            // Every version that has content was told of, once, and nothing else.
            let new = site.server.versions().filter(|kept| kept.sequence > u64::try_from(count).unwrap() && kept.resource.is_some()).count();
            prop_assert_eq!(site.server.take_posts().len(), new);
        }
        check_lists(&mut site);
    }

    #[test]
    fn the_same_asks_give_the_same_bytes(asks in prop::collection::vec(prop::collection::vec(op(), 1..4), 1..8), opaque in any::<bool>()) {
        let versions = if opaque { VersionIds::Opaque } else { VersionIds::Counted };
        let mut sites = [Site::new(|settings| settings.versions = versions), Site::new(|settings| settings.versions = versions)];
        for ops in asks {
            let entries: Vec<Value> = ops.iter().map(entry).collect();
            let body = json!({"resourceType": "Bundle", "type": "batch", "entry": entries}).to_string();
            let [first, second] = sites.each_mut().map(|site| site.raw("POST", "", &[], body.clone()));
            prop_assert_eq!(first.body(), second.body());
        }
        let [first, second] = sites.each_mut().map(|site| site.raw("GET", "Patient/_history", &[], ""));
        prop_assert_eq!(first.body(), second.body());
    }

    #[test]
    fn whatever_comes_is_answered(method in "GET|PUT|POST|PATCH|DELETE", path in "[A-Za-z0-9_/?=&$.%-]{0,30}", body in ".{0,60}") {
        let mut site = Site::new(|_| {});
        site.create(&patient("male"));
        if let Ok(uri) = format!("/r4/{path}").parse::<http::Uri>() {
            let request = http::Request::builder().method(method.as_str()).uri(uri).body(body.into()).unwrap();
            let now = site.time();
            let response = site.server.handle(now, &request);
            prop_assert!(response.status().as_u16() < 500);
        }
    }

    #[test]
    fn whatever_a_bundle_holds_is_answered(entry in "\\{\"request\":\\{\"method\":\"(GET|PUT|POST|PATCH)\",\"url\":\"[A-Za-z0-9_/?=&]{0,12}\"\\},\"resource\":(\\{\\}|1|null|\\[\\])\\}", kind in "batch|transaction") {
        let mut site = Site::new(|_| {});
        let body = format!("{{\"resourceType\":\"Bundle\",\"type\":\"{kind}\",\"entry\":[{entry}]}}");
        let response = site.raw("POST", "", &[], body);
        prop_assert!(response.status().as_u16() < 500);
    }
}
