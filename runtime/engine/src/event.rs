//! The event as the guest gets it.

use std::time::Duration;

use hob_model::{Cause, Interaction, ResourceId, ResourceType, RunId, Timestamp, VersionId};
use serde::Serialize;

use crate::Document;
use crate::bindings::hob::bot::types;
use crate::state::State;

/// A larger payload comes only as a document.
const LARGEST_PAYLOAD: usize = 1 << 20;

/// Makes the guest's event of the run's input.
pub(crate) fn lower(state: &mut State) -> wasmtime::Result<types::Event> {
    let input = &state.input;
    let large = input.payload.bytes.len() > LARGEST_PAYLOAD;
    let empty = input.payload.bytes.is_empty() && input.payload.content_type.is_empty();
    let payload = (!large && !empty)
        .then(|| types::Payload { content_type: input.payload.content_type.clone(), body: input.payload.bytes.to_vec() });
    let resource = match &input.resource {
        Some(resource) => Some(resource.clone()),
        None if large => Document::parse(&input.payload.bytes).ok(),
        None => None,
    };
    let deadline = input.now + Duration::from_millis(state.bound.manifest.limits.wall_ms);
    let event = types::Event {
        id: input.event.id.into(),
        run: input.run.into(),
        tenant: input.event.tenant.to_string(),
        source: input.event.source.as_ref().map(ToString::to_string),
        trigger: input.event.cause.word().to_owned(),
        occurred: input.event.occurred.map(String::from),
        received: input.event.received.into(),
        deadline: deadline.into(),
        attempt: input.attempt,
        hop: u32::from(input.event.hop),
        attributes: attributes(&input.event.cause)?,
        payload,
        resource: None,
    };
    let resource = resource.map(|resource| state.hand_out(resource)).transpose()?;
    Ok(types::Event { resource, ..event })
}

/// What the contract tells of a trigger beside its word.
#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum Attributes<'a> {
    Change {
        interaction: Interaction,
        r#type: &'a ResourceType,
        id: &'a ResourceId,
        version: &'a VersionId,
        previous_version: &'a Option<VersionId>,
    },
    Cron {
        schedule: &'a str,
        at: Timestamp,
    },
    Timer {
        key: &'a str,
        due: Timestamp,
        set_by: RunId,
    },
    Invoke {
        requester: &'a str,
    },
    Reply {
        key: &'a str,
        status: Option<u16>,
        sent_by: RunId,
    },
}

/// As JSON.
fn attributes(cause: &Cause) -> serde_json::Result<String> {
    serde_json::to_string(&match cause {
        Cause::Change { key, interaction, previous } => Attributes::Change {
            interaction: *interaction,
            r#type: &key.resource.resource.resource_type,
            id: &key.resource.resource.id,
            version: &key.version,
            previous_version: previous,
        },
        Cause::Cron { schedule, at } => Attributes::Cron { schedule, at: *at },
        Cause::Timer { key, due, set_by } => Attributes::Timer { key, due: *due, set_by: *set_by },
        Cause::Invoke { requester } => Attributes::Invoke { requester },
        Cause::Reply { sent_by, key, status } => Attributes::Reply { key, status: *status, sent_by: *sent_by },
    })
}
