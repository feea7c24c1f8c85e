//! Reading and building FHIR R4 as JSON: the few moves that the rules need.
//!
//! Readers answer "not there" for what has the wrong shape: a rule decides what absence means, and nothing panics on input.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A resource that a rule cannot start from. No variant carries content of the resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// Another type, or none.
    #[error("expected a {expected} resource: check what the trigger's criteria match")]
    WrongType {
        /// The type that the rule reads.
        expected: &'static str,
    },
    /// No logical id: what is written could not be identified and would be doubled.
    #[error("the {resource} has no id: pass it as the FHIR server returned it")]
    NoId {
        /// The type of the resource.
        resource: &'static str,
    },
}

/// A code in a system, as settings and rules write it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coding {
    /// The code system's URI.
    pub system: String,
    /// The code.
    pub code: String,
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
}

impl Coding {
    /// A coding with a display text.
    #[must_use]
    pub fn new(system: &str, code: &str, display: &str) -> Self {
        Self {
            system: system.to_owned(),
            code: code.to_owned(),
            display: Some(display.to_owned()),
        }
    }

    /// Whether a CodeableConcept holds this code; a version after `|` in the system is ignored, the display too.
    pub(crate) fn is_in(&self, concept: &Value) -> bool {
        has_coding(concept, &self.system, &self.code)
    }

    pub(crate) fn to_concept(&self) -> Value {
        let mut coding = json!({ "system": self.system, "code": self.code });
        if let Some(display) = &self.display {
            coding["display"] = json!(display);
        }
        json!({ "coding": [coding] })
    }
}

pub(crate) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

/// The elements of a list, or none if it is absent or no list.
pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The id of a resource of the expected type.
pub(crate) fn id_of<'a>(
    resource: &'a Value,
    expected: &'static str,
) -> Result<&'a str, InputError> {
    if text(resource, "resourceType") != Some(expected) {
        return Err(InputError::WrongType { expected });
    }
    text(resource, "id")
        .filter(|id| !id.is_empty())
        .ok_or(InputError::NoId { resource: expected })
}

/// A code system's URI without its version, which R4 writes after `|`, and its own examples of v2 tables as a last path segment.
fn unversioned(uri: &str) -> &str {
    let uri = uri.split('|').next().unwrap_or(uri);
    match uri.strip_prefix(crate::ids::V2_0360) {
        Some(rest) if rest.starts_with('/') => crate::ids::V2_0360,
        _ => uri,
    }
}

/// System (without version) and code of every coding of a CodeableConcept.
pub(crate) fn codings(concept: &Value) -> impl Iterator<Item = (&str, &str)> {
    list(concept, "coding")
        .iter()
        .filter_map(|c| Some((unversioned(text(c, "system")?), text(c, "code")?)))
}

pub(crate) fn has_coding(concept: &Value, system: &str, code: &str) -> bool {
    codings(concept).any(|(s, c)| s == unversioned(system) && c == code)
}

/// The extension with this URL.
pub(crate) fn extension<'a>(element: &'a Value, url: &str) -> Option<&'a Value> {
    list(element, "extension")
        .iter()
        .find(|e| text(e, "url") == Some(url))
}

/// Type and id of a relative literal reference, with or without a version. None for anything else: an absolute one may be another
/// server's, where the same id is somebody else, and contained ones and `urn:` have no id here.
pub(crate) fn target(reference: &str) -> Option<(&str, &str)> {
    let mut parts = reference.split('/');
    let kind = parts.next().filter(|p| {
        p.starts_with(char::is_uppercase) && p.bytes().all(|b| b.is_ascii_alphabetic())
    })?;
    let id = parts.next().filter(|p| !p.is_empty())?;
    matches!(
        (parts.next(), parts.next(), parts.next()),
        (None, None, None) | (Some("_history"), Some(_), None)
    )
    .then_some((kind, id))
}

/// Type and id that a Reference element points to.
pub(crate) fn target_of<'a>(resource: &'a Value, key: &str) -> Option<(&'a str, &'a str)> {
    target(text(resource.get(key)?, "reference")?)
}

/// A Reference element to write elsewhere: the same target without version or display, if its type is one of these (none given: any) and it is
/// not contained in the resource. A reference by identifier alone is kept as it is.
pub(crate) fn copied_reference(resource: &Value, key: &str, types: &[&str]) -> Option<Value> {
    let element = resource.get(key)?;
    let allowed = |kind: &str| types.is_empty() || types.contains(&kind);
    if let Some(reference) = text(element, "reference") {
        let literal = reference.split("/_history/").next()?;
        let kind = literal.rsplit('/').nth(1)?;
        return (!literal.starts_with('#') && allowed(kind))
            .then(|| json!({ "reference": literal }));
    }
    let identifier = element.get("identifier").filter(|i| i.is_object())?;
    match text(element, "type") {
        Some(kind) => allowed(kind).then(|| json!({ "type": kind, "identifier": identifier })),
        None => Some(json!({ "identifier": identifier })),
    }
}

/// Sets an element, or takes it away.
pub(crate) fn put(resource: &mut Value, key: &str, value: Option<Value>) {
    if let Some(object) = resource.as_object_mut() {
        match value {
            Some(value) => drop(object.insert(key.to_owned(), value)),
            None => drop(object.shift_remove(key)),
        }
    }
}

/// Replaces the notes that this author wrote, and leaves everybody else's.
pub(crate) fn put_notes(resource: &mut Value, author: &str, texts: &[String]) {
    let kept = list(resource, "note")
        .iter()
        .filter(|n| text(n, "authorString") != Some(author))
        .cloned();
    let notes: Vec<Value> = kept
        .chain(
            texts
                .iter()
                .map(|t| json!({ "authorString": author, "text": t })),
        )
        .collect();
    put(
        resource,
        "note",
        (!notes.is_empty()).then(|| Value::Array(notes)),
    );
}

pub(crate) fn object() -> Value {
    Value::Object(Map::new())
}

/// A FHIR instant in the form that servers write.
pub(crate) fn instant(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A FHIR date or dateTime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// With a time and an offset.
    Instant(DateTime<Utc>),
    /// A day, or the days that a year or month spans: first and last.
    Days(NaiveDate, NaiveDate),
}

impl When {
    /// Reads a FHIR date or dateTime; none if it is neither (a dateTime without an offset is not one).
    pub(crate) fn parse(value: &str) -> Option<Self> {
        if value.contains('T') {
            return DateTime::parse_from_rfc3339(value)
                .ok()
                .map(|at| Self::Instant(at.with_timezone(&Utc)));
        }
        let number = |part: Option<&str>, width: usize| -> Option<u32> {
            let part = part?;
            (part.len() == width && part.bytes().all(|b| b.is_ascii_digit()))
                .then(|| part.parse().ok())
                .flatten()
        };
        let mut parts = value.split('-');
        let year = i32::try_from(number(parts.next(), 4)?).ok()?;
        let (month, day) = (parts.next(), parts.next());
        if parts.next().is_some() {
            return None;
        }
        match (month, day) {
            (None, None) => Some(Self::Days(
                NaiveDate::from_ymd_opt(year, 1, 1)?,
                NaiveDate::from_ymd_opt(year, 12, 31)?,
            )),
            (month, None) => {
                let first = NaiveDate::from_ymd_opt(year, number(month, 2)?, 1)?;
                Some(Self::Days(
                    first,
                    first
                        .checked_add_months(Months::new(1))?
                        .checked_sub_days(Days::new(1))?,
                ))
            }
            (month, day) => {
                let date = NaiveDate::from_ymd_opt(year, number(month, 2)?, number(day, 2)?)?;
                Some(Self::Days(date, date))
            }
        }
    }

    /// The first day that it may mean, anywhere on earth (a zone is at most 14 hours from UTC).
    pub(crate) fn first_day(self) -> NaiveDate {
        match self {
            Self::Instant(at) => (at - chrono::TimeDelta::hours(12)).date_naive(),
            Self::Days(first, _) => first,
        }
    }

    /// The last day that it may mean, anywhere on earth.
    pub(crate) fn last_day(self) -> NaiveDate {
        match self {
            Self::Instant(at) => (at + chrono::TimeDelta::hours(14)).date_naive(),
            Self::Days(_, last) => last,
        }
    }
}

/// Whether a Period is certain to hold from `first` to `last` (days included). Open ends hold; what cannot be read does not.
pub(crate) fn period_covers(period: Option<&Value>, first: NaiveDate, last: NaiveDate) -> bool {
    let Some(period) = period else { return true };
    if !period.is_object() {
        return false;
    }
    let starts = match period.get("start") {
        None => true,
        // The last day that the start may mean must not be after the first day of the work.
        Some(start) => start
            .as_str()
            .and_then(When::parse)
            .is_some_and(|w| certain_start(w) <= first),
    };
    let ends = match period.get("end") {
        None => true,
        Some(end) => end
            .as_str()
            .and_then(When::parse)
            .is_some_and(|w| certain_end(w) >= last),
    };
    starts && ends
}

/// A date as a start means that whole day; a year or month starts with its first day. An instant holds from the day after the last
/// day on which it may fall.
fn certain_start(when: When) -> NaiveDate {
    match when {
        When::Days(first, _) => first,
        When::Instant(_) => when.last_day(),
    }
}

/// A date as an end includes that day. An instant is certain only for the day before the first on which it may fall.
fn certain_end(when: When) -> NaiveDate {
    match when {
        When::Days(_, last) => last,
        When::Instant(_) => when.first_day().pred_opt().unwrap_or(NaiveDate::MIN),
    }
}

/// Whether a Period may hold on some day between `first` and `last`; what cannot be read may.
pub(crate) fn period_touches(period: Option<&Value>, first: NaiveDate, last: NaiveDate) -> bool {
    let bound = |key| {
        period
            .and_then(|p| p.get(key))
            .and_then(Value::as_str)
            .and_then(When::parse)
    };
    bound("start").is_none_or(|w| w.first_day() <= last)
        && bound("end").is_none_or(|w| w.last_day() >= first)
}

/// Whole years between a birth date and a day.
pub(crate) fn age(born: NaiveDate, on: NaiveDate) -> i32 {
    let before = (on.month(), on.day()) < (born.month(), born.day());
    on.year() - born.year() - i32::from(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn references_of_every_form() {
        assert_eq!(target("Patient/1"), Some(("Patient", "1")));
        assert_eq!(target("Patient/1/_history/3"), Some(("Patient", "1")));
        assert_eq!(target("https://x.org/fhir/Patient/1"), None);
        assert_eq!(target("Patient/1/2"), None);
        assert_eq!(target("#contained"), None);
        assert_eq!(target("urn:uuid:1"), None);
    }

    #[test]
    fn copied_references_point_to_the_same_thing() {
        let copy = |reference: Value| {
            copied_reference(&json!({ "subject": reference }), "subject", &["Patient"])
        };
        let absolute = json!({ "reference": "https://x.org/fhir/Patient/1" });
        assert_eq!(copy(absolute.clone()), Some(absolute));
        assert_eq!(
            copy(json!({ "reference": "Patient/1/_history/2", "display": "A" })),
            Some(json!({ "reference": "Patient/1" }))
        );
        assert_eq!(copy(json!({ "reference": "Practitioner/1" })), None);
        assert_eq!(copy(json!({ "reference": "#p" })), None);
        let logical = json!({ "type": "Patient", "identifier": { "value": "7" } });
        assert_eq!(copy(logical.clone()), Some(logical));
    }

    #[test]
    fn versions_of_a_code_system_are_ignored() {
        for system in ["v2-0360", "v2-0360|2.7", "v2-0360/2.7"] {
            let concept = json!({ "coding": [{ "system": format!("http://terminology.hl7.org/CodeSystem/{system}"), "code": "MD" }] });
            assert!(has_coding(&concept, crate::ids::V2_0360, "MD"));
        }
    }

    #[test]
    fn partial_dates_span_their_days() {
        assert_eq!(
            When::parse("2024-02"),
            Some(When::Days(day("2024-02-01"), day("2024-02-29")))
        );
        assert_eq!(
            When::parse("2024"),
            Some(When::Days(day("2024-01-01"), day("2024-12-31")))
        );
        assert_eq!(When::parse("2024-2-1"), None);
        assert_eq!(When::parse("2024-02-01T10:00:00"), None);
        assert_eq!(When::parse("soon"), None);
    }

    #[test]
    fn a_period_is_taken_at_its_narrowest() {
        let period = json!({ "start": "2026-01-01", "end": "2026-11-22" });
        assert!(period_covers(
            Some(&period),
            day("2026-01-01"),
            day("2026-11-22")
        ));
        assert!(!period_covers(
            Some(&period),
            day("2026-01-01"),
            day("2026-11-23")
        ));
        let instant = json!({ "end": "2026-11-22T00:00:00Z" });
        assert!(!period_covers(
            Some(&instant),
            day("2026-11-01"),
            day("2026-11-22")
        ));
        assert!(period_covers(
            Some(&instant),
            day("2026-11-01"),
            day("2026-11-20")
        ));
        assert!(!period_covers(
            Some(&json!({ "end": "unknown" })),
            day("2026-01-01"),
            day("2026-01-01")
        ));
    }

    #[test]
    fn birthdays() {
        assert_eq!(age(day("2008-11-23"), day("2026-11-22")), 17);
        assert_eq!(age(day("2008-11-22"), day("2026-11-22")), 18);
        assert_eq!(age(day("2008-02-29"), day("2026-02-28")), 17);
    }
}
