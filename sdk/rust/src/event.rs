//! What a bot is given and what it answers.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Error;

/// What the bot is run on.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// `evt_…`: the same for every delivery and attempt.
    pub id: String,
    /// `run_…`: this bot on this event.
    pub run: String,
    /// The clinic.
    pub tenant: String,
    /// The FHIR server that reads and writes go to.
    pub source: Option<String>,
    /// Why the bot is run.
    pub trigger: Trigger,
    /// When it happened by the source's clock, RFC 3339, where known.
    pub occurred: Option<String>,
    /// When Hob had it on disk, RFC 3339.
    pub received: String,
    /// When this attempt will be stopped, RFC 3339.
    pub deadline: String,
    /// Counted from 1.
    pub attempt: u32,
    /// How many bots' writes lie between this event and one from outside.
    pub hop: u32,
    /// The payload, up to 1 MiB.
    pub payload: Option<Payload>,
    /// The resource of a change at its version (for a delete: the last content before it, where known).
    pub resource: Option<Value>,
}

impl Event {
    /// The event's resource.
    ///
    /// # Errors
    /// Rejects with `no-resource` where the event has none.
    pub fn resource(&self) -> Result<&Value, Error> {
        self.resource.as_ref().ok_or_else(|| Error::reject("no-resource", "the event came without its resource"))
    }

    /// The payload as JSON.
    ///
    /// # Errors
    /// Rejects with `no-payload` or `json`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let payload = self.payload.as_ref().ok_or_else(|| Error::reject("no-payload", "the event came without a payload"))?;
        Ok(serde_json::from_slice(&payload.body)?)
    }
}

/// Why the bot is run.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Trigger {
    /// A version of a resource.
    Change {
        /// `create`, `update` or `delete`.
        interaction: String,
        /// The resource's type.
        resource_type: String,
        /// Its id.
        id: String,
        /// Its version.
        version: String,
        /// The version before, where known.
        previous_version: Option<String>,
    },
    /// A cron expression came due.
    Cron {
        /// The expression.
        schedule: String,
        /// The instant that it named, RFC 3339.
        at: String,
    },
    /// A timer that a run of this bot set. Its payload is the event's.
    Timer {
        /// Its key.
        key: String,
        /// When it was to fire, RFC 3339.
        due: String,
    },
    /// Somebody asked.
    Invoke {
        /// Who.
        requester: String,
    },
    /// The answer to an outbox item. Its body is the event's payload.
    Reply {
        /// The item's key.
        key: String,
        /// The HTTP status; none where no answer came.
        status: Option<u16>,
    },
    /// A word that this version of the SDK does not know.
    Other {
        /// The word.
        word: String,
        /// Its attributes.
        attributes: Value,
    },
}

impl Trigger {
    /// From the contract's word and attributes.
    #[must_use]
    pub fn of(word: &str, attributes: Value) -> Self {
        let text = |key: &str| attributes.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        match word {
            "change" => Self::Change {
                interaction: text("interaction"),
                resource_type: text("type"),
                id: text("id"),
                version: text("version"),
                previous_version: attributes.get("previousVersion").and_then(Value::as_str).map(str::to_owned),
            },
            "cron" => Self::Cron { schedule: text("schedule"), at: text("at") },
            "timer" => Self::Timer { key: text("key"), due: text("due") },
            "invoke" => Self::Invoke { requester: text("requester") },
            "reply" => Self::Reply {
                key: text("key"),
                status: attributes.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok()),
            },
            word => Self::Other { word: word.to_owned(), attributes },
        }
    }
}

/// Bytes and what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// A media type.
    pub content_type: String,
    /// The bytes.
    pub body: Vec<u8>,
}

impl Payload {
    /// JSON.
    ///
    /// # Errors
    /// What cannot be written as JSON.
    pub fn json(value: &impl Serialize) -> Result<Self, Error> {
        Ok(Self { content_type: "application/json".to_owned(), body: serde_json::to_vec(value)? })
    }

    /// Plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { content_type: "text/plain; charset=utf-8".to_owned(), body: text.into().into_bytes() }
    }
}

/// What a bot answers when it has handled an event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Outcome {
    /// Handled.
    #[default]
    Done,
    /// Handled, with an answer for who asked.
    Reply(Payload),
}

impl From<()> for Outcome {
    fn from((): ()) -> Self {
        Self::Done
    }
}

impl From<Payload> for Outcome {
    fn from(payload: Payload) -> Self {
        Self::Reply(payload)
    }
}
