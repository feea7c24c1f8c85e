//! What the admin API answers, as far as people are shown it. docs/admin-api.md is the source; unknown keys are let pass, so that a
//! newer host can be asked by an older `hob`.

use std::collections::BTreeMap;

use hob_model::{
    Attempt, BotName, Capabilities, Effects, Event, Interaction, LogLevel, LogLine, ResourceType, RunId, RunState, Source,
    SourceId, Timestamp,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::client::unknown_shape;
use crate::error::CliError;

/// Reads an answer.
pub(crate) fn read<T: DeserializeOwned>(answer: &Value) -> Result<T, CliError> {
    T::deserialize(answer).map_err(|error| unknown_shape(&error))
}

#[derive(Debug, Deserialize)]
pub(crate) struct Status {
    pub(crate) version: String,
    pub(crate) started: Timestamp,
    pub(crate) runs: BTreeMap<RunState, u64>,
    pub(crate) dead_notifications: u64,
    #[serde(default)]
    pub(crate) dead_requests: u64,
    #[serde(default)]
    pub(crate) timers_overdue_seconds: u64,
    pub(crate) unresolved: u64,
    #[serde(default)]
    pub(crate) not_in_service: Vec<String>,
    pub(crate) ledger_bytes: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Sources {
    pub(crate) sources: Vec<SourceRow>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct SourceRow {
    #[serde(flatten)]
    pub(crate) source: Source,
    pub(crate) endpoint: String,
}

/// A line of `source check`: a step while it runs, the result at its end. A failure has the shape of every error.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum CheckLine {
    Result {
        capabilities: Box<Capabilities>,
        usable: bool,
        problems: Vec<String>,
        #[serde(default)]
        recovers: Vec<Recovery>,
        #[serde(default)]
        behind: Option<Vec<Behind>>,
        #[serde(default)]
        open_runs: Option<u64>,
    },
    Step {
        step: String,
        ok: bool,
        #[serde(default)]
        detail: Option<String>,
    },
}

/// What a source gives back of what was lost.
#[derive(Debug, Deserialize)]
pub(crate) struct Recovery {
    pub(crate) what: String,
    pub(crate) recovered: bool,
    pub(crate) how: String,
}

/// How far behind one type is.
#[derive(Debug, Deserialize)]
pub(crate) struct Behind {
    #[serde(rename = "type")]
    pub(crate) resource_type: ResourceType,
    pub(crate) seen: Option<Timestamp>,
    pub(crate) newest: Option<Timestamp>,
    pub(crate) waiting: u64,
    pub(crate) more: bool,
}

/// A line of `backfill`: how far it is, and the sum at its end.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum BackfillLine {
    Sum { dry_run: bool, looked: u64, new: u64, counts: Vec<BackfillCount>, examples: Vec<String>, unreadable: u64 },
    Progress { looked: u64, new: u64 },
}

#[derive(Debug, Deserialize)]
pub(crate) struct BackfillCount {
    #[serde(rename = "type")]
    pub(crate) resource_type: ResourceType,
    pub(crate) interaction: Interaction,
    pub(crate) new: u64,
    pub(crate) known: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Bots {
    pub(crate) bots: Vec<Bot>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Bot {
    pub(crate) name: BotName,
    pub(crate) version: String,
    pub(crate) release: String,
    pub(crate) source: Option<SourceId>,
    pub(crate) deployed: Timestamp,
    pub(crate) triggers: Vec<String>,
    /// Whether what its runs decide is done.
    #[serde(default = "acts")]
    pub(crate) acts: bool,
    /// The release that is observed.
    #[serde(default)]
    pub(crate) observed: Option<String>,
    #[serde(default)]
    pub(crate) subscriptions: Vec<Subscription>,
    #[serde(default)]
    pub(crate) runs: BTreeMap<RunState, u64>,
    #[serde(default)]
    pub(crate) limited: BTreeMap<String, u64>,
}

const fn acts() -> bool {
    true
}

#[derive(Debug, Deserialize)]
pub(crate) struct Subscription {
    pub(crate) reference: Option<String>,
    pub(crate) criteria: String,
    pub(crate) status: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Deployed {
    pub(crate) bot: Bot,
    pub(crate) changes: Vec<String>,
    pub(crate) manual_steps: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Changes {
    pub(crate) changes: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Invoked {
    pub(crate) run: RunId,
    pub(crate) state: RunState,
    pub(crate) failure: Option<Reason>,
    pub(crate) result: Option<Body>,
}

/// Bytes of a payload or a result: text where they are text.
#[derive(Debug, Deserialize)]
pub(crate) struct Body {
    pub(crate) content_type: String,
    pub(crate) body: Option<String>,
    pub(crate) base64: Option<String>,
}

impl Body {
    /// The bytes; `None` where the answer's base64 is none.
    pub(crate) fn bytes(&self) -> Option<Vec<u8>> {
        match (&self.body, &self.base64) {
            (Some(text), _) => Some(text.clone().into_bytes()),
            (None, Some(base64)) => data_encoding::BASE64.decode(base64.as_bytes()).ok(),
            (None, None) => Some(Vec::new()),
        }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Runs {
    pub(crate) runs: Vec<RunRow>,
    pub(crate) next: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RunRow {
    pub(crate) run: RunId,
    pub(crate) bot: BotName,
    pub(crate) state: RunState,
    pub(crate) holds: Option<u64>,
    pub(crate) trigger: String,
    pub(crate) subject: Option<String>,
    pub(crate) received: Timestamp,
    pub(crate) ended: Option<Timestamp>,
    pub(crate) attempts: u32,
    pub(crate) failure: Option<Reason>,
}

/// A code that docs/errors.md lists (or the bot's own) and words.
#[derive(Debug, Deserialize)]
pub(crate) struct Reason {
    pub(crate) code: String,
    pub(crate) message: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Run {
    #[serde(flatten)]
    pub(crate) row: RunRow,
    pub(crate) event: Event,
    pub(crate) release: String,
    pub(crate) lane: String,
    pub(crate) hop: u16,
    pub(crate) attempts_list: Vec<Attempt>,
    pub(crate) calls: Vec<Call>,
    pub(crate) log: Vec<LogLine>,
    pub(crate) effects: Option<Effects>,
    #[serde(default)]
    pub(crate) bundle: Value,
    #[serde(default)]
    pub(crate) wrote: Vec<String>,
    pub(crate) result: Option<Body>,
    pub(crate) payload: Option<Body>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Call {
    pub(crate) function: String,
    pub(crate) request: Value,
    pub(crate) response: Value,
    pub(crate) micros: u64,
}

/// Dead letters of all kinds, or of one.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Dead {
    #[serde(default)]
    pub(crate) counts: BTreeMap<String, BTreeMap<String, u64>>,
    #[serde(default)]
    pub(crate) runs: Vec<RunRow>,
    #[serde(default)]
    pub(crate) notifications: Vec<DeadNotification>,
    #[serde(default)]
    pub(crate) outbox: Vec<DeadRequest>,
    #[serde(default)]
    pub(crate) next: Option<u64>,
}

impl Dead {
    /// Reads an answer about `kind`, or about all: the counts of one kind are not told by kind.
    pub(crate) fn of(answer: &Value, kind: Option<&str>) -> Result<Self, CliError> {
        let Some(kind) = kind else { return read(answer) };
        let mut answer = answer.clone();
        let counts = answer["counts"].take();
        answer["counts"] = Value::Object([(kind.to_owned(), counts)].into_iter().collect());
        read(&answer)
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct DeadRequest {
    pub(crate) run: RunId,
    pub(crate) key: String,
    pub(crate) bot: BotName,
    pub(crate) method: String,
    pub(crate) host: String,
    pub(crate) staged: Timestamp,
    pub(crate) ended: Timestamp,
    pub(crate) attempts: u32,
    pub(crate) reason: Reason,
}

/// A dead notification as it came.
#[derive(Debug, Deserialize)]
pub(crate) struct DeadWhole {
    #[serde(flatten)]
    pub(crate) row: DeadNotification,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Body,
}

/// What became of a slice.
#[derive(Debug, Deserialize)]
pub(crate) struct Reopened {
    pub(crate) matched: BTreeMap<String, u64>,
    pub(crate) opened: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct DeadNotification {
    pub(crate) seq: u64,
    pub(crate) received: Timestamp,
    pub(crate) source: SourceId,
    pub(crate) subscription: Option<String>,
    pub(crate) format: Option<String>,
    pub(crate) bytes: u64,
    #[serde(default)]
    pub(crate) cut: bool,
    pub(crate) reason: Reason,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Log {
    pub(crate) at: Timestamp,
    pub(crate) bot: BotName,
    pub(crate) run: RunId,
    pub(crate) level: LogLevel,
    pub(crate) text: String,
}

/// `GET /v1/keys`.
#[derive(Debug, Deserialize)]
pub(crate) struct Keys {
    pub(crate) master: String,
    pub(crate) tenants: Vec<TenantKey>,
    pub(crate) resealed_percent: Option<u8>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct TenantKey {
    pub(crate) tenant: String,
    pub(crate) generation: u32,
    pub(crate) older: Vec<u32>,
    pub(crate) created: Option<Timestamp>,
}

/// `GET /v1/doctor`.
#[derive(Debug, Deserialize)]
pub(crate) struct Examined {
    pub(crate) findings: Vec<Finding>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Finding {
    pub(crate) check: String,
    pub(crate) level: String,
    pub(crate) detail: String,
    pub(crate) help: String,
}
