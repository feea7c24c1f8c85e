//! The manifest as TOML has it: every key optional or defaulted, spans kept for errors. Its comments are what an editor shows (see `schema`).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::{HttpRule, Interaction, Limits, OnDead, Outbox, Retry, SecretSpec, SettingSpec, Versions};

/// What a Hob bot runs on and what it may do.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(title = "bot.toml", extend("required" = ["name", "version", "on"]))]
pub(super) struct Manifest {
    /// The bot's name: 1 to 63 of a-z, 0-9 and inner `-`. The same name is the same bot, whatever its release.
    #[schemars(with = "String", regex(pattern = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"))]
    pub(super) name: Spanned<String>,
    /// For people; releases are named by digest.
    pub(super) version: String,
    /// One line on what it does.
    #[serde(default)]
    pub(super) description: String,
    /// The path of the component from this folder; unless said, the name with `_` for `-`, and `.wasm`.
    #[schemars(with = "String")]
    pub(super) component: Option<String>,
    /// What it runs on: one table for each trigger, with exactly one of `change`, `cron`, `timer`, `invoke` and `reply`.
    #[serde(default)]
    #[schemars(with = "Vec<On>", length(min = 1))]
    pub(super) on: Vec<Spanned<On>>,
    /// What it may do at the FHIR server: SMART v2 scopes such as `system/Task.ru` or `patient/Observation.rs?category=survey`.
    #[serde(default)]
    #[schemars(with = "Vec<Scope>")]
    pub(super) scopes: Vec<Spanned<String>>,
    /// Whom it may ask outside, in its midst and by the outbox.
    #[serde(default)]
    #[schemars(with = "Vec<HttpRule>")]
    pub(super) http: Vec<Spanned<HttpRule>>,
    /// What one run may use.
    #[serde(default)]
    pub(super) limits: Limits,
    /// What makes changes wait for one another: `"resource"` unless said, `"patient"`, `"none"`, `"bot"`, or `{ path = "$.…" }` for those with the same value there.
    #[serde(default)]
    #[schemars(with = "OrderBy")]
    pub(super) order_by: Option<Spanned<OrderBy>>,
    /// Whether each version is run, or only the newest.
    #[serde(default)]
    pub(super) versions: Versions,
    /// Whether a lane goes on behind a dead letter.
    #[serde(default)]
    pub(super) on_dead: OnDead,
    /// How failures are tried again: full-jitter exponential backoff.
    #[serde(default)]
    pub(super) retry: Retry,
    /// What becomes of requests in the outbox.
    #[serde(default)]
    pub(super) outbox: Outbox,
    /// Whether versions that this bot wrote trigger it.
    #[serde(default)]
    pub(super) own_changes: bool,
    /// What a deployment can set, by name.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, SettingSpec>")]
    pub(super) settings: BTreeMap<String, Spanned<SettingSpec>>,
    /// Secrets by name: where the host finds each, and what it is for.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, SecretSpec>", extend("propertyNames" = { "pattern": "^[A-Za-z0-9_-]{1,64}$" }))]
    pub(super) secrets: BTreeMap<String, Spanned<SecretSpec>>,
}

/// A SMART v2 scope: `system/` or `patient/`, a type or `*`, a dot, some of `cruds` in this order, and a search that what is touched must match.
#[derive(JsonSchema)]
#[schemars(transparent)]
struct Scope(
    #[schemars(regex(pattern = r"^(system|patient)/(\*|[A-Z][A-Za-z]*)\.(?=[cruds])c?r?u?d?s?(\?.+)?$"))]
    #[allow(dead_code, reason = "only its schema is of use")]
    String,
);

/// A trigger.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend(
    "oneOf" = [{ "required": ["change"] }, { "required": ["cron"] }, { "required": ["timer"] }, { "required": ["invoke"] }, { "required": ["reply"] }],
    "dependentRequired" = { "interactions": ["change"], "when": ["change"], "topic": ["change"], "source-only": ["change"], "cron": ["zone"], "zone": ["cron"] },
    "required" = []
))]
pub(super) struct On {
    /// FHIR search criteria, such as `Task?status=ready`, judged by the host on every change. Chains, `_has` and `:in` cannot be.
    #[schemars(with = "String")]
    pub(super) change: Option<Spanned<String>>,
    /// Seconds, minutes, hours, day, month, weekday: `0 0 9 * * Mon-Fri`. Goes with `zone`.
    #[schemars(with = "String")]
    pub(super) cron: Option<Spanned<String>>,
    /// Timers that the bot's runs set.
    #[schemars(with = "True")]
    pub(super) timer: Option<bool>,
    /// Somebody asks: `hob invoke`.
    #[schemars(with = "True")]
    pub(super) invoke: Option<bool>,
    /// Answers to its outbox requests.
    #[schemars(with = "True")]
    pub(super) reply: Option<bool>,
    /// The IANA time zone of `cron`, such as `America/New_York`.
    #[schemars(with = "String")]
    pub(super) zone: Option<Spanned<String>>,
    /// Which changes: create and update unless said.
    #[schemars(with = "Vec<Interactions>", length(min = 1))]
    pub(super) interactions: Option<Vec<Interaction>>,
    /// Filters that must all hold.
    #[schemars(with = "Vec<When>")]
    pub(super) when: Option<Vec<Spanned<When>>>,
    /// Kept for servers with topics; without effect yet.
    #[schemars(with = "String")]
    pub(super) topic: Option<String>,
    /// The bot can do without what only notifications tell, such as deletes at a source whose history shows none.
    #[schemars(with = "bool")]
    pub(super) source_only: Option<bool>,
}

/// `true`, which is the only value that means something.
#[derive(JsonSchema)]
#[schemars(transparent)]
struct True(
    #[schemars(extend("const" = true))]
    #[allow(dead_code, reason = "only its schema is of use")]
    bool,
);

/// What was done.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[allow(dead_code, reason = "only its schema is of use")]
enum Interactions {
    Create,
    Update,
    Delete,
}

/// A filter beside the criteria.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["jsonpath"] }, { "required": ["fhirpath"] }], "required" = []))]
pub(super) struct When {
    /// Holds where the JSONPath (RFC 9535) selects anything.
    #[schemars(with = "String")]
    pub(super) jsonpath: Option<String>,
    /// Holds where the FHIRPath is exactly true; may use `%current` and `%previous`.
    #[schemars(with = "String")]
    pub(super) fhirpath: Option<String>,
}

/// What makes changes wait for one another.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum OrderBy {
    Word(#[schemars(extend("enum" = ["resource", "patient", "none", "bot"]))] String),
    Path { path: String },
}
