//! FHIR R4's types for the FHIRPath engine: what an element's type is, and what derives from what.
//!
//! `data/r4-types.json` is made by `data/generate.py` from HL7's definitions. Backbone elements are types named by their path, such as
//! `Questionnaire.item`.

use std::collections::BTreeMap;

use async_trait::async_trait;
use octofhir_fhirpath::core::model_provider::{ElementInfo, ModelError, ModelProvider, TypeInfo};
use serde::Deserialize;

type Answer<T> = Result<T, ModelError>;

#[derive(Debug, Deserialize)]
struct Type {
    base: String,
    kind: Kind,
    elements: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Resource,
    ComplexType,
    PrimitiveType,
    Backbone,
}

/// The types of FHIR R4.
#[derive(Debug)]
pub(super) struct R4(BTreeMap<String, Type>);

impl R4 {
    /// Reads the table that is part of this program.
    ///
    /// # Errors
    /// None in practice: the table is checked by a test.
    pub(super) fn load() -> Result<Self, serde_json::Error> {
        serde_json::from_str(include_str!("../../data/r4-types.json")).map(Self)
    }

    /// A type and those that it derives from, nearest first.
    fn lineage<'a>(&'a self, name: &str) -> impl Iterator<Item = (&'a str, &'a Type)> {
        let first = self.0.get_key_value(name);
        let above = |(_, of): &(&'a String, &'a Type)| self.0.get_key_value(&of.base);
        std::iter::successors(first, above).map(|(name, of)| (name.as_str(), of))
    }

    /// The type of an element, also of a choice spelled with its type (`valueQuantity`).
    fn element<'a>(&'a self, parent: &str, name: &str) -> Option<&'a str> {
        self.lineage(parent).find_map(|(_, of)| match of.elements.get(name) {
            Some(kind) if kind.starts_with('|') => None,
            Some(kind) => Some(kind.as_str()),
            None => of.elements.iter().find_map(|(base, kinds)| choice(kinds, name.strip_prefix(base.as_str())?)),
        })
    }

    fn info(&self, name: &str) -> TypeInfo {
        let complex = self.0.get(name).is_some_and(|of| of.kind != Kind::PrimitiveType);
        TypeInfo {
            type_name: system_type(name).unwrap_or(if complex { "Any" } else { name }).to_owned(),
            singleton: Some(true),
            is_empty: Some(false),
            namespace: Some("FHIR".to_owned()),
            name: Some(name.to_owned()),
        }
    }

    fn named(&self, wanted: Kind) -> Vec<String> {
        self.0.iter().filter(|(_, of)| of.kind == wanted).map(|(name, _)| name.clone()).collect()
    }
}

/// Which of a choice's types (`|Quantity|string`) a suffix (`Quantity`, `String`) means.
fn choice<'a>(kinds: &'a str, suffix: &str) -> Option<&'a str> {
    let same = |kind: &&str| {
        let mut letters = kind.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        suffix.strip_prefix(|letter| Some(letter) == first) == Some(letters.as_str())
    };
    kinds.starts_with('|').then(|| kinds.split('|').skip(1).find(same))?
}

/// The FHIRPath system type that a FHIR type is read as (FHIRPath in R4, "Type mapping").
fn system_type(name: &str) -> Option<&'static str> {
    Some(match name {
        "boolean" => "Boolean",
        "integer" | "unsignedInt" | "positiveInt" => "Integer",
        "decimal" => "Decimal",
        "date" => "Date",
        "dateTime" | "instant" => "DateTime",
        "time" => "Time",
        "string" | "uri" | "url" | "canonical" | "base64Binary" | "code" | "oid" | "id" | "markdown" | "uuid" | "xhtml" => {
            "String"
        }
        "Quantity" | "SimpleQuantity" | "Money" | "Duration" | "Age" | "Distance" | "Count" => "Quantity",
        _ => return None,
    })
}

#[async_trait]
impl ModelProvider for R4 {
    async fn get_type(&self, name: &str) -> Answer<Option<TypeInfo>> {
        const SYSTEM: [&str; 8] = ["Boolean", "Integer", "Decimal", "Date", "DateTime", "Time", "String", "Any"];
        if self.0.contains_key(name) {
            return Ok(Some(self.info(name)));
        }
        Ok(SYSTEM.contains(&name).then(|| TypeInfo::system_type(name.to_owned(), true)))
    }

    async fn get_element_type(&self, parent: &TypeInfo, name: &str) -> Answer<Option<TypeInfo>> {
        let parent = parent.name.as_deref().unwrap_or(&parent.type_name);
        Ok(self.element(parent, name).map(|kind| self.info(kind)))
    }

    fn of_type(&self, info: &TypeInfo, target: &str) -> Option<TypeInfo> {
        let name = info.name.as_deref().unwrap_or(&info.type_name);
        (info.type_name == target || name == target || self.is_type_derived_from(name, target)).then(|| info.clone())
    }

    fn get_element_names(&self, parent: &TypeInfo) -> Vec<String> {
        let parent = parent.name.as_deref().unwrap_or(&parent.type_name);
        self.lineage(parent).flat_map(|(_, of)| of.elements.keys().cloned()).collect()
    }

    async fn get_children_type(&self, _: &TypeInfo) -> Answer<Option<TypeInfo>> {
        Ok(None)
    }

    async fn get_elements(&self, name: &str) -> Answer<Vec<ElementInfo>> {
        let elements = self.lineage(name).flat_map(|(_, of)| &of.elements);
        let info = |(name, kind): (&String, &String)| ElementInfo {
            name: name.clone(),
            element_type: kind.trim_start_matches('|').split('|').next().unwrap_or_default().to_owned(),
            documentation: None,
        };
        Ok(elements.map(info).collect())
    }

    async fn get_resource_types(&self) -> Answer<Vec<String>> {
        Ok(self.named(Kind::Resource))
    }

    async fn get_complex_types(&self) -> Answer<Vec<String>> {
        Ok(self.named(Kind::ComplexType))
    }

    async fn get_primitive_types(&self) -> Answer<Vec<String>> {
        Ok(self.named(Kind::PrimitiveType))
    }

    fn is_type_derived_from(&self, derived: &str, base: &str) -> bool {
        self.lineage(derived).any(|(name, _)| name == base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_elements_choices_and_descent() {
        let r4 = R4::load().unwrap();
        assert_eq!(r4.element("Observation", "valueQuantity"), Some("Quantity"));
        assert_eq!(r4.element("Observation", "valueDateTime"), Some("dateTime"));
        assert_eq!(r4.element("Observation", "value"), None);
        assert_eq!(r4.element("Questionnaire.item", "item"), Some("Questionnaire.item"));
        assert_eq!(r4.element("Patient", "meta"), Some("Meta"));
        assert!(r4.is_type_derived_from("Patient", "Resource") && r4.is_type_derived_from("Age", "Quantity"));
        assert!(!r4.is_type_derived_from("Patient", "Observation"));
        // Every element's type is in the table, or one of FHIR's own type codes.
        for (name, of) in &r4.0 {
            for (element, kind) in &of.elements {
                for kind in kind.split('|').filter(|kind| !kind.is_empty()) {
                    assert!(r4.0.contains_key(kind), "{name}.{element}: {kind}");
                }
            }
        }
    }
}
