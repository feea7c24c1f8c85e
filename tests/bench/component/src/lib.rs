//! The smallest bot, so that a bench measures the runtime and not the bot: an invocation does nothing, a change of a Task completes it.

use hob_sdk::{Error, Event, Host, Outcome, Trigger};
use serde_json::json;

hob_sdk::bot!(handle);

fn handle(event: Event, hob: &dyn Host) -> Result<Outcome, Error> {
    if matches!(event.trigger, Trigger::Change { .. }) {
        let mut task = event.resource()?.clone();
        task["status"] = json!("completed");
        hob.fhir().update(&task)?;
    }
    Ok(Outcome::Done)
}
