//! What happens in a case.

use hob_model::{Interaction, Timestamp};
use schemars::JsonSchema;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// What the bot is run on. Which kind it is, its first key says.
#[derive(Debug, Clone, PartialEq, JsonSchema)]
#[schemars(untagged)]
pub enum Happening {
    /// A change of a given resource, at its newest version unless another is named.
    Change(Change),
    /// A timer that came due.
    Timer(Timer),
    /// A cron expression of the manifest that came due.
    Cron(Cron),
    /// Somebody asks.
    Invoke(Invoke),
    /// The answer to a request in the outbox.
    Reply(Reply),
}

/// A change of a given resource.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// What was done.
    #[schemars(with = "InteractionWord")]
    pub change: Interaction,
    /// `Type/id` of a given resource.
    pub resource: String,
    /// An older version than the newest.
    #[serde(default)]
    pub version: Option<String>,
}

/// For the schema.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[allow(dead_code, reason = "only its schema is of use")]
enum InteractionWord {
    Create,
    Update,
    Delete,
}

/// A timer that came due.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timer {
    /// Its key.
    pub timer: String,
    /// When it was to fire, RFC 3339.
    #[schemars(with = "String")]
    pub due: Timestamp,
    /// What the run that set it gave.
    #[serde(default)]
    pub payload: Value,
}

/// A cron expression that came due.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cron {
    /// The expression, as the manifest has it.
    pub cron: String,
    /// The instant that it named, RFC 3339; `now` unless said.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub at: Option<Timestamp>,
}

/// An invocation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Invoke {
    /// The payload: a text as it is, anything else as JSON.
    pub invoke: Value,
    /// What it is; `application/json`, or `text/plain` for a text, unless said.
    #[serde(default)]
    pub content_type: Option<String>,
    /// Who asks.
    #[serde(default)]
    pub requester: Option<String>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Reply {
    /// The key of the request.
    pub reply: String,
    /// The HTTP status; null where no answer came.
    #[serde(default)]
    pub status: Option<u16>,
    /// Its body: a text as it is, anything else as JSON.
    #[serde(default)]
    pub body: Value,
    /// What it is.
    #[serde(default)]
    pub content_type: Option<String>,
}

const KINDS: &str = "`change`, `timer`, `cron`, `invoke` or `reply`";

impl<'de> Deserialize<'de> for Happening {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        fn of<T: DeserializeOwned, E: serde::de::Error>(value: Value, kind: &str) -> Result<T, E> {
            serde_json::from_value(value).map_err(|why| E::custom(format!("event of kind `{kind}`: {why}")))
        }
        let value = Value::deserialize(deserializer)?;
        let has = |key: &str| value.get(key).is_some();
        let kinds: Vec<&str> = ["change", "timer", "cron", "invoke", "reply"].into_iter().filter(|key| has(key)).collect();
        match kinds[..] {
            ["change"] => of(value, "change").map(Self::Change),
            ["timer"] => of(value, "timer").map(Self::Timer),
            ["cron"] => of(value, "cron").map(Self::Cron),
            ["invoke"] => of(value, "invoke").map(Self::Invoke),
            ["reply"] => of(value, "reply").map(Self::Reply),
            [] => Err(D::Error::custom(format!("an event has one of the keys {KINDS}"))),
            _ => Err(D::Error::custom(format!("an event has one of the keys {KINDS}, and this one has {}", kinds.join(" and ")))),
        }
    }
}
