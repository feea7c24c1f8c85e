//! A source: a FHIR server that Hob knows, how its notifications are authenticated, and what it was proved to do.

use serde::{Deserialize, Serialize};

use crate::{BaseUrl, SourceId, TenantId, Timestamp};

/// Where a secret's value is found. The value itself is never stored, logged or sent back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum SecretRef {
    /// The name of an environment variable of the host.
    Env(String),
    /// The path of a file that the host can read; a trailing newline is dropped.
    File(String),
}

/// How Hob authenticates to a source.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Auth {
    /// Not at all.
    #[default]
    None,
    /// A fixed bearer token.
    Bearer {
        /// The token.
        token: SecretRef,
    },
    /// HTTP Basic.
    Basic {
        /// The user's name.
        user: String,
        /// The password.
        password: SecretRef,
    },
    /// OAuth 2.0 client credentials (RFC 6749, 4.4).
    ClientCredentials {
        /// The token endpoint.
        token_url: String,
        /// The client's id.
        client_id: String,
        /// The client's secret.
        client_secret: SecretRef,
        /// Scopes to ask for.
        #[serde(default)]
        scope: Option<String>,
    },
}

/// How a source's notifications prove that they come from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Inbound {
    /// An unguessable segment of the endpoint's path.
    Path {
        /// The segment.
        secret: SecretRef,
    },
    /// A header with a fixed value, such as `Authorization: Bearer …`.
    Header {
        /// Its name.
        name: String,
        /// Its whole value.
        value: SecretRef,
    },
    /// HMAC-SHA256 over the raw body, as bare hex (Medplum's `X-Signature`) or `sha256=hex` (`X-Hub-Signature`).
    Hmac {
        /// The header's name.
        header: String,
        /// The shared secret.
        secret: SecretRef,
    },
}

/// What `hob source check` proved on the live server. Nothing is claimed that was not proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// When the proof was made, by the host's clock.
    pub checked: Timestamp,
    /// `CapabilityStatement.software`, as the server says.
    pub software: Option<String>,
    /// A transaction with one entry that must fail left nothing behind.
    pub atomic: bool,
    /// A fence moved by If-Match let one of a repeat, and one of eight at once, succeed.
    pub fence: bool,
    /// `PUT Type/id` creates a resource with that id.
    pub client_ids: bool,
    /// The HTTP status for a stale If-Match in a transaction.
    pub conflict_status: Option<u16>,
    /// `[type]/[id]/_history` answers.
    pub instance_history: bool,
    /// `[type]/_history?_since=` answers.
    pub type_history: bool,
    /// A delete is seen in the instance's history.
    pub history_shows_deletes: bool,
    /// Version ids are integers that count up by one.
    pub integer_versions: bool,
    /// An unknown search parameter is refused under `Prefer: handling=strict`.
    pub strict_search: bool,
    /// Entries in one transaction that went through; more was not tried.
    pub transaction_entries: u32,
    /// What was tried and failed, in words for the operator.
    pub notes: Vec<String>,
}

/// A FHIR server that Hob knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The clinic.
    pub tenant: TenantId,
    /// Its name.
    pub id: SourceId,
    /// The FHIR base URL, without a trailing slash.
    pub base: BaseUrl,
    /// How Hob authenticates to it.
    #[serde(default)]
    pub auth: Auth,
    /// How it authenticates to Hob.
    pub inbound: Inbound,
    /// What was proved of it; `None` before the first check.
    #[serde(default)]
    pub capabilities: Option<Capabilities>,
}
