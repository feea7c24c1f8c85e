//! What all parts of a running host share.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hob_engine::EngineError;
use hob_fhir::Transport;
use hob_ledger::{Epoch, Ledger, RunHead, RunKey};
use hob_model::{Clock, Digest, Manifest, TenantId, Timestamp};
use tokio::sync::{Notify, Semaphore, mpsc};

use crate::bots::Bots;
use crate::config::Config;
use crate::gaps::Gaps;
use crate::inflight::{InFlight, Under};
use crate::keyed::Keyed;
use crate::observe::Observing;
use crate::resolve::Reopened;
use crate::resolve::closing::Closing;
use crate::run::driver::Message;
use crate::run::fences::Slots;
use crate::sandbox::{Kept, Prepared, Sandbox};
use crate::secrets::Places;
use crate::sources::{SourceEntry, Sources};

/// The shared state of a host. Everything in it is safe to use from any task.
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) epoch: Epoch,
    pub(crate) sandbox: Arc<dyn Sandbox>,
    /// Carries what the host says to FHIR servers.
    pub(crate) transport: Arc<dyn Transport>,
    /// Carries what bots ask others: held to the addresses that they may reach.
    pub(crate) outbound: Arc<dyn Transport>,
    pub(crate) sources: Sources,
    pub(crate) bots: Bots,
    pub(crate) started: Timestamp,
    /// Names this host's fences: no other host's slots have the same names.
    pub(crate) host_id: String,
    /// How FHIR servers reach the webhooks.
    pub(crate) public_url: String,
    /// Where the webhooks are bound.
    pub(crate) webhooks: SocketAddr,
    /// Places for notifications in work.
    pub(crate) intake: Semaphore,
    /// True from the end of the start to the begin of the drain.
    pub(crate) ready: AtomicBool,
    pub(crate) inflight: InFlight,
    /// Fences that no attempt of this host has taken.
    pub(crate) slots: Slots,
    /// Notifications that made no change, to be resolved many in one.
    pub(crate) closing: Closing,
    /// Signs that something was missed.
    pub(crate) gaps: Gaps,
    /// One at a time for each condition of a conditional create.
    pub(crate) conditions: Keyed<String>,
    /// The driver's ear.
    pub(crate) driver: mpsc::Sender<Message>,
    /// A timer, cron trigger or outbox item may have come: look again.
    pub(crate) agenda: Notify,
    /// Taken by who tries a release on many runs: one at a time, for it takes all processors that are free.
    pub(crate) trials: Arc<Semaphore>,
    /// Releases that are observed.
    pub(crate) observing: Observing,
    /// Attempts that are under way.
    pub(crate) attempts: AtomicUsize,
    /// Dead letters that the resolver is to read again.
    pub(crate) reopened: Reopened,
    under: Mutex<BTreeMap<RunKey, Under>>,
    random: AtomicU64,
}

pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) epoch: Epoch,
    pub(crate) sandbox: Arc<dyn Sandbox>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) outbound: Arc<dyn Transport>,
    pub(crate) host_id: String,
    pub(crate) webhooks: SocketAddr,
    pub(crate) driver: mpsc::Sender<Message>,
    pub(crate) seed: u64,
}

impl Core {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { config, clock, ledger, epoch, sandbox, transport, outbound, host_id, webhooks, driver, seed } = parts;
        Self {
            started: clock.now(),
            public_url: config.public_url(webhooks),
            intake: Semaphore::new(config.limits.connections),
            config,
            clock,
            ledger,
            epoch,
            sandbox,
            transport,
            outbound,
            sources: Sources::default(),
            bots: Bots::default(),
            host_id,
            webhooks,
            ready: AtomicBool::new(false),
            inflight: InFlight::default(),
            slots: Slots::default(),
            closing: Closing::default(),
            gaps: Gaps::default(),
            conditions: Keyed::default(),
            driver,
            agenda: Notify::new(),
            trials: Arc::new(Semaphore::new(1)),
            observing: Observing::default(),
            attempts: AtomicUsize::new(0),
            reopened: Reopened::default(),
            under: Mutex::default(),
            random: AtomicU64::new(seed),
        }
    }

    /// Where the secrets of a tenant's bots are found.
    pub(crate) fn places(&self, tenant: &TenantId) -> Places {
        Places::of(&self.config.secrets, tenant)
    }

    /// Makes a release ready to run. Its component is the ledger's to keep: should the compiled code be lost, it is read there again.
    pub(crate) async fn prepare(
        &self,
        tenant: &TenantId,
        release: Digest,
        component: Bytes,
        manifest: Manifest,
    ) -> Result<Arc<dyn Prepared>, EngineError> {
        let kept = Kept { ledger: Arc::clone(&self.ledger), tenant: tenant.clone(), release };
        self.sandbox.prepare(component, manifest, Arc::new(kept)).await
    }

    /// Waits by the machine's timer: the one way to let time pass.
    pub(crate) async fn pause(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }

    /// The next number of this host's random sequence.
    pub(crate) fn random(&self) -> u64 {
        let count = self.random.fetch_add(1, Ordering::Relaxed);
        let digest = Digest::of_parts(&[b"random", &count.to_be_bytes(), self.host_id.as_bytes()]);
        digest.as_bytes().iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
    }

    /// A random number from 0 to 1.
    pub(crate) fn spread(&self) -> f64 {
        f64::from(u32::try_from(self.random() >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
    }

    /// Keeps a recorded run's commit in the sight of resolve until [`Core::commit_ended`]. What waits for it already goes on waiting: a resume does not
    /// take the first word back.
    pub(crate) fn commit_begins(&self, run: &RunKey, under: Under) {
        self.under.lock().unwrap_or_else(PoisonError::into_inner).entry(run.clone()).or_insert(under);
    }

    /// The commit of `run` has an end that the ledger holds.
    pub(crate) fn commit_ended(&self, run: &RunKey) {
        self.under.lock().unwrap_or_else(PoisonError::into_inner).remove(run);
    }

    /// Tells the driver that these runs are in the ledger.
    pub(crate) async fn news(&self, heads: Vec<RunHead>) {
        let bots: BTreeSet<_> = heads.into_iter().map(|head| (head.key.tenant, head.bot)).collect();
        for (tenant, bot) in bots {
            self.tell(Message::News(tenant, bot)).await;
        }
    }

    /// Tells the driver; false where it has stopped.
    pub(crate) async fn tell(&self, message: Message) -> bool {
        self.driver.send(message).await.is_ok()
    }

    /// Notes that a source did not answer; says when to try again.
    pub(crate) fn source_down(&self, entry: &SourceEntry, asked: Option<Duration>) -> Timestamp {
        let until = entry.went_down(self.clock.now(), asked, self.spread());
        tracing::warn!(tenant = %entry.source.tenant, source = %entry.source.id, %until, "the source does not answer: its changes and runs wait");
        until
    }
}
