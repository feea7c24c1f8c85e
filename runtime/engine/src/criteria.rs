//! Search criteria from `hob-search`, in the few words that the engine needs. The only file that names that room.

use hob_model::ResourceType;
pub(crate) use hob_search::Reach;
use serde_json::Value;

/// A compiled search on one type.
#[derive(Debug)]
pub(crate) struct Criteria(hob_search::Criteria);

impl Criteria {
    /// Compiles what follows the question mark of a search.
    ///
    /// # Errors
    /// Why the host cannot judge it; holds no search value.
    pub(crate) fn parse(kind: &ResourceType, query: &str) -> Result<Self, String> {
        hob_search::Criteria::parse(&format!("{kind}?{query}")).map(Self).map_err(|error| error.to_string())
    }

    /// Compiles a search as a bot sends it: what shapes the answer (`_sort`, `_count`, `_include`) is passed over.
    ///
    /// # Errors
    /// As for [`Criteria::parse`].
    pub(crate) fn parse_query(kind: &ResourceType, query: &str) -> Result<Self, String> {
        hob_search::Criteria::parse_query(kind.as_str(), query).map(Self).map_err(|error| error.to_string())
    }

    /// Whether the resource matches.
    pub(crate) fn matches(&self, resource: &Value) -> bool {
        self.0.matches(resource)
    }
}

/// The patient whom a resource is about: the first of those in whose compartment it is.
pub(crate) fn patient_of(resource: &Value) -> Option<String> {
    hob_search::patients_of(resource).into_iter().next()
}

/// Whether a resource is in the compartment of a patient.
pub(crate) fn is_about(resource: &Value, patient: &str) -> bool {
    hob_search::patients_of(resource).iter().any(|other| other == patient)
}

/// The search for resources of a type that are about a patient.
pub(crate) fn about(kind: &ResourceType, patient: &str) -> Option<String> {
    hob_search::compartment_search(kind.as_str(), patient)
}

/// What else a search looks at.
///
/// # Errors
/// Why it cannot be read; holds no search value.
pub(crate) fn reaches(kind: &ResourceType, query: &str) -> Result<Vec<Reach>, String> {
    hob_search::reaches(kind.as_str(), query).map_err(|error| error.to_string())
}
