//! The host's lives: each is the real host over the same store, until it is killed or replaced.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use hob_host::{Config, Encryption, HostLimits, Means, Outbound, Retention, Running, StartError};
use hob_ledger::Ledger;
use hob_model::{Auth, BaseUrl, Capabilities, Clock, Inbound, Limits, SecretRef, Source};
use hob_testserver::{Settings, VersionIds};
use http::{Method, Request, StatusCode};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tower::ServiceExt as _;

use super::bots::{self, Natives};
use super::network::Net;
use super::{BASE, Order, World, known};
use crate::ledger::ModelLedger;
use crate::mutation::Mutant;
use crate::points::{Hook, Point, Pointed, Side};

/// Whether a life goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    Open,
    /// It stands still, as a machine that swaps.
    Shut,
    /// Nothing of it goes on.
    Dead,
}

/// One life of a host.
pub(super) struct Life {
    pub(super) world: Arc<World>,
    pub(super) number: u32,
    gate: watch::Sender<Gate>,
}

impl Life {
    /// Goes on only while the life does.
    pub(super) async fn pass(&self) {
        let mut gate = self.gate.subscribe();
        loop {
            let now = *gate.borrow_and_update();
            match now {
                Gate::Open => return,
                Gate::Dead => std::future::pending::<()>().await,
                Gate::Shut => {
                    let _ = gate.changed().await;
                }
            }
        }
    }

    /// Waits until it dies or stands still.
    async fn fell(&self) {
        let mut gate = self.gate.subscribe();
        drop(gate.wait_for(|gate| *gate != Gate::Open).await);
    }

    /// It dies, or stands still; who takes its place is the supervisor's to see. One whose place is taken does not come back: zombies that made more
    /// zombies would fill the world.
    pub(super) fn falls(&self, zombie: Option<Duration>, after: Duration) {
        if *self.gate.borrow() != Gate::Open {
            return;
        }
        if self.world.state().up != self.number {
            self.gate.send_replace(Gate::Dead);
            return;
        }
        self.gate.send_replace(if zombie.is_some() { Gate::Shut } else { Gate::Dead });
        let _ = self.world.orders.try_send(Order::Replace { after, zombie });
    }
}

#[async_trait]
impl Hook for Life {
    async fn at(&self, point: Point, side: Side) {
        self.world.strike(self, point, side);
        self.pass().await;
    }
}

/// A life with the host that lives it.
struct Lived {
    life: Arc<Life>,
    /// Dropped, it stops where it stands.
    _running: Running,
    admin: Router,
}

/// Starts the next host over the world's store.
async fn begin(world: &Arc<World>, number: u32, token: &Path) -> Result<Option<Lived>, StartError> {
    let life = Arc::new(Life { world: Arc::clone(world), number, gate: watch::Sender::new(Gate::Open) });
    let ledger: Arc<dyn Ledger> = Arc::new(ModelLedger::open(Arc::clone(&world.store)));
    let hook: Arc<dyn Hook> = Arc::<Life>::clone(&life);
    let means = Means {
        ledger: Arc::new(Pointed::ledger(ledger, Arc::clone(&hook))),
        sandbox: Arc::new(Pointed::sandbox(Arc::new(Natives(Arc::clone(&life))), hook)),
        transport: Arc::new(Net(Arc::clone(&life))),
        outbound: Arc::new(Net(Arc::clone(&life))),
        host_id: "5133513351335133".to_owned(),
        seed: u64::from(number) ^ world.seed,
    };
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 8400));
    let mut limits = HostLimits { fhir_ms: 15_000, sweep_ms: 20_000, ..HostLimits::default() };
    if world.mutant == Some(Mutant::NoOverlap) {
        limits.sweep_overlap_ms = 0;
    }
    let config = Config {
        listen: nowhere,
        admin: nowhere,
        public_url: BaseUrl::new("http://host.sim").ok(),
        data: PathBuf::new(),
        admin_token: SecretRef::File(token.display().to_string()),
        limits,
        outbound: Outbound::default(),
        secrets: PathBuf::new(),
        bot_limits: Limits::most(),
        encryption: Encryption::default(),
        retention: Retention::default(),
    };
    let clock: Arc<dyn Clock> = Arc::<super::Clocks>::clone(&world.clocks);
    // A host may die before it is up.
    let running = tokio::select! {
        biased;
        running = Running::start(config, clock, means, nowhere) => running?,
        () = life.fell() => {
            life.gate.send_replace(Gate::Dead);
            return Ok(None);
        }
    };
    let admin = running.admin()?;
    world.state().router = Some(running.webhooks());
    Ok(Some(Lived { life, _running: running, admin }))
}

/// Keeps a host alive until the world ends. Says on `ready` when all bots are in service.
pub(super) async fn supervise(world: Arc<World>, mut orders: mpsc::Receiver<Order>, token: PathBuf, ready: watch::Sender<bool>) {
    know_source(&world, &token).await;
    let mut number = 0;
    let mut lived = replace(&world, &mut number, &token).await;
    for bot in 0..bots::BOTS.len() {
        deploy(&world, &lived.admin, bot).await;
    }
    ready.send_replace(true);
    while let Some(order) = orders.recv().await {
        match order {
            Order::Redeploy(bot) => {
                let (world, admin) = (Arc::clone(&world), lived.admin.clone());
                // Beside what goes on: a deploy on a host that dies ends with it.
                tokio::spawn(async move { deploy(&world, &admin, bot).await });
            }
            Order::Replace { after, zombie } => {
                world.state().router = None;
                match zombie {
                    None => {
                        drop(lived);
                        world.store.crash();
                        world.state().running.clear();
                        tokio::time::sleep(after).await;
                    }
                    Some(asleep) => {
                        tokio::spawn(async move {
                            tokio::time::sleep(asleep).await;
                            lived.life.gate.send_replace(Gate::Open);
                            tokio::time::sleep(Duration::from_secs(120)).await;
                            drop(lived);
                        });
                    }
                }
                lived = replace(&world, &mut number, &token).await;
            }
        }
    }
}

/// Makes the server known, with what `hob source check` would prove of it.
async fn know_source(world: &World, token: &Path) {
    let mut settings = Settings::hapi(known(BaseUrl::new(BASE)));
    let ordered = world.mutant != Some(Mutant::OrderByArrival);
    (settings.instance_history, settings.type_history) = (ordered, ordered);
    settings.versions = if ordered { VersionIds::Counted } else { VersionIds::Opaque };
    let source = Source {
        tenant: world.tenant.clone(),
        id: world.source.clone(),
        base: known(BaseUrl::new(BASE)),
        auth: Auth::None,
        inbound: Inbound::Header { name: "x-simulated".to_owned(), value: SecretRef::File(token.display().to_string()) },
        // Deploys go on under the mutant too.
        capabilities: Some(Capabilities { history_shows_deletes: true, ..settings.proved(world.clocks.server()) }),
    };
    let ledger = ModelLedger::open(Arc::clone(&world.store));
    let epoch = known(ledger.claim().await);
    known(ledger.put_source(epoch, source).await);
}

async fn replace(world: &Arc<World>, number: &mut u32, token: &Path) -> Lived {
    loop {
        *number += 1;
        world.state().up = *number;
        match begin(world, *number, token).await {
            Ok(None) => {}
            Ok(Some(lived)) => {
                let number = *number;
                world.tell(|| format!("! host {number} is up"));
                return lived;
            }
            Err(error) => {
                world.tell(|| format!("! a host does not start: {error}"));
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Deploys the next release of a bot by the admin API, as an operator does, until it is taken.
async fn deploy(world: &Arc<World>, admin: &Router, bot: usize) {
    let release = {
        let mut state = world.state();
        state.releases[bot] += 1;
        state.releases[bot]
    };
    let name = bots::BOTS[bot].name;
    let component = data_encoding::BASE64.encode(format!("native {name} {release}").as_bytes());
    let body = json!({"manifest": bots::manifest(bot, release, world.resends()), "component": component, "source": world.source});
    for _ in 0..20 {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("/v1/tenants/{}/bots", world.tenant))
            .header("authorization", "Bearer simulated")
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()));
        let Ok(request) = request else { return };
        let Ok(response) = admin.clone().oneshot(request).await;
        let status = response.status();
        let said = axum::body::to_bytes(response.into_body(), 4_096).await.unwrap_or_default();
        world.tell(|| format!("! release {release} of {name} is deployed: {status} {}", String::from_utf8_lossy(&said)));
        if status == StatusCode::OK {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
