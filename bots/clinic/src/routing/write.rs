//! What a decision writes: the Task with its owner or its reason, and the escalation.
//!
//! Both are made so that deciding again writes nothing new: texts depend on the decision only, and an escalation is identified by
//! its Task.

use super::decision::{Assignment, Decision, NobodyWhy};
use super::rules::Rules;
use crate::fhir::{InputError, copied_reference, id_of, instant, list, object, put, put_notes, text};
use crate::ids;
use crate::place::Whereabouts;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

/// `Annotation.authorString` of the notes that routing writes and replaces.
const AUTHOR: &str = "hob task-router";

/// The writes of a decision.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Writes {
    /// The Task, changed: update it with If-Match, so that a person who claims it meanwhile wins. None: it already says so.
    pub task: Option<Value>,
    /// An escalation Task: create it only if none has its identifier ([`escalation_identifier`]).
    pub escalation: Option<Value>,
}

/// The identifier value, of system [`ids::ESCALATION_IDENTIFIER`], of the escalation of a Task.
#[must_use]
pub fn escalation_identifier(task_id: &str) -> String {
    task_id.to_owned()
}

/// What to write for a decision on this Task.
///
/// # Errors
/// [`InputError`] if it is no Task or has no id.
pub fn writes(decision: &Decision, task: &Value, rules: &Rules, now: DateTime<Utc>) -> Result<Writes, InputError> {
    let id = id_of(task, "Task")?;
    let mut changed = task.clone();
    let mut escalation = None;
    match decision {
        Decision::NotRouted(_) => return Ok(Writes::default()),
        Decision::Assign(assignment) => {
            put(&mut changed, "owner", Some(json!({ "reference": format!("Practitioner/{}", assignment.practitioner) })));
            business_status(&mut changed, "assigned", "Assigned");
            // A reason for standing still is not true any more.
            put(&mut changed, "statusReason", None);
            put_notes(&mut changed, AUTHOR, &[why_assigned(assignment)]);
        }
        Decision::Nobody(why) => {
            let why = why_nobody(why);
            business_status(&mut changed, "nobody-eligible", "Nobody eligible");
            put(&mut changed, "statusReason", Some(json!({ "text": why })));
            put_notes(&mut changed, AUTHOR, std::slice::from_ref(&why));
            escalation = Some(escalate(task, id, &why, rules, now));
        }
        Decision::Crisis => {
            let route = &rules.crisis;
            let performers = list(task, "performerType");
            if !performers.iter().any(|p| route.performer_type.is_in(p)) {
                let all: Vec<Value> =
                    performers.iter().cloned().chain(std::iter::once(route.performer_type.to_concept())).collect();
                put(&mut changed, "performerType", Some(Value::Array(all)));
            }
            if text(task, "priority") != Some("stat") {
                put(&mut changed, "priority", Some(json!("stat")));
            }
            if task.get("owner").is_none_or(Value::is_null) {
                put(&mut changed, "owner", route.owner.as_ref().map(|owner| json!({ "reference": owner })));
            }
            // What the crisis team set says more than this does.
            if task.get("businessStatus").is_none() {
                business_status(&mut changed, "crisis-route", "On the crisis route");
            }
            let note = "Red flag: sent up the crisis route; licences, states and duty hours are not looked at. Open until a person acknowledges it.";
            put_notes(&mut changed, AUTHOR, &[note.to_owned()]);
        }
    }
    Ok(Writes { task: (changed != *task).then_some(changed), escalation })
}

fn business_status(task: &mut Value, code: &str, display: &str) {
    let coding = json!({ "system": ids::BUSINESS_STATUS_CODES, "code": code, "display": display });
    put(task, "businessStatus", Some(json!({ "coding": [coding], "text": display })));
}

fn why_assigned(assignment: &Assignment) -> String {
    let Assignment { role, licence, state, eligible, .. } = assignment;
    let eligible = eligible.len();
    let licence = match (licence, state) {
        (Some(licence), Some(state)) => {
            format!("licence {licence} valid in {state} over the time of the work")
        }
        _ => "the role needs no licence by the clinic's rule".to_owned(),
    };
    format!("Assigned: role {role} covers the task; {licence}; first of {eligible} eligible by role, load and a stable order.")
}

fn why_nobody(why: &NobodyWhy) -> String {
    match why {
        NobodyWhy::NoRule => "Nobody eligible: no rule of the clinic says who may do this.".to_owned(),
        NobodyWhy::NoPatient => "Nobody eligible: the patient cannot be read, so no state is known to be licensed in.".to_owned(),
        NobodyWhy::Window => "Nobody eligible: restriction.period cannot be read, so no licence is known to cover it.".to_owned(),
        NobodyWhy::Place(Whereabouts::OneOf(states)) => {
            format!("Nobody eligible: the patient may be in {}; confirm the state for this work.", states.join(" or "))
        }
        NobodyWhy::Place(Whereabouts::Abroad) => "Nobody eligible: the patient is outside the United States.".to_owned(),
        NobodyWhy::Place(_) => "Nobody eligible: the patient's state is not known; confirm it for this work.".to_owned(),
        NobodyWhy::Candidates(counts) if counts.is_empty() => "Nobody eligible: there are no candidates.".to_owned(),
        NobodyWhy::Candidates(counts) => {
            let total: u32 = counts.values().sum();
            let parts: Vec<String> = counts.iter().map(|(why, n)| format!("{} ({n})", why.words())).collect();
            format!("Nobody eligible of {total}: {}.", parts.join("; "))
        }
    }
}

fn escalate(task: &Value, id: &str, why: &str, rules: &Rules, now: DateTime<Utc>) -> Value {
    let mut escalation = object();
    put(&mut escalation, "resourceType", Some(json!("Task")));
    let identifier = json!([{ "system": ids::ESCALATION_IDENTIFIER, "value": escalation_identifier(id) }]);
    put(&mut escalation, "identifier", Some(identifier));
    put(&mut escalation, "status", Some(json!("ready")));
    put(&mut escalation, "intent", Some(json!("order")));
    // At least as pressing as what waits for it.
    let priority = match text(task, "priority") {
        Some("stat") => "stat",
        Some("asap") => "asap",
        _ => "urgent",
    };
    put(&mut escalation, "priority", Some(json!(priority)));
    let coding = json!({ "system": ids::TASK_CODES, "code": "escalation", "display": "Find somebody for a task" });
    put(&mut escalation, "code", Some(json!({ "coding": [coding], "text": "Find somebody for a task" })));
    put(&mut escalation, "description", Some(json!(why)));
    put(&mut escalation, "focus", Some(json!({ "reference": format!("Task/{id}") })));
    put(&mut escalation, "for", copied_reference(task, "for", &[]));
    put(&mut escalation, "authoredOn", Some(json!(instant(now))));
    put(&mut escalation, "performerType", Some(json!([rules.escalation.performer_type.to_concept()])));
    put(&mut escalation, "owner", rules.escalation.owner.as_ref().map(|owner| json!({ "reference": owner })));
    escalation
}
