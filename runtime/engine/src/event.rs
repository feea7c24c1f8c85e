//! The event as the guest gets it.

use std::time::Duration;

use hob_model::Cause;
use serde_json::{Value, json};

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
        id: input.event.id.to_string(),
        run: input.run.to_string(),
        tenant: input.event.tenant.to_string(),
        source: input.event.source.as_ref().map(ToString::to_string),
        trigger: input.event.cause.word().to_owned(),
        occurred: input.event.occurred.map(|at| at.to_string()),
        received: input.event.received.to_string(),
        deadline: deadline.to_string(),
        attempt: input.attempt,
        hop: u32::from(input.event.hop),
        attributes: attributes(&input.event.cause).to_string(),
        payload,
        resource: None,
    };
    let resource = resource.map(|resource| state.hand_out(resource)).transpose()?;
    Ok(types::Event { resource, ..event })
}

/// What the contract tells of a trigger beside its word.
fn attributes(cause: &Cause) -> Value {
    match cause {
        Cause::Change { key, interaction, previous } => json!({
            "interaction": interaction,
            "type": key.resource.resource.resource_type,
            "id": key.resource.resource.id,
            "version": key.version,
            "previousVersion": previous,
        }),
        Cause::Cron { schedule, at } => json!({ "schedule": schedule, "at": at }),
        Cause::Timer { key, due, set_by } => json!({ "key": key, "due": due, "setBy": set_by }),
        Cause::Invoke { requester } => json!({ "requester": requester }),
        Cause::Reply { sent_by, key, status } => json!({ "key": key, "status": status, "sentBy": sent_by }),
    }
}
