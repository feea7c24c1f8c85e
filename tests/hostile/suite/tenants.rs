//! Two clinics on one host, each with a FHIR server of its own under the same name: nothing that a bot or a deploy of one can name is the
//! other's, or the host's. The host is real, and so is its admin API; the FHIR servers are `hob-testserver`.

use std::sync::Arc;

use hob_host::{Compiler, Config, Host, SystemClock};
use hob_model::BaseUrl;
use hob_testserver::{Delivery, Running, Server, Settings};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::case::{Case, Scene, scene};

const TOKEN: &str = "of-the-admin-api";
/// Whom only the second clinic has.
const THEIRS: &str = "Chalmers";

pub(crate) fn cases() -> Vec<Case> {
    vec![
        scene("tenant-names-anothers-source", || Box::pin(source()) as Scene),
        scene("tenant-reads-anothers-patient", || Box::pin(patient()) as Scene),
        scene("tenant-names-anothers-settings", || Box::pin(settings()) as Scene),
        scene("tenant-looks-at-anothers-run", || Box::pin(run()) as Scene),
        scene("tenant-names-the-hosts-files", || Box::pin(files()) as Scene),
    ]
}

struct Two {
    host: Host,
    admin: String,
    http: Client,
    folder: TempDir,
    _servers: Vec<Running>,
}

const SECRETS: &str = "scopes = [\"system/Patient.crs\"]\n[[on]]\ninvoke = true\n";

impl Two {
    /// Starts all of it. `ours` and `theirs` each have a source `ehr`; `theirs` has one more, with a patient and the bot `keeper`.
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("admin-token"), TOKEN).unwrap();
        std::fs::create_dir_all(folder.path().join("secrets/theirs")).unwrap();
        std::fs::write(folder.path().join("secrets/theirs/of-theirs"), "s3cret").unwrap();
        let config = "listen = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\npublic-url = \"http://127.0.0.1:9\"\ndata = \"data\"\n\
                      admin-token = { file = \"TOKEN\" }\n";
        let config = config.replace("TOKEN", &folder.path().join("admin-token").display().to_string());
        std::fs::write(folder.path().join("hob.toml"), config).unwrap();
        let host =
            Host::start(Config::read(&folder.path().join("hob.toml")).unwrap(), Arc::new(SystemClock), Compiler::InProcess)
                .await
                .unwrap();
        let admin = format!("http://{}/v1/tenants", host.admin());
        let mut two = Self { host, admin, http: Client::new(), folder, _servers: Vec::new() };
        for (tenant, source) in [("ours", "ehr"), ("theirs", "ehr"), ("theirs", "registry")] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let base = BaseUrl::new(&format!("http://{}/fhir", listener.local_addr().unwrap())).unwrap();
            let server = Server::new(Settings::hapi(base.clone()));
            two._servers.push(Running::start(listener, server, Arc::new(SystemClock), Delivery::default()).unwrap());
            let token = json!({ "file": two.folder.path().join("admin-token") });
            let body =
                json!({ "base": base.to_string(), "inbound": { "type": "header", "name": "Authorization", "value": token } });
            two.must(Method::PUT, &format!("{tenant}/sources/{source}"), body).await;
            let checked = two.must(Method::POST, &format!("{tenant}/sources/{source}/check"), json!({})).await;
            assert!(checked.as_str().is_some_and(|lines| lines.contains("\"usable\":true")), "{checked}");
        }
        let more = format!(
            "{SECRETS}[settings.of-theirs]\ntype = \"string\"\ndefault = \"{THEIRS}\"\n[[http]]\nmethods = [\"POST\"]\nhost = \"a.example\"\npath = \"/\"\nsecrets = [\"OF_THEIRS\"]\n[secrets]\nOF_THEIRS = {{ file = \"of-theirs\" }}\n"
        );
        two.must(Method::POST, "theirs/bots", deploy("keeper", "ehr", &more)).await;
        two
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let request = self.http.request(method, format!("{}/{path}", self.admin)).bearer_auth(TOKEN).json(&body);
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn must(&self, method: Method, path: &str, body: Value) -> Value {
        let (status, answer) = self.call(method.clone(), path, body).await;
        assert!(status.is_success(), "{method} {path}: {status} {answer:#}");
        answer
    }

    /// What each step answered, and the run.
    async fn invoke(&self, tenant: &str, bot: &str, steps: Value) -> Result<(Value, String), String> {
        let answer = self.must(Method::POST, &format!("{tenant}/bots/{bot}/invoke?wait=20"), steps).await;
        let body = answer["result"]["body"].as_str().ok_or_else(|| answer.to_string())?;
        Ok((serde_json::from_str(body).map_err(|why| why.to_string())?, answer["run"].as_str().unwrap_or_default().to_owned()))
    }

    /// The host did right work for both to the end.
    async fn end(self, said: &str) -> Result<String, String> {
        let (answers, _) = self.invoke("theirs", "keeper", json!([["setting", "of-theirs"], ["runs"]])).await?;
        self.host.stop().await;
        if answers == json!([THEIRS, 1]) { Ok(said.to_owned()) } else { Err(answers.to_string()) }
    }
}

fn deploy(name: &str, source: &str, more: &str) -> Value {
    json!({
        "manifest": format!("name = \"{name}\"\nversion = \"1.0.0\"\n{more}"),
        "component": data_encoding::BASE64.encode(&hob_tests::built::component("actor")),
        "source": source,
    })
}

async fn source() -> Result<String, String> {
    let two = Two::start().await;
    let mut said = String::new();
    for name in ["registry", "theirs/registry", "../theirs/sources/registry", "theirs%2fregistry"] {
        let (status, answer) = two.call(Method::POST, "ours/bots", deploy("thief", name, SECRETS)).await;
        let code = answer["error"]["code"].as_str().unwrap_or_default().to_owned();
        if status.is_success() || !["source-unknown", "bad-name"].contains(&code.as_str()) {
            return Err(format!("{name}: {status} {answer}"));
        }
        if said.is_empty() {
            said = code;
        }
    }
    two.end(&said).await
}

async fn patient() -> Result<String, String> {
    let two = Two::start().await;
    two.must(Method::POST, "ours/bots", deploy("thief", "ehr", SECRETS)).await;
    let patient = json!({ "resourceType": "Patient", "name": [{ "family": THEIRS }] });
    two.invoke("theirs", "keeper", json!([["create", patient]])).await?;
    let (theirs, _) = two.invoke("theirs", "keeper", json!([["search", "Patient", "name=Chalmers"]])).await?;
    let id = theirs[0]["ok"]["bundle"]["entry"][0]["resource"]["id"].as_str().ok_or_else(|| theirs.to_string())?.to_owned();
    let steps = json!([["search", "Patient", "name=Chalmers"], ["read", format!("Patient/{id}")]]);
    let (ours, _) = two.invoke("ours", "thief", steps).await?;
    if ours[0]["ok"]["bundle"]["total"] != 0 || ours[1]["error"] != "not-found" {
        return Err(ours.to_string());
    }
    two.end("not-found").await
}

async fn settings() -> Result<String, String> {
    let two = Two::start().await;
    two.must(Method::POST, "ours/bots", deploy("keeper", "ehr", SECRETS)).await;
    let steps = || json!([["setting", "of-theirs"], ["secret", "OF_THEIRS"]]);
    let (ours, _) = two.invoke("ours", "keeper", steps()).await?;
    if !ours[0].is_null() || !ours[1]["message"].as_str().is_some_and(|message| message.contains("[secrets]")) {
        return Err(ours.to_string());
    }
    two.end("there is no such secret").await
}

async fn run() -> Result<String, String> {
    let two = Two::start().await;
    let (_, run) = two.invoke("theirs", "keeper", json!([["runs"]])).await?;
    for (method, path) in [
        (Method::GET, format!("ours/runs/{run}")),
        (Method::POST, format!("ours/runs/{run}/retry")),
        (Method::POST, format!("ours/runs/{run}/drop")),
        (Method::POST, "ours/bots/keeper/invoke".to_owned()),
        (Method::DELETE, "ours/bots/keeper".to_owned()),
        (Method::DELETE, "ours/sources/registry".to_owned()),
    ] {
        let (status, answer) = two.call(method.clone(), &path, json!({})).await;
        if status != StatusCode::NOT_FOUND {
            return Err(format!("{method} {path}: {status} {answer}"));
        }
    }
    two.end("not-found").await
}

/// A manifest says where the host finds a secret. What is the host's own, or in its environment for others, is not for it to say.
async fn files() -> Result<String, String> {
    let two = Two::start().await;
    let folder = two.folder.path().to_owned();
    for secret in [
        format!("{{ file = \"{}\" }}", folder.join("data/master.key").display()),
        format!("{{ file = \"{}\" }}", folder.join("admin-token").display()),
        "{ file = \"/etc/passwd\" }".to_owned(),
        "{ env = \"PATH\" }".to_owned(),
        "{ file = \"../theirs/of-theirs\" }".to_owned(),
    ] {
        let more = format!(
            "{SECRETS}[[http]]\nmethods = [\"POST\"]\nhost = \"evil.example\"\npath = \"/\"\nsecrets = [\"X\"]\n[secrets]\nX = {secret}\n"
        );
        let (status, answer) = two.call(Method::POST, "ours/bots", deploy("thief", "ehr", &more)).await;
        if status.is_success() {
            return Err(format!("a release is in service that sends {secret} to a host of its choice"));
        }
        if answer["error"]["code"] != "secret" {
            return Err(answer.to_string());
        }
    }
    two.end("secret").await
}

#[test]
fn tenants() {
    crate::judge::group("tenants", cases());
}
