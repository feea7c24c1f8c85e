//! The one form that every wire format ends in.

use std::fmt;

use hob_model::{Interaction, Reference, Timestamp, VersionId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Focus;

/// Which wire format a request had. Tells the operator what came; nothing else hangs on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// The resource itself as JSON, by POST or PUT: R4 core, HAPI, Firely.
    Resource,
    /// The resource itself as XML.
    ResourceXml,
    /// DELETE of a path.
    Delete,
    /// A request without body and path.
    Ping,
    /// HAPI's answer to a `?` payload: a transaction Bundle of what a search found.
    HapiSearch,
    /// R4 with the backport guide: Parameters first.
    R4Backport,
    /// R4B: SubscriptionStatus in a `history` Bundle.
    R4b,
    /// R5: SubscriptionStatus in a `subscription-notification` Bundle.
    R5,
    /// A SubscriptionStatus without its Bundle: R4B or R5, which cannot be told apart.
    SubscriptionStatus,
    /// Medplum: the resource, and headers.
    Medplum,
    /// Aidbox: AidboxSubscriptionStatus first.
    Aidbox,
    /// Microsoft's open-source server: Parameters in a `transaction` Bundle.
    Microsoft,
    /// athenahealth: SubscriptionStatus of R4B, focus by identifier, an AuditEvent for each event.
    Athenahealth,
    /// Azure Event Grid, in its own schema or as CloudEvents.
    EventGrid,
    /// Google Pub/Sub push of the Cloud Healthcare API.
    PubSub,
    /// AWS EventBridge of HealthLake.
    EventBridge,
}

/// What a notification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The server tries the endpoint.
    Handshake,
    /// Nothing happened.
    Heartbeat,
    /// Something happened. Without events, or with events without focus: look yourself.
    EventNotification,
    /// An answer to `$status`.
    QueryStatus,
    /// An answer to `$events`.
    QueryEvent,
    /// One resource, or its end.
    Resource,
    /// What a search found.
    SearchResult,
    /// Something happened, and no more is said: look yourself.
    Ping,
}

impl Kind {
    /// The codes of `SubscriptionStatus.type` (R5 value set subscription-notification-type), in any case.
    pub(crate) fn from_code(code: &str) -> Option<Self> {
        [
            ("handshake", Self::Handshake),
            ("heartbeat", Self::Heartbeat),
            ("event-notification", Self::EventNotification),
            ("query-status", Self::QueryStatus),
            ("query-event", Self::QueryEvent),
        ]
        .into_iter()
        .find_map(|(known, kind)| known.eq_ignore_ascii_case(code.trim()).then_some(kind))
    }

    /// Whether it tells about the subscription and not about resources.
    #[must_use]
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Handshake | Self::Heartbeat | Self::QueryStatus)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handshake => "handshake",
            Self::Heartbeat => "heartbeat",
            Self::EventNotification => "event-notification",
            Self::QueryStatus => "query-status",
            Self::QueryEvent => "query-event",
            Self::Resource => "resource",
            Self::SearchResult => "search-result",
            Self::Ping => "ping",
        })
    }
}

/// How a subscription stands, by what its server says (R5 value set subscription-status).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SubscriptionState {
    /// Not yet set up.
    Requested,
    /// Delivers.
    Active,
    /// Has failed.
    Error,
    /// Was turned off, maybe by the server after failures.
    Off,
    /// Was made in error.
    EnteredInError,
}

impl SubscriptionState {
    /// In any case, since Microsoft's server says `Active`; `None` for a word that is none of them.
    pub(crate) fn from_code(code: &str) -> Option<Self> {
        [
            ("requested", Self::Requested),
            ("active", Self::Active),
            ("error", Self::Error),
            ("off", Self::Off),
            ("entered-in-error", Self::EnteredInError),
        ]
        .into_iter()
        .find_map(|(known, state)| known.eq_ignore_ascii_case(code.trim()).then_some(state))
    }
}

/// What the host must prove before a sender delivers. [`reply_for`](crate::reply_for) makes the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Challenge {
    /// Event Grid's own schema: a code to be sent back.
    ValidationCode(String),
    /// CloudEvents: the origin to be allowed.
    RequestOrigin(String),
}

/// One event of a notification.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct NotifiedEvent {
    /// The sender's id of the event, where it has one; the same in a redelivery.
    pub id: Option<String>,
    /// The sender's count of events. Only good to detect gaps: some servers start again.
    pub number: Option<u64>,
    /// What was done, where it is known.
    pub interaction: Option<Interaction>,
    /// What it is about, where it is said.
    pub focus: Option<Focus>,
    /// The version that the event brought about, where it is said.
    pub version: Option<VersionId>,
    /// When it happened, by the server's clock. `None` where only a day is given.
    pub timestamp: Option<Timestamp>,
    /// The resource at that version; for a delete the last content before it.
    pub resource: Option<Value>,
}

impl NotifiedEvent {
    /// Type and id of the resource: by the focus, or by the resource itself where the focus does not name it so.
    #[must_use]
    pub fn reference(&self) -> Option<Reference> {
        let literal = self.focus.as_ref().and_then(Focus::reference).cloned();
        literal.or_else(|| self.resource.as_ref().and_then(crate::read::identity))
    }
}

/// One notification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// Which wire format it had.
    pub format: Format,
    /// What it is.
    pub kind: Kind,
    /// The subscription, as the sender names it: a reference, an id or a name.
    pub subscription: Option<String>,
    /// How the sender says that the subscription stands.
    pub state: Option<SubscriptionState>,
    /// The topic's canonical URL, or what takes its place.
    pub topic: Option<String>,
    /// How many events there were since the subscription began, this notification's included.
    pub events_since_start: Option<u64>,
    /// In the order in which they were sent.
    pub events: Vec<NotifiedEvent>,
    /// What must be answered before the sender delivers anything.
    pub challenge: Option<Challenge>,
}

impl Notification {
    pub(crate) const fn new(format: Format, kind: Kind, events: Vec<NotifiedEvent>) -> Self {
        Self { format, kind, subscription: None, state: None, topic: None, events_since_start: None, events, challenge: None }
    }
}
