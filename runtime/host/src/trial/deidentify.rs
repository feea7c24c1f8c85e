//! What a trial shows, without what tells whose it is. What is not known to be harmless is masked: a field is shown where its name is that of an R4 element of
//! type `code`, `uri` or `canonical` and its value has that form, or where it is a truth value or a number.
//!
//! | FHIR datatype | becomes |
//! |---|---|
//! | HumanName, Address, ContactPoint, Attachment, Annotation, Narrative, `string`, `markdown`, `display` | a mask, equal for equal values |
//! | Identifier | its `system` and `use`; the value a mask |
//! | `id`, Reference, `versionId` that is no number | the type, and a stand-in for the id, the same wherever it stands |
//! | `date`, `dateTime`, `instant` | moved by so many days, the same for all; `birthDate` and dates without a day a mask |
//! | Coding, CodeableConcept, `code`, `boolean`, numbers | as they are, but for `display` and `text`; a position's coordinates a mask |
//! | payloads of timers, requests and results, which are no FHIR | one mask for the whole |
//!
//! Masks, stand-ins and the number of days are made of a random key that nobody keeps: they hold within one answer, and cannot be undone. It is no certificate:
//! a rare code can tell of a person to whoever knows them.

use std::time::Duration;

use hob_model::{Digest, Reference, Timestamp};
use serde_json::Value;

use super::changes::{Change, In};
use super::past::Mark;
use super::{Compared, Ended};

/// Elements of type `code`, in all of R4 where they have this name; and `linkId`, which is the form's.
const CODES: [&str; 20] = [
    "status",
    "intent",
    "priority",
    "code",
    "use",
    "gender",
    "mode",
    "kind",
    "language",
    "valueCode",
    "linkId",
    "comparator",
    "subjectType",
    "criticality",
    "daysOfWeek",
    "durationUnit",
    "periodUnit",
    "when",
    "contentType",
    "system",
];
/// Elements of type `uri` or `canonical`.
const URIS: [&str; 6] = ["system", "url", "profile", "instantiatesCanonical", "questionnaire", "valueSet"];
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Takes away what tells of people.
pub(crate) struct Deidentifier {
    key: [u8; 16],
    days: u32,
}

impl Deidentifier {
    /// With random numbers that are used for nothing else.
    pub(crate) fn new(random: (u64, u64)) -> Self {
        let mut key = [0; 16];
        let (first, second) = key.split_at_mut(8);
        first.copy_from_slice(&random.0.to_be_bytes());
        second.copy_from_slice(&random.1.to_be_bytes());
        // Never none, and less than a year: the order of what happened in one run stays.
        Self { key, days: 1 + u32::try_from(random.0.rotate_left(17) % 364).unwrap_or(0) }
    }

    pub(crate) fn compared(&self, compared: Compared) -> Compared {
        Compared {
            received: compared.received - DAY * self.days,
            subject: compared.subject.as_deref().map(|subject| self.subject(subject)),
            recorded: compared.recorded.map(ended),
            now: compared.now.map(ended),
            changes: compared.changes.into_iter().map(|change| self.change(change)).collect(),
            marks: compared.marks.into_iter().map(mark).collect(),
            ..compared
        }
    }

    fn subject(&self, subject: &str) -> String {
        let (reference, version) = subject.split_once(" v").unwrap_or((subject, ""));
        format!("{} v{}", self.reference(reference), self.version(version))
    }

    fn change(&self, change: Change) -> Change {
        let Change { within, of, path, old, new } = change;
        match within {
            In::Create | In::Update | In::Delete => {
                let of = if within == In::Create { of } else { self.reference(&of) };
                let tokens: Vec<&str> = path.split('/').skip(1).collect();
                let key = tokens.iter().rev().find(|token| token.parse::<usize>().is_err()).copied().unwrap_or_default();
                let clear = |value: Value| self.value(key, value);
                let shown: String = tokens.iter().map(|token| format!("/{}", name(token))).collect();
                Change { within, of, path: shown, old: old.map(clear), new: new.map(clear) }
            }
            In::Guard => {
                let clear = |value: Value| Value::String(self.version(value.as_str().unwrap_or_default()));
                Change { within, of: self.reference(&of), path: String::new(), old: old.map(clear), new: new.map(clear) }
            }
            In::Timer | In::Outbox | In::Result => {
                let of = if within == In::Result { of } else { self.mask(&of) };
                let clear = |value: Value| Value::String(self.mask(&value.to_string()));
                Change { within, of, path: String::new(), old: old.map(clear), new: new.map(clear) }
            }
        }
    }

    fn value(&self, key: &str, value: Value) -> Value {
        match value {
            Value::Null | Value::Bool(_) => value,
            Value::Number(_) if !matches!(key, "latitude" | "longitude" | "altitude") => value,
            Value::Number(number) => Value::String(self.mask(&number.to_string())),
            Value::String(text) => Value::String(self.text(key, &text)),
            Value::Array(items) => items.into_iter().map(|item| self.value(key, item)).collect(),
            Value::Object(members) => members.into_iter().map(|(key, member)| (name(&key), self.value(&key, member))).collect(),
        }
    }

    fn text(&self, key: &str, text: &str) -> String {
        match key {
            "resourceType" if is_type(text) => text.to_owned(),
            "id" => self.stand_in(text),
            "versionId" => self.version(text),
            "reference" => self.reference(text),
            "if-none-exist" => parameters(text),
            _ if key != "birthDate" && is_dated(text) => self.moved(text).unwrap_or_else(|| self.mask(text)),
            _ if CODES.contains(&key) && is_code(text) => text.to_owned(),
            _ if URIS.contains(&key) && is_uri(text) => text.to_owned(),
            _ => self.mask(text),
        }
    }

    /// A date or an instant, moved.
    fn moved(&self, text: &str) -> Option<String> {
        let back = |at: Timestamp| (at - DAY * self.days).to_string();
        if text.len() == 10 {
            let moved = back(Timestamp::parse(&format!("{text}T00:00:00Z"))?);
            return moved.get(..10).map(str::to_owned);
        }
        Timestamp::parse(text).map(back)
    }

    fn reference(&self, text: &str) -> String {
        match text.parse::<Reference>() {
            Ok(reference) if is_type(reference.resource_type.as_str()) => {
                format!("{}/{}", reference.resource_type, self.stand_in(reference.id.as_str()))
            }
            _ => self.mask(text),
        }
    }

    fn version(&self, text: &str) -> String {
        // A count tells of nobody.
        if text.len() < 7 && text.bytes().all(|byte| byte.is_ascii_digit()) { text.to_owned() } else { self.stand_in(text) }
    }

    fn stand_in(&self, id: &str) -> String {
        format!("id-{}", self.digest(b"id", id))
    }

    fn mask(&self, text: &str) -> String {
        format!("masked-{}", self.digest(b"text", text))
    }

    fn digest(&self, kind: &[u8], text: &str) -> String {
        Digest::of_parts(&[&self.key, kind, text.as_bytes()]).hex().chars().take(8).collect()
    }
}

/// Whose words a failure's are is not known; its code is a word where it has the form of one.
fn ended(ended: Ended) -> Ended {
    let is_word = !ended.outcome.is_empty() && ended.outcome.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    Ended { outcome: if is_word { ended.outcome } else { "other".to_owned() }, message: None, ..ended }
}

fn mark(mark: Mark) -> Mark {
    match mark {
        Mark::Now { asked } => Mark::Now { asked: question(&asked) },
        Mark::Unknown { asked } => Mark::Unknown { asked: question(&asked) },
        Mark::Secret | Mark::Slow => mark,
    }
}

/// A question without ids and values. What is no question to a FHIR server is in the host's own words.
fn question(asked: &str) -> String {
    if let Some((kind, query)) = asked.split_once('?').filter(|(kind, _)| is_type(kind)) {
        return format!("{kind}?{}", parameters(query));
    }
    match asked.split_once('/') {
        Some((kind, rest)) if is_type(kind) => format!("{kind}/…{}", if rest.contains("/_history") { "/_history" } else { "" }),
        Some(_) => "…".to_owned(),
        None => asked.to_owned(),
    }
}

/// The names of a search's parameters.
fn parameters(query: &str) -> String {
    let shown = |pair: &str| {
        format!("{}=…", name(pair.split('=').next().unwrap_or_default().split([':', '.']).next().unwrap_or_default()))
    };
    query.split('&').map(shown).collect::<Vec<_>>().join("&")
}

/// A field's name, where it has the form of one of FHIR's.
fn name(key: &str) -> String {
    let formed = key.len() <= 40 && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if formed { key.to_owned() } else { "…".to_owned() }
}

fn is_type(text: &str) -> bool {
    text.len() <= 40 && text.starts_with(|c: char| c.is_ascii_uppercase()) && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn is_code(text: &str) -> bool {
    text.len() <= 32 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
}

fn is_uri(text: &str) -> bool {
    let of_web = text.starts_with("http://") || text.starts_with("https://") || text.starts_with("urn:");
    text.len() <= 200 && of_web && !text.contains(['?', '@', '#', ' ', '%'])
}

/// `YYYY-MM-DD`, with a time or without.
fn is_dated(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = |range: std::ops::Range<usize>| bytes.get(range).is_some_and(|part| part.iter().all(u8::is_ascii_digit));
    let dash = |at: usize| bytes.get(at) == Some(&b'-');
    let ends = bytes.len() == 10 || bytes.get(10) == Some(&b'T');
    digits(0..4) && dash(4) && digits(5..7) && dash(7) && digits(8..10) && ends
}

#[cfg(test)]
mod tests {
    use hob_model::{Effects, Payload, TimerOp, Write};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::trial::Group;
    use crate::trial::changes::changes;

    fn shown(changes: Vec<Change>, random: (u64, u64)) -> Value {
        let at = Timestamp::parse("2026-03-04T05:06:07Z").unwrap();
        let end = |message: &str| Ended {
            outcome: message.to_owned(),
            message: Some(message.to_owned()),
            writes: 1,
            timers: 0,
            outbox: 0,
        };
        let compared = Compared {
            run: hob_model::RunId::of_parts(&[b"r"]),
            group: Group::Changed,
            received: at,
            trigger: "change".to_owned(),
            subject: Some("Patient/canary-9 v3".to_owned()),
            recorded: Some(end("no such canary")),
            now: Some(end("done")),
            changes,
            more: 0,
            marks: vec![
                Mark::Now { asked: "Patient?name=canary".to_owned() },
                Mark::Unknown { asked: "Patient/canary-9/_history/2".to_owned() },
            ],
            asked: 2,
        };
        serde_json::to_value(Deidentifier::new(random).compared(compared)).unwrap()
    }

    fn update(resource: Value) -> Effects {
        let target = "Patient/canary-9".parse().unwrap();
        Effects { writes: vec![Write::Update { target, read: "1".parse().unwrap(), resource }], ..Effects::default() }
    }

    /// A patient and what is written of one, the canary in every field that tells of a person.
    fn person(canary: &str, date: &str) -> Value {
        json!({
            "resourceType": "Patient", "id": format!("{canary}-9"), "meta": {"versionId": format!("v{canary}"), "lastUpdated": format!("{date}T10:00:00Z")},
            "text": {"status": "generated", "div": format!("<div>{canary}</div>")},
            "identifier": [{"system": "https://clinic.example/mrn", "use": "official", "value": canary}],
            "name": [{"use": "official", "family": canary, "given": [canary, canary], "text": canary, "prefix": [canary]}],
            "telecom": [{"system": "phone", "value": canary}],
            "address": [{"line": [canary], "city": canary, "district": canary, "state": canary, "postalCode": canary, "text": canary}],
            "birthDate": date, "deceasedDateTime": date, "gender": "female",
            "photo": [{"data": canary, "url": format!("https://clinic.example/?{canary}"), "title": canary}],
            "contact": [{"name": {"text": canary}, "relationship": [{"text": canary, "coding": [{"code": "C", "display": canary}]}]}],
            "generalPractitioner": [{"reference": format!("Practitioner/{canary}"), "display": canary}],
            "note": [{"text": canary, "authorString": canary, "time": format!("{date}T10:00:00+02:00")}],
            "description": canary, "comment": canary, "valueString": canary, "valueDateTime": date, "period": {"start": date},
            "contained": [{"resourceType": "RelatedPerson", "id": canary, "name": [{"family": canary}]}],
            canary: canary,
            "position": {"latitude": 12.3456, "longitude": 65.4321},
        })
    }

    proptest! {
        #[test]
        fn nothing_that_tells_of_a_person_comes_through(
            word in "[A-Z][a-z]{3,8} [A-Za-z' ]{2,10}[0-9]{0,4}", day in 1_u8..=28, month in 1_u8..=12, year in 1930_u16..1990, random: (u64, u64), whole: bool,
        ) {
            let canary = format!("{word} canary");
            let date = format!("{year:04}-{month:02}-{day:02}");
            let is = person(&canary, &date);
            let was = if whole { Effects::default() } else { update(person("another canary", "2010-09-09")) };
            let timers = vec![TimerOp::Set { key: canary.clone(), at: Timestamp::parse("2026-03-04T00:00:00Z").unwrap(), payload: json!({&canary: &canary}) }];
            let is = Effects { timers, ..update(is) };
            let result = Payload { content_type: "text/plain".into(), bytes: canary.clone().into_bytes().into() };
            let told = shown(changes((&was, None), (&is, Some(&result))).kept, random).to_string();
            let lower = told.to_lowercase();
            prop_assert!(!lower.contains("canary"), "{told}");
            prop_assert!(!lower.contains(word.trim().to_lowercase().as_str()), "{told}");
            prop_assert!(!told.contains(&date) && !told.contains("2010-09-09") && !told.contains("2026-03-04"), "{told}");
            prop_assert!(!told.contains("12.3456") && !told.contains("65.4321"), "{told}");
        }
    }

    #[test]
    fn what_an_operator_needs_stays() {
        let task = |status: &str, owner: &str| {
            json!({
                "resourceType": "Task", "id": "7", "status": status, "authoredOn": "2026-05-05",
                "owner": {"reference": owner}, "code": {"coding": [{"system": "https://hob.dev/x", "code": "call-patient"}]}, "reasonCode": {"text": "x"},
            })
        };
        let of = |resource: Value| {
            let target = "Task/7".parse().unwrap();
            Effects { writes: vec![Write::Update { target, read: "1".parse().unwrap(), resource }], ..Effects::default() }
        };
        let found = changes((&of(task("ready", "Practitioner/a")), None), (&of(task("accepted", "Practitioner/b")), None)).kept;
        let told = shown(found, (1, 2));
        assert_eq!(told["changes"][0]["path"], "/status");
        assert_eq!((&told["changes"][0]["old"], &told["changes"][0]["new"]), (&json!("ready"), &json!("accepted")));
        assert_eq!(told["changes"][1]["path"], "/owner/reference");
        let (old, new) = (told["changes"][1]["old"].as_str().unwrap(), told["changes"][1]["new"].as_str().unwrap());
        assert!(old.starts_with("Practitioner/id-") && new.starts_with("Practitioner/id-") && old != new, "{old} {new}");
        assert_eq!(told["marks"][0]["asked"], "Patient?name=…");
        assert_eq!(told["marks"][1]["asked"], "Patient/…/_history");
        let whole = shown(changes((&Effects::default(), None), (&of(task("ready", "Practitioner/a")), None)).kept, (1, 2));
        let new = &whole["changes"][0]["new"];
        assert_eq!(new["code"]["coding"][0], json!({"system": "https://hob.dev/x", "code": "call-patient"}));
        assert_eq!(new["authoredOn"].as_str().map(str::len), Some(10));
        assert_eq!(new["owner"]["reference"], old, "one stand-in wherever it stands");
    }
}
