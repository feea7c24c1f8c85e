//! What the checks work on: one clinic, one source, one bot, and short ways to make the rest.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use hob_model::{
    Attempt, BaseUrl, BotName, Change, ChangeKey, Digest, Effects, Failure, FailureKind, Inbound, Interaction, Journal, LogLevel,
    LogLine, Manifest, ResourceKey, RunId, SecretRef, Source, SourceId, TenantId, Timestamp,
};
use serde_json::json;

use crate::{
    Deployment, Epoch, Finish, Ledger, NewNotification, NewRun, Next, Opening, Queued, Recorded, Release, Resolution,
    ResolvedChange, RunHead, RunKey, Tried, Verdict,
};

/// Microsecond `n` of the checks' time.
pub(super) const fn at(n: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + n)
}

/// A usable notification of source `s` of `tenant`, with `n` in its body.
#[must_use]
pub fn notification(tenant: &str, n: u64) -> NewNotification {
    let body = Bytes::from(json!({"resourceType": "Task", "id": n.to_string()}).to_string());
    NewNotification {
        tenant: tenant.parse().unwrap(),
        source: "s".parse().unwrap(),
        subscription: Some("tasks".parse().unwrap()),
        received: at(1),
        method: "PUT".to_owned(),
        path: format!("Task/{n}"),
        headers: vec![("content-type".to_owned(), "application/fhir+json".to_owned())],
        format: Some("bare".to_owned()),
        size: body.len() as u64,
        body,
        verdict: Verdict::Usable,
    }
}

/// Version `version` of `Task/{id}` at source `s` of `tenant`.
#[must_use]
pub fn change(tenant: &str, id: &str, version: u64) -> Change {
    let resource = ResourceKey {
        tenant: tenant.parse().unwrap(),
        source: "s".parse().unwrap(),
        resource: format!("Task/{id}").parse().unwrap(),
    };
    Change {
        key: ChangeKey { resource, version: version.to_string().parse().unwrap() },
        interaction: if version == 1 { Interaction::Create } else { Interaction::Update },
        previous: (version > 1).then(|| (version - 1).to_string().parse().unwrap()),
        occurred: Some(at(i64::try_from(version).unwrap())),
        resource: Some(json!({"resourceType": "Task", "id": id, "meta": {"versionId": version.to_string()}})),
    }
}

/// A ledger under a lease, with tenant `t`, source `s` and bot `b`.
pub struct Given {
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// The lease.
    pub epoch: Epoch,
    /// The clinic.
    pub tenant: TenantId,
    /// The source.
    pub source: SourceId,
    /// The bot.
    pub bot: BotName,
    /// Its release; stored only by [`Given::deployed`].
    pub release: Digest,
}

const MANIFEST: &str = "name = \"b\"\nversion = \"1\"\n[[on]]\nchange = \"Task\"\n";

impl Given {
    /// Takes the lease.
    pub async fn a(ledger: Arc<dyn Ledger>) -> Self {
        let epoch = ledger.claim().await.unwrap();
        let release = Release::digest_of(MANIFEST, b"wasm");
        Self { ledger, epoch, tenant: "t".parse().unwrap(), source: "s".parse().unwrap(), bot: "b".parse().unwrap(), release }
    }

    /// Puts source and bot in service.
    pub async fn deployed(ledger: Arc<dyn Ledger>) -> Self {
        let given = Self::a(ledger).await;
        given.ledger.put_source(given.epoch, given.a_source()).await.unwrap();
        given.ledger.put_release(given.epoch, given.a_release()).await.unwrap();
        given.ledger.activate(given.epoch, given.a_deployment()).await.unwrap();
        given
    }

    pub(super) fn a_source(&self) -> Source {
        Source {
            tenant: self.tenant.clone(),
            id: self.source.clone(),
            base: BaseUrl::new("http://fhir.example/r4").unwrap(),
            auth: hob_model::Auth::None,
            inbound: Inbound::Header { name: "x".to_owned(), value: SecretRef::Env("X".to_owned()) },
            capabilities: None,
        }
    }

    pub(super) fn a_release(&self) -> Release {
        Release {
            tenant: self.tenant.clone(),
            digest: self.release,
            manifest: Manifest::parse(MANIFEST, "bot.toml").unwrap(),
            manifest_text: MANIFEST.to_owned(),
            component: Bytes::from_static(b"wasm"),
            created: at(0),
        }
    }

    pub(super) fn a_deployment(&self) -> Deployment {
        Deployment {
            tenant: self.tenant.clone(),
            bot: self.bot.clone(),
            release: self.release,
            source: Some(self.source.clone()),
            settings: serde_json::Map::new(),
            deployed: at(0),
            active: true,
        }
    }

    /// A run of bot `b` in the lane of `lane`.
    #[must_use]
    pub fn a_run(&self, lane: &str, opening: Opening) -> NewRun {
        NewRun { bot: self.bot.clone(), release: self.release, lane: lane.parse().unwrap(), opening, supersedes_earlier: false }
    }

    /// Resolves one version of `Task/{id}`, next in its order, with these runs.
    pub async fn resolved(&self, id: &str, version: u64, runs: Vec<NewRun>) -> Queued {
        let change = ResolvedChange {
            change: change(self.tenant.as_str(), id, version),
            ordinal: Some(version),
            received: at(10),
            hop: 0,
            runs,
        };
        self.ledger.resolve(self.epoch, self.resolution(vec![change])).await.unwrap()
    }

    /// A resolution without notifications.
    #[must_use]
    pub fn resolution(&self, changes: Vec<ResolvedChange>) -> Resolution {
        Resolution { tenant: self.tenant.clone(), notifications: Vec::new(), changes, seen: Vec::new() }
    }

    /// One pending run on version 1 of `Task/{id}`.
    pub async fn pending(&self, id: &str) -> RunHead {
        let queued = self.resolved(id, 1, vec![self.a_run(id, Opening::Pending)]).await;
        queued.heads.into_iter().next().unwrap()
    }

    /// The run of version `version` of `Task/{id}`.
    pub(super) fn key(&self, id: &str, version: u64) -> RunKey {
        let event = change(self.tenant.as_str(), id, version).key.event_id();
        RunKey { tenant: self.tenant.clone(), run: RunId::new(&self.tenant, &self.bot, event) }
    }

    pub(super) fn journal(lines: &[&str]) -> Journal {
        let log = lines.iter().map(|text| LogLine { level: LogLevel::Warn, text: (*text).to_owned() }).collect();
        Journal { seed: 7, started: at(20), log, ..Journal::default() }
    }

    pub(super) fn tried(&self, number: u32, failure: Option<FailureKind>) -> Tried {
        let failure = failure.map(|kind| Failure {
            kind,
            code: "c".to_owned(),
            message: "told by the bot".to_owned(),
            retry_after: Some(std::time::Duration::from_millis(1500)),
        });
        Tried { attempt: Attempt { number, started: at(20), ended: at(30), failure }, release: self.release, journal: None }
    }

    pub(super) fn recorded(&self, attempt: u32) -> Recorded {
        Recorded {
            attempt,
            release: self.release,
            effects: Effects::default(),
            bundle: Bytes::from(format!("bundle {attempt}")),
            fence: None,
            result: Some(hob_model::Payload { content_type: "text/plain".to_owned(), bytes: Bytes::from_static(b"ok") }),
        }
    }

    pub(crate) fn done(&self, number: u32) -> Finish {
        Finish {
            tried: self.tried(number, None),
            recorded: None,
            wrote: Vec::new(),
            references: BTreeMap::new(),
            timers: Vec::new(),
            outbox: Vec::new(),
            fence: None,
        }
    }

    pub(super) async fn fails(&self, run: &RunKey, number: u32, kind: FailureKind, next: Next) -> crate::Result<()> {
        self.ledger.fail(self.epoch, run, self.tried(number, Some(kind)), next).await
    }

    /// The run ends its attempt with this code.
    pub(super) async fn fails_of(&self, run: &RunKey, number: u32, code: &str, next: Next) -> crate::Result<()> {
        let mut tried = self.tried(number, Some(FailureKind::Fatal));
        if let Some(failure) = &mut tried.attempt.failure {
            code.clone_into(&mut failure.code);
        }
        self.ledger.fail(self.epoch, run, tried, next).await
    }

    pub(super) async fn open(&self) -> Vec<RunHead> {
        self.ledger.open_runs(&self.tenant, &self.bot, crate::RunSeq::ZERO, 100).await.unwrap()
    }
}
