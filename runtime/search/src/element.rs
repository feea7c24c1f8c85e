//! The FHIR types that search tells apart, and how the elements of each look in JSON.

use serde_json::Value;

/// What an element that a path leads to is. Types that search treats alike are one variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ElementType {
    /// `code`, with the systems that its required binding implies.
    Code(Box<[Box<str>]>),
    Coding,
    CodeableConcept,
    Identifier,
    ContactPoint,
    /// `string` and `markdown`.
    Text,
    HumanName,
    Address,
    Boolean,
    /// `id`, `uri`, `url`, `oid`, `uuid`: compared as written.
    Uri,
    /// A URI that may end in `|version`.
    Canonical,
    /// `date`, `dateTime`, `instant`.
    Date,
    Period,
    Timing,
    /// `decimal` and the integers.
    Number,
    /// Quantity and what is made of it (Age, Duration, Count, Distance).
    Quantity,
    Money,
    Range,
    Reference,
    /// Anything that no parameter can be compared to.
    Other,
}

impl ElementType {
    /// From an entry of the table: a type name, then the systems of a bound code in angle brackets.
    pub(crate) fn new(entry: &str) -> Self {
        let mut words = entry.split(' ');
        match words.next().unwrap_or_default() {
            "code" => Self::Code(words.map(|w| w.trim_matches(['<', '>']).into()).collect()),
            "Coding" => Self::Coding,
            "CodeableConcept" => Self::CodeableConcept,
            "Identifier" => Self::Identifier,
            "ContactPoint" => Self::ContactPoint,
            "string" | "markdown" => Self::Text,
            "HumanName" => Self::HumanName,
            "Address" => Self::Address,
            "boolean" => Self::Boolean,
            "id" | "uri" | "url" | "oid" | "uuid" => Self::Uri,
            "canonical" => Self::Canonical,
            "date" | "dateTime" | "instant" => Self::Date,
            "Period" => Self::Period,
            "Timing" => Self::Timing,
            "decimal" | "integer" | "positiveInt" | "unsignedInt" => Self::Number,
            "Quantity" | "Age" | "Duration" | "Count" | "Distance" => Self::Quantity,
            "Money" => Self::Money,
            "Range" => Self::Range,
            "Reference" => Self::Reference,
            _ => Self::Other,
        }
    }
}

/// Whether an element has a value: not only an id or extensions (as where a value is absent for a stated reason).
pub(crate) fn has_value(element: &Value) -> bool {
    match element {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
        Value::Array(items) => items.iter().any(has_value),
        Value::Object(fields) => fields.iter().any(|(name, value)| name != "extension" && name != "id" && has_value(value)),
    }
}

/// The string at a key, if it is one and not empty.
pub(crate) fn string<'a>(element: &'a Value, key: &str) -> Option<&'a str> {
    element.get(key)?.as_str().filter(|text| !text.is_empty())
}

/// The items at a key: none, the one that stands there, or those of the array.
pub(crate) fn items<'a>(element: &'a Value, key: &str) -> &'a [Value] {
    match element.get(key) {
        Some(Value::Array(items)) => items,
        Some(single) => std::slice::from_ref(single),
        None => &[],
    }
}
