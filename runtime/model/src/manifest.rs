//! `bot.toml`: what a bot runs on and what it may do.
//!
//! Goal: a manifest that parses is one that the host can hold a bot to. Every key is documented here, an unknown or ill-typed
//! key is an error with line and column, and each default is the safe one.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{BotName, Interaction, Scope};

mod check;
mod raw;
mod schema;
mod secret;

pub use schema::manifest_schema;
pub use secret::{SecretSpec, SignAlgorithm};

/// A checked `bot.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// `name`: the bot's name; the same name is the same bot, whatever its release.
    pub name: BotName,
    /// `version`: for people; releases are named by digest.
    pub version: String,
    /// `description`: one line.
    pub description: String,
    /// `component`: the path of the WebAssembly component, from the manifest's folder.
    pub component: String,
    /// `[[on]]`: what the bot runs on.
    pub on: Vec<Trigger>,
    /// `scopes`: SMART v2 scopes at the source.
    pub scopes: Vec<Scope>,
    /// `[[http]]`: what it may ask outside.
    pub http: Vec<HttpRule>,
    /// `[limits]`.
    pub limits: Limits,
    /// `order-by`: what makes changes wait for one another.
    pub order_by: OrderBy,
    /// `versions`: whether each version is run or only the newest.
    pub versions: Versions,
    /// `on-dead`: whether a lane goes on behind a dead letter.
    #[serde(default)]
    pub on_dead: OnDead,
    /// `[retry]`.
    pub retry: Retry,
    /// `[outbox]`.
    #[serde(default)]
    pub outbox: Outbox,
    /// `own-changes`: whether versions that this bot wrote trigger it; `false` unless asked.
    pub own_changes: bool,
    /// `[settings.NAME]`: what a deployment can set.
    pub settings: BTreeMap<String, SettingSpec>,
    /// `[secrets]`: names of secrets, where the host finds them and what they are for.
    pub secrets: BTreeMap<String, SecretSpec>,
}

impl Manifest {
    /// Reads and checks a manifest. `file` is only for errors.
    ///
    /// # Errors
    /// [`ManifestError`] with file, line, column and key for whatever is unknown, ill-typed or against the rules.
    pub fn parse(text: &str, file: &str) -> Result<Self, ManifestError> {
        check::manifest(text, file)
    }

    /// The trigger that cron expression number `index` is.
    pub fn crons(&self) -> impl Iterator<Item = (&str, chrono_tz::Tz)> {
        self.on.iter().filter_map(|trigger| match trigger {
            Trigger::Cron { schedule, zone } => Some((schedule.as_str(), *zone)),
            _ => None,
        })
    }
}

/// One `[[on]]` table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "on", rename_all = "kebab-case")]
pub enum Trigger {
    /// `change = "Task?status=ready"`.
    Change {
        /// FHIR search criteria, judged by the host on every change.
        criteria: String,
        /// `interactions`: create and update unless said otherwise.
        interactions: Vec<Interaction>,
        /// `when`: filters that must all hold.
        when: Vec<Filter>,
        /// `topic`: the canonical of a SubscriptionTopic to subscribe by, where the source has topics.
        topic: Option<String>,
        /// `source-only`: the bot can do without what only the source's notifications tell, such as deletes at a source that shows none later.
        source_only: bool,
    },
    /// `cron = "0 0 9 * * *"`, seconds first; `zone` an IANA time zone.
    Cron {
        /// The expression.
        schedule: String,
        /// The zone in which it is read.
        zone: chrono_tz::Tz,
    },
    /// `timer = true`: timers that its runs set.
    Timer,
    /// `invoke = true`: somebody asks.
    Invoke,
    /// `reply = true`: answers to its outbox requests.
    Reply,
}

/// A condition beside the criteria.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// Holds where the JSONPath selects anything (RFC 9535).
    JsonPath(String),
    /// Holds where the FHIRPath is exactly true; may use `%current` and `%previous`.
    FhirPath(String),
}

/// One `[[http]]` rule: methods, host and path that a bot may ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HttpRule {
    /// HTTP methods.
    pub methods: Vec<String>,
    /// `host` or `host:port`, exact; HTTPS unless `insecure`.
    pub host: String,
    /// A prefix of the path; `/` is all.
    pub path: String,
    /// Plain HTTP is allowed.
    #[serde(default)]
    pub insecure: bool,
    /// The names of the secrets that may go with such a request; none unless said.
    #[serde(default)]
    pub secrets: Vec<String>,
}

/// `[limits]`: what one run may use. Each has a default that is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Limits {
    /// CPU time in the sandbox, in milliseconds.
    #[schemars(range(min = 1))]
    pub cpu_ms: u64,
    /// Time from start to end of an attempt, in milliseconds.
    #[schemars(range(min = 1))]
    pub wall_ms: u64,
    /// Memory over all of the component's memories and tables, in MiB.
    #[schemars(range(min = 1))]
    pub memory_mib: u32,
    /// Calls of the contract's functions.
    #[schemars(range(min = 1))]
    pub host_calls: u32,
    /// Staged writes.
    pub writes: u32,
    /// Bytes of staged writes, timers, outbox and result together, in KiB.
    #[schemars(range(min = 1))]
    pub output_kib: u32,
    /// Bytes of log, in KiB; what is over is dropped and said so.
    pub log_kib: u32,
    /// Requests to others, asked or staged for the outbox.
    pub requests: u32,
    /// Bytes of what is asked in the midst of the run and of the answers, in KiB.
    pub request_kib: u32,
    /// Time for one answer, in milliseconds.
    #[schemars(range(min = 1))]
    pub request_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cpu_ms: 1_000,
            wall_ms: 30_000,
            memory_mib: 64,
            host_calls: 1_000,
            writes: 100,
            output_kib: 4_096,
            log_kib: 256,
            requests: 50,
            request_kib: 4_096,
            request_ms: 20_000,
        }
    }
}

impl Limits {
    /// The most that a host gives unless its operator says otherwise.
    #[must_use]
    pub const fn most() -> Self {
        Self {
            cpu_ms: 60_000,
            wall_ms: 600_000,
            memory_mib: 1_024,
            host_calls: 100_000,
            writes: 1_000,
            output_kib: 65_536,
            log_kib: 16_384,
            requests: 1_000,
            request_kib: 65_536,
            request_ms: 300_000,
        }
    }

    /// Each with its key below `limits`.
    #[must_use]
    pub fn each(&self) -> [(&'static str, u64); 10] {
        [
            ("cpu-ms", self.cpu_ms),
            ("wall-ms", self.wall_ms),
            ("memory-mib", self.memory_mib.into()),
            ("host-calls", self.host_calls.into()),
            ("writes", self.writes.into()),
            ("output-kib", self.output_kib.into()),
            ("log-kib", self.log_kib.into()),
            ("requests", self.requests.into()),
            ("request-kib", self.request_kib.into()),
            ("request-ms", self.request_ms),
        ]
    }

    /// The first that is over one of `most`: its key, what it is, and the most.
    #[must_use]
    pub fn beyond(&self, most: &Self) -> Option<(&'static str, u64, u64)> {
        self.each().into_iter().zip(most.each()).find_map(|((key, is), (_, most))| (is > most).then_some((key, is, most)))
    }
}

/// `order-by`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderBy {
    /// Changes of one resource wait for one another.
    #[default]
    Resource,
    /// Changes of one patient's resources do (R4 patient compartment).
    Patient,
    /// Nothing does.
    None,
    /// All of the bot's runs do.
    Bot,
    /// `{ path = "…" }`: changes for which the JSONPath gives the same value do.
    Path(String),
}

/// `versions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Versions {
    /// Every version, in order.
    #[default]
    Each,
    /// The newest; those before it are superseded.
    Latest,
}

/// `on-dead`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnDead {
    /// The lane goes on without the run.
    #[default]
    Continue,
    /// The lane, and the run's resource in every lane of the bot, wait until an operator retries the run or gives it up.
    Wait,
}

/// `[retry]`: full-jitter exponential backoff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Retry {
    /// Attempts that may fail before the run is a dead letter.
    #[schemars(range(min = 1))]
    pub attempts: u32,
    /// Attempts that may end in a conflict before the run is a dead letter.
    #[schemars(range(min = 1))]
    pub conflicts: u32,
    /// The longest wait after the first failure, in milliseconds; doubles with each.
    #[schemars(range(min = 1))]
    pub first_ms: u64,
    /// The longest wait of all, in milliseconds.
    pub max_ms: u64,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 8, conflicts: 30, first_ms: 1_000, max_ms: 600_000 }
    }
}

impl Retry {
    /// The longest wait before the attempt that follows `failures` failures.
    #[must_use]
    pub fn ceiling(&self, failures: u32) -> Duration {
        let doubled = self.first_ms.saturating_mul(1_u64.checked_shl(failures.saturating_sub(1)).unwrap_or(u64::MAX));
        Duration::from_millis(doubled.min(self.max_ms))
    }
}

/// `[outbox]`: what becomes of requests that the bot staged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Outbox {
    /// `unknown`: what becomes of a request of which nobody knows whether the receiver had it.
    pub unknown: Unknown,
}

/// `unknown` of `[outbox]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unknown {
    /// It is a dead letter: a person looks whether it arrived.
    #[default]
    DeadLetter,
    /// It is sent again under the same Idempotency-Key: the receiver is known to honour it.
    Resend,
}

/// `[settings.NAME]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SettingSpec {
    /// `type`.
    #[serde(rename = "type")]
    pub kind: SettingType,
    /// `default`; without one a deployment must set it.
    #[serde(default)]
    pub default: Option<Value>,
    /// `description`.
    #[serde(default)]
    pub description: String,
}

/// The type of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SettingType {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A table or a list.
    Json,
}

impl SettingType {
    /// Whether `value` is of this type.
    #[must_use]
    pub fn takes(self, value: &Value) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::Json => value.is_object() || value.is_array(),
        }
    }
}

/// What is wrong with a manifest, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ManifestError {
    /// The file, as it was named to the parser.
    pub file: String,
    /// From 1; 0 where the whole file is meant.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// The key, as a dotted path, where one is to blame.
    pub key: Option<String>,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if let Some(key) = &self.key {
            write!(f, "`{key}`: ")?;
        }
        f.write_str(&self.message)
    }
}

/// Checks a cron expression the way the dispatcher will read it.
///
/// # Errors
/// The parser's words.
fn cron(text: &str) -> Result<(), String> {
    cron::Schedule::from_str(text).map(drop).map_err(|e| e.to_string())
}
