//! The event of a case, as the SDK has it.

use hob_cases::{Case, Happening};
use hob_model::Interaction;
use hob_sdk::{Event, Host, Payload, Trigger, testing};
use serde_json::{Value, json};

use crate::stage::Stage;

/// The event; a delete takes the resource off the stage.
pub(crate) fn event(case: &Case, stage: &Stage) -> Result<Event, String> {
    let event = match &case.event {
        Happening::Change(it) => {
            let world = stage.world();
            let resource = &it.resource;
            let found = it.version.as_ref().map_or_else(|| world.read(resource), |version| world.vread(resource, version));
            let mut event = testing::change(found.map_err(|why| format!("event: {resource}: {why}"))?);
            if let Trigger::Change { interaction, .. } = &mut event.trigger {
                *interaction = it.change.to_string();
            }
            if it.change == Interaction::Delete {
                world.delete(resource).map_err(|why| why.to_string())?;
            }
            event
        }
        Happening::Timer(it) => testing::timer(&it.timer, &hob_cases::instant(it.due), &it.payload),
        Happening::Cron(it) => {
            let at = hob_cases::instant(it.at.unwrap_or(case.now));
            with(Trigger::Cron { schedule: it.cron.clone(), at }, None)
        }
        Happening::Invoke(it) => {
            let requester = it.requester.clone().unwrap_or_else(|| "case".to_owned());
            with(Trigger::Invoke { requester }, Some(payload(&it.invoke, it.content_type.as_deref())))
        }
        Happening::Reply(it) => {
            let trigger = Trigger::Reply { key: it.reply.clone(), status: it.status };
            with(trigger, Some(payload(&it.body, it.content_type.as_deref())))
        }
    };
    Ok(Event { received: case.now.to_utc().to_rfc3339(), ..event })
}

fn with(trigger: Trigger, payload: Option<Payload>) -> Event {
    Event { trigger, payload, resource: None, ..testing::timer("", "", &json!(null)) }
}

fn payload(value: &Value, content_type: Option<&str>) -> Payload {
    let (kind, body) = match value {
        Value::String(text) => ("text/plain", text.clone()),
        other => ("application/json", other.to_string()),
    };
    Payload { content_type: content_type.unwrap_or(kind).to_owned(), body: body.into_bytes() }
}
