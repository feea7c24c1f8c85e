//! A JSON document that is parsed once and printed once, however often it is asked for.

use std::sync::{Arc, OnceLock};

use serde_json::Value;
use serde_json::value::RawValue;

/// A parsed JSON document. Clones share it.
#[derive(Debug, Clone)]
pub struct Document(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    value: Arc<Value>,
    text: OnceLock<Box<RawValue>>,
    weight: OnceLock<usize>,
}

impl Document {
    /// Parses `bytes`.
    ///
    /// # Errors
    /// What is no JSON; the error names line and column, not the text.
    pub fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice::<Value>(bytes).map(Self::from)
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
        *self.0.weight.get_or_init(|| weight(self.json().get().as_bytes()))
    }

    /// Its JSON, without white space. Made at the first call.
    #[must_use]
    pub fn json(&self) -> &RawValue {
        self.0.text.get_or_init(|| serde_json::value::to_raw_value(&*self.0.value).unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }
}

/// What a text of JSON takes once it is parsed.
pub(crate) fn weight(text: &[u8]) -> usize {
    let values = text.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
    // The list of a handle's table, and the document itself.
    let fixed = 256;
    fixed + text.len() + values.saturating_mul(size_of::<Value>() + size_of::<String>())
}

impl From<Value> for Document {
    fn from(value: Value) -> Self {
        Self::from(Arc::new(value))
    }
}

impl From<Arc<Value>> for Document {
    fn from(value: Arc<Value>) -> Self {
        Self(Arc::new(Inner { value, text: OnceLock::new(), weight: OnceLock::new() }))
    }
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.value == other.0.value
    }
}
