//! Red flags: answers that a person must see at once, whatever the score, and the Tasks that say so.
//!
//! A flag is identified by response and rule, so a resent, amended or re-run response opens no second Task; and no rule closes one:
//! only a person does. What the patient wrote is not repeated: the Task points to the response.

use super::answers::{Answer, Sheet, Unreadable};
use super::instruments::Instrument;
use super::score::is_withdrawn;
use super::{Assessment, Rules};
use crate::fhir::{copied_reference, instant, object, put};
use crate::ids;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

/// A red flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedFlag {
    /// The rule's name, part of the Task's identity.
    pub rule: &'static str,
    /// The item's number, from 1.
    pub item: u8,
    /// The item's LOINC code.
    pub code: &'static str,
    /// What was seen.
    pub reason: FlagReason,
}

/// What makes a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagReason {
    /// The item is answered with 1 or more.
    Positive,
    /// The item has an answer that cannot be read.
    Unreadable,
    /// The item was declined: the form offers that as an answer, and nobody can read from it that there is no danger.
    Declined,
    /// The response says that it is this instrument and has answers at items that cannot be placed, but none at this one: one of them
    /// may be it.
    NotFound,
}

impl FlagReason {
    fn words(self) -> &'static str {
        match self {
            Self::Positive => "is answered with 1 or more",
            Self::Unreadable => "has an answer that cannot be read",
            Self::Declined => "was declined",
            Self::NotFound => "cannot be found among answers that could not be placed",
        }
    }
}

/// The flags of a sheet. Only `entered-in-error` silences them: a response in progress, stopped or not valid may be all there ever is.
pub(crate) fn flags(response: &Value, sheet: &Sheet) -> Vec<RedFlag> {
    if is_withdrawn(response) {
        return Vec::new();
    }
    let items = (1u8..).zip(sheet.instrument.items).zip(&sheet.answers);
    let flags = items.filter_map(|((number, item), answer)| {
        let rule = item.red_flag?;
        let reason = match answer {
            Answer::Given(given) if given.iter().any(|a| a.is_ok_and(|value| value >= 1)) => FlagReason::Positive,
            Answer::Given(given) if given.contains(&Err(Unreadable::Declined)) => FlagReason::Declined,
            Answer::Given(given) if given.iter().any(Result::is_err) => FlagReason::Unreadable,
            Answer::Unanswered if sheet.unplaced => FlagReason::NotFound,
            _ => return None,
        };
        Some(RedFlag { rule, item: number, code: item.link_ids.first().copied()?, reason })
    });
    flags.collect()
}

impl RedFlag {
    /// Value of the Task's identifier of system [`ids::RED_FLAG_IDENTIFIER`]; create with `if-none-exist` on it.
    #[must_use]
    pub fn identifier(&self, response_id: &str) -> String {
        format!("{response_id}:{}", self.rule)
    }
}

impl Assessment {
    /// The Tasks to create for the flags: each flag's own and, where the clinic configured it, the assessment that follows. Each has an
    /// identifier of system [`ids::RED_FLAG_IDENTIFIER`] and is created only if none exists.
    #[must_use]
    pub fn red_flag_tasks(&self, response: &Value, rules: &Rules, now: DateTime<Utc>) -> Vec<Value> {
        let mut tasks = Vec::new();
        for flag in &self.flags {
            tasks.push(self.flag_task(flag, response, rules, now));
            tasks.extend(self.assessment_task(flag, response, rules, now));
        }
        tasks
    }

    fn flag_task(&self, flag: &RedFlag, response: &Value, rules: &Rules, now: DateTime<Utc>) -> Value {
        let route = &rules.crisis;
        let name = self.instrument.name;
        let words = format!("{name} item {} {}.", flag.item, flag.reason.words());
        let mut task = skeleton(&flag.identifier(&self.response_id), "red-flag", "Red flag", "stat", self, response, now);
        put(&mut task, "reasonCode", Some(reason(self.instrument, flag, &words)));
        put(
            &mut task,
            "description",
            Some(json!(format!("{words} Act by the clinic's crisis procedure now; only a person closes this."))),
        );
        put(&mut task, "performerType", Some(json!([route.performer_type.to_concept()])));
        put(&mut task, "owner", route.owner.as_ref().map(|owner| json!({ "reference": owner })));
        put(&mut task, "restriction", due(now, route.acknowledge_within_minutes));
        task
    }

    fn assessment_task(&self, flag: &RedFlag, response: &Value, rules: &Rules, now: DateTime<Utc>) -> Option<Value> {
        let route = rules.crisis.assessment.as_ref()?;
        let identifier = format!("{}:assessment", flag.identifier(&self.response_id));
        let words = format!("{} item {} {}.", self.instrument.name, flag.item, flag.reason.words());
        let mut task = skeleton(&identifier, "assess-red-flag", "Assess red flag", "urgent", self, response, now);
        put(&mut task, "reasonCode", Some(reason(self.instrument, flag, &words)));
        put(&mut task, "description", Some(json!(format!("{words} Assess the patient."))));
        put(&mut task, "performerType", Some(route.performer_types.iter().map(crate::Coding::to_concept).collect()));
        put(&mut task, "restriction", due(now, route.within_minutes));
        Some(task)
    }
}

fn skeleton(
    identifier: &str,
    code: &str,
    display: &str,
    priority: &str,
    of: &Assessment,
    response: &Value,
    now: DateTime<Utc>,
) -> Value {
    let mut task = object();
    put(&mut task, "resourceType", Some(json!("Task")));
    put(&mut task, "identifier", Some(json!([{ "system": ids::RED_FLAG_IDENTIFIER, "value": identifier }])));
    put(&mut task, "status", Some(json!("ready")));
    put(&mut task, "intent", Some(json!("order")));
    put(&mut task, "priority", Some(json!(priority)));
    let coding = json!({ "system": ids::TASK_CODES, "code": code, "display": display });
    put(&mut task, "code", Some(json!({ "coding": [coding], "text": display })));
    put(&mut task, "focus", Some(json!({ "reference": format!("QuestionnaireResponse/{}", of.response_id) })));
    // Task.for takes any resource: whoever the response is about.
    put(&mut task, "for", copied_reference(response, "subject", &[]));
    put(&mut task, "encounter", copied_reference(response, "encounter", &["Encounter"]));
    put(&mut task, "authoredOn", Some(json!(instant(now))));
    task
}

fn reason(instrument: &Instrument, flag: &RedFlag, words: &str) -> Value {
    let system = if instrument.score.system == ids::LOINC { ids::LOINC } else { ids::SCORE_CODES };
    json!({ "coding": [{ "system": system, "code": flag.code }], "text": words })
}

fn due(now: DateTime<Utc>, minutes: Option<u32>) -> Option<Value> {
    let end = now.checked_add_signed(TimeDelta::minutes(i64::from(minutes?)))?;
    Some(json!({ "period": { "start": instant(now), "end": instant(end) } }))
}
