//! One host with all that it stands on, and one bot's code for all bots.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use hob_engine::{Components, EngineError, HttpError, HttpRequest, Outside, RunInput, RunOutput, placeholder};
use hob_fhir::{Answer, NoAnswer, Transport};
use hob_host::{Config, Encryption, HostLimits, Means, Outbound, Prepared, Retention, Running, Sandbox};
use hob_ledger::{Ledger, RunFilter, RunRow};
use hob_model::{
    Auth, BaseUrl, Clock, Effects, Event, Failure, FailureKind, Inbound, Journal, Limits, Manifest, RunId, RunState, SecretRef,
    Source, TenantId, Timestamp,
};
use hob_testserver::Settings;
use http::{HeaderMap, Method, Request, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;
use tower::ServiceExt as _;

use crate::far::{Far, Health};

/// The source of those tests that need one.
pub(crate) const EHR: &str = "ehr";
const TENANT: &str = "clinic";
const BEGIN: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);

/// What a bot is run on.
pub(crate) struct Asked<'a> {
    pub(crate) bot: &'a str,
    pub(crate) event: &'a Event,
    /// It is a Task that somebody marked as failed, and that has not been mended.
    pub(crate) bad: bool,
}

/// What the bots do: one function for all of them.
pub(crate) type Decide = fn(&Asked<'_>) -> Result<Effects, Failure>;

/// The clock of the runtime, paused or not.
struct Time(Instant);

impl Clock for Time {
    fn now(&self) -> Timestamp {
        BEGIN + self.0.elapsed()
    }
}

/// What the receiver of the outbox does with the next requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It takes them and says so.
    Answers,
    /// It takes the next one, and the answer is lost.
    LosesOne,
    /// It takes them and says nothing.
    Hangs,
    /// Its address is none that bots may ask.
    IsInside,
}

/// A request of the outbox as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) key: String,
    pub(crate) body: String,
}

/// Everything outside of the host.
struct World {
    clock: Time,
    /// FHIR servers by the name of their host.
    far: BTreeMap<String, Far>,
    router: Mutex<Option<Router>>,
    manner: Mutex<Manner>,
    received: Mutex<Vec<Received>>,
    /// What bots were run on, by name.
    seen: Mutex<Vec<(String, Event)>>,
    decide: Decide,
    /// Nothing is bad any more.
    mended: AtomicBool,
}

struct Net(Arc<World>);

#[async_trait]
impl Transport for Net {
    async fn exchange(&self, request: Request<Bytes>, _most: usize) -> Result<Answer, NoAnswer> {
        let world = &self.0;
        if request.uri().host() == Some("sms.sim") {
            return world.receive(&request).await;
        }
        assert!(world.is_mended() || !request.uri().path().contains("poison"), "a host that panics at what it reads");
        let far = &world.far[request.uri().host().unwrap()];
        let answer = far.answers(|| world.clock.now(), &request).await;
        Arc::clone(world).deliver();
        answer
    }
}

impl World {
    fn is_mended(&self) -> bool {
        self.mended.load(Ordering::SeqCst)
    }

    async fn receive(&self, request: &Request<Bytes>) -> Result<Answer, NoAnswer> {
        let manner = *self.manner.lock().unwrap();
        let key = request.headers()["idempotency-key"].to_str().unwrap().to_owned();
        let body = String::from_utf8(request.body().to_vec()).unwrap();
        if manner != Manner::IsInside {
            self.received.lock().unwrap().push(Received { key, body });
        }
        match manner {
            Manner::IsInside => Err(NoAnswer::Forbidden),
            Manner::Hangs => std::future::pending().await,
            Manner::LosesOne => {
                *self.manner.lock().unwrap() = Manner::Answers;
                Err(NoAnswer::Unknown("the connection broke"))
            }
            Manner::Answers => Ok(Answer { status: 202, headers: HeaderMap::new(), body: request.body().clone(), whole: true }),
        }
    }

    /// Sends what the servers want sent to the host that is up.
    fn deliver(self: Arc<Self>) {
        let posts: Vec<_> = self.far.values().flat_map(|far| far.server().take_posts()).collect();
        let Some(router) = self.router.lock().unwrap().clone() else { return };
        tokio::spawn(async move {
            for post in posts {
                let taken = router.clone().oneshot(post.request.map(Body::from)).await.unwrap();
                assert!(taken.status().is_success());
            }
        });
    }
}

struct Natives(Arc<World>);

#[async_trait]
impl Sandbox for Natives {
    async fn prepare(
        &self,
        _component: Bytes,
        manifest: Manifest,
        _again: Arc<dyn Components>,
    ) -> Result<Arc<dyn Prepared>, EngineError> {
        Ok(Arc::new(Native { world: Arc::clone(&self.0), name: manifest.name.to_string() }))
    }
}

struct Native {
    world: Arc<World>,
    name: String,
}

#[async_trait]
impl Prepared for Native {
    async fn run(&self, input: RunInput, outside: Outside) -> RunOutput {
        self.world.seen.lock().unwrap().push((self.name.clone(), input.event.clone()));
        let failed = input.resource.as_ref().is_some_and(|resource| resource.value()["status"] == "failed");
        let asked = Asked { bot: &self.name, event: &input.event, bad: failed && !self.world.is_mended() };
        let answer = match self.name.strip_prefix("asks-by-") {
            Some(method) => ask(method, &outside, input.run).await,
            None => Ok(()),
        };
        let (result, effects) = match answer.and_then(|()| (self.world.decide)(&asked)) {
            Ok(effects) => (Ok(None), effects),
            Err(failure) => (Err(failure), Effects::default()),
        };
        let journal = Journal { seed: input.seed, started: input.now, ..Journal::default() };
        RunOutput { result, effects, journal, read: BTreeMap::new(), cpu: Duration::ZERO, wall: Duration::ZERO }
    }
}

/// Asks the receiver, with a secret that it gives back.
async fn ask(method: &str, outside: &Outside, run: RunId) -> Result<(), Failure> {
    let secret = placeholder(run, "TOKEN");
    let request = HttpRequest {
        method: method.to_ascii_uppercase(),
        url: "http://sms.sim/number".to_owned(),
        headers: vec![("x-token".to_owned(), secret.clone())],
        body: format!("I am {secret}").into_bytes().into(),
    };
    match outside.http.send(request.clone()).await {
        Ok(response) => {
            assert_eq!((response.status, response.body), (202, request.body));
            Ok(())
        }
        Err(HttpError::Told { code, message, retry_after }) => {
            Err(Failure { kind: FailureKind::Retry, code: code.to_owned(), message, retry_after })
        }
        Err(HttpError::Ends(failure)) => Err(failure),
    }
}

/// A failure that no further attempt mends.
pub(crate) fn fatal() -> Failure {
    Failure { kind: FailureKind::Fatal, code: "bad".to_owned(), message: "it is bad".to_owned(), retry_after: None }
}

/// A clinic with its host.
pub(crate) struct Site {
    world: Arc<World>,
    pub(crate) tenant: TenantId,
    open: Box<dyn Fn() -> Arc<dyn Ledger>>,
    /// What tests look at: a handle of its own where the store allows several, else the host's.
    pub(crate) ledger: Arc<dyn Ledger>,
    running: Option<Running>,
    admin: Option<Router>,
    written: AtomicU32,
    folder: TempDir,
}

impl Site {
    /// A host on the store that `open` gives at each start, with sources that were proved.
    pub(crate) async fn start(
        open: impl Fn() -> Arc<dyn Ledger> + 'static,
        folder: TempDir,
        sources: &[&str],
        decide: Decide,
    ) -> Self {
        let secrets = folder.path().join("secrets").join(TENANT);
        std::fs::create_dir_all(&secrets).unwrap();
        std::fs::write(secrets.join("secret"), "simulated").unwrap();
        let world = Arc::new(World {
            clock: Time(Instant::now()),
            far: sources.iter().map(|name| (format!("{name}.sim"), Far::new(&base(name)))).collect(),
            router: Mutex::default(),
            manner: Mutex::new(Manner::Answers),
            received: Mutex::default(),
            seen: Mutex::default(),
            decide,
            mended: AtomicBool::new(false),
        });
        let ledger = open();
        let mut site = Self {
            world,
            tenant: TENANT.parse().unwrap(),
            open: Box::new(open),
            ledger: Arc::clone(&ledger),
            running: None,
            admin: None,
            written: AtomicU32::new(0),
            folder,
        };
        let epoch = ledger.claim().await.unwrap();
        for name in sources {
            ledger.put_source(epoch, site.source(name)).await.unwrap();
        }
        site.begin(ledger).await;
        site
    }

    /// A file that holds the word `simulated`.
    pub(crate) fn secret_file(&self) -> PathBuf {
        self.folder.path().join("secrets").join(TENANT).join("secret")
    }

    fn secret(&self) -> SecretRef {
        SecretRef::File(self.secret_file().display().to_string())
    }

    fn source(&self, name: &str) -> Source {
        Source {
            tenant: self.tenant.clone(),
            id: name.parse().unwrap(),
            base: base(name),
            auth: Auth::None,
            inbound: Inbound::Header { name: "x-simulated".to_owned(), value: self.secret() },
            capabilities: Some(Settings::hapi(base(name)).proved(BEGIN)),
        }
    }

    async fn begin(&mut self, ledger: Arc<dyn Ledger>) {
        let means = Means {
            ledger: Arc::clone(&ledger),
            sandbox: Arc::new(Natives(Arc::clone(&self.world))),
            transport: Arc::new(Net(Arc::clone(&self.world))),
            outbound: Arc::new(Net(Arc::clone(&self.world))),
            host_id: "5133513351335133".to_owned(),
            seed: 7,
        };
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 8400));
        let config = Config {
            listen: nowhere,
            admin: nowhere,
            public_url: BaseUrl::new("http://host.sim").ok(),
            data: self.data(),
            admin_token: self.secret(),
            // Only what is notified: a sweep would read what a test poisoned.
            limits: HostLimits { sweep_ms: 0, ..HostLimits::default() },
            outbound: Outbound::default(),
            secrets: self.data().join("secrets"),
            bot_limits: Limits::most(),
            encryption: Encryption::default(),
            retention: Retention::default(),
        };
        let clock: Arc<dyn Clock> = Arc::new(Time(self.world.clock.0));
        let running = Running::start(config, clock, means, nowhere).await.unwrap();
        self.admin = Some(running.admin().unwrap());
        *self.world.router.lock().unwrap() = Some(running.webhooks());
        self.running = Some(running);
        self.ledger = ledger;
    }

    /// The host's folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// The host dies where it stands.
    pub(crate) fn crash(&mut self) {
        *self.world.router.lock().unwrap() = None;
        self.admin = None;
        self.running = None;
    }

    /// The host ends what is in flight.
    pub(crate) async fn stop(&mut self) {
        *self.world.router.lock().unwrap() = None;
        self.admin = None;
        self.running.take().unwrap().stop().await;
    }

    /// The next host on the same store.
    pub(crate) async fn again(&mut self) {
        let ledger = (self.open)();
        self.begin(ledger).await;
    }

    /// A call of the admin API.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let request = Request::builder().method(method).uri(path).header("authorization", "Bearer simulated");
        let request = request.header("content-type", "application/json").body(Body::from(body.to_string())).unwrap();
        let response = self.admin.clone().unwrap().oneshot(request).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    /// A call below the tenant that must succeed.
    pub(crate) async fn must(&self, method: Method, path: &str, body: Value) -> Value {
        let (status, answer) = self.call(method.clone(), &format!("/v1/tenants/{}/{path}", self.tenant), body).await;
        assert!(status.is_success(), "{method} {path}: {status} {answer:#}");
        answer
    }

    /// Deploys a bot; `more` is the rest of its manifest.
    pub(crate) async fn deploy(&self, name: &str, more: &str) {
        self.deploy_on(EHR, name, more).await;
    }

    /// The same, on another source.
    pub(crate) async fn deploy_on(&self, source: &str, name: &str, more: &str) {
        let manifest = format!("name = \"{name}\"\nversion = \"1.0.0\"\n{more}\n");
        let component = data_encoding::BASE64.encode(name.as_bytes());
        let body = json!({"manifest": manifest, "component": component, "source": source});
        self.must(Method::POST, "bots", body).await;
    }

    /// A person writes the next version of a Task.
    pub(crate) fn write(&self, id: &str, status: &str) {
        self.write_on(EHR, id, status);
    }

    /// The same, on another source.
    pub(crate) fn write_on(&self, source: &str, id: &str, status: &str) {
        self.put(source, id, status);
        Arc::clone(&self.world).deliver();
    }

    /// The same; it is not notified by itself.
    pub(crate) fn lost(&self, id: &str, status: &str) {
        self.put(EHR, id, status);
        self.far(EHR).server().take_posts();
    }

    /// The server of a source.
    pub(crate) fn far(&self, source: &str) -> &Far {
        &self.world.far[&format!("{source}.sim")]
    }

    fn put(&self, source: &str, id: &str, status: &str) {
        // An update that changes nothing makes no version.
        let number = self.written.fetch_add(1, Ordering::SeqCst);
        let resource = json!({"resourceType": "Task", "id": id, "status": status, "description": number.to_string()});
        let request = Request::builder().method(Method::PUT).uri(format!("{}/Task/{id}", base(source)));
        let request = request.body(Bytes::from(resource.to_string())).unwrap();
        let response = self.far(source).server().handle(self.world.clock.now(), &request);
        assert!(response.status().is_success());
    }

    /// How the server of a source is from now on.
    pub(crate) fn is(&self, source: &str, health: Health) {
        self.far(source).is(health);
    }

    /// Whoever is to blame mends what is bad.
    pub(crate) fn mend(&self) {
        self.world.mended.store(true, Ordering::SeqCst);
    }

    pub(crate) fn receiver(&self, manner: Manner) {
        *self.world.manner.lock().unwrap() = manner;
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.world.received.lock().unwrap().clone()
    }

    /// What a bot was run on, attempts and all.
    pub(crate) fn seen(&self, bot: &str) -> Vec<Event> {
        self.world.seen.lock().unwrap().iter().filter(|(name, _)| name == bot).map(|(_, event)| event.clone()).collect()
    }

    /// A bot's runs, oldest first.
    pub(crate) async fn rows(&self, bot: &str) -> Vec<RunRow> {
        let filter = RunFilter { bot: bot.parse().ok(), limit: 200_000, ..RunFilter::default() };
        let mut rows = self.ledger.runs(&self.tenant, &filter).await.unwrap();
        rows.reverse();
        rows
    }

    /// Waits until the runs of a bot are in these states: of each its subject with the version, or its trigger, in their order.
    pub(crate) async fn until(&self, bot: &str, wanted: &[(&str, RunState)]) -> Vec<RunRow> {
        let mut found = Vec::new();
        for _ in 0..50_000 {
            let rows = self.rows(bot).await;
            found = rows.iter().map(|row| (told(row), row.state)).collect();
            if found.iter().map(|(name, state)| (name.as_str(), *state)).eq(wanted.iter().copied()) {
                return rows;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{bot}: {found:?}")
    }

    /// Lets time pass in which nothing may happen. Only where the clock is paused.
    pub(crate) async fn quiet(&self) {
        tokio::time::sleep(Duration::from_secs(3600)).await;
    }
}

fn base(source: &str) -> BaseUrl {
    BaseUrl::new(&format!("http://{source}.sim/fhir")).unwrap()
}

fn told(row: &RunRow) -> String {
    row.subject.as_ref().map_or_else(|| row.trigger.clone(), |(reference, version)| format!("{reference} {version}"))
}
