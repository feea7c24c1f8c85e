//! Where a server with standard manners departs from HAPI's, which the comparison with HAPI does not see; and the ways in for programs.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by a panic")]

mod common;

use common::{BASE, Site, patient, with_id};
use hob_model::{BaseUrl, Timestamp};
use hob_testserver::{Reading, Server, Settings, seeds_in};
use http::Method;
use serde_json::{Value, json};

#[test]
fn what_r4_does_not_have_is_refused_unless_told_otherwise() {
    let odd = json!({"resourceType": "Patient", "colour": "red"});
    let mut strict = Site::new(|_| {});
    let refused = strict.create(&odd);
    assert_eq!(
        (refused.status, refused.body["issue"][0]["diagnostics"].as_str()),
        (422, Some("Patient.colour: R4 has no such element"))
    );
    let mut kind = Site::new(|settings| settings.reading = Reading::Lenient);
    assert!(kind.create(&odd).body.get("colour").is_none());
    let mut blind = Site::new(|settings| settings.reading = Reading::AsIs);
    assert_eq!(blind.create(&odd).body["colour"], "red");
}

#[test]
fn conditions_respect_if_match_and_labels_go() {
    let mut site = Site::new(|_| {});
    let named =
        |gender: &str| json!({"resourceType": "Patient", "gender": gender, "identifier": [{"system": "urn:s", "value": "1"}]});
    let put = |site: &mut Site, gender: &str, headers: &[(&str, &str)]| {
        site.send("PUT", "Patient?identifier=urn:s%7C1", headers, &named(gender))
    };
    assert_eq!(put(&mut site, "male", &[]).status, 201);
    assert_eq!(put(&mut site, "female", &[("if-match", "W/\"9\"")]).status, 412);
    assert_eq!(put(&mut site, "female", &[("if-match", "W/\"1\"")]).etag.as_deref(), Some("W/\"2\""));
    assert_eq!(site.send("DELETE", "Patient?identifier=urn:s%7C9", &[], &Value::Null).status, 204);
    assert_eq!(site.send("DELETE", "Patient", &[], &Value::Null).status, 405);
    assert_eq!(site.delete("Patient?identifier=urn:s%7C1").status, 204);
    let tagged = json!({"resourceType": "Patient", "id": "t", "meta": {"tag": [{"system": "urn:t", "code": "a"}]}});
    site.put(&tagged, None);
    assert!(site.put(&with_id(patient("male"), "t"), None).body["meta"].get("tag").is_none());
}

#[test]
fn unknown_parameters_are_left_out_of_the_self_link_and_mandatory_elements_stay() {
    let mut site = Site::new(|_| {});
    site.create(&json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "note": [{"text": "n"}]}));
    let shown = site.get("Observation?_elements=subject&colour=red").body;
    assert_eq!(shown["link"][0]["url"], "http://fhir.test/r4/Observation?_elements=subject");
    let observation = &shown["entry"][0]["resource"];
    assert_eq!((&observation["status"], observation.get("note")), (&json!("final"), None));
}

#[test]
fn the_statement_says_what_is_done() {
    let mut site = Site::new(|settings| {
        settings.client_ids = false;
        settings.type_history = false;
    });
    let statement = site.get("metadata").body;
    let resources = statement["rest"][0]["resource"].as_array().unwrap();
    assert_eq!(resources.len(), 146);
    let task = resources.iter().find(|one| one["type"] == "Task").unwrap();
    assert_eq!(task["updateCreate"], false);
    let interactions: Vec<&str> =
        task["interaction"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert!(interactions.contains(&"patch") && !interactions.contains(&"history-type"));
    // Each parameter that is named can be searched by, at least for whether it is there.
    for parameter in task["searchParam"].as_array().unwrap() {
        let name = parameter["name"].as_str().unwrap();
        let found = site.get(&format!("Task?{name}:missing=true"));
        assert_eq!(found.status, 200, "{name}: {}", found.body);
    }
}

#[test]
fn a_program_seeds_and_asks_without_a_socket() {
    let folder = std::env::temp_dir().join(format!("hob-testserver-seeds-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("more")).unwrap();
    std::fs::write(folder.join("a.json"), patient("male").to_string()).unwrap();
    std::fs::write(folder.join("more/b.ndjson"), format!("{}\n\n{}\n", patient("female"), patient("other"))).unwrap();
    std::fs::write(folder.join("notes.txt"), "no seed").unwrap();
    let mut server = Server::new(Settings::standard(BaseUrl::new(BASE).unwrap()));
    for (path, resource) in seeds_in(&folder).unwrap() {
        assert_eq!(server.seed(Timestamp::default(), resource).unwrap(), 1, "{}", path.display());
    }
    let found = server.get(Timestamp::default(), "Patient?gender=female,other");
    let found: Value = serde_json::from_slice(found.body()).unwrap();
    assert_eq!(found["total"], 2);
    let made = server.ask(Timestamp::default(), &Method::POST, "Patient", patient("male").to_string());
    assert_eq!((made.status().as_u16(), server.settings().base.as_str()), (201, BASE));
    std::fs::write(folder.join("z.json"), "{").unwrap();
    let failed = seeds_in(&folder).unwrap_err();
    assert!(failed.to_string().contains("z.json"), "{failed}");
    std::fs::remove_dir_all(folder).unwrap();
}
