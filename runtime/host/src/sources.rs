//! The FHIR servers that this host knows: clients, inbound credentials and health, ready for use.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use axum::http::StatusCode;
use hob_fhir::{Client, ClientConfig, Credentials, FhirError, FhirErrorKind, Transport};
use hob_ingress::{AuthError, Verifier, WireRequest};
use hob_model::{Clock, Inbound, Reference, SecretRef, Source, SourceId, TenantId, Timestamp, VersionId};
use hob_search::ServerBases;
use serde_json::Value;

use crate::secrets::{self, SecretError};

/// Why a source cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// A secret is missing.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Its notifications could not be authenticated.
    #[error(transparent)]
    Inbound(#[from] AuthError),
    /// Its base URL or credentials cannot be used.
    #[error(transparent)]
    Client(#[from] FhirError),
}

/// One source, ready for use.
pub(crate) struct SourceEntry {
    pub(crate) source: Source,
    pub(crate) client: Client,
    pub(crate) bases: ServerBases,
    verifier: Verifier,
    health: Mutex<Health>,
    /// Held for writing while a bot is put in service: changes are judged for the bots before it or for those with it, not in between.
    pub(crate) deploying: tokio::sync::RwLock<()>,
}

#[derive(Debug, Default)]
struct Health {
    failures: u32,
    down_until: Option<Timestamp>,
}

/// The longest pause between two looks at a source that is down.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

impl SourceEntry {
    pub(crate) fn new(
        source: Source,
        timeout: Duration,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SourceError> {
        let read = |secret: &SecretRef| secrets::resolve(secret).map(|s| s.expose().to_owned());
        let credentials = Credentials::resolve(&source.auth, read)?;
        let config = ClientConfig { timeout, ..ClientConfig::default() };
        let client = Client::over(transport, &source.base, credentials, config, clock)?;
        let secret = secrets::resolve(inbound_secret(&source.inbound))?;
        let verifier = Verifier::new(&source.inbound, secret.expose().as_bytes())?;
        let bases = ServerBases::new([source.base.as_str()]);
        Ok(Self { source, client, bases, verifier, health: Mutex::default(), deploying: tokio::sync::RwLock::new(()) })
    }

    /// Whether the request proves to come from this source; takes a secret off the front of its path.
    pub(crate) fn admit(&self, request: &mut WireRequest) -> Result<(), StatusCode> {
        let mut given = None;
        if self.verifier.in_path() {
            let rest = request.path_rest.trim_start_matches('/').to_owned();
            let (first, after) = rest.split_once('/').unwrap_or((&rest, ""));
            given = Some(first.to_owned());
            request.path_rest = if after.is_empty() { String::new() } else { format!("/{after}") };
        }
        self.verifier.verify(request, given.as_deref()).map_err(|error| {
            tracing::warn!(tenant = %self.source.tenant, source = %self.source.id, code = error.code(), "a notification was not authentic");
            // A wrong path is answered like one that does not exist.
            if self.verifier.in_path() { StatusCode::NOT_FOUND } else { StatusCode::UNAUTHORIZED }
        })
    }

    /// The segment that the endpoint's path needs before the subscription's key.
    pub(crate) fn path_secret(&self) -> Result<Option<String>, SecretError> {
        match &self.source.inbound {
            Inbound::Path { secret } => Ok(Some(secrets::resolve(secret)?.expose().to_owned())),
            Inbound::Header { .. } | Inbound::Hmac { .. } => Ok(None),
        }
    }

    /// Whether the source was proved to count versions by one.
    pub(crate) fn counts_versions(&self) -> bool {
        self.source.capabilities.as_ref().is_some_and(|c| c.integer_versions)
    }

    /// Whether the source was proved to have histories of instances.
    pub(crate) fn has_histories(&self) -> bool {
        self.source.capabilities.as_ref().is_some_and(|c| c.instance_history)
    }

    /// Notes that the source did not answer; says when to try again. Jitter by `spread`, of 0 to 1.
    pub(crate) fn went_down(&self, now: Timestamp, asked: Option<Duration>, spread: f64) -> Timestamp {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        // Many runs fail together: they count once for each pause.
        if health.down_until.is_none_or(|until| until <= now) {
            health.failures = health.failures.saturating_add(1);
        }
        let doubled = Duration::from_millis(250).saturating_mul(1_u32.checked_shl(health.failures.min(10)).unwrap_or(u32::MAX));
        let pause = doubled.min(LONGEST_PAUSE).mul_f64(0.5 + spread.clamp(0.0, 1.0) / 2.0);
        let until = now + pause.max(asked.unwrap_or_default().min(Duration::from_secs(600)));
        health.down_until = Some(until);
        until
    }

    /// Whether it is the source that failed, and not this one request: a server that answers the plainest question is not down, and whatever it cannot
    /// answer must not hold up the rest. One that answers with half a body, or with the login page of a proxy, is down as much as one that is silent.
    pub(crate) async fn is_down(&self, error: &FhirError) -> bool {
        match error.kind {
            FhirErrorKind::Unreachable | FhirErrorKind::TooMany | FhirErrorKind::Unauthorized => true,
            _ if may_be_down(error) => self.client.capability_statement().await.is_err(),
            _ => false,
        }
    }

    /// The version before a change. None where the server shows no such version, be it that it does not do so at all.
    pub(crate) async fn version_before(&self, resource: &Reference, version: &VersionId) -> Result<Option<Value>, FhirError> {
        match self.client.vread(resource, version).await {
            Ok(found) => Ok(Some(found.resource)),
            Err(error) if error.is_transient() || self.is_down(&error).await => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// Notes that the source answered. True where it had been down.
    pub(crate) fn is_up(&self) -> bool {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        let was_down = health.failures > 0;
        *health = Health::default();
        was_down
    }
}

/// Whether the error can come of a source that is down, and not only of what it was asked.
pub(crate) const fn may_be_down(error: &FhirError) -> bool {
    error.is_transient() || matches!(error.kind, FhirErrorKind::Unauthorized | FhirErrorKind::Protocol | FhirErrorKind::Refused)
}

/// The secret that a source's notifications prove to know.
pub(crate) fn inbound_secret(inbound: &Inbound) -> &SecretRef {
    match inbound {
        Inbound::Path { secret } | Inbound::Hmac { secret, .. } => secret,
        Inbound::Header { value, .. } => value,
    }
}

type Entries = BTreeMap<(TenantId, SourceId), Arc<SourceEntry>>;

/// All sources of all tenants: those in service, and why the others are not.
#[derive(Default)]
pub(crate) struct Sources(RwLock<Entries>, RwLock<BTreeMap<(TenantId, SourceId), String>>);

impl Sources {
    pub(crate) fn get(&self, tenant: &TenantId, source: &SourceId) -> Option<Arc<SourceEntry>> {
        let entries = self.0.read().unwrap_or_else(PoisonError::into_inner);
        entries.get(&(tenant.clone(), source.clone())).cloned()
    }

    pub(crate) fn put(&self, entry: SourceEntry) -> Arc<SourceEntry> {
        let entry = Arc::new(entry);
        let key = (entry.source.tenant.clone(), entry.source.id.clone());
        self.1.write().unwrap_or_else(PoisonError::into_inner).remove(&key);
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&entry));
        entry
    }

    /// Notes that a source of the ledger could not be put in service.
    pub(crate) fn broken(&self, tenant: TenantId, source: SourceId, why: String) {
        self.1.write().unwrap_or_else(PoisonError::into_inner).insert((tenant, source), why);
    }

    /// Why a source that the ledger knows is not in service.
    pub(crate) fn why_broken(&self, tenant: &TenantId, source: &SourceId) -> Option<String> {
        self.1.read().unwrap_or_else(PoisonError::into_inner).get(&(tenant.clone(), source.clone())).cloned()
    }

    /// All that are not in service, with the reason.
    pub(crate) fn all_broken(&self) -> Vec<String> {
        let broken = self.1.read().unwrap_or_else(PoisonError::into_inner);
        broken.iter().map(|((tenant, source), why)| format!("source {source} of {tenant}: {why}")).collect()
    }

    pub(crate) fn remove(&self, tenant: &TenantId, source: &SourceId) {
        let key = (tenant.clone(), source.clone());
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&key);
        self.1.write().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }
}
