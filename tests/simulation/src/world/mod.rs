//! One seed's world: a FHIR server in memory, people who change what is on it, a network that loses and delays, and the real host in between, which is
//! killed, frozen and started again. All of it runs on one thread and a paused clock, so a seed is a history.
//!
//! What is simulated is what a host stands on ([`hob_host::Means`]): the store is the model ledger, the sandbox runs native bots, the network is this
//! module's. Resolve, dispatch, attempts, commits, agenda and webhooks are the host's own code, byte for byte as it is in service.

mod bots;
mod clock;
mod fault;
mod host;
mod judge;
mod network;
mod people;
mod play;
mod post;
mod story;
mod strike;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use hob_model::{BaseUrl, BotName, Reference, SourceId, TenantId, Timestamp, VersionId};
use hob_testserver::{Server, Settings};
use http::Request;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::sync::mpsc;

use crate::ledger::ModelStore;
use crate::mutation::Mutant;
use clock::Clocks;
pub use fault::{Fault, Matrix};
pub use judge::Breach;
pub use play::{Outcome, Plan, play};
use story::Story;

/// The base URL of the simulated server.
const BASE: &str = "http://fhir.sim/fhir";

/// What the supervisor of the host is told.
#[derive(Debug)]
enum Order {
    /// The host died and the next one comes `after` that; or it stands still for as long as `zombie` says, and the next one comes at once.
    Replace { after: Duration, zombie: Option<Duration> },
    /// Deploy a new release of this bot.
    Redeploy(usize),
}

/// What the network does to what passes it, while it does.
#[derive(Debug, Default)]
struct Weather {
    /// Until then the server answers 5xx.
    fails_until: Duration,
    /// Until then it takes requests and does not answer.
    hangs_until: Duration,
    /// Until then it is slow.
    slow_until: Duration,
    /// Answers of the server that will be lost.
    lose_answers: u32,
    /// Transactions that will stay on their way.
    late_sends: u32,
    /// Transactions that will be refused.
    refuse: u32,
    /// Notifications that will be lost, repeated, late.
    lose_posts: u32,
    repeat_posts: u32,
    late_posts: u32,
}

/// A request of the outbox, as its receiver saw it.
#[derive(Debug, Clone)]
struct Received {
    key: String,
    body: String,
    /// Whether the run that sent it had committed by then.
    committed: bool,
}

/// All that changes.
struct State {
    rng: ChaCha8Rng,
    server: Server,
    weather: Weather,
    story: Story,
    matrix: Matrix,
    /// Which faults may strike, and once in how many points passed; 0 for never.
    faults: Vec<Fault>,
    rarity: u32,
    /// Commit points passed so far.
    passed: u64,
    /// The number of the host that holds the ledger.
    up: u32,
    /// Where it takes notifications.
    router: Option<Router>,
    /// Since when people work.
    opened: Timestamp,
    /// Versions that people wrote, and how many they tried to.
    by_people: BTreeSet<(Reference, VersionId)>,
    written: u64,
    /// How many changes people were asked for.
    changes: u32,
    /// The resource that was last worked on.
    subject: Option<Reference>,
    received: Vec<Received>,
    /// What bots asked, as it came: the key and the question.
    asked: Vec<(String, String)>,
    /// Notifications on their way.
    posts: usize,
    /// Those that a host answered 2xx.
    taken: Vec<Request<Bytes>>,
    /// Who runs what at this moment, by host, bot and resource.
    running: BTreeSet<(u32, BotName, Reference)>,
    breaches: Vec<Breach>,
    /// The releases deployed so far, by bot.
    releases: Vec<u32>,
}

impl State {
    fn calm(&mut self) {
        self.rarity = 0;
        self.weather = Weather::default();
    }
}

/// What all parts of a simulation share.
struct World {
    seed: u64,
    tenant: TenantId,
    source: SourceId,
    clocks: Arc<Clocks>,
    store: Arc<ModelStore>,
    mutant: Option<Mutant>,
    state: Mutex<State>,
    orders: mpsc::Sender<Order>,
}

impl World {
    fn new(plan: &Plan, orders: mpsc::Sender<Order>) -> Arc<Self> {
        let state = State {
            rng: ChaCha8Rng::seed_from_u64(plan.seed),
            server: Server::new(Settings::hapi(known(BaseUrl::new(BASE)))),
            weather: Weather::default(),
            story: Story::new(plan.told),
            matrix: Matrix::default(),
            faults: Vec::new(),
            rarity: 0,
            passed: 0,
            up: 0,
            router: None,
            opened: Timestamp::default(),
            by_people: BTreeSet::new(),
            written: 0,
            changes: plan.changes,
            subject: None,
            received: Vec::new(),
            asked: Vec::new(),
            posts: 0,
            taken: Vec::new(),
            running: BTreeSet::new(),
            breaches: Vec::new(),
            releases: vec![0; bots::BOTS.len()],
        };
        Arc::new(Self {
            seed: plan.seed,
            tenant: known(TenantId::new("clinic")),
            source: known(SourceId::new("ehr")),
            clocks: Arc::new(Clocks::new()),
            store: ModelStore::new(plan.mutant.and_then(Mutant::of_ledger).into_iter().collect()),
            mutant: plan.mutant,
            state: Mutex::new(state),
            orders,
        })
    }

    /// From now on. Each seed has some of the faults only, and more or less often: a mix of all would drown the rare combinations.
    fn let_faults_strike(&self) {
        let mut state = self.state();
        let some: Vec<Fault> = Fault::ALL.into_iter().filter(|_| state.rng.random_range(0..3) > 0).collect();
        state.faults = some;
        state.opened = self.clocks.server();
        state.rarity = [60, 150, 400, 1_000][state.rng.random_range(0..4)];
    }

    /// Whether the manifest has a message sent again of which nobody knows whether it arrived: in half of the seeds.
    const fn resends(&self) -> bool {
        self.seed % 2 == 1
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A line of the story, made only where it is told.
    fn tell(&self, line: impl FnOnce() -> String) {
        let at = self.clocks.elapsed();
        self.state().story.tell(at, line);
    }

    /// A random span, most often short.
    fn span(&self, most: Duration) -> Duration {
        let mut state = self.state();
        let part: f64 = state.rng.random_range(0.0..1.0);
        most.mul_f64(part * part)
    }
}

/// A name that is known to be valid.
fn known<T, E: std::fmt::Debug>(checked: Result<T, E>) -> T {
    checked.unwrap_or_else(|error| unreachable!("{error:?}"))
}
