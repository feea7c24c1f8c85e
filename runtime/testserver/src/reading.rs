//! How a resource is read: by R4's definitions, as the settings say.
//!
//! HAPI reads kindly: what it does not know it drops, a lone value counts as a list of one, and only a value that cannot be meant is refused. A
//! server that is strict refuses all of it. Which is kinder to the author of a bot depends: so both are there. What neither does is to judge
//! invariants, profiles, or bindings to large code systems.

use serde_json::{Map, Value};

use crate::elements::{self, Element, Kind, Level};
use crate::refusal::Refusal;

/// How deep a resource may go, so that one that never ends ends the reading.
const DEEPEST: usize = 64;

/// What becomes of content that R4 does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Nothing is looked at: what comes is kept.
    AsIs,
    /// As HAPI: unknown elements and what has the wrong shape are dropped, values that cannot be are refused.
    Lenient,
    /// All of it is refused.
    Strict,
}

/// What is wrong with one element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Issue {
    pub(crate) kind: Wrong,
    /// The element, as a path of names; never its value.
    pub(crate) at: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// R4 has no such element.
    Unknown,
    /// An object where a value belongs, or the other way round, a list of what is one, or nothing at all.
    Shape,
    /// A value that its type does not allow.
    Value,
    /// A required element that is not there.
    Missing,
}

impl Issue {
    pub(crate) fn text(&self) -> String {
        let why = match self.kind {
            Wrong::Unknown => "R4 has no such element",
            Wrong::Shape => "it has the wrong shape",
            Wrong::Value => "its type does not allow this value",
            Wrong::Missing => "it is required and missing",
        };
        format!("{}: {why}", self.at)
    }
}

/// The content as it is kept, or why it is refused.
pub(crate) fn read(reading: Reading, resource_type: &str, content: Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
    if reading == Reading::AsIs {
        return Ok(content);
    }
    let (content, issues) = all(resource_type, content);
    let is_bad = |issue: &&Issue| match reading {
        Reading::AsIs => false,
        Reading::Lenient => issue.kind == Wrong::Value,
        Reading::Strict => issue.kind != Wrong::Missing,
    };
    match issues.iter().find(is_bad) {
        Some(issue) if reading == Reading::Lenient => Err(Refusal::malformed(issue.text())),
        Some(issue) => Err(Refusal::unprocessable(issue.text())),
        None => Ok(content),
    }
}

/// The content with what R4 knows of it, and all that is wrong with it.
pub(crate) fn all(resource_type: &str, content: Map<String, Value>) -> (Map<String, Value>, Vec<Issue>) {
    let mut reader = Reader { issues: Vec::new(), path: vec![resource_type.to_owned()], depth: 0 };
    let content = reader.resource(resource_type, content);
    (content, reader.issues)
}

struct Reader {
    issues: Vec<Issue>,
    path: Vec<String>,
    depth: usize,
}

impl Reader {
    fn wrong(&mut self, kind: Wrong) -> Option<Value> {
        self.issues.push(Issue { kind, at: self.path.join(".") });
        None
    }

    fn resource(&mut self, resource_type: &str, mut content: Map<String, Value>) -> Map<String, Value> {
        let Some(level) = elements::of(resource_type) else {
            self.wrong(Wrong::Value);
            return content;
        };
        let name = content.shift_remove("resourceType");
        let mut kept: Map<String, Value> = name.map(|name| ("resourceType".to_owned(), name)).into_iter().collect();
        kept.extend(self.object(level, resource_type, content));
        kept
    }

    /// `type_name` is what a path of [`Kind::Same`] is below.
    fn object(&mut self, level: &Level, type_name: &str, content: Map<String, Value>) -> Map<String, Value> {
        let mut kept = Map::new();
        if self.depth >= DEEPEST {
            self.wrong(Wrong::Shape);
            return kept;
        }
        self.depth += 1;
        for (key, value) in content {
            // Comments of FHIR before R4, which JSON parsers of FHIR pass over.
            if key == "fhir_comments" {
                continue;
            }
            let (name, is_side) = key.strip_prefix('_').map_or((key.as_str(), false), |name| (name, true));
            self.path.push(name.to_owned());
            let found = match level.get(name) {
                None => self.wrong(Wrong::Unknown),
                Some(element) if is_side => self.side(element, value),
                Some(element) => self.element(element, type_name, value),
            };
            self.path.pop();
            if let Some(found) = found {
                kept.insert(key, found);
            }
        }
        self.require(level, &kept);
        self.depth -= 1;
        kept
    }

    fn require(&mut self, level: &Level, kept: &Map<String, Value>) {
        let mut choices = Vec::new();
        for (key, element) in level.iter().filter(|(_, element)| element.is_required) {
            let name = element.choice.unwrap_or(key);
            let any = match element.choice {
                Some(choice) if choices.contains(&choice) => true,
                Some(choice) => {
                    choices.push(choice);
                    level.iter().any(|(key, other)| other.choice == Some(choice) && kept.contains_key(key))
                }
                None => kept.contains_key(key) || kept.contains_key(&format!("_{key}")),
            };
            if !any {
                self.path.push(name.to_owned());
                self.wrong(Wrong::Missing);
                self.path.pop();
            }
        }
    }

    fn element(&mut self, element: &Element, type_name: &str, value: Value) -> Option<Value> {
        match value {
            Value::Array(items) if element.is_list => {
                // A null holds the place of a value that has only extensions.
                let read = |item| if item == Value::Null { Some(Value::Null) } else { self.one(element, type_name, item) };
                let kept: Vec<Value> = items.into_iter().filter_map(read).collect();
                if kept.is_empty() { self.wrong(Wrong::Shape) } else { Some(Value::Array(kept)) }
            }
            Value::Array(items) => {
                self.wrong(Wrong::Shape);
                self.one(element, type_name, items.into_iter().next()?)
            }
            one if element.is_list => {
                self.wrong(Wrong::Shape);
                self.one(element, type_name, one).map(|one| Value::Array(vec![one]))
            }
            one => self.one(element, type_name, one),
        }
    }

    fn one(&mut self, element: &Element, type_name: &str, value: Value) -> Option<Value> {
        match (&element.kind, value) {
            (Kind::Nested(level), Value::Object(content)) => self.kept(|reader| reader.object(level, type_name, content)),
            (Kind::Complex(name), Value::Object(content)) => match elements::of(name) {
                Some(level) => self.kept(|reader| reader.object(level, name, content)),
                None => self.wrong(Wrong::Unknown),
            },
            (Kind::Same(path), Value::Object(content)) => match elements::at(type_name, path) {
                Some(level) => self.kept(|reader| reader.object(level, type_name, content)),
                None => self.wrong(Wrong::Unknown),
            },
            (Kind::Resource, Value::Object(content)) => match content.get("resourceType").and_then(Value::as_str) {
                Some(name) => {
                    let name = name.to_owned();
                    self.kept(|reader| reader.resource(&name, content))
                }
                None => self.wrong(Wrong::Value),
            },
            (Kind::Nested(_) | Kind::Complex(_) | Kind::Same(_) | Kind::Resource, _) => self.wrong(Wrong::Shape),
            (_, Value::Object(_) | Value::Array(_) | Value::Null) => self.wrong(Wrong::Shape),
            (kind, value) => self.primitive(kind, value),
        }
    }

    fn kept(&mut self, read: impl FnOnce(&mut Self) -> Map<String, Value>) -> Option<Value> {
        let kept = read(self);
        if kept.is_empty() { self.wrong(Wrong::Shape) } else { Some(Value::Object(kept)) }
    }

    fn primitive(&mut self, kind: &Kind, value: Value) -> Option<Value> {
        let text = match &value {
            Value::String(text) => text.as_str(),
            _ => "",
        };
        match (kind, &value) {
            (_, Value::String(text)) if text.is_empty() => self.wrong(Wrong::Shape),
            (Kind::Boolean, Value::Bool(_)) | (Kind::Decimal, Value::Number(_)) => Some(value),
            (Kind::Integer, Value::Number(number)) if number.is_i64() => Some(value),
            (Kind::Date, Value::String(_)) if is_date(text) => Some(value),
            (Kind::Code(codes), Value::String(_)) if codes.contains(&text) => Some(value),
            (Kind::Text, Value::String(_)) => Some(value),
            (Kind::Text, Value::Bool(_) | Value::Number(_)) => {
                self.wrong(Wrong::Shape);
                Some(Value::String(value.to_string()))
            }
            (Kind::Boolean, Value::String(_)) if ["true", "false"].contains(&text) => {
                self.wrong(Wrong::Shape);
                Some(Value::Bool(text == "true"))
            }
            (Kind::Integer | Kind::Decimal, Value::String(_)) => match serde_json::from_str::<Value>(text) {
                Ok(number @ Value::Number(_)) => {
                    self.wrong(Wrong::Shape);
                    Some(number)
                }
                _ => self.wrong(Wrong::Value),
            },
            _ => self.wrong(Wrong::Value),
        }
    }

    /// What stands under `_name`: the extensions of primitives.
    fn side(&mut self, element: &Element, value: Value) -> Option<Value> {
        let is_primitive = !matches!(element.kind, Kind::Nested(_) | Kind::Complex(_) | Kind::Same(_) | Kind::Resource);
        let fits = match &value {
            Value::Array(_) => element.is_list,
            Value::Object(_) => !element.is_list,
            _ => false,
        };
        if is_primitive && fits { Some(value) } else { self.wrong(Wrong::Unknown) }
    }
}

/// A date, dateTime or instant of some precision.
fn is_date(text: &str) -> bool {
    let (date, time) = text.split_once('T').map_or((text, None), |(date, time)| (date, Some(time)));
    let parts: Vec<&str> = date.split('-').collect();
    let digits = |part: &str, width: usize| part.len() == width && part.bytes().all(|byte| byte.is_ascii_digit());
    let within = |part: &str, low: u32, high: u32| part.parse().is_ok_and(|number: u32| (low..=high).contains(&number));
    let is_day = match parts[..] {
        [year] => digits(year, 4),
        [year, month] => digits(year, 4) && digits(month, 2) && within(month, 1, 12),
        [year, month, day] => {
            let fits = digits(year, 4) && digits(month, 2) && digits(day, 2);
            fits && chrono::NaiveDate::parse_from_str(date, "%Y-%m-%d").is_ok()
        }
        _ => false,
    };
    is_day && time.is_none_or(|time| parts.len() == 3 && is_time(time))
}

fn is_time(time: &str) -> bool {
    let zone = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at(zone);
    let fields: Vec<&str> = clock.split(':').collect();
    let two = |field: &str, most: u32| field.len() == 2 && field.parse().is_ok_and(|number: u32| number <= most);
    let is_clock = match fields[..] {
        [hour, minute] => two(hour, 23) && two(minute, 59),
        [hour, minute, second] => {
            let (whole, part) = second.split_once('.').unwrap_or((second, "0"));
            two(hour, 23)
                && two(minute, 59)
                && two(whole, 60)
                && !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_digit())
        }
        _ => false,
    };
    let is_offset = |zone: &str| zone.split_once(':').is_some_and(|(hour, minute)| two(hour, 14) && two(minute, 59));
    is_clock && (zone.is_empty() || zone == "Z" || zone.get(1..).is_some_and(is_offset))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn lenient(resource: Value) -> Result<Value, String> {
        let Value::Object(content) = resource else { panic!("an object") };
        let resource_type = content["resourceType"].as_str().unwrap().to_owned();
        read(Reading::Lenient, &resource_type, content).map(Value::Object).map_err(|refusal| refusal.text().to_owned())
    }

    #[test]
    fn hapi_drops_what_it_does_not_know() {
        let read = lenient(json!({
            "resourceType": "Patient", "colour": "red", "gender": ["male"], "active": "true", "birthDate": null, "telecom": [],
            "name": {"family": "X", "bogus": 1, "given": "Y"}, "address": "no", "language": "", "contact": [{}],
        }));
        let kept =
            json!({"resourceType": "Patient", "gender": "male", "active": true, "name": [{"family": "X", "given": ["Y"]}]});
        assert_eq!(read.unwrap(), kept);
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        for (resource, at) in [
            (json!({"resourceType": "Patient", "gender": "mail"}), "Patient.gender"),
            (json!({"resourceType": "Patient", "active": "yes"}), "Patient.active"),
            (json!({"resourceType": "Patient", "birthDate": "1980-13"}), "Patient.birthDate"),
            (
                json!({"resourceType": "Patient", "contained": [{"resourceType": "Task", "status": "done"}]}),
                "Patient.contained.status",
            ),
        ] {
            let refused = lenient(resource).unwrap_err();
            assert!(refused.starts_with(&format!("{at}:")), "{refused}");
        }
    }

    #[test]
    fn a_strict_server_tells_of_the_first_and_a_validator_of_all() {
        let Value::Object(content) =
            json!({"resourceType": "Observation", "colour": 1, "valueQuantity": {"value": 1, "units": "kg"}})
        else {
            panic!("an object")
        };
        assert!(read(Reading::Strict, "Observation", content.clone()).unwrap_err().text().starts_with("Observation.colour"));
        assert_eq!(read(Reading::AsIs, "Observation", content.clone()).unwrap(), content);
        let texts: Vec<String> = all("Observation", content).1.iter().map(Issue::text).collect();
        assert_eq!(
            texts,
            [
                "Observation.colour: R4 has no such element",
                "Observation.valueQuantity.units: R4 has no such element",
                "Observation.code: it is required and missing",
                "Observation.status: it is required and missing"
            ]
        );
    }

    #[test]
    fn items_of_items_and_extensions_of_values_are_read() {
        let form = json!({"resourceType": "Questionnaire", "status": "draft", "item": [{"linkId": "1", "type": "group",
            "item": [{"linkId": "1.1", "type": "string", "_text": {"extension": [{"url": "urn:x", "valueCode": "y"}]}}]}]});
        assert_eq!(lenient(form.clone()).unwrap(), form);
        assert!(
            is_date("2024-02-29T10:00:00.123+01:00")
                && is_date("2024-02")
                && !is_date("2023-02-29")
                && !is_date("2024-02T10:00:00Z")
        );
    }
}
