//! Gives a ready Task without owner to somebody who may do it, or says in the Task why nobody may.
//!
//! Who may is [`clinic::routing`]'s; here is what is read for it, as little as the decision needs: nothing for a red flag or a Task that
//! no rule covers, and the load only of those between whom it decides.
//!
//! **Loops.** The bot's own writes do not start it, escalations are filtered by the manifest and left alone by the rules, and deciding again on
//! the same facts writes nothing.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use clinic::routing::{Candidates, Decision, Input, NobodyWhy, Rules, decide, escalation_identifier, writes};
use clinic::search::{by_identifier, encoded};
use clinic::{ids, target_of};
use hob_sdk::{Error, Event, Host, Kind, Outcome, Trigger};
use serde_json::Value;

hob_sdk::bot!(handle);

/// Statuses of a Task that somebody still has to deal with.
const OPEN: &str = "draft,requested,received,accepted,ready,in-progress,on-hold";

/// Handles a change of a Task.
///
/// # Errors
/// What the server or the host refuses; rules that cannot be read are retried, since a deployment cures them.
pub fn handle(event: Event, hob: &dyn Host) -> Result<Outcome, Error> {
    let Trigger::Change { .. } = &event.trigger else {
        return Err(Error::reject("trigger", "this bot runs on changes of Task"));
    };
    let task = event.resource()?;
    let rules: Rules = hob.settings().get("rules").map_err(|error| Error { kind: Kind::Retry, ..error })?;
    let now = DateTime::<Utc>::from(hob.now());
    let nobody = Candidates { roles: &[], practitioners: &[], load: &BTreeMap::new() };
    let input = Input { task, patient: None, encounter: None, candidates: nobody, now, rules: &rules };
    let decision = match decide(&input).map_err(unfit)? {
        Decision::Nobody(NobodyWhy::NoPatient | NobodyWhy::Place(_) | NobodyWhy::Candidates(_)) => among_candidates(hob, input)?,
        needs_nobody => needs_nobody,
    };
    let written = writes(&decision, task, &rules, now).map_err(unfit)?;
    if let Some(task) = &written.task {
        hob.fhir().update(task)?;
    }
    if let Some(escalation) = &written.escalation {
        // One that is open is enough; one that somebody has closed did not find an owner.
        let id = task.get("id").and_then(Value::as_str).unwrap_or_default();
        let open = format!("{}&status={OPEN}", by_identifier(ids::ESCALATION_IDENTIFIER, &[&escalation_identifier(id)]));
        hob.fhir().create_if_none_exist(escalation, &open)?;
    }
    Ok(Outcome::Done)
}

fn unfit(why: clinic::InputError) -> Error {
    Error::reject("task", why.to_string())
}

/// Decides with patient and people at hand.
fn among_candidates(hob: &dyn Host, input: Input<'_>) -> Result<Decision, Error> {
    let patient = named(hob, input.task, "for", "Patient")?;
    let encounter = named(hob, input.task, "encounter", "Encounter")?;
    let roles = roles(hob, input.rules)?;
    let practitioners = practitioners(hob, &roles)?;
    let candidates = Candidates { roles: &roles, practitioners: &practitioners, load: &BTreeMap::new() };
    let input = Input { patient: patient.as_ref(), encounter: encounter.as_ref(), candidates, ..input };
    match decide(&input).map_err(unfit)? {
        Decision::Assign(assignment) if assignment.eligible.len() > 1 => {
            let load = load(hob, &assignment.eligible)?;
            decide(&Input { candidates: Candidates { load: &load, ..candidates }, ..input }).map_err(unfit)
        }
        decision => Ok(decision),
    }
}

/// The resource that an element names by a relative reference to this type; none if there is none (any more).
fn named(hob: &dyn Host, task: &Value, element: &str, kind: &str) -> Result<Option<Value>, Error> {
    match target_of(task, element) {
        Some((found, id)) if found == kind => Ok(hob.fhir().find(&format!("{kind}/{id}"))?),
        _ => Ok(None),
    }
}

/// Everybody in a role that the clinic has a rule for, active or not: who is not is counted in the reason.
fn roles(hob: &dyn Host, rules: &Rules) -> Result<Vec<Value>, Error> {
    let codes: BTreeSet<String> =
        rules.roles.iter().map(|rule| format!("{}%7C{}", encoded(&rule.role.system), encoded(&rule.role.code))).collect();
    let codes: Vec<String> = codes.into_iter().collect();
    Ok(hob.fhir().search_all("PractitionerRole", &format!("role={}&_count=200", codes.join(",")))?)
}

/// The people in these roles, read at once. One that is gone is nobody; any other failure is the run's, not a reason to pass somebody over.
fn practitioners(hob: &dyn Host, roles: &[Value]) -> Result<Vec<Value>, Error> {
    let names = roles.iter().filter_map(|role| target_of(role, "practitioner"));
    let urls: BTreeSet<String> =
        names.filter(|(kind, _)| *kind == "Practitioner").map(|(kind, id)| format!("{kind}/{id}")).collect();
    let urls: Vec<String> = urls.into_iter().collect();
    let mut found = Vec::with_capacity(urls.len());
    for answer in hob.fhir().batch(&urls) {
        match answer {
            Ok(practitioner) => found.push(practitioner),
            Err(error) if error.is_absent() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}

/// Open Tasks of each of these people; of a Task only its owner is asked for. Not `_summary=count`: a server's answer to that need not say what
/// was searched for, and a count of everything would look like a load.
fn load(hob: &dyn Host, eligible: &[String]) -> Result<BTreeMap<String, u32>, Error> {
    let mut load = BTreeMap::new();
    // Few enough for a URL.
    for people in eligible.chunks(50) {
        let owners: Vec<String> = people.iter().map(|id| format!("Practitioner/{id}")).collect();
        let query = format!("owner={}&status={OPEN}&_elements=owner&_count=200", owners.join(","));
        for task in hob.fhir().search_all("Task", &query)? {
            if let Some(("Practitioner", id)) = target_of(&task, "owner") {
                *load.entry(id.to_owned()).or_insert(0) += 1;
            }
        }
    }
    Ok(load)
}
