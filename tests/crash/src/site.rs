//! The host's folder and its admin API: one clinic, one source, three bots.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::BASE64;
use reqwest::Method;
use serde_json::{Value, json};

/// The system of the identifiers of results, one for each version of each patient.
pub(crate) const ECHO: &str = "urn:crash:echo";
/// The same of the bot that does everything that a bot can.
pub(crate) const BUSY: &str = "urn:crash:busy";
/// Of its timers, of the answers to its requests, and of the instants of cron.
pub(crate) const TIMER: &str = "urn:crash:timer";
pub(crate) const REPLY: &str = "urn:crash:reply";
pub(crate) const TICK: &str = "urn:crash:tick";
/// What a transaction that writes a patient has in it.
pub(crate) const PATIENTS: &str = r#""url":"Patient/"#;

const TOKEN: &str = "of-the-admin-api";
const INBOUND: &str = "Bearer of-notifications";

/// See the module.
pub(crate) struct Site {
    folder: PathBuf,
    admin: SocketAddr,
    http: reqwest::Client,
}

/// An address that is free now. The host must find the same at every start, for the server's Subscriptions name it.
fn free() -> Result<SocketAddr, String> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).map_err(|e| e.to_string())?;
    listener.local_addr().map_err(|e| e.to_string())
}

impl Site {
    /// Writes the configuration into `folder`.
    pub(crate) fn new(folder: &Path) -> Result<Self, String> {
        let (listen, admin) = (free()?, free()?);
        let config = format!(
            "listen = \"{listen}\"\nadmin = \"{admin}\"\npublic-url = \"http://{listen}\"\ndata = \"data\"\n\
             admin-token = {{ file = \"{}\" }}\n[outbound]\nallow = [\"127.0.0.1\"]\n",
            folder.join("admin-token").display()
        );
        for (name, text) in [("admin-token", TOKEN), ("inbound", INBOUND), ("hob.toml", &config)] {
            std::fs::write(folder.join(name), text).map_err(|e| format!("{name}: {e}"))?;
        }
        let http = reqwest::Client::builder().timeout(Duration::from_secs(60)).build().map_err(|e| e.to_string())?;
        Ok(Self { folder: folder.to_owned(), admin, http })
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.join("hob.toml")
    }

    /// Where the host's log goes, start after start.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("host.log")
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<String, String> {
        let mut request = self.http.request(method.clone(), format!("http://{}/v1/{path}", self.admin)).bearer_auth(TOKEN);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.map_err(|e| format!("{method} {path}: {e}"))?;
        let status = response.status();
        let text = response.text().await.map_err(|e| format!("{method} {path}: {e}"))?;
        if status.is_success() { Ok(text) } else { Err(format!("{method} {path}: {status} {text}")) }
    }

    /// What a call that reads gives.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, String> {
        let text = self.call(Method::GET, path, None).await?;
        serde_json::from_str(&text).map_err(|e| format!("{path}: {e}"))
    }

    /// Adds the source, proves it, and puts the bots in service; with `deletes` they want those too.
    pub(crate) async fn set_up(&self, base: &str, receiver: SocketAddr, deletes: bool) -> Result<(), String> {
        let secret = self.folder.join("inbound");
        let source = json!({"base": base, "inbound": {"type": "header", "name": "Authorization", "value": {"file": secret}}});
        self.call(Method::PUT, "tenants/crash/sources/server", Some(source)).await?;
        let proof = self.call(Method::POST, "tenants/crash/sources/server/check", None).await?;
        let last: Value = serde_json::from_str(proof.lines().last().unwrap_or_default()).map_err(|e| format!("{e}: {proof}"))?;
        if last["usable"] != true {
            return Err(format!("the server cannot be used: {proof}"));
        }
        let component = tokio::task::spawn_blocking(|| hob_tests::built::component("actor")).await.map_err(|e| e.to_string())?;
        let component = BASE64.encode(&component);
        for (name, more, steps) in bots(receiver, deletes) {
            let manifest = format!(
                "name = \"{name}\"\nversion = \"1.0.0\"\n{more}[retry]\nattempts = 1000\nconflicts = 1000\nfirst-ms = 20\nmax-ms = 500\n\
                 [settings.steps]\ntype = \"json\"\n"
            );
            let body = json!({"manifest": manifest, "component": component, "source": "server", "settings": {"steps": steps}});
            self.call(Method::POST, "tenants/crash/bots", Some(body)).await?;
        }
        for _ in 0..600 {
            let bots = self.get("tenants/crash/bots").await?;
            let all = bots["bots"].as_array().into_iter().flatten();
            let references: Vec<&str> = all
                .flat_map(|bot| bot["subscriptions"].as_array().into_iter().flatten())
                .filter_map(|subscription| subscription["reference"].as_str())
                .collect();
            let mut active = !references.is_empty();
            for reference in references {
                let answer = self.http.get(format!("{base}/{reference}")).send().await.map_err(|e| e.to_string())?;
                let text = answer.text().await.map_err(|e| e.to_string())?;
                active &= text.contains(r#""status":"active""#) || text.contains(r#""status": "active""#);
            }
            if active {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err("the server did not make the Subscriptions active within a minute".to_owned())
    }

    /// Takes the bot that runs every second out of service, so that the host can come to rest.
    pub(crate) async fn stop_ticking(&self) -> Result<(), String> {
        self.call(Method::DELETE, "tenants/crash/bots/tick", None).await.map(drop)
    }
}

/// Whether a host of this status has nothing left to do.
pub(crate) fn is_quiet(status: &Value) -> bool {
    let none = |value: &Value| value.as_u64() == Some(0);
    let runs = &status["runs"];
    [&status["unresolved"], &status["outbox"], &status["timers"], &runs["pending"], &runs["recorded"]].into_iter().all(none)
}

/// A result.
pub(crate) fn observation(system: &str, value: &str) -> Value {
    json!({
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "result"},
        "identifier": [{"system": system, "value": value}],
    })
}

/// Name, manifest between version and retry, and steps.
fn bots(receiver: SocketAddr, deletes: bool) -> [(&'static str, String, Value); 3] {
    let more = if deletes { ", \"delete\"" } else { "" };
    let echo = format!(
        "scopes = [\"system/Observation.c\"]\n\
         [[on]]\nchange = \"Patient?active=true\"\ninteractions = [\"create\", \"update\"{more}]\n"
    );
    let busy = format!(
        "scopes = [\"system/Patient.ru\", \"system/Observation.c\"]\n\
         [[on]]\nchange = \"Patient?active=true&gender=other\"\n[[on]]\ntimer = true\n[[on]]\nreply = true\n\
         [[http]]\nmethods = [\"POST\"]\nhost = \"{receiver}\"\npath = \"/in\"\ninsecure = true\n\
         [[http]]\nmethods = [\"POST\"]\nhost = \"{receiver}\"\npath = \"/number\"\ninsecure = true\n\
         [outbox]\nunknown = \"resend\"\n"
    );
    let tick = "scopes = [\"system/Observation.c\"]\n[[on]]\ncron = \"* * * * * *\"\nzone = \"UTC\"\n";
    let (of_version, key) = ("{ref}/{version}", "{id}-{version}");
    let busy_steps = json!({
        "change": [
            ["ask", "POST", format!("http://{receiver}/number"), of_version],
            ["patch", "{ref}", [{"op": "add", "path": "/maritalStatus", "value": {"text": "{version}"}}]],
            ["create", observation(BUSY, of_version)],
            // Due at once.
            ["timer", key, "2020-01-01T00:00:00Z", {}],
            ["send", key, "POST", format!("http://{receiver}/in"), of_version],
        ],
        "timer": [["create", observation(TIMER, "{key}")]],
        "reply": [["create", observation(REPLY, "{key}")]],
    });
    [
        ("echo", echo, json!({"change": [["create", observation(ECHO, of_version)]]})),
        ("busy", busy, busy_steps),
        ("tick", tick.to_owned(), json!({"cron": [["create", observation(TICK, "{at}")]]})),
    ]
}
