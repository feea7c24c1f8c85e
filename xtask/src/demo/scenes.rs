//! What a clinic's people and systems write on this morning.

use chrono::{DateTime, Duration, SecondsFormat, Timelike as _, Utc};
use serde_json::{Value, json};

/// Identifier systems that the shipped bots write, by which what they made is found.
pub(crate) const SCORE: &str = "https://hob.dev/fhir/identifier/score";
pub(crate) const RED_FLAG: &str = "https://hob.dev/fhir/identifier/red-flag";
pub(crate) const ESCALATION: &str = "https://hob.dev/fhir/identifier/escalation";

/// LOINC codes of the PHQ-9's items (panel 44249-1), in the form's order.
const PHQ9: [&str; 9] = ["44250-9", "44255-8", "44259-0", "44254-1", "44251-7", "44258-2", "44252-5", "44253-3", "44260-8"];
/// LOINC answer codes from "not at all" to "nearly every day".
const ANSWERS: [&str; 4] = ["LA6568-5", "LA6569-3", "LA6570-1", "LA6571-9"];

/// A PHQ-9 with these answers; fewer than nine leave the rest open.
pub(crate) fn phq9(id: &str, status: &str, answers: &[usize]) -> Value {
    let item = |(link, answer): (&&str, &usize)| json!({"linkId": link, "answer": [{"valueCoding": {"system": "http://loinc.org", "code": ANSWERS[*answer]}}]});
    json!({
        "resourceType": "QuestionnaireResponse", "id": id, "status": status,
        "questionnaire": "http://loinc.org/q/44249-1", "subject": {"reference": "Patient/ana"},
        "authored": instant(now()), "item": PHQ9.iter().zip(answers).map(item).collect::<Vec<_>>(),
    })
}

/// The same with an answer to item 9 alone.
pub(crate) fn phq9_item9(id: &str, answer: usize) -> Value {
    let mut response = phq9(id, "in-progress", &[]);
    response["item"] = json!([{
        "linkId": PHQ9[8], "answer": [{"valueCoding": {"system": "http://loinc.org", "code": ANSWERS[answer]}}],
    }]);
    response
}

/// A nurse's task for a patient, with nobody's name on it.
pub(crate) fn task(id: &str, patient: &str, what: &str) -> Value {
    json!({
        "resourceType": "Task", "id": id, "status": "ready", "intent": "order", "priority": "routine",
        "code": {"text": what}, "for": {"reference": format!("Patient/{patient}")}, "authoredOn": instant(now()),
        "performerType": [{"coding": [{"system": "http://snomed.info/sct", "code": "224535009", "display": "Registered nurse"}]}],
    })
}

/// A survey that is due in so many seconds.
pub(crate) fn survey(id: &str, due_in: i64) -> Value {
    let now = now();
    json!({
        "resourceType": "Task", "id": id, "status": "ready", "intent": "order",
        "code": {"coding": [{"system": "http://hl7.org/fhir/uv/sdc/CodeSystem/temp", "code": "complete-questionnaire"}]},
        "for": {"reference": "Patient/ana"}, "owner": {"reference": "Patient/ana"}, "authoredOn": instant(now),
        "restriction": {"period": {"end": instant(now + Duration::seconds(due_in))}},
    })
}

/// Zones without summer time, and what their clocks show against UTC in minutes.
const ZONES: [(&str, i64); 8] = [
    ("Pacific/Honolulu", -600),
    ("America/Phoenix", -420),
    ("America/Panama", -300),
    ("Africa/Abidjan", 0),
    ("Asia/Dubai", 240),
    ("Asia/Kolkata", 330),
    ("Asia/Tokyo", 540),
    ("Pacific/Guadalcanal", 660),
];

/// A zone in which it is day now, so that the demo shows a reminder whatever the time is where it runs.
pub(crate) fn daytime() -> (&'static str, String) {
    let now = now();
    let here = |minutes: i64| now + Duration::minutes(minutes);
    let from_noon = |minutes: i64| (i64::from(here(minutes).hour()) * 60 + i64::from(here(minutes).minute()) - 13 * 60).abs();
    let (zone, minutes) = ZONES.into_iter().min_by_key(|(_, minutes)| from_noon(*minutes)).unwrap_or(ZONES[3]);
    (zone, here(minutes).format("%H:%M").to_string())
}

/// The time: what a clinic's system would write.
#[allow(clippy::disallowed_methods, reason = "the demo plays the outside world")]
fn now() -> DateTime<Utc> {
    Utc::now()
}

pub(crate) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
