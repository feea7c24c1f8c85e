//! A JSON document that is parsed once, and printed once at most, however often it is asked for.

use std::sync::{Arc, OnceLock};

use serde_json::Value;
use serde_json::value::RawValue;

/// A parsed JSON document. Clones share it.
#[derive(Debug, Clone)]
pub struct Document(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    value: Arc<Value>,
    /// What it was parsed from.
    source: Option<Box<str>>,
    text: OnceLock<Box<RawValue>>,
    weight: OnceLock<usize>,
}

impl Document {
    /// Parses `bytes`, which stay its text: numbers keep their digits, and nothing is printed anew.
    ///
    /// # Errors
    /// What is no JSON; the error names line and column, not the text.
    pub fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let value = serde_json::from_slice::<Value>(bytes)?;
        Ok(Self::new(Arc::new(value), std::str::from_utf8(bytes).ok().map(Box::from)))
    }

    fn new(value: Arc<Value>, source: Option<Box<str>>) -> Self {
        Self(Arc::new(Inner { value, source, text: OnceLock::new(), weight: OnceLock::new() }))
    }

    /// The document.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.0.value
    }

    /// The document, shared.
    #[must_use]
    pub fn shared(&self) -> Arc<Value> {
        Arc::clone(&self.0.value)
    }

    /// Roughly what it takes in memory, in bytes: the text, and a value for each comma, bracket and brace of it, those within strings too.
    #[must_use]
    pub fn weight(&self) -> usize {
        *self.0.weight.get_or_init(|| weight(self.text().as_bytes()))
    }

    /// The bytes of its JSON, without printing it: where it was made here, a few more for numbers.
    #[must_use]
    pub(crate) fn size(&self) -> usize {
        self.0.source.as_deref().map_or_else(|| size(&self.0.value), str::len)
    }

    /// Its JSON: as it came, or without white space where it was made here.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.source.as_deref().unwrap_or_else(|| self.json().get())
    }

    /// The same, to be put into other JSON. Made at the first call.
    #[must_use]
    pub fn json(&self) -> &RawValue {
        self.0.text.get_or_init(|| {
            let kept = self.0.source.as_deref().and_then(|source| serde_json::from_str::<Box<RawValue>>(source).ok());
            let printed = || serde_json::value::to_raw_value(&*self.0.value).unwrap_or_else(|_| RawValue::NULL.to_owned());
            kept.unwrap_or_else(printed)
        })
    }
}

/// What a text of JSON takes once it is parsed.
pub(crate) fn weight(text: &[u8]) -> usize {
    let values = text.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
    // The list of a handle's table, and the document itself.
    let fixed = 256;
    fixed + text.len() + values.saturating_mul(size_of::<Value>() + size_of::<String>())
}

/// The bytes of a value's JSON, at least.
pub(crate) fn size(value: &Value) -> usize {
    /// Those of the longest number.
    const NUMBER: usize = 24;
    let text = |text: &str| {
        let escaped = |byte: u8| match byte {
            b'"' | b'\\' | b'\x08' | b'\t' | b'\n' | b'\x0c' | b'\r' => 1,
            0..0x20 => 5,
            _ => 0,
        };
        text.len() + 2 + text.bytes().map(escaped).sum::<usize>()
    };
    match value {
        Value::Null | Value::Bool(true) => 4,
        Value::Bool(false) => 5,
        Value::Number(_) => NUMBER,
        Value::String(string) => text(string),
        Value::Array(items) => items.iter().map(|item| size(item) + 1).sum::<usize>().max(1) + 1,
        Value::Object(members) => members.iter().map(|(name, value)| text(name) + size(value) + 2).sum::<usize>().max(1) + 1,
    }
}

impl From<Value> for Document {
    fn from(value: Value) -> Self {
        Self::from(Arc::new(value))
    }
}

impl From<Arc<Value>> for Document {
    fn from(value: Arc<Value>) -> Self {
        Self::new(value, None)
    }
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.value == other.0.value
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[\"\\\\\u{0}-\u{1f}]{0,9}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 20, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_size_is_that_of_the_text_and_a_little_for_numbers(value in json()) {
            fn numbers(value: &Value) -> usize {
                match value {
                    Value::Number(_) => 1,
                    Value::Array(items) => items.iter().map(numbers).sum(),
                    Value::Object(members) => members.values().map(numbers).sum(),
                    _ => 0,
                }
            }
            let (printed, counted) = (value.to_string().len(), size(&value));
            prop_assert!((printed..=printed + 23 * numbers(&value)).contains(&counted), "{printed} {counted}");
        }

        #[test]
        fn a_text_stays_as_it_came(value in json()) {
            let text = format!(" {value:#} ");
            let document = Document::parse(text.as_bytes()).unwrap();
            prop_assert_eq!(document.text(), &text);
            prop_assert_eq!(document.json().get(), text.trim());
            prop_assert_eq!(document.value(), &value);
        }
    }
}
