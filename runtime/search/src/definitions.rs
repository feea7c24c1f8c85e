//! HL7's R4 definitions, embedded: search parameters, element types, the Patient compartment.
//!
//! The table is one JSON text of some 330 KB. Its outer shape is read on first use; the section of a type is read when that
//! type is first asked for, since a host uses a handful of the 146.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, OnceLock};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::path::Source;

static TABLE: &[u8] = include_bytes!("../data/r4.json");

static DEFINITIONS: LazyLock<Definitions> = LazyLock::new(|| {
    // The table is part of the program: a test holds that it can be read, so nothing is lost by the default.
    serde_json::from_slice::<Table>(TABLE).map(Definitions::from).unwrap_or_default()
});

/// The `type` of a SearchParameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names are FHIR's")]
pub enum ParameterType {
    Number,
    Date,
    String,
    Token,
    Reference,
    Composite,
    Quantity,
    Uri,
    Special,
}

impl ParameterType {
    /// The code that FHIR has for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Date => "date",
            Self::String => "string",
            Self::Token => "token",
            Self::Reference => "reference",
            Self::Composite => "composite",
            Self::Quantity => "quantity",
            Self::Uri => "uri",
            Self::Special => "special",
        }
    }
}

/// One search parameter as one resource type has it.
#[derive(Debug, Deserialize)]
pub(crate) struct Definition {
    #[serde(rename = "type")]
    pub(crate) kind: ParameterType,
    /// Only the branches for the resource type at hand.
    pub(crate) expression: Option<String>,
    /// The types that a reference may point to; empty means any.
    #[serde(default)]
    pub(crate) target: Vec<String>,
    #[serde(default)]
    pub(crate) components: Vec<Component>,
    /// What the expression compiles to for the type that asked first. A type's own definitions are asked for by that type alone.
    #[serde(skip)]
    pub(crate) compiled: OnceLock<(Box<str>, Arc<Source>)>,
}

/// One part of a composite parameter.
#[derive(Debug, Deserialize)]
pub(crate) struct Component {
    #[serde(rename = "type")]
    pub(crate) kind: ParameterType,
    /// Relative to an element that the composite's own expression selects.
    pub(crate) expression: String,
}

#[derive(Deserialize)]
struct Table {
    #[serde(borrow)]
    types: BTreeSet<&'static str>,
    #[serde(borrow)]
    parameters: BTreeMap<&'static str, &'static RawValue>,
    #[serde(borrow)]
    elements: BTreeMap<&'static str, &'static RawValue>,
    #[serde(borrow)]
    compartment: BTreeMap<&'static str, Vec<&'static str>>,
}

/// The text of a section, and what it says once somebody asked.
struct Lazy<T> {
    raw: &'static RawValue,
    read: OnceLock<T>,
}

impl<T: Deserialize<'static> + Default> Lazy<T> {
    fn get(&'static self) -> &'static T {
        self.read.get_or_init(|| serde_json::from_str(self.raw.get()).unwrap_or_default())
    }
}

type Sections<T> = BTreeMap<&'static str, Lazy<BTreeMap<&'static str, T>>>;

#[derive(Default)]
struct Definitions {
    types: BTreeSet<&'static str>,
    parameters: Sections<Definition>,
    elements: Sections<&'static str>,
    compartment: BTreeMap<&'static str, Vec<&'static str>>,
}

impl From<Table> for Definitions {
    fn from(table: Table) -> Self {
        fn sections<T>(raw: BTreeMap<&'static str, &'static RawValue>) -> Sections<T> {
            raw.into_iter().map(|(name, raw)| (name, Lazy { raw, read: OnceLock::new() })).collect()
        }
        Self {
            types: table.types,
            parameters: sections(table.parameters),
            elements: sections(table.elements),
            compartment: table.compartment,
        }
    }
}

/// Where the definitions that every type inherits are kept.
const INHERITED: [&str; 2] = ["DomainResource", "Resource"];

/// Resource types that are no DomainResource, and so lack what that adds.
const BARE: [&str; 3] = ["Binary", "Bundle", "Parameters"];

fn inherited(resource_type: &str) -> &'static [&'static str] {
    if BARE.contains(&resource_type) { &INHERITED[1..] } else { &INHERITED }
}

/// Every R4 resource type, sorted.
pub(crate) fn resource_types() -> impl Iterator<Item = &'static str> {
    DEFINITIONS.types.iter().copied()
}

/// Whether this is the name of an R4 resource type.
pub(crate) fn is_resource_type(name: &str) -> bool {
    DEFINITIONS.types.contains(name)
}

/// The parameter of that code, the type's own before an inherited one.
pub(crate) fn parameter(resource_type: &str, code: &str) -> Option<&'static Definition> {
    std::iter::once(resource_type)
        .chain(inherited(resource_type).iter().copied())
        .find_map(|name| DEFINITIONS.parameters.get(name)?.get().get(code))
}

/// The codes of all parameters of a type, inherited ones last.
pub(crate) fn parameter_codes(resource_type: &str) -> impl Iterator<Item = &'static str> {
    std::iter::once(resource_type)
        .chain(inherited(resource_type).iter().copied())
        .filter_map(|name| DEFINITIONS.parameters.get(name))
        .flat_map(|section| section.get().keys().copied())
}

/// The FHIR types of the element at a dotted path below a type: `|` between the types of a choice, then the implicit code
/// systems of a bound code; `#path` means the children of another element of the same type.
pub(crate) fn element(type_name: &str, path: &str) -> Option<&'static str> {
    let own = |name: &str| DEFINITIONS.elements.get(name)?.get().get(path).copied();
    own(type_name)
        .or_else(|| is_resource_type(type_name).then(|| inherited(type_name).iter().find_map(|name| own(name))).flatten())
}

/// The codes of the parameters by which a resource of this type is in a Patient's compartment.
pub(crate) fn patient_compartment(resource_type: &str) -> &'static [&'static str] {
    DEFINITIONS.compartment.get(resource_type).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_of_the_table_can_be_read() {
        assert_eq!(resource_types().count(), 146);
        for (name, section) in &DEFINITIONS.parameters {
            assert!(!section.get().is_empty(), "{name}");
        }
        for (name, section) in &DEFINITIONS.elements {
            let parsed: BTreeMap<&str, &str> = serde_json::from_str(section.raw.get()).unwrap();
            assert_eq!(&parsed, section.get(), "{name}");
        }
        let parameters: usize = DEFINITIONS.parameters.values().map(|s| s.get().len()).sum();
        assert_eq!(parameters, 1706);
        assert_eq!(DEFINITIONS.compartment.len(), 68);
        assert!(TABLE.len() < 400_000);
    }

    #[test]
    fn what_resources_inherit_is_found_on_each() {
        assert_eq!(element("Task", "meta"), Some("Meta"));
        assert_eq!(element("Meta", "tag"), Some("Coding"));
        assert_eq!(element("Task", "authoredOn"), Some("dateTime"));
        assert_eq!(element("Coding", "meta"), None);
        assert!(parameter("Task", "_id").is_some());
        assert!(parameter("Binary", "_text").is_none());
    }

    #[test]
    fn compartment_parameters_exist() {
        for (name, codes) in &DEFINITIONS.compartment {
            for code in codes {
                assert!(parameter(name, code).is_some(), "{name}.{code}");
            }
        }
    }
}
