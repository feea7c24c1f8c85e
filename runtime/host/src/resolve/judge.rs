//! Judging a change for a bot: criteria, interactions, filters and the ordering key. Pure but for the compiled filters.
//!
//! The host judges every change for every bot, however the change came: a sweep returns what never matched, one server's
//! subscription brings what another bot wants, and servers search differently.

use hob_engine::{check_fhirpath, when_fhirpath};
use hob_model::{Change, Digest, EventId, Filter, Interaction, LaneKey, Manifest, OrderBy, Timestamp, Trigger};
use hob_search::{Criteria, ServerBases, When, patients_of_within};
use serde_json::Value;

/// A `[[on]] change` of a manifest, compiled.
pub(crate) struct Watch {
    /// Which `[[on]]` table of the manifest, from 0.
    pub(crate) trigger: u32,
    /// By the source's clock: what is older is from before the trigger.
    pub(crate) since: Option<Timestamp>,
    criteria: Criteria,
    interactions: Vec<Interaction>,
    when: Vec<Condition>,
}

enum Condition {
    JsonPath(When),
    FhirPath(String),
}

/// Why a manifest's trigger cannot be judged by this host.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {why}")]
pub(crate) struct JudgeError {
    place: String,
    why: String,
}

impl Watch {
    /// Compiles the change triggers of a manifest.
    pub(crate) fn of(manifest: &Manifest, bases: &ServerBases) -> Result<Vec<Self>, JudgeError> {
        let mut watches = Vec::new();
        for (index, trigger) in (0..).zip(&manifest.on) {
            let Trigger::Change { criteria, interactions, when, .. } = trigger else { continue };
            let refused = |why: String| JudgeError { place: format!("on change = {criteria:?}"), why };
            let compiled = Criteria::parse(criteria).map_err(|e| refused(e.to_string()))?.with_server_bases(bases.clone());
            let when = when.iter().map(|filter| condition(filter).map_err(&refused)).collect::<Result<_, _>>()?;
            watches.push(Self { trigger: index, since: None, criteria: compiled, interactions: interactions.clone(), when });
        }
        Ok(watches)
    }

    pub(crate) fn resource_type(&self) -> &str {
        self.criteria.resource_type()
    }

    /// Whether a filter looks at the version before.
    pub(crate) fn wants_previous(&self) -> bool {
        self.when.iter().any(|c| matches!(c, Condition::FhirPath(path) if path.contains("%previous")))
    }

    /// Whether a change is from before the trigger.
    pub(crate) fn is_before(&self, change: &Change) -> bool {
        matches!((change.occurred, self.since), (Some(at), Some(since)) if at < since)
    }

    /// Whether a version with this content could be one that the bot runs on, whatever came before it.
    pub(crate) fn may_take(&self, resource: &Value) -> bool {
        self.criteria.matches(resource)
    }

    /// Whether the bot runs on this version. A delete is judged on the last content, where there is one: without it the server's
    /// own judgement is all there is, and it sent the notification.
    pub(crate) fn takes(&self, interaction: Interaction, kind: &str, resource: Option<&Value>, previous: Option<&Value>) -> bool {
        if !self.interactions.contains(&interaction) || kind != self.criteria.resource_type() {
            return false;
        }
        let Some(resource) = resource else { return interaction == Interaction::Delete };
        self.criteria.matches(resource)
            && self.when.iter().all(|condition| match condition {
                Condition::JsonPath(path) => path.matches(resource),
                // A filter that cannot be evaluated does not hold: it must be exactly true.
                Condition::FhirPath(path) => when_fhirpath(path, resource, previous).unwrap_or(false),
            })
    }
}

fn condition(filter: &Filter) -> Result<Condition, String> {
    match filter {
        Filter::JsonPath(path) => When::json_path(path).map(Condition::JsonPath).map_err(|e| e.to_string()),
        Filter::FhirPath(path) => check_fhirpath(path).map(|()| Condition::FhirPath(path.clone())).map_err(|e| e.to_string()),
    }
}

/// The ordering key of a change for a bot. What has none of its own waits in its resource's lane.
pub(crate) fn lane(order: &OrderBy, change: &Change, event: EventId, bases: &ServerBases) -> LaneKey {
    let reference = &change.key.resource.resource;
    let of_resource = || format!("resource:{reference}");
    let text = match order {
        OrderBy::Resource => of_resource(),
        OrderBy::Bot => "bot".to_owned(),
        OrderBy::None => format!("none:{}", event.bare()),
        OrderBy::Patient => change
            .resource
            .as_ref()
            .and_then(|resource| patients_of_within(resource, bases).into_iter().next())
            .map_or_else(of_resource, |patient| format!("patient:{patient}")),
        OrderBy::Path(path) => change
            .resource
            .as_ref()
            .and_then(|resource| path_value(path, resource))
            .map_or_else(of_resource, |value| format!("path:{}", Digest::of(value.as_bytes()).hex())),
    };
    fixed(text)
}

fn path_value(path: &str, resource: &Value) -> Option<String> {
    use jsonpath_rust::JsonPath as _;
    let found = resource.query(path).ok()?;
    found.first().map(ToString::to_string)
}

/// The lane of events that come from a clock: one for all of the bot's.
pub(crate) fn lane_of_bot() -> LaneKey {
    fixed("bot".to_owned())
}

/// The lane of an event that waits for no other.
pub(crate) fn lane_of(event: &EventId) -> LaneKey {
    fixed(format!("none:{}", event.bare()))
}

fn fixed(text: String) -> LaneKey {
    // Short and printable, so always valid.
    LaneKey::new(text).unwrap_or_else(|_| unreachable!("a lane of fixed form is valid"))
}
