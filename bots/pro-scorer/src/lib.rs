//! Scores a QuestionnaireResponse, and tells somebody at once of an answer that cannot wait.
//!
//! What an answer means is [`clinic::pro`]'s; here is what is read and written. One response and one score code are one Observation for ever,
//! found by its identifier: an amendment changes it, and a response that is withdrawn, deleted or no longer holds the instrument takes it
//! back. A red flag is one Task for response and rule, whatever the response's status; only a person closes it.
//!
//! **Trade-off.** Tasks and Observations of a response are one commit, so a server that refuses an Observation holds the Task back too, until the run
//! is a dead letter. Two commits would need two bots.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use clinic::ids;
use clinic::pro::{Assessment, INSTRUMENTS, Rules, ScoreWrite, evaluate, score_identifier, withdraw};
use clinic::search::{by_identifier, encoded};
use hob_sdk::{Error, Event, Host, Kind, Level, Outcome, Trigger, log};
use serde_json::Value;

hob_sdk::bot!(handle);

/// Handles a change of a QuestionnaireResponse.
///
/// # Errors
/// What the server or the host refuses; settings that cannot be read are retried, since a deployment cures them.
pub fn handle(event: Event, hob: &dyn Host) -> Result<Outcome, Error> {
    let Trigger::Change { interaction, id, .. } = &event.trigger else {
        return Err(Error::reject("trigger", "this bot runs on changes of QuestionnaireResponse"));
    };
    if interaction == "delete" {
        for observation in scores(hob, id)?.values() {
            stage(hob, withdraw(observation, "the response was deleted"))?;
        }
        return Ok(Outcome::Done);
    }
    let response = event.resource()?;
    let rules = Rules { forms: setting(hob, "forms")?, crisis: setting(hob, "crisis")? };
    let forms = questionnaires(hob, response)?;
    let read = |form: Option<&Value>| evaluate(response, form, &rules).map_err(|why| Error::reject("response", why.to_string()));
    // A score needs the one form that was answered; for a red flag any form will do that shows it.
    let assessments = match forms.as_slice() {
        [form] => read(Some(form))?,
        _ => read(None)?,
    };
    let mut flagged = assessments.clone();
    if forms.len() > 1 {
        log(Level::Warn, format_args!("{} Questionnaires have this canonical: scored without", forms.len()));
        for form in &forms {
            flagged.extend(read(Some(form))?);
        }
    }
    let flags = raise(hob, response, &flagged, &rules)?;
    let mut scores = scores(hob, id)?;
    for assessment in &assessments {
        let existing = scores.remove(&assessment.score_identifier());
        stage(hob, assessment.observation(response, existing.as_ref()))?;
    }
    for observation in scores.values() {
        stage(hob, withdraw(observation, "the response does not hold this instrument any more"))?;
    }
    log(Level::Info, format_args!("{} instruments, {flags} red-flag tasks", assessments.len()));
    Ok(Outcome::Done)
}

/// Opens the Tasks of all flags, each only once; answers how many there are.
fn raise(hob: &dyn Host, response: &Value, assessments: &[Assessment], rules: &Rules) -> Result<usize, Error> {
    let now = DateTime::<Utc>::from(hob.now());
    let tasks = assessments.iter().flat_map(|assessment| assessment.red_flag_tasks(response, rules, now));
    // Several forms show the same flag.
    let tasks: BTreeMap<String, Value> =
        tasks.filter_map(|task| Some((identifier(&task, ids::RED_FLAG_IDENTIFIER)?, task))).collect();
    for (value, task) in &tasks {
        hob.fhir().create_if_none_exist(task, &by_identifier(ids::RED_FLAG_IDENTIFIER, &[value]))?;
    }
    Ok(tasks.len())
}

/// The response's score Observations by their identifier.
fn scores(hob: &dyn Host, response_id: &str) -> Result<BTreeMap<String, Value>, Error> {
    let all: Vec<String> = INSTRUMENTS.iter().map(|instrument| score_identifier(response_id, instrument)).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let found = hob.fhir().search_all("Observation", &by_identifier(ids::SCORE_IDENTIFIER, &all))?;
    let mut scores = BTreeMap::new();
    for observation in found {
        let Some(value) = identifier(&observation, ids::SCORE_IDENTIFIER) else { continue };
        if scores.insert(value, observation).is_some() {
            log(Level::Warn, format_args!("two Observations have the same score identifier: one is kept up to date"));
        }
    }
    Ok(scores)
}

/// The Questionnaires that the response's canonical names. None is the usual answer: many servers do not hold them.
fn questionnaires(hob: &dyn Host, response: &Value) -> Result<Vec<Value>, Error> {
    let Some(canonical) = response.get("questionnaire").and_then(Value::as_str) else { return Ok(Vec::new()) };
    let canonical = canonical.split('#').next().unwrap_or(canonical);
    let (url, version) = canonical.split_once('|').map_or((canonical, None), |(url, version)| (url, Some(version)));
    if url.is_empty() {
        return Ok(Vec::new());
    }
    let version = version.map(|version| format!("&version={}", encoded(version))).unwrap_or_default();
    match hob.fhir().search_all("Questionnaire", &format!("url={}{version}", encoded(url))) {
        Ok(found) => Ok(found),
        // The form helps; a red flag does not wait for it. A server that is away comes back.
        Err(error) if Error::from(error.clone()).kind == Kind::Reject => {
            log(Level::Warn, format_args!("the server does not answer for Questionnaires ({}): scored without", error.code));
            Ok(Vec::new())
        }
        Err(error) => Err(error.into()),
    }
}

fn stage(hob: &dyn Host, write: ScoreWrite) -> Result<(), Error> {
    match write {
        ScoreWrite::Create(observation) => {
            let value = identifier(&observation, ids::SCORE_IDENTIFIER).unwrap_or_default();
            hob.fhir().create_if_none_exist(&observation, &by_identifier(ids::SCORE_IDENTIFIER, &[&value]))?;
        }
        ScoreWrite::Update(observation) => hob.fhir().update(&observation)?,
        ScoreWrite::Nothing => {}
    }
    Ok(())
}

/// A setting. One that cannot be read is cured by a deployment, so the event waits for that instead of being lost.
fn setting<T: serde::de::DeserializeOwned>(hob: &dyn Host, name: &str) -> Result<T, Error> {
    hob.settings().get(name).map_err(|error| Error { kind: Kind::Retry, ..error })
}

/// The value of a resource's identifier of this system.
fn identifier(resource: &Value, system: &str) -> Option<String> {
    let all = resource.get("identifier")?.as_array()?;
    let own = all.iter().find(|identifier| identifier.get("system").and_then(Value::as_str) == Some(system))?;
    own.get("value")?.as_str().map(str::to_owned)
}
