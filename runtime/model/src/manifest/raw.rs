//! The manifest as TOML has it: every key optional or defaulted, spans kept for errors.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use crate::{HttpRule, Interaction, Limits, OnDead, Outbox, Retry, SecretSpec, SettingSpec, Versions};

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) name: Spanned<String>,
    pub(super) version: String,
    #[serde(default)]
    pub(super) description: String,
    pub(super) component: Option<String>,
    #[serde(default)]
    pub(super) on: Vec<Spanned<On>>,
    #[serde(default)]
    pub(super) scopes: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) http: Vec<Spanned<HttpRule>>,
    #[serde(default)]
    pub(super) limits: Limits,
    #[serde(default)]
    pub(super) order_by: Option<Spanned<OrderBy>>,
    #[serde(default)]
    pub(super) versions: Versions,
    #[serde(default)]
    pub(super) on_dead: OnDead,
    #[serde(default)]
    pub(super) retry: Retry,
    #[serde(default)]
    pub(super) outbox: Outbox,
    #[serde(default)]
    pub(super) own_changes: bool,
    #[serde(default)]
    pub(super) settings: BTreeMap<String, Spanned<SettingSpec>>,
    #[serde(default)]
    pub(super) secrets: BTreeMap<String, Spanned<SecretSpec>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct On {
    pub(super) change: Option<Spanned<String>>,
    pub(super) cron: Option<Spanned<String>>,
    pub(super) timer: Option<bool>,
    pub(super) invoke: Option<bool>,
    pub(super) reply: Option<bool>,
    pub(super) zone: Option<Spanned<String>>,
    pub(super) interactions: Option<Vec<Interaction>>,
    pub(super) when: Option<Vec<Spanned<When>>>,
    pub(super) topic: Option<String>,
    pub(super) source_only: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(super) struct When {
    pub(super) jsonpath: Option<String>,
    pub(super) fhirpath: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum OrderBy {
    Word(String),
    Path { path: String },
}
