//! What resolve hands over: changes in order, each with the runs that it makes.

use bytes::Bytes;
use hob_model::{
    BotName, Cause, Change, Digest, Event, Failure, LaneKey, Payload, ResourceKey, RunState, SourceId, SubscriptionKey, TenantId,
    Timestamp, VersionId,
};

use crate::{NotificationSeq, RunHead, RunKey};

/// The newest version of a resource that was resolved: at or below it a change is a duplicate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceMark {
    /// The version.
    pub version: VersionId,
    /// Its place in Hob's count of the resource's versions: only grows.
    pub ordinal: u64,
    /// Whether it is a delete.
    pub deleted: bool,
    /// `meta.lastUpdated`, where known.
    pub occurred: Option<Timestamp>,
}

/// How a new run stands when it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// It waits in its lane.
    Pending,
    /// A newer version is known already.
    Superseded,
    /// A newer version has run already.
    Late,
    /// It cannot be run, such as for a `when` filter that fails.
    Dead(Failure),
}

impl Opening {
    /// The state that it gives the run.
    #[must_use]
    pub const fn state(&self) -> RunState {
        match self {
            Self::Pending => RunState::Pending,
            Self::Superseded => RunState::Superseded,
            Self::Late => RunState::Late,
            Self::Dead(_) => RunState::Dead,
        }
    }
}

/// One bot that an event is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    /// The bot.
    pub bot: BotName,
    /// Its release when the event came.
    pub release: Digest,
    /// Its queue within the bot.
    pub lane: LaneKey,
    /// How it stands.
    pub opening: Opening,
    /// `versions = "latest"`: runs of the same bot and resource that still wait are superseded by it.
    pub supersedes_earlier: bool,
}

/// An event with its payload and the runs that it makes. Its id, and each run's, dedupe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// The event.
    pub event: Event,
    /// Its bytes, kept once however many runs there are.
    pub payload: Payload,
    /// The runs, made of tenant, bot and event. An event without runs is not kept.
    pub runs: Vec<NewRun>,
}

/// A change in its place, and the runs that it makes.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedChange {
    /// The change, complete.
    pub change: Change,
    /// Its place: the mark's ordinal plus one, and so on; the mark moves to it. `None` where it is late: the mark stays.
    pub ordinal: Option<u64>,
    /// When Hob had its notification on disk (for a sweep: when it was found).
    pub received: Timestamp,
    /// How many bots' writes lie before it.
    pub hop: u16,
    /// The runs; none where no bot wants it.
    pub runs: Vec<NewRun>,
}

impl ResolvedChange {
    /// The event that the change is, with the resource as its payload.
    #[must_use]
    pub fn into_event(self) -> NewEvent {
        let Change { key, interaction, previous, occurred, resource } = self.change;
        // Writing a JSON value to memory cannot fail; an empty payload would be the same as an unknown content.
        let bytes = resource.map(|r| Bytes::from(r.to_string())).unwrap_or_default();
        let event = Event {
            id: key.event_id(),
            tenant: key.resource.tenant.clone(),
            source: Some(key.resource.source.clone()),
            cause: Cause::Change { key, interaction, previous },
            occurred,
            received: self.received,
            hop: self.hop,
        };
        let payload = Payload { content_type: "application/fhir+json".to_owned(), bytes };
        NewEvent { event, payload, runs: self.runs }
    }

    /// The resource and the mark that it gets, where the change moves it.
    #[must_use]
    pub fn mark(&self) -> Option<(ResourceKey, ResourceMark)> {
        let change = &self.change;
        let mark = ResourceMark {
            version: change.key.version.clone(),
            ordinal: self.ordinal?,
            deleted: change.interaction == hob_model::Interaction::Delete,
            occurred: change.occurred,
        };
        Some((change.key.resource.clone(), mark))
    }
}

/// The event number that a notification bore: only to detect gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenEvent {
    /// The source.
    pub source: SourceId,
    /// The subscription.
    pub subscription: SubscriptionKey,
    /// `eventsSinceSubscriptionStart`, or the source's own count.
    pub number: u64,
}

/// What one or many notifications of a tenant came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolution {
    /// The clinic: of all that is below.
    pub tenant: TenantId,
    /// Notifications that are resolved by this; none for a sweep.
    pub notifications: Vec<NotificationSeq>,
    /// Changes; those of one resource in their order.
    pub changes: Vec<ResolvedChange>,
    /// Event numbers that were seen; the highest is kept.
    pub seen: Vec<SeenEvent>,
}

/// What came of new events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Queued {
    /// Runs that were made by this call and wait, in the order of their seq. What was there before is not among them.
    pub heads: Vec<RunHead>,
    /// Runs that waited and were superseded.
    pub superseded: Vec<RunKey>,
}
