//! Search criteria from `hob-search`, in the few words that the engine needs. The only file that names that room.

use hob_model::ResourceType;
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
