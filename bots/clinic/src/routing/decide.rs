//! How the decision is made: hard filters, then order.

use super::decision::{Assignment, Decision, Ineligible, NobodyWhy, NotRouted};
use super::licence::licensed;
use super::rules::{RoleRule, Rules};
use crate::fhir::{InputError, extension, has_coding, id_of, list, target_of, text};
use crate::ids;
use crate::place::{State, Whereabouts, state_named, whereabouts};
use crate::routes::is_red_flag;
use crate::stable;
use crate::when::{When, period_covers, period_touches};
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::{Pacific, Tz};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a decision is made from.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The Task, as the server returned it.
    pub task: &'a Value,
    /// The Patient that `Task.for` names, if the bot could read it.
    pub patient: Option<&'a Value>,
    /// The Encounter that `Task.encounter` names, if there is one.
    pub encounter: Option<&'a Value>,
    /// Who might do it.
    pub candidates: Candidates<'a>,
    /// Now.
    pub now: DateTime<Utc>,
    /// The clinic's rules.
    pub rules: &'a Rules,
}

/// The people who might do it.
#[derive(Debug, Clone, Copy)]
pub struct Candidates<'a> {
    /// PractitionerRoles.
    pub roles: &'a [Value],
    /// The Practitioners that they name.
    pub practitioners: &'a [Value],
    /// Open Tasks by id of the Practitioner who owns them. Absent is 0.
    pub load: &'a BTreeMap<String, u32>,
}

/// Decides on a Task.
///
/// # Errors
/// [`InputError`] if it is no Task or has no id.
pub fn decide(input: &Input<'_>) -> Result<Decision, InputError> {
    let task_id = id_of(input.task, "Task")?;
    let status = text(input.task, "status");
    if is_red_flag(input.task) && matches!(status, Some("draft" | "requested" | "received" | "ready")) {
        // Also with an owner: the writes see to it that it stays on the route.
        return Ok(Decision::Crisis);
    }
    if input.task.get("owner").is_some_and(|owner| !owner.is_null()) {
        return Ok(Decision::NotRouted(NotRouted::Owned));
    }
    if status != Some("ready") {
        return Ok(Decision::NotRouted(NotRouted::NotReady));
    }
    let code = input.task.get("code").unwrap_or(&Value::Null);
    if has_coding(code, ids::TASK_CODES, "escalation") || has_coding(code, ids::TASK_CODES, "call-patient") {
        return Ok(Decision::NotRouted(NotRouted::ForOperations));
    }
    let performers = list(input.task, "performerType");
    if performers.is_empty() && has_coding(code, ids::SDC_TASK_CODES, "complete-questionnaire") {
        return Ok(Decision::NotRouted(NotRouted::ForPatient));
    }
    let activity = input.rules.activities.iter().find(|activity| activity.code.is_in(code));
    let may = |rule: &&RoleRule| {
        let asked = performers.is_empty() || performers.iter().any(|p| rule.role.is_in(p));
        // A Task that asks for nobody in particular needs a rule on its code.
        let allowed = activity.map_or(!performers.is_empty(), |a| {
            a.roles.iter().any(|role| role.system == rule.role.system && role.code == rule.role.code)
        });
        asked && allowed
    };
    let mut rules: Vec<&RoleRule> = input.rules.roles.iter().filter(may).collect();
    rules.sort_by(|a, b| (a.rank, &a.role.code).cmp(&(b.rank, &b.role.code)));
    if rules.is_empty() {
        return Ok(Decision::Nobody(NobodyWhy::NoRule));
    }
    let specialties = activity.map_or(&[][..], |a| a.specialties.as_slice());
    let decided = days(input, ALL_STATES).and_then(|anywhere| {
        let state = state_of(input, anywhere.work);
        let days = state.as_ref().map_or(Ok(anywhere), |state| days(input, state.zones))?;
        Ok(choose(input, task_id, &rules, specialties, days, state))
    });
    Ok(decided.unwrap_or_else(Decision::Nobody))
}

/// First and last day of the work, and of today: more than one day where zones differ.
#[derive(Debug, Clone, Copy)]
struct Days {
    work: (NaiveDate, NaiveDate),
    today: (NaiveDate, NaiveDate),
}

/// The zones whose dates enclose those of every state.
const ALL_STATES: &[Tz] = &[Pacific::Pago_Pago, Pacific::Guam];

/// The days of the work where the patient is: from today, or from the start of `restriction.period` if that is later, to its end if that is
/// later still. An overdue Task is work of today.
fn days(input: &Input<'_>, zones: &[Tz]) -> Result<Days, NobodyWhy> {
    let span = |when: When| match when {
        When::Days(first, last) => (first, last),
        When::Instant(at) => {
            let dates = || zones.iter().map(|zone| at.with_timezone(zone).date_naive());
            (dates().min().unwrap_or(when.first_day()), dates().max().unwrap_or(when.last_day()))
        }
    };
    let today = span(When::Instant(input.now));
    let period = input.task.get("restriction").and_then(|r| r.get("period"));
    let bound = |key| match period.and_then(|p| p.get(key)) {
        None => Ok(None),
        Some(bound) => bound.as_str().and_then(When::parse).map(|when| Some(span(when))).ok_or(NobodyWhy::Window),
    };
    let first = bound("start")?.map_or(today.0, |(start, _)| start.max(today.0));
    let last = bound("end")?.map_or(first, |(_, end)| end).max(if first > today.0 { first } else { today.1 });
    Ok(Days { work: (first, last), today })
}

/// The patient's state, or what is known instead.
fn state_of(input: &Input<'_>, (first, last): (NaiveDate, NaiveDate)) -> Result<&'static State, NobodyWhy> {
    let patient = input.patient.filter(|p| text(p, "resourceType") == Some("Patient")).ok_or(NobodyWhy::NoPatient)?;
    // A Patient that is not the one the Task is for tells nothing about where the work is.
    if target_of(input.task, "for") != text(patient, "id").map(|id| ("Patient", id)) {
        return Err(NobodyWhy::NoPatient);
    }
    let confirmed: Vec<&Value> = [Some(input.task), input.encounter]
        .into_iter()
        .flatten()
        .filter(|r| extension(r, ids::CONFIRMED_STATE).is_some())
        .collect();
    match whereabouts(patient, &confirmed, first, last) {
        Whereabouts::In(code) => state_named(code).ok_or(NobodyWhy::Place(Whereabouts::Unknown)),
        elsewhere => Err(NobodyWhy::Place(elsewhere)),
    }
}

struct Eligible<'a> {
    rule: &'a RoleRule,
    practitioner: &'a str,
    licence: Option<&'a str>,
}

fn choose(
    input: &Input<'_>,
    task_id: &str,
    rules: &[&RoleRule],
    specialties: &[crate::Coding],
    days: Days,
    state: Result<&'static State, NobodyWhy>,
) -> Decision {
    let people: BTreeMap<&str, &Value> =
        input.candidates.practitioners.iter().filter_map(|p| Some((id_of(p, "Practitioner").ok()?, p))).collect();
    let mut eligible: Vec<Eligible<'_>> = Vec::new();
    let mut failed: BTreeMap<Ineligible, u32> = BTreeMap::new();
    let mut needs_place = None;
    for role in input.candidates.roles {
        let mut furthest = Ineligible::Role;
        let mut passed = None;
        for rule in rules.iter().filter(|rule| list(role, "code").iter().any(|code| rule.role.is_in(code))) {
            match judge(input, rule, specialties, role, &people, days, state.as_ref()) {
                Ok(found) => {
                    passed = Some(found);
                    break;
                }
                Err(Some(why)) => furthest = furthest.max(why),
                Err(None) => needs_place = state.clone().err(),
            }
        }
        match passed {
            Some(found) => eligible.push(found),
            None => *failed.entry(furthest).or_default() += 1,
        }
    }
    let load = |e: &Eligible<'_>| input.candidates.load.get(e.practitioner).copied().unwrap_or(0);
    let best = eligible.iter().min_by(|a, b| {
        let key = |e: &Eligible<'_>| (e.rule.rank, load(e), stable::hash(&[task_id, e.practitioner]));
        key(a).cmp(&key(b)).then_with(|| a.practitioner.cmp(b.practitioner))
    });
    let mut ids: Vec<&str> = eligible.iter().map(|e| e.practitioner).collect();
    ids.sort_unstable();
    ids.dedup();
    match (best, needs_place) {
        (Some(best), _) => Decision::Assign(Assignment {
            practitioner: best.practitioner.to_owned(),
            role: best.rule.role.display.clone().unwrap_or_else(|| best.rule.role.code.clone()),
            licence: best.licence.map(str::to_owned),
            state: best.licence.and(state.ok()).map(|s| s.code),
            eligible: ids.into_iter().map(str::to_owned).collect(),
        }),
        // Somebody would do, were it known where the patient is.
        (None, Some(why)) => Decision::Nobody(why),
        (None, None) => Decision::Nobody(NobodyWhy::Candidates(failed)),
    }
}

/// Puts one role of one person through the filters. `Err(None)`: all held so far, but the patient's state is needed and not known.
fn judge<'a>(
    input: &Input<'a>,
    rule: &'a RoleRule,
    specialties: &[crate::Coding],
    role: &'a Value,
    people: &BTreeMap<&'a str, &'a Value>,
    days: Days,
    state: Result<&&'static State, &NobodyWhy>,
) -> Result<Eligible<'a>, Option<Ineligible>> {
    let (first, last) = days.work;
    let covered =
        specialties.is_empty() || list(role, "specialty").iter().any(|s| specialties.iter().any(|wanted| wanted.is_in(s)));
    if !covered {
        return Err(Some(Ineligible::Specialty));
    }
    let named = target_of(role, "practitioner").filter(|(kind, _)| *kind == "Practitioner");
    let (id, practitioner) = named.and_then(|(_, id)| people.get_key_value(id)).ok_or(Some(Ineligible::NoPractitioner))?;
    let active = |resource: &Value| resource.get("active").is_none_or(|a| a == &Value::Bool(true));
    if !active(role) || !active(practitioner) || !period_covers(role.get("period"), first, last) {
        return Err(Some(Ineligible::Inactive));
    }
    if input.rules.barred.iter().any(|barred| crate::fhir::target(barred) == Some(("Practitioner", id)) || barred == id) {
        return Err(Some(Ineligible::Barred));
    }
    if list(role, "notAvailable").iter().any(|away| period_touches(away.get("during"), days.today.0, days.today.1)) {
        return Err(Some(Ineligible::Away));
    }
    let licence = if rule.licences.is_empty() {
        None
    } else {
        let state = state.map_err(|_| None)?;
        Some(licensed(practitioner, &rule.licences, state.code, days.work).map_err(Some)?.1)
    };
    Ok(Eligible { rule, practitioner: id, licence })
}
