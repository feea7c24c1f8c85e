//! R4's elements, from HL7's definitions: what may stand where in a resource. `data/generate.py` makes the table.

use std::collections::BTreeMap;
use std::sync::{LazyLock, OnceLock};

use serde::Deserialize;
use serde_json::value::RawValue;

static TABLE: &[u8] = include_bytes!("../data/r4.json");

static ELEMENTS: LazyLock<Elements> = LazyLock::new(|| {
    // The table is part of the program: a test holds that it can be read, so nothing is lost by the default.
    serde_json::from_slice::<Table>(TABLE).map(Elements::from).unwrap_or_default()
});

#[derive(Deserialize)]
struct Table {
    #[serde(borrow)]
    codes: BTreeMap<&'static str, Vec<&'static str>>,
    #[serde(borrow)]
    types: BTreeMap<&'static str, &'static RawValue>,
}

#[derive(Default)]
struct Elements {
    codes: BTreeMap<&'static str, Vec<&'static str>>,
    types: BTreeMap<&'static str, Section>,
}

/// The elements of one type, read when somebody first asks for them.
struct Section {
    raw: &'static RawValue,
    read: OnceLock<Level>,
}

/// Elements that stand side by side in an object.
#[derive(Debug, Default)]
pub(crate) struct Level(BTreeMap<&'static str, Element>);

/// One element as JSON spells it; a choice is one for each of its types.
#[derive(Debug)]
pub(crate) struct Element {
    pub(crate) kind: Kind,
    pub(crate) is_list: bool,
    pub(crate) is_required: bool,
    pub(crate) in_summary: bool,
    /// The name of the choice that this is one of.
    pub(crate) choice: Option<&'static str>,
}

/// What an element is made of.
#[derive(Debug)]
pub(crate) enum Kind {
    Boolean,
    Integer,
    Decimal,
    /// `date`, `dateTime`, `instant`.
    Date,
    Code(&'static [&'static str]),
    /// Any other primitive: a JSON string.
    Text,
    /// A data type with a section of its own.
    Complex(&'static str),
    /// Elements that this type alone has.
    Nested(Level),
    /// The children of the element at a path of the same type.
    Same(&'static str),
    /// A resource of any type.
    Resource,
}

impl From<Table> for Elements {
    fn from(table: Table) -> Self {
        let types = table.types.into_iter().map(|(name, raw)| (name, Section { raw, read: OnceLock::new() })).collect();
        Self { codes: table.codes, types }
    }
}

/// The elements of a resource or data type.
pub(crate) fn of(type_name: &str) -> Option<&'static Level> {
    let section = ELEMENTS.types.get(type_name)?;
    Some(section.read.get_or_init(|| {
        let lines: BTreeMap<&'static str, &'static str> = serde_json::from_str(section.raw.get()).unwrap_or_default();
        level(&lines, "")
    }))
}

/// The same, with the table's own name of the type.
pub(crate) fn named(type_name: &str) -> Option<(&'static str, &'static Level)> {
    let (name, _) = ELEMENTS.types.get_key_value(type_name)?;
    Some((name, of(name)?))
}

/// Whether R4 has a resource type of this name that can be kept.
pub(crate) fn is_resource(name: &str) -> bool {
    static NAMES: LazyLock<std::collections::BTreeSet<&'static str>> = LazyLock::new(|| hob_search::resource_types().collect());
    NAMES.contains(name)
}

/// The level at a dotted path below a type.
pub(crate) fn at(type_name: &str, path: &str) -> Option<&'static Level> {
    path.split('.').try_fold(of(type_name)?, |level, name| match &level.0.get(name)?.kind {
        Kind::Nested(below) => Some(below),
        Kind::Complex(name) => of(name),
        _ => None,
    })
}

impl Level {
    pub(crate) fn get(&self, key: &str) -> Option<&Element> {
        self.0.get(key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, &Element)> {
        self.0.iter().map(|(key, element)| (*key, element))
    }
}

fn level(lines: &BTreeMap<&'static str, &'static str>, prefix: &str) -> Level {
    let here = lines.iter().filter_map(|(path, line)| {
        let name = path.strip_prefix(prefix)?;
        (!name.contains('.')).then(|| Some((name, element(lines, path, line)?))).flatten()
    });
    Level(here.collect())
}

fn element(lines: &BTreeMap<&'static str, &'static str>, path: &str, line: &'static str) -> Option<Element> {
    let (flags, rest) = line.split_once(' ')?;
    let (kind, choice) = match rest.split_once(" @") {
        Some((kind, choice)) => (kind, Some(choice)),
        None => (rest, None),
    };
    let kind = match kind {
        "boolean" => Kind::Boolean,
        "integer" | "positiveInt" | "unsignedInt" => Kind::Integer,
        "decimal" => Kind::Decimal,
        "date" | "dateTime" | "instant" => Kind::Date,
        "Resource" => Kind::Resource,
        "BackboneElement" | "Element" => Kind::Nested(level(lines, &format!("{path}."))),
        _ => match (kind.strip_prefix('#'), kind.strip_prefix("code=")) {
            (Some(elsewhere), _) => Kind::Same(elsewhere),
            (None, Some(set)) => Kind::Code(ELEMENTS.codes.get(set).map_or(&[], Vec::as_slice)),
            (None, None) if kind.starts_with(|first: char| first.is_ascii_uppercase()) => Kind::Complex(kind),
            (None, None) => Kind::Text,
        },
    };
    Some(Element {
        kind,
        is_list: flags.contains('*'),
        is_required: flags.starts_with('1'),
        in_summary: flags.ends_with('s'),
        choice,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_can_be_read() {
        assert_eq!(ELEMENTS.types.len(), 185);
        for resource_type in hob_search::resource_types() {
            assert!(of(resource_type).is_some_and(|level| level.get("id").is_some()), "{resource_type}");
        }
        for (name, section) in &ELEMENTS.types {
            let lines: BTreeMap<&str, &str> = serde_json::from_str(section.raw.get()).unwrap();
            for (path, line) in lines {
                check(name, path, line);
            }
        }
    }

    fn check(name: &str, path: &str, line: &str) {
        let (parent, key) = path.rsplit_once('.').map_or((None, path), |(parent, key)| (Some(parent), key));
        let level = parent.map_or_else(|| of(name), |parent| at(name, parent)).unwrap_or_else(|| panic!("{name}.{path}"));
        match &level.get(key).unwrap_or_else(|| panic!("{name}.{path}: {line}")).kind {
            Kind::Complex(other) => assert!(of(other).is_some(), "{name}.{path}: {other}"),
            Kind::Same(elsewhere) => assert!(at(name, elsewhere).is_some(), "{name}.{path}: {elsewhere}"),
            Kind::Code(codes) => assert!(!codes.is_empty(), "{name}.{path}"),
            _ => {}
        }
    }

    #[test]
    fn flags_are_read() {
        let patient = of("Patient").unwrap();
        let gender = patient.get("gender").unwrap();
        assert!(!gender.is_list && !gender.is_required && gender.in_summary);
        assert!(matches!(gender.kind, Kind::Code(codes) if codes.contains(&"female")));
        assert_eq!(patient.get("deceasedBoolean").unwrap().choice, Some("deceased"));
        assert!(at("Patient", "link").unwrap().get("type").unwrap().is_required);
        assert!(of("Tusk").is_none());
    }
}
