//! One clinic of its own: a host, a tenant and a source, driven as a user would, by the admin API and by the FHIR server's own API.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hob_host::{Compiler, Config, Host, SystemClock};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fhir::Fhir;
use crate::hapi::{self, Options};
use crate::logs;
use crate::process::Process;
use crate::proxy::Proxy;
use crate::wait::until;

/// What the source's notifications prove to know.
pub const INBOUND: &str = "Bearer of-notifications";
const TOKEN: &str = "of-the-admin-api";

enum Running {
    /// In this process.
    Here(Box<Host>),
    /// A `hob serve` of its own, to be killed.
    There(Box<Process>),
    Stopped,
}

/// A clinic. Everything of it goes through two proxies, so that a test can disturb what it wants: `server` is between host and FHIR server,
/// `hooks` between FHIR server and host.
pub struct Site {
    /// The tenant's name, and the identifier system of its resources.
    pub tenant: String,
    /// Between the host and the FHIR server.
    pub server: Proxy,
    /// Between the FHIR server and the host's webhooks.
    pub hooks: Proxy,
    /// The FHIR server as everybody else uses it.
    pub fhir: Fhir,
    running: Running,
    admin: String,
    http: reqwest::Client,
    folder: TempDir,
}

impl Site {
    /// A host in this process, its source proved, no bots.
    pub async fn start(options: Options, name: &str) -> Self {
        Self::begin(&on_hapi(options).await, name, false).await
    }

    /// The same on a FHIR server that the caller has, and that is like HAPI.
    pub async fn on(base: &str, name: &str) -> Self {
        Self::begin(base, name, false).await
    }

    /// The same with a `hob serve` process.
    pub async fn start_process(options: Options, name: &str) -> Self {
        Self::begin(&on_hapi(options).await, name, true).await
    }

    async fn begin(base: &str, name: &str, process: bool) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        logs::keep();
        let tenant = format!("{name}-{}", COUNT.fetch_add(1, Ordering::SeqCst));
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("admin-token"), TOKEN).unwrap();
        std::fs::write(folder.path().join("inbound"), INBOUND).unwrap();
        let hooks = Proxy::start("http://127.0.0.1:9").await;
        let config = format!(
            "listen = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\npublic-url = \"{}\"\ndata = \"data\"\n\
             admin-token = {{ file = \"{}\" }}\n[outbound]\nallow = [\"127.0.0.1\"]\n[limits]\nbody-kib = 64\nfhir-ms = 10000\n",
            hooks.base_url(),
            folder.path().join("admin-token").display()
        );
        std::fs::write(folder.path().join("hob.toml"), config).unwrap();
        let mut site = Self {
            tenant,
            server: Proxy::start(base).await,
            hooks,
            fhir: Fhir::new(base),
            running: Running::Stopped,
            admin: String::new(),
            http: reqwest::Client::new(),
            folder,
        };
        if process {
            site.start_there().await
        } else {
            site.start_here().await
        }
        let source = json!({"base": site.server.base_url(), "inbound": {"type": "header", "name": "Authorization", "value": {"file": site.secret("inbound")}}});
        site.must(Method::PUT, "sources/hapi", Some(source)).await;
        site.check("hapi").await;
        site
    }

    /// Starts the host in this process, on the data that is there.
    pub async fn start_here(&mut self) {
        let config = Config::read(&self.folder.path().join("hob.toml")).unwrap();
        let host = Host::start(config, Arc::new(SystemClock), Compiler::InProcess).await.unwrap();
        self.at(&format!("http://{}", host.webhooks()), format!("http://{}", host.admin()));
        self.running = Running::Here(Box::new(host));
    }

    /// Stops the host in this process and starts it again with these lines at the end of its `[limits]`.
    pub async fn restart_with(&mut self, limits: &str) {
        self.stop().await;
        let path = self.folder.path().join("hob.toml");
        let config = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{config}{limits}")).unwrap();
        self.start_here().await;
    }

    /// Starts the host as a process, on the data that is there.
    pub async fn start_there(&mut self) {
        let process = Process::serve(&self.folder.path().join("hob.toml")).await;
        self.at(&process.webhooks, process.admin.clone());
        self.running = Running::There(Box::new(process));
    }

    fn at(&mut self, webhooks: &str, admin: String) {
        self.hooks.forward_to(webhooks);
        self.admin = admin;
    }

    /// Drains and stops the host.
    pub async fn stop(&mut self) {
        match std::mem::replace(&mut self.running, Running::Stopped) {
            Running::Here(host) => host.stop().await,
            Running::There(process) => process.terminate().await,
            Running::Stopped => {}
        }
    }

    /// SIGKILL for the process.
    pub async fn kill(&mut self) {
        match std::mem::replace(&mut self.running, Running::Stopped) {
            Running::There(process) => process.kill().await,
            _ => panic!("only a process can be killed"),
        }
    }

    /// The end of a test: the host stops, and no patient was in its log.
    pub async fn end(mut self) {
        self.replay().await;
        if let Running::There(process) = &self.running {
            let log = process.log();
            assert!(log.contains("DEBUG") && !log.contains(logs::CANARY), "patient data in the log of the process");
        }
        self.stop().await;
        logs::assert_clean();
    }

    /// Whatever the test was about: each run that came to run its bot is repeated from its journal alone, and does the same. The first thousand.
    async fn replay(&self) {
        if matches!(self.running, Running::Stopped) {
            return;
        }
        for run in self.get("runs?limit=1000").await["runs"].as_array().into_iter().flatten() {
            let path = format!("runs/{}/replay", run["run"].as_str().unwrap_or_default());
            let (status, answer) = self.call(Method::POST, &path, None).await;
            let none = answer["error"]["code"] == "no-journal" || status == StatusCode::NOT_FOUND;
            assert!(none || answer["same"] == true, "{run:#} is not repeated: {answer:#}");
        }
    }

    /// The path of a file with a secret.
    #[must_use]
    pub fn secret(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder of `hob.toml`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A call of the admin API below the tenant.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let url = format!("{}/v1/tenants/{}/{path}", self.admin, self.tenant);
        let mut request = self.http.request(method, url).bearer_auth(TOKEN);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default())
    }

    /// A call that answers line by line, to its end.
    pub async fn stream(&self, path: &str, body: Value) -> String {
        let url = format!("{}/v1/tenants/{}/{path}", self.admin, self.tenant);
        self.http.post(url).bearer_auth(TOKEN).json(&body).send().await.unwrap().text().await.unwrap()
    }

    /// A call that must succeed.
    pub async fn must(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.call(method.clone(), path, body).await;
        assert!(status.is_success(), "{method} {path}: {status} {answer:#}");
        answer
    }

    /// Any call that reads.
    pub async fn get(&self, path: &str) -> Value {
        self.must(Method::GET, path, None).await
    }

    /// `GET /v1/status`.
    pub async fn status(&self) -> Value {
        let request = self.http.get(format!("{}/v1/status", self.admin)).bearer_auth(TOKEN);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// Proves a source; it must be usable.
    pub async fn check(&self, source: &str) -> Value {
        let url = format!("{}/v1/tenants/{}/sources/{source}/check", self.admin, self.tenant);
        let text = self.http.post(url).bearer_auth(TOKEN).send().await.unwrap().text().await.unwrap();
        let last: Value = serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap_or_else(|e| panic!("{e}: {text}"));
        assert_eq!(last["usable"], true, "{text}");
        last["capabilities"].clone()
    }

    /// `Type?identifier=` for this test's resources with any of the values.
    #[must_use]
    pub fn criteria(&self, resource_type: &str, value: &str) -> String {
        format!("{resource_type}?identifier={}|{value}", self.system())
    }

    /// The system of this test's identifiers.
    #[must_use]
    pub fn system(&self) -> String {
        format!("urn:hob:{}", self.tenant)
    }

    /// A patient of this test.
    #[must_use]
    pub fn patient(&self, value: &str) -> Value {
        crate::fhir::patient(&self.system(), value)
    }

    /// What a bot of this test creates.
    #[must_use]
    pub fn observation(&self, value: &str) -> Value {
        crate::fhir::observation(&self.system(), value, "{ref}")
    }

    /// What is on the server of what bots of this test created under `value`.
    pub async fn observations(&self, value: &str) -> Vec<Value> {
        self.fhir.search(&format!("Observation?identifier={}%7C{value}", self.system())).await
    }

    /// Deploys the acting bot: `more` is the rest of its manifest after name and version, `steps` what it does by trigger. Waits until its
    /// Subscriptions are active.
    pub async fn deploy(&self, name: &str, more: &str, steps: Value) -> Value {
        self.deploy_on("hapi", name, "1.0.0", more, steps).await
    }

    /// The same on any source, with any version.
    pub async fn deploy_on(&self, source: &str, name: &str, version: &str, more: &str, steps: Value) -> Value {
        let body = acting(source, name, version, more, steps);
        let answer = self.must(Method::POST, "bots", Some(body)).await;
        self.active(&answer).await;
        answer
    }

    /// Waits until all Subscriptions of a deploy's answer are active.
    pub async fn active(&self, deployed: &Value) {
        for subscription in deployed["bot"]["subscriptions"].as_array().unwrap() {
            let reference =
                subscription["reference"].as_str().unwrap_or_else(|| panic!("no Subscription was made: {deployed:#}"));
            until("an active Subscription", || async { (self.fhir.read(reference).await["status"] == "active").then_some(()) })
                .await;
        }
    }

    /// Rows of a bot's runs, oldest first.
    pub async fn rows(&self, bot: &str) -> Vec<Value> {
        let mut rows = self.get(&format!("runs?bot={bot}&limit=1000")).await["runs"].as_array().cloned().unwrap();
        rows.reverse();
        rows
    }

    /// The runs of a bot once there are `count` of them and all have ended; each whole, oldest first. More are a failure.
    pub async fn runs(&self, bot: &str, count: usize) -> Vec<Value> {
        let what = format!("{count} ended runs of {bot}");
        let rows = until(&what, || async {
            let rows = self.rows(bot).await;
            let ended = rows.iter().all(|row| !row["ended"].is_null());
            (rows.len() >= count && ended).then_some(rows)
        })
        .await;
        assert_eq!(rows.len(), count, "{rows:#?}");
        let mut runs = Vec::new();
        for row in rows {
            runs.push(self.run(row["run"].as_str().unwrap()).await);
        }
        runs
    }

    /// Rows of a bot's runs once there are `count` of them and all have ended, oldest first.
    pub async fn rows_when(&self, bot: &str, count: usize) -> Vec<Value> {
        until(&format!("{count} ended runs of {bot}"), || async {
            let rows = self.rows(bot).await;
            (rows.len() >= count && rows.iter().all(|row| !row["ended"].is_null())).then_some(rows)
        })
        .await
    }

    /// All that is known of one run.
    pub async fn run(&self, run: &str) -> Value {
        self.get(&format!("runs/{run}")).await
    }

    /// Waits until the host has nothing left to resolve or to run.
    pub async fn quiet(&self) {
        until("a host that has nothing left to do", || async {
            let status = self.status().await;
            (status["unresolved"] == 0 && status["runs"]["pending"] == 0 && status["runs"]["recorded"] == 0).then_some(())
        })
        .await;
    }

    /// Posts to the webhook of the source as a FHIR server would.
    pub async fn notify(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> (StatusCode, String) {
        let mut request = self.http.request(method, format!("{}/in/{path}", self.hooks.base_url())).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    }
}

impl Drop for Site {
    #[allow(clippy::print_stderr, reason = "for whoever reads why a test failed")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let text = match &self.running {
                Running::There(process) => process.log(),
                _ => logs::text(),
            };
            let own = text.lines().filter(|line| line.contains(&self.tenant) || line.contains("ERROR"));
            eprintln!("the host's log of {}:\n{}", self.tenant, own.collect::<Vec<_>>().join("\n"));
        }
    }
}

/// The body of a deploy of the acting bot.
#[must_use]
pub fn acting(source: &str, name: &str, version: &str, more: &str, steps: Value) -> Value {
    let manifest = format!("name = \"{name}\"\nversion = \"{version}\"\n{more}\n[settings.steps]\ntype = \"json\"\n");
    json!({
        "manifest": manifest,
        "component": data_encoding::BASE64.encode(&crate::built::component("actor")),
        "source": source,
        "settings": {"steps": steps},
    })
}

async fn on_hapi(options: Options) -> String {
    let hapi = tokio::task::spawn_blocking(move || hapi::shared(options)).await.unwrap().unwrap();
    hapi.base_url().to_owned()
}

/// What the bot of a run saw and did, step by step.
#[must_use]
pub fn answers(run: &Value) -> Value {
    serde_json::from_str(run["result"]["body"].as_str().unwrap_or("null")).unwrap()
}
