//! Reminds a patient of a survey that comes due: a timer until then, a CommunicationRequest when it is time.
//!
//! Whether, when and how is [`clinic::reminding`]'s. Both a change of the Task and the timer do the same: read everything afresh, plan, and
//! either write what is due or set the timer for what is not. So what a patient, a Consent or a Task says at the moment of sending
//! decides, whatever was planned; and a plan that changed moves the timer, which is one for each Task.
//!
//! **None once it is done.** What is written guards the Task's version: if somebody completes it before the commit, nothing is sent and
//! the run looks again.
//!
//! **What it does not do.** A change of the Patient or a Consent alone moves no timer: it is seen when the timer fires, which can only be too late
//! for an hour that has become earlier.

use std::collections::BTreeSet;

use chrono::{DateTime, SecondsFormat, Utc};
use clinic::reminding::{Input, Plan, Settings, call_identifier, call_task, plan, request};
use clinic::search::by_identifier;
use clinic::{ids, target_of};
use hob_sdk::{Error, Event, Host, Kind, Outcome, Trigger};
use serde_json::{Map, Value, json};

hob_sdk::bot!(handle);

/// Settings of the manifest; the rules spell them with underscores.
const SETTINGS: [&str; 11] = [
    "clinic",
    "contact",
    "link",
    "first-hour",
    "end-hour",
    "leads-minutes",
    "spread-minutes",
    "late-minutes",
    "channels",
    "adult-without-birth-date",
    "call",
];

/// Handles a change of a survey Task, or its timer.
///
/// # Errors
/// What the server or the host refuses; settings that cannot be followed are retried, since a deployment cures them.
pub fn handle(event: Event, hob: &dyn Host) -> Result<Outcome, Error> {
    let id = match &event.trigger {
        Trigger::Change { id, .. } => id,
        Trigger::Timer { key, .. } => key,
        _ => return Err(Error::reject("trigger", "this bot runs on changes of Task and on its timers")),
    };
    // Also on a change: the Task may have moved on since that version.
    match hob.fhir().find(&format!("Task/{id}"))? {
        Some(task) => remind(hob, id, &task)?,
        None => hob.timers().cancel(id)?,
    }
    Ok(Outcome::Done)
}

/// Writes what is due, and sets the timer for what is not.
fn remind(hob: &dyn Host, id: &str, task: &Value) -> Result<(), Error> {
    let now = DateTime::<Utc>::from(hob.now());
    let settings = settings(hob)?;
    let patient = match target_of(task, "for") {
        Some(("Patient", patient)) => hob.fhir().find(&format!("Patient/{patient}"))?,
        _ => None,
    };
    let Some(patient) = patient else { return Ok(hob.timers().cancel(id)?) };
    let patient_id = patient.get("id").and_then(Value::as_str).unwrap_or_default();
    let consents = hob.fhir().search_all("Consent", &format!("patient=Patient/{patient_id}&status=active"))?;
    let mut sent = sent(hob, id, patient_id)?;
    let unfit = |why: &dyn std::fmt::Display| Error::retry("plan", why.to_string());
    // Each turn sends one lead, and the leads are few; what comes last sets the timer or takes it back.
    for _ in 0..=settings.leads_minutes.len() {
        let input = Input { task, patient: &patient, consents: &consents, sent: &sent, now, settings: &settings };
        match plan(&input).map_err(|why| unfit(&why))? {
            Plan::SendAt(reminder) if reminder.is_due(now) => {
                let message = request(&reminder, task, &patient, &settings, now).map_err(|why| unfit(&why))?;
                once(hob, task, &message, &by_identifier(ids::REMINDER_IDENTIFIER, &[&reminder.identifier]))?;
                sent.insert(reminder.identifier);
            }
            Plan::Call(call) if call.is_due(now) => {
                let call = call_task(call.reason, task, &settings, now).map_err(|why| unfit(&why))?;
                once(hob, task, &call, &by_identifier(ids::CALL_IDENTIFIER, &[&call_identifier(id)]))?;
                // One call for a survey: the person who makes it sees to the rest.
                break;
            }
            Plan::SendAt(reminder) => return wait(hob, id, reminder.at),
            Plan::Call(call) => return wait(hob, id, call.at),
            Plan::Nothing(_) => break,
        }
    }
    Ok(hob.timers().cancel(id)?)
}

/// Creates it unless there is one already, and only if the Task stays as it was read.
fn once(hob: &dyn Host, task: &Value, resource: &Value, search: &str) -> Result<(), Error> {
    if !hob.fhir().create_if_none_exist(resource, search)?.existed {
        hob.fhir().guard(task)?;
    }
    Ok(())
}

/// Sets or moves the Task's timer.
fn wait(hob: &dyn Host, id: &str, at: DateTime<Utc>) -> Result<(), Error> {
    hob.timers().set(id, &at.to_rfc3339_opts(SecondsFormat::AutoSi, true), &json!({ "task": format!("Task/{id}") }))
}

/// Identifiers of the reminders of this Task that were asked for, also those that somebody took back.
fn sent(hob: &dyn Host, id: &str, patient_id: &str) -> Result<BTreeSet<String>, Error> {
    // `identifier=system|`: any value of the system.
    let query = format!("subject=Patient/{patient_id}&{}", by_identifier(ids::REMINDER_IDENTIFIER, &[""]));
    let found = hob.fhir().search_all("CommunicationRequest", &query)?;
    let identifiers = found.iter().filter_map(|request| request.get("identifier")?.as_array()).flatten();
    let own = identifiers.filter(|i| i.get("system").and_then(Value::as_str) == Some(ids::REMINDER_IDENTIFIER));
    let values = own.filter_map(|i| i.get("value")?.as_str()).filter(|value| value.starts_with(&format!("{id}:")));
    Ok(values.map(str::to_owned).collect())
}

fn settings(hob: &dyn Host) -> Result<Settings, Error> {
    let waits = |error: Error| Error { kind: Kind::Retry, ..error };
    let mut all = Map::new();
    for name in SETTINGS {
        all.insert(name.replace('-', "_"), hob.settings().get(name).map_err(waits)?);
    }
    serde_json::from_value(Value::Object(all)).map_err(|why| Error::retry("settings", why.to_string()))
}
