//! How much of each resource an answer shows: `_summary` and `_elements` (R4 `search.html#summary`).

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::elements::{self, Kind, Level};
use crate::refusal::Refusal;
use crate::settings::Manners;

/// What is shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Shape {
    #[default]
    Whole,
    /// Only how many there are.
    Count,
    /// `_summary=true`
    Summary,
    /// `_summary=text`
    Text,
    /// `_summary=data`
    Data,
    /// `_elements`: by name, with a type before it or not.
    Elements(Vec<String>),
}

impl Shape {
    /// Takes `_summary` and `_elements`; false for any other parameter.
    pub(crate) fn take(&mut self, manners: Manners, name: &str, value: &str) -> Result<bool, Refusal> {
        match (name, value) {
            ("_summary", "false") => {}
            ("_summary", "true") => *self = Self::Summary,
            ("_summary", "text") => *self = Self::Text,
            ("_summary", "data") => *self = Self::Data,
            ("_summary", "count") => *self = Self::Count,
            // HAPI passes over what it does not know here.
            ("_summary", _) if manners == Manners::Hapi => {}
            ("_summary", _) => return Err(Refusal::malformed("_summary is true, text, data, count or false")),
            ("_elements", names) => {
                let names = percent_decode_str(names).decode_utf8_lossy();
                *self = Self::Elements(names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect());
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The resource as it is shown; none where that is as it is.
    pub(crate) fn apply(&self, manners: Manners, resource: &Value) -> Option<Value> {
        let content = resource.as_object()?;
        let resource_type = content.get("resourceType")?.as_str()?;
        let level = elements::of(resource_type)?;
        let always = |key: &str| ["resourceType", "id", "meta"].contains(&key);
        let required = |key: &str| level.get(key).is_some_and(|element| element.is_required);
        let mut shown: Map<String, Value> = match self {
            Self::Whole | Self::Count => return None,
            Self::Summary => summary(level, resource_type, content),
            Self::Text => kept(content, |key| always(key) || key == "text" || required(key)),
            Self::Data => kept(content, |key| key != "text"),
            Self::Elements(names) => {
                let wanted = |key: &str| {
                    let choice = level.get(key).and_then(|element| element.choice);
                    names.iter().any(|name| {
                        let name = match name.split_once('.') {
                            Some((of, name)) if of == resource_type => name,
                            _ => name,
                        };
                        let name = name.split('.').next().unwrap_or_default();
                        name == key || Some(name) == choice
                    })
                };
                // R4 wants what is mandatory too; HAPI leaves it out.
                let mandatory = |key: &str| manners == Manners::Standard && required(key);
                kept(content, |key| always(key) || mandatory(key) || wanted(key))
            }
        };
        mark(&mut shown);
        Some(Value::Object(shown))
    }
}

fn kept(content: &Map<String, Value>, keep: impl Fn(&str) -> bool) -> Map<String, Value> {
    let all = content.iter().filter(|(key, _)| keep(key.strip_prefix('_').unwrap_or(key)));
    all.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The elements that R4 marks as summary, at every depth.
fn summary(level: &Level, type_name: &str, content: &Map<String, Value>) -> Map<String, Value> {
    let mut shown = Map::new();
    for (key, value) in content {
        let name = key.strip_prefix('_').unwrap_or(key);
        let is_always = ["resourceType", "id", "meta"].contains(&name);
        let Some(element) = level.get(name) else {
            if is_always {
                shown.insert(key.clone(), value.clone());
            }
            continue;
        };
        if !is_always && !element.in_summary {
            continue;
        }
        let below = match &element.kind {
            Kind::Nested(level) => Some((level, type_name)),
            Kind::Complex(name) => elements::of(name).map(|level| (level, *name)),
            Kind::Same(path) => elements::at(type_name, path).map(|level| (level, type_name)),
            _ => None,
        };
        let one = |value: &Value| match (below, value) {
            (Some((level, type_name)), Value::Object(content)) if name != "meta" => {
                Value::Object(summary(level, type_name, content))
            }
            _ => value.clone(),
        };
        let part = match value {
            Value::Array(items) => Value::Array(items.iter().map(one).collect()),
            one_value => one(one_value),
        };
        shown.insert(key.clone(), part);
    }
    shown
}

/// Says that it is not whole, so that nobody writes it back.
fn mark(shown: &mut Map<String, Value>) {
    let tag = json!({"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"});
    let meta = shown.entry("meta").or_insert_with(|| json!({}));
    match meta.get_mut("tag").and_then(Value::as_array_mut) {
        Some(tags) => tags.push(tag),
        None => meta["tag"] = json!([tag]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_marked() {
        let observation = json!({
            "resourceType": "Observation", "id": "1", "status": "final", "code": {"text": "x"}, "text": {"status": "empty", "div": "<div/>"},
            "note": [{"text": "n"}], "valueQuantity": {"value": 1}, "component": [{"code": {"text": "y"}, "interpretation": [{"text": "z"}]}],
        });
        let keys = |shape: Shape| {
            let shown = shape.apply(Manners::Standard, &observation).unwrap();
            assert_eq!(shown["meta"]["tag"][0]["code"], "SUBSETTED");
            shown.as_object().unwrap().keys().filter(|key| *key != "meta").cloned().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(keys(Shape::Summary), "resourceType id status code valueQuantity component");
        assert_eq!(keys(Shape::Text), "resourceType id status code text");
        assert_eq!(keys(Shape::Data), "resourceType id status code note valueQuantity component");
        assert_eq!(keys(Shape::Elements(vec!["Observation.value".into()])), "resourceType id status code valueQuantity");
        assert_eq!(
            Shape::Summary.apply(Manners::Standard, &observation).unwrap()["component"][0],
            json!({"code": {"text": "y"}})
        );
        assert_eq!(Shape::Whole.apply(Manners::Standard, &observation), None);
    }
}
