//! The resources that a plan writes: the CommunicationRequest, or the Task for a person to call.
//!
//! The request asks for a message; who sends it records the Communication. Neither names the survey, the patient or the
//! specialty: a message is read on locked screens, and by others.

use super::outcome::{CallReason, Reminder};
use super::settings::{Channel, Settings};
use crate::fhir::{Coding, InputError, copied_reference, id_of, instant, object, put};
use crate::ids;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

/// The CommunicationRequest of a reminder; create it only if none has its identifier.
///
/// # Errors
/// [`InputError`] if Task or Patient have no id.
pub fn request(
    reminder: &Reminder,
    task: &Value,
    patient: &Value,
    settings: &Settings,
    now: DateTime<Utc>,
) -> Result<Value, InputError> {
    let task_id = id_of(task, "Task")?;
    let patient = json!({ "reference": format!("Patient/{}", id_of(patient, "Patient")?) });
    let mut request = object();
    put(&mut request, "resourceType", Some(json!("CommunicationRequest")));
    put(&mut request, "identifier", Some(json!([{ "system": ids::REMINDER_IDENTIFIER, "value": reminder.identifier }])));
    put(&mut request, "status", Some(json!("active")));
    let category = "http://terminology.hl7.org/CodeSystem/communication-category";
    put(
        &mut request,
        "category",
        Some(json!([{ "coding": [{ "system": category, "code": "reminder", "display": "Reminder" }] }])),
    );
    put(&mut request, "priority", Some(json!("routine")));
    put(&mut request, "medium", Some(json!([medium(reminder.channel).to_concept()])));
    put(&mut request, "subject", Some(patient.clone()));
    put(&mut request, "about", Some(json!([{ "reference": format!("Task/{task_id}") }])));
    put(&mut request, "payload", Some(json!([{ "contentString": message(reminder.channel, settings) }])));
    put(&mut request, "occurrenceDateTime", Some(json!(instant(reminder.at))));
    put(&mut request, "authoredOn", Some(json!(instant(now))));
    put(&mut request, "recipient", Some(json!([patient])));
    put(&mut request, "note", Some(json!([{ "authorString": "hob reminder", "text": reminder.why }])));
    Ok(request)
}

/// v3-ParticipationMode where it has the medium; it has none for text messages.
fn medium(channel: Channel) -> Coding {
    let v3 = "http://terminology.hl7.org/CodeSystem/v3-ParticipationMode";
    match channel {
        Channel::Sms => Coding::new(ids::MEDIUM_CODES, "sms", "Text message"),
        Channel::Email => Coding::new(v3, "EMAILWRIT", "email"),
        Channel::Portal => Coding::new(v3, "ONLINEWRIT", "online written"),
    }
}

fn message(channel: Channel, settings: &Settings) -> String {
    let mut message = format!("{}: you have a form to fill in.", settings.clinic.trim());
    if !settings.link.trim().is_empty() {
        message.push_str(&format!(" Sign in at {}", settings.link.trim()));
    }
    if !settings.contact.trim().is_empty() {
        message.push_str(&format!(" Questions: {}", settings.contact.trim()));
    }
    if channel == Channel::Sms {
        message.push_str(" Reply STOP to opt out.");
    }
    message
}

/// The identifier value, of system [`ids::CALL_IDENTIFIER`], of the call Task for a survey Task.
#[must_use]
pub fn call_identifier(task_id: &str) -> String {
    format!("{task_id}:call")
}

/// The Task for a person to call; create it only if none has its identifier ([`call_identifier`]).
///
/// # Errors
/// [`InputError`] if the survey Task has no id.
pub fn call_task(reason: CallReason, task: &Value, settings: &Settings, now: DateTime<Utc>) -> Result<Value, InputError> {
    let task_id = id_of(task, "Task")?;
    let mut call = object();
    put(&mut call, "resourceType", Some(json!("Task")));
    put(&mut call, "identifier", Some(json!([{ "system": ids::CALL_IDENTIFIER, "value": call_identifier(task_id) }])));
    put(&mut call, "status", Some(json!("ready")));
    put(&mut call, "intent", Some(json!("order")));
    put(&mut call, "priority", Some(json!("routine")));
    put(&mut call, "code", Some(Coding::new(ids::TASK_CODES, "call-patient", "Call the patient").to_concept()));
    put(&mut call, "description", Some(json!(format!("Call about a survey that is due: {}.", reason.words()))));
    put(&mut call, "focus", Some(json!({ "reference": format!("Task/{task_id}") })));
    put(&mut call, "for", copied_reference(task, "for", &[]));
    put(&mut call, "authoredOn", Some(json!(instant(now))));
    put(&mut call, "performerType", Some(json!([settings.call.performer_type.to_concept()])));
    put(&mut call, "owner", settings.call.owner.as_ref().map(|owner| json!({ "reference": owner })));
    Ok(call)
}
