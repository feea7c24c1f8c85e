//! `hob import`, with real requests to a real server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may; clippy does not see that its helpers are of a test")]

mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use hob_model::{BaseUrl, Timestamp};
use hob_testserver::{Server, Settings};
use serde_json::{Value, json};
use support::{Canned, hob};

const FHIRPATH: &str = "https://medplum.com/fhir/StructureDefinition/fhir-path-criteria-expression";
const INTERACTION: &str = "https://medplum.com/fhir/StructureDefinition/subscription-supported-interaction";

const CONFIG: &str = r#"{"bots": [
    {"name": "Welcome Patient", "id": "b1", "source": "src/welcome.ts", "dist": "dist/welcome.js"},
    {"name": "nightly", "id": "b2", "source": "src/nightly.ts", "dist": "dist/nightly.js"}
]}"#;

const WELCOME: &str = r#"
import { BotEvent, MedplumClient } from '@medplum/core';
export async function handler(medplum: MedplumClient, event: BotEvent<Patient>): Promise<any> {
  const found = await medplum.searchResources('Practitioner', 'active=true');
  await medplum.createResource<Communication>({ resourceType: 'Communication', status: 'completed' });
  await medplum.updateResource({ ...event.input, active: true });
  await fetch('https://sms.example.com/v1/send', { headers: { authorization: event.secrets['SMS_KEY'].valueString } });
}"#;

fn subscription(id: &str, bot: &str, more: Value) -> Value {
    let mut made = json!({
        "resourceType": "Subscription", "id": id, "status": "active", "reason": "test", "criteria": "Patient?active=true",
        "channel": { "type": "rest-hook", "endpoint": format!("Bot/{bot}") },
        "meta": { "versionId": "1" },
    });
    made.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    made
}

fn resources() -> Vec<Value> {
    let when = "%current.active != %previous.active and %current.name.given = 'O\"Neil'";
    vec![
        json!({ "resourceType": "Bot", "id": "b1", "name": "Welcome Patient", "timeout": 25, "publicWebhook": true, "meta": { "versionId": "1" } }),
        json!({ "resourceType": "Bot", "id": "b2", "name": "nightly", "cronString": "30 2 * * 1-5", "meta": { "versionId": "7" } }),
        json!({ "resourceType": "Bot", "id": "b9", "name": "of nobody" }),
        subscription(
            "s1",
            "b1",
            json!({ "extension": [
            { "url": INTERACTION, "valueCode": "create" }, { "url": FHIRPATH, "valueString": when },
            { "url": "https://medplum.com/fhir/StructureDefinition/subscription-max-attempts", "valueInteger": 3 },
        ] }),
        ),
        subscription("s2", "b1", json!({ "criteria": "Patient?organization.name=x" })),
        subscription("s3", "b1", json!({ "status": "off" })),
        subscription("s4", "b9", json!({})),
    ]
}

/// A project on disk, with its resources as NDJSON.
fn project(resources: &[Value]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("src")).unwrap();
    write("medplum.config.json", CONFIG);
    write("src/welcome.ts", WELCOME);
    write("src/nightly.ts", "export async function handler(medplum) { return medplum.searchOne('Task', 'status=ready'); }");
    let lines: Vec<String> = resources.iter().map(Value::to_string).collect();
    write("export.ndjson", &lines.join("\n"));
    folder
}

fn at(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}

fn import(folder: &Path, more: &[&str]) -> String {
    let (config, export, out) = (at(folder, "medplum.config.json"), at(folder, "export.ndjson"), at(folder, "bots"));
    let mut args = vec!["import", &config, "--out", &out];
    if !more.contains(&"--resources") {
        args.extend(["--resources", &export]);
    }
    args.extend(more);
    hob(&args, &[], "").replace(folder.to_str().unwrap(), "DIR")
}

#[test]
fn a_project_becomes_manifests_and_what_cannot_be_moved_is_said() {
    let folder = project(&resources());
    let said = import(folder.path(), &[]);
    insta::assert_snapshot!(said);
    let read = |name: &str| std::fs::read_to_string(folder.path().join("bots").join(name)).unwrap();
    insta::assert_snapshot!(read("welcome-patient/bot.toml"));
    insta::assert_snapshot!(read("nightly/bot.toml"));
    let package: Value = serde_json::from_str(&read("welcome-patient/package.json")).unwrap();
    assert_eq!(package["hob"], json!({ "entry": "../../src/welcome.ts", "medplum": true }));
    let state: Value = serde_json::from_str(&read("import.json")).unwrap();
    let references = |bot: &str| {
        state["bots"][bot]["switches"].as_array().unwrap().iter().map(|one| one["reference"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(references("welcome-patient"), ["Subscription/s1", "Subscription/s2"]);
    assert_eq!(
        (references("nightly"), &state["bots"]["nightly"]["switches"][0]["version"]),
        (vec![json!("Bot/b2")], &json!("7"))
    );
    // What somebody has checked is not written over.
    let again = import(folder.path(), &[]);
    assert!(again.contains("error[file-exists]") && again.contains("exit 66"), "{again}");
}

#[test]
fn what_is_no_project_is_refused_with_the_reason() {
    let folder = project(&[]);
    std::fs::write(folder.path().join("export.ndjson"), "{\n").unwrap();
    let broken = import(folder.path(), &[]);
    std::fs::write(folder.path().join("export.ndjson"), "").unwrap();
    std::fs::write(folder.path().join("medplum.config.json"), "{\"bots\": []}").unwrap();
    let all = [broken, import(folder.path(), &[]), import(folder.path(), &["--cutover"]), import(folder.path(), &["--undo"])];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn bots_are_read_from_the_server_too() {
    let bundle = |all: &[Value]| {
        let entry: Vec<Value> = all.iter().map(|one| json!({ "resource": one, "search": { "mode": "match" } })).collect();
        json!({ "resourceType": "Bundle", "type": "searchset", "entry": entry }).to_string()
    };
    let of = |kind: &str| {
        resources()
            .into_iter()
            .filter(|one| one["resourceType"] == kind && one["meta"]["versionId"].is_string())
            .collect::<Vec<_>>()
    };
    let (bots, subscriptions) = (bundle(&of("Bot")), bundle(&of("Subscription")));
    let server = Canned::start(&[
        ("GET /fhir/R4/Bot?_count=100", 200, &bots),
        ("GET /fhir/R4/Subscription?_count=100", 200, &subscriptions),
    ]);
    let folder = project(&[]);
    let url = format!("{}/fhir/R4", server.url());
    let (config, out) = (at(folder.path(), "medplum.config.json"), at(folder.path(), "bots"));
    let args = ["import", &config, "--out", &out, "--resources", &url, "--auth", "bearer", "--auth-token", "env:T"];
    let said = server.hob_with(&args, &[("T", support::TOKEN)], "");
    assert!(said.contains("welcome-patient: 2 triggers") && !said.contains("without the token"), "{said}");
}

/// What the front does with the next update.
const PASS: u8 = 0;
const LOSE_THE_ANSWER: u8 = 1;
const LOSE_THE_REQUEST: u8 = 2;

/// A FHIR server whose answers can be lost.
struct Site {
    address: SocketAddr,
    server: Arc<Mutex<Server>>,
    next: Arc<AtomicU8>,
    _runtime: tokio::runtime::Runtime,
}

impl Site {
    fn start(resources: &[Value]) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let base = BaseUrl::new(&format!("http://{address}/fhir")).unwrap();
        let server = Arc::new(Mutex::new(Server::new(Settings::standard(base))));
        let next = Arc::new(AtomicU8::new(PASS));
        let (shared, what) = (Arc::clone(&server), Arc::clone(&next));
        let answer = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let (shared, what) = (Arc::clone(&shared), Arc::clone(&what));
            async move { front(&shared, &what, &method, &uri, headers, body) }
        };
        runtime.spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });
        let site = Self { address, server, next, _runtime: runtime };
        for resource in resources {
            site.put(resource);
        }
        site
    }

    fn url(&self) -> String {
        format!("http://{}/fhir", self.address)
    }

    /// Somebody writes.
    fn put(&self, resource: &Value) {
        let path = format!("/fhir/Subscription/{}", resource["id"].as_str().unwrap());
        let mut resource = resource.clone();
        // This server takes rest-hooks to URLs alone, and Medplum's go to its bots.
        resource["channel"]["type"] = json!("message");
        let (status, _) = ask(&self.server, &Method::PUT, &path, HeaderMap::new(), resource.to_string().into());
        assert!(status.is_success(), "{status}");
    }

    fn now(&self, id: &str) -> Value {
        let (_, body) = ask(&self.server, &Method::GET, &format!("/fhir/Subscription/{id}"), HeaderMap::new(), Bytes::new());
        serde_json::from_slice(&body).unwrap()
    }

    /// Status and version.
    fn stands(&self, id: &str) -> (String, String) {
        let now = self.now(id);
        (now["status"].as_str().unwrap().to_owned(), now["meta"]["versionId"].as_str().unwrap().to_owned())
    }

    fn cutover(&self, folder: &Path, more: &[&str]) -> String {
        let url = self.url();
        let said = import(folder, &[&["--cutover", "--resources", &url], more].concat());
        said.replace(&url, "http://SITE").replace(&self.address.to_string(), "SITE")
    }
}

fn ask(server: &Mutex<Server>, method: &Method, path: &str, headers: HeaderMap, body: Bytes) -> (StatusCode, Bytes) {
    let mut request = axum::http::Request::builder().method(method).uri(path).body(body).unwrap();
    *request.headers_mut() = headers;
    let now = Timestamp::parse("2026-11-23T09:00:00Z").unwrap();
    let answer = server.lock().unwrap().handle(now, &request);
    (answer.status(), answer.body().clone())
}

fn front(server: &Mutex<Server>, next: &AtomicU8, method: &Method, uri: &Uri, headers: HeaderMap, body: Bytes) -> Response {
    let what = if *method == Method::PUT { next.swap(PASS, Ordering::SeqCst) } else { PASS };
    let lost = || (StatusCode::BAD_GATEWAY, "").into_response();
    if what == LOSE_THE_REQUEST {
        return lost();
    }
    let path = uri.path_and_query().unwrap().as_str();
    let (status, body) = ask(server, method, path, headers, body);
    if what == LOSE_THE_ANSWER { lost() } else { (status, [("content-type", "application/fhir+json")], body).into_response() }
}

/// A project of one bot with one Subscription, imported as the server has it.
fn imported() -> (Site, tempfile::TempDir) {
    let site = Site::start(&[subscription("s1", "b1", json!({}))]);
    let folder = project(&[json!({ "resourceType": "Bot", "id": "b1", "meta": { "versionId": "1" } }), site.now("s1")]);
    let said = import(folder.path(), &["--bot", "welcome-patient"]);
    assert!(said.contains("exit 0"), "{said}");
    (site, folder)
}

/// The first version of the Subscription that this server gave.
fn first(site: &Site) -> u32 {
    site.stands("s1").1.parse().unwrap()
}

#[test]
fn a_subscription_goes_off_at_its_version_and_on_again() {
    let (site, folder) = imported();
    let begin = first(&site);
    let off = site.cutover(folder.path(), &[]);
    assert_eq!(site.stands("s1"), ("off".to_owned(), (begin + 1).to_string()));
    let again = site.cutover(folder.path(), &[]);
    assert_eq!(site.stands("s1").1, (begin + 1).to_string(), "what is off is left alone");
    let refused = site.cutover(folder.path(), &["--undo"]);
    assert_eq!(site.stands("s1").0, "off", "nobody said that Hob does not run it");
    let on = site.cutover(folder.path(), &["--undo", "--hob-is-off"]);
    assert_eq!(site.stands("s1"), ("active".to_owned(), (begin + 2).to_string()));
    let off_again = site.cutover(folder.path(), &["--json"]);
    assert_eq!(site.stands("s1").0, "off");
    insta::assert_snapshot!([off, again, refused, on, off_again].join("\n"));
}

#[test]
fn what_somebody_changed_is_not_overruled() {
    let (site, folder) = imported();
    site.put(&subscription("s1", "b1", json!({ "reason": "another" })));
    let said = site.cutover(folder.path(), &[]);
    assert!(said.contains("error[import-changed]") && said.contains("exit 1"), "{said}");
    assert_eq!(site.now("s1")["reason"], "another");
    assert_eq!(site.stands("s1").0, "active");
}

#[test]
fn a_step_that_was_cut_off_is_found_out_and_ended_once() {
    for (lost, done) in [(LOSE_THE_ANSWER, 1), (LOSE_THE_REQUEST, 0)] {
        let (site, folder) = imported();
        let begin = first(&site);
        site.next.store(lost, Ordering::SeqCst);
        let said = site.cutover(folder.path(), &[]);
        assert!(said.contains("error[import-server]") && said.contains("exit 69"), "{said}");
        assert_eq!(site.stands("s1").1, (begin + done).to_string());
        let state = std::fs::read_to_string(folder.path().join("bots/import.json")).unwrap();
        assert!(state.contains("turning-off"), "{state}");
        // The same command again, and once more: it is off by one update.
        for _ in 0..2 {
            let said = site.cutover(folder.path(), &[]);
            assert!(said.contains("exit 0"), "{said}");
            assert_eq!(site.stands("s1"), ("off".to_owned(), (begin + 1).to_string()));
        }
        // Back, cut off in the same way.
        site.next.store(lost, Ordering::SeqCst);
        let undo = || site.cutover(folder.path(), &["--undo", "--hob-is-off"]);
        assert!(undo().contains("exit 69"));
        assert!(undo().contains("exit 0"));
        assert_eq!(site.stands("s1"), ("active".to_owned(), (begin + 2).to_string()));
    }
}

#[test]
fn who_turns_back_in_the_midst_of_a_cutover_ends_where_it_began() {
    for lost in [LOSE_THE_ANSWER, LOSE_THE_REQUEST] {
        let (site, folder) = imported();
        site.next.store(lost, Ordering::SeqCst);
        assert!(site.cutover(folder.path(), &[]).contains("exit 69"));
        let said = site.cutover(folder.path(), &["--undo", "--hob-is-off"]);
        assert!(said.contains("exit 0"), "{said}");
        assert_eq!(site.stands("s1").0, "active");
    }
}

#[test]
fn a_bot_that_would_lose_a_trigger_is_not_cut_over_unless_it_is_said() {
    let chained = json!({ "criteria": "Patient?organization.name=x" });
    let site = Site::start(&[subscription("s1", "b1", json!({})), subscription("s2", "b1", chained)]);
    let folder =
        project(&[json!({ "resourceType": "Bot", "id": "b1", "meta": { "versionId": "1" } }), site.now("s1"), site.now("s2")]);
    assert!(import(folder.path(), &["--bot", "welcome-patient"]).contains("exit 0"));
    let refused = site.cutover(folder.path(), &[]);
    assert!(refused.contains("error[import-unmoved]") && refused.contains("Subscription/s2"), "{refused}");
    assert_eq!((site.stands("s1").0, site.stands("s2").0), ("active".to_owned(), "active".to_owned()));
    assert!(site.cutover(folder.path(), &["--with-unmoved"]).contains("exit 0"));
    assert_eq!((site.stands("s1").0, site.stands("s2").0), ("off".to_owned(), "off".to_owned()));
}

#[test]
fn the_old_host_is_not_turned_on_while_hob_runs_the_bot() {
    let (site, folder) = imported();
    assert!(site.cutover(folder.path(), &[]).contains("exit 0"));
    let bot = json!({ "name": "welcome-patient", "version": "1", "release": "sha256:00", "source": "ehr", "deployed": "2026-11-23T09:00:00Z",
        "runs": {}, "triggers": [], "subscriptions": [] });
    for (bots, code) in [(json!([bot]), "exit 1"), (json!([]), "exit 0")] {
        let host = Canned::start(&[("GET /v1/tenants/default/bots", 200, &json!({ "bots": bots }).to_string())]);
        let (config, out, url) = (at(folder.path(), "medplum.config.json"), at(folder.path(), "bots"), site.url());
        let said = host.hob(&["import", &config, "--out", &out, "--cutover", "--undo", "--resources", &url]);
        assert!(said.contains(code), "{said}");
        assert_eq!(said.contains("error[import-in-service]"), code == "exit 1", "{said}");
        assert_eq!(site.stands("s1").0, if code == "exit 1" { "off" } else { "active" });
    }
}
