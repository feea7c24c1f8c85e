//! How the plan is made: what stands against it, when, how.

use super::consent::wishes;
use super::outcome::{Call, CallReason, Nothing, Plan, PlanError, Reminder};
use super::settings::{Channel, Settings};
use super::window::{Zones, local, next_allowed, zones};
use crate::fhir::{has_coding, id_of, list, target_of, text};
use crate::when::{When, age, period_touches};
use crate::{ids, stable};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::Value;
use std::collections::BTreeSet;

/// Nothing is sent automatically to anybody younger.
const ADULT: i32 = 18;

/// What a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The Task, as the server returned it.
    pub task: &'a Value,
    /// The Patient that `Task.for` names.
    pub patient: &'a Value,
    /// The Patient's Consents.
    pub consents: &'a [Value],
    /// Identifier values (system [`ids::REMINDER_IDENTIFIER`]) of this Task's CommunicationRequests.
    pub sent: &'a BTreeSet<String>,
    /// Now.
    pub now: DateTime<Utc>,
    /// The clinic's settings.
    pub settings: &'a Settings,
}

/// Plans the next reminder of a Task.
///
/// Due is `restriction.period.end`, else `executionPeriod.start`; a due day without a time means the first allowed hour of that day. Of
/// several reminders whose time has come only the last is sent.
///
/// # Errors
/// [`PlanError`] if Task or Patient are not what they should be, or the settings cannot be followed.
pub fn plan(input: &Input<'_>) -> Result<Plan, PlanError> {
    input.settings.check()?;
    let task_id = id_of(input.task, "Task")?;
    let patient_id = id_of(input.patient, "Patient")?;
    let today = input.now.date_naive();
    if let Some(nothing) = standing(input, patient_id) {
        return Ok(Plan::Nothing(nothing));
    }
    let wishes = wishes(input.consents, patient_id, today);
    if wishes.none {
        return Ok(Plan::Nothing(Nothing::OptedOut));
    }
    let adult = adult(input.patient, today);
    if adult == Some(false) {
        return Ok(Plan::Nothing(Nothing::Minor));
    }
    let zones = zones(input.patient, today);
    let due = due(input.task).and_then(|due| due_instant(due, zones.all(), input.settings));
    let Some(due) = due else {
        return Ok(Plan::Nothing(Nothing::NoDue));
    };
    let Some((lead_minutes, wanted, identifier)) = next(input, task_id, due) else {
        return Ok(Plan::Nothing(Nothing::NoneLeft));
    };
    let call = |reason| Ok(Plan::Call(Call { at: wanted.max(input.now), reason }));
    if adult.is_none() && !input.settings.adult_without_birth_date {
        return call(CallReason::AgeUnknown);
    }
    if target_of(input.task, "owner").is_some_and(|(kind, _)| kind == "RelatedPerson") {
        return call(CallReason::SomebodyElse);
    }
    if zones == Zones::Unknown {
        return call(CallReason::ZoneUnknown);
    }
    let Some(channel) = channel(input, wishes.sms, today) else {
        return call(CallReason::NoChannel);
    };
    let Some(at) = sending(input, wanted, zones.all(), &identifier) else {
        return call(CallReason::NoCommonHour);
    };
    let why = why(lead_minutes, wanted, at, &zones, input.settings);
    Ok(Plan::SendAt(Reminder { at, wanted, lead_minutes, identifier, zones, channel, why }))
}

/// What stands against any reminder, from Task and Patient alone.
fn standing(input: &Input<'_>, patient_id: &str) -> Option<Nothing> {
    let (task, patient) = (input.task, input.patient);
    if !task.get("code").is_some_and(|code| has_coding(code, ids::SDC_TASK_CODES, "complete-questionnaire")) {
        return Some(Nothing::NotASurvey);
    }
    match text(task, "status") {
        Some("requested" | "received" | "accepted" | "ready" | "in-progress") => {}
        Some("completed") => return Some(Nothing::Done),
        Some("cancelled" | "rejected" | "failed" | "entered-in-error") => {
            return Some(Nothing::Cancelled);
        }
        _ => return Some(Nothing::Held),
    }
    if target_of(task, "for") != Some(("Patient", patient_id)) {
        return Some(Nothing::OtherPatient);
    }
    match target_of(task, "owner") {
        None | Some(("RelatedPerson", _)) => {}
        Some(("Patient", owner)) if owner == patient_id => {}
        Some(("Patient", _)) => return Some(Nothing::OtherPatient),
        Some(_) => return Some(Nothing::OwnedByStaff),
    }
    let dead =
        patient.get("deceasedDateTime").is_some() || patient.get("deceasedBoolean").is_some_and(|d| d != &Value::Bool(false));
    if dead {
        return Some(Nothing::Deceased);
    }
    let replaced = list(patient, "link").iter().any(|link| text(link, "type") == Some("replaced-by"));
    if replaced || patient.get("active").is_some_and(|active| active != &Value::Bool(true)) {
        return Some(Nothing::RecordNotInUse);
    }
    None
}

/// Whether the patient is certainly 18; none if the birth date leaves it open or cannot be read.
fn adult(patient: &Value, today: NaiveDate) -> Option<bool> {
    let When::Days(earliest, latest) = When::parse(text(patient, "birthDate")?)? else {
        return None;
    };
    // The day before UTC's: in the western zones it may still be yesterday.
    let certain = age(latest, today.pred_opt()?) >= ADULT;
    let possible = age(earliest, today.succ_opt()?) >= ADULT;
    if certain {
        Some(true)
    } else if possible {
        // A birthday today or a birth date of month or year: not yet, rather than too soon, unless it stays open for long.
        (earliest == latest).then_some(false)
    } else {
        Some(false)
    }
}

fn due(task: &Value) -> Option<When> {
    let end = task.get("restriction").and_then(|r| r.get("period")).and_then(|p| p.get("end"));
    let start = || task.get("executionPeriod").and_then(|p| p.get("start"));
    end.or_else(start).and_then(Value::as_str).and_then(When::parse)
}

/// A due day without a time is its first allowed hour, in the zone where that comes first; without zones, the day as UTC has it.
fn due_instant(due: When, zones: &[Tz], settings: &Settings) -> Option<DateTime<Utc>> {
    match due {
        When::Instant(at) => Some(at),
        When::Days(_, last) => zones
            .iter()
            .filter_map(|zone| local(last, settings.first_hour, *zone))
            .min()
            .or_else(|| Some(last.and_hms_opt(0, 0, 0)?.and_utc())),
    }
}

/// The next reminder: lead, instant wanted, identifier.
fn next(input: &Input<'_>, task_id: &str, due: DateTime<Utc>) -> Option<(u32, DateTime<Utc>, String)> {
    let authored = text(input.task, "authoredOn").and_then(When::parse).and_then(|when| match when {
        When::Instant(at) => Some(at),
        When::Days(..) => None,
    });
    let mut leads = input.settings.leads_minutes.clone();
    leads.sort_unstable_by(|a, b| b.cmp(a));
    leads.dedup();
    let last = leads.last().copied()?;
    let wanted = |lead: u32| due.checked_sub_signed(TimeDelta::minutes(i64::from(lead)));
    let mut all: Vec<(u32, DateTime<Utc>)> = leads.into_iter().filter_map(|lead| Some((lead, wanted(lead)?))).collect();
    all.retain(|(lead, at)| *lead == last || authored.is_none_or(|authored| *at >= authored));
    let identifier = |lead: u32| format!("{task_id}:{lead}:{}", due.format("%Y%m%d"));
    let open = |(lead, at): &(u32, DateTime<Utc>)| {
        let identifier = identifier(*lead);
        (!input.sent.contains(&identifier)).then_some((*lead, *at, identifier))
    };
    let past = all.iter().rev().find(|(_, at)| *at <= input.now);
    let late = TimeDelta::minutes(i64::from(input.settings.late_minutes));
    if let Some(found) = past.filter(|(_, at)| input.now - *at <= late).and_then(open) {
        return Some(found);
    }
    all.iter().filter(|(_, at)| *at > input.now).find_map(open)
}

/// When to send what is wanted at an instant: then, if allowed; else some minutes after quiet hours end; and if that is past too (the host
/// was down), as soon as it is allowed.
fn sending(input: &Input<'_>, wanted: DateTime<Utc>, zones: &[Tz], identifier: &str) -> Option<DateTime<Utc>> {
    let at = spread(wanted, zones, input.settings, identifier)?;
    if at > input.now { Some(at) } else { spread(input.now, zones, input.settings, identifier) }
}

/// The next allowed instant; if that is not the one wanted, later by a share of the spread that depends on the reminder only.
fn spread(wanted: DateTime<Utc>, zones: &[Tz], settings: &Settings, identifier: &str) -> Option<DateTime<Utc>> {
    let at = next_allowed(wanted, zones, settings)?;
    if at == wanted {
        return Some(at);
    }
    let seconds = u64::from(settings.spread_minutes) * 60;
    let offset = stable::hash(&[identifier]).checked_rem(seconds).and_then(|s| i64::try_from(s).ok()).unwrap_or(0);
    // Where the common hours are shorter than the spread, a smaller share of it.
    let shares = (0..16).map(|half| at + TimeDelta::seconds(offset >> half));
    shares.into_iter().find(|later| super::is_allowed(*later, zones, settings)).or(Some(at))
}

fn channel(input: &Input<'_>, sms: bool, today: NaiveDate) -> Option<Channel> {
    let has = |system: &str| {
        list(input.patient, "telecom").iter().any(|contact| {
            let in_use = text(contact, "use") != Some("old") && period_touches(contact.get("period"), today, today);
            let number = text(contact, "value").is_some_and(|value| !value.trim().is_empty());
            text(contact, "system") == Some(system) && in_use && number
        })
    };
    let usable = |channel: &Channel| match channel {
        Channel::Sms => sms && (has("sms") || has("phone")),
        Channel::Email => has("email"),
        Channel::Portal => true,
    };
    input.settings.channels.iter().copied().find(usable)
}

fn why(lead: u32, wanted: DateTime<Utc>, at: DateTime<Utc>, zones: &Zones, settings: &Settings) -> String {
    let basis = match zones {
        Zones::Explicit(zone) => format!("time zone {} of the patient's record", zone.name()),
        _ => {
            let names: Vec<&str> = zones.all().iter().map(|zone| zone.name()).collect();
            format!("every time zone of the address ({})", names.join(", "))
        }
    };
    let moved = if at == wanted { "as wanted" } else { "moved out of quiet hours or late" };
    format!("{lead} minutes before due, {moved}; allowed from {} to {} in {basis}.", settings.first_hour, settings.end_hour)
}
