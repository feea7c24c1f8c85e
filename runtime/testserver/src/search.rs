//! Searches of a type, judged by `hob-search`; an index only narrows down what is judged.

use std::collections::BTreeSet;
use std::sync::Arc;

use hob_model::Timestamp;
use hob_search::{Criteria, CriteriaError};
use http::StatusCode;
use serde_json::Value;

use crate::Server;
use crate::answer::Answer;
use crate::paged::{self, Cursor, Entry, pieces};
use crate::refusal::Refusal;
use crate::store::{Sequence, Shelf, Version};

/// What becomes of parameters that the server does not know (`Prefer: handling=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handling {
    /// They are refused.
    Strict,
    /// They are left out, and out of the self link.
    Lenient,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Id,
    IdDown,
    LastUpdated,
    LastUpdatedDown,
}

/// Criteria, one for each parameter: so that one which is not known can be left out.
pub(crate) struct Query<'a> {
    criteria: Vec<Criteria>,
    sort: Sort,
    only_count: bool,
    cursor: Cursor,
    used: Vec<&'a str>,
}

impl<'a> Query<'a> {
    pub(crate) fn compile(server: &Server, resource_type: &str, query: &'a str, handling: Handling) -> Result<Self, Refusal> {
        let cursor = Cursor::first(&server.settings, server.store.sequence);
        let mut compiled = Self { criteria: Vec::new(), sort: Sort::Id, only_count: false, cursor, used: Vec::new() };
        for (piece, name, value) in pieces(query) {
            match (name, value) {
                ("_cursor" | "_count", _) => {
                    compiled.cursor.take(&server.settings, name, value)?;
                    if name == "_cursor" {
                        continue;
                    }
                }
                ("_sort", "_id") => compiled.sort = Sort::Id,
                ("_sort", "-_id") => compiled.sort = Sort::IdDown,
                ("_sort", "_lastUpdated") => compiled.sort = Sort::LastUpdated,
                ("_sort", "-_lastUpdated") => compiled.sort = Sort::LastUpdatedDown,
                ("_summary", "count") => compiled.only_count = true,
                // The total is always there and always right.
                ("_summary", "false") | ("_total" | "_format" | "_pretty", _) => {}
                ("_sort" | "_summary" | "_elements" | "_include" | "_revinclude" | "_contained" | "_containedType", _) => {
                    if handling == Handling::Lenient {
                        continue;
                    }
                    return Err(Refusal::unsupported(format!("this server does not know {name} with this value")));
                }
                _ => match Criteria::parse_query(resource_type, piece) {
                    Ok(criteria) => compiled.criteria.push(criteria.with_server_bases(server.bases.clone())),
                    Err(CriteriaError::UnknownParameter { .. }) if handling == Handling::Lenient => continue,
                    Err(e @ CriteriaError::NotJudgeable { .. }) => return Err(Refusal::unsupported(e.to_string())),
                    Err(e) => return Err(Refusal::malformed(e.to_string())),
                },
            }
            compiled.used.push(piece);
        }
        Ok(compiled)
    }

    pub(crate) fn matches(&self, resource: &Value) -> bool {
        self.criteria.iter().all(|criteria| criteria.matches(resource))
    }

    /// What matches now.
    pub(crate) fn all<'s>(&self, server: &'s Server, resource_type: &str) -> Vec<(&'s str, &'s Version)> {
        server.store.shelf(resource_type).map(|shelf| self.find(shelf, server.store.sequence)).unwrap_or_default()
    }

    /// What matches, as it was at `sequence`.
    fn find<'s>(&self, shelf: &'s Shelf, sequence: Sequence) -> Vec<(&'s str, &'s Version)> {
        let judged = |id: &'s Arc<str>| {
            let version = shelf.records.get(id)?.as_of(sequence)?;
            self.matches(&version.content.as_ref()?.value).then_some((&**id, version))
        };
        let mut found: Vec<_> = match self.narrowed(shelf) {
            Some(ids) => ids.into_iter().filter_map(judged).collect(),
            None => shelf.records.keys().filter_map(judged).collect(),
        };
        match self.sort {
            Sort::Id => {}
            Sort::IdDown => found.reverse(),
            Sort::LastUpdated => found.sort_by_key(|(_, version)| (version.at, version.sequence)),
            Sort::LastUpdatedDown => {
                found.sort_by_key(|(_, version)| std::cmp::Reverse((version.at, version.sequence)));
            }
        }
        found
    }

    /// Ids, in order, among which are all that can match; `None` where only a look at all tells.
    fn narrowed<'s>(&self, shelf: &'s Shelf) -> Option<BTreeSet<&'s Arc<str>>> {
        self.criteria.iter().flat_map(Criteria::parameters).find_map(|parameter| {
            let values = parameter.values();
            match (parameter.name(), parameter.modifier()) {
                ("_id", None) => {
                    let keys = values.iter().filter_map(|id| shelf.records.get_key_value(id.as_str()).map(|(key, _)| key));
                    Some(keys.collect())
                }
                // Without a bar any system will do, and with nothing after it any value.
                ("identifier", None) if values.iter().all(|value| value.contains('|') && !value.ends_with('|')) => {
                    Some(values.iter().flat_map(|value| shelf.with_identifier(value)).collect())
                }
                ("_lastUpdated", None) => {
                    let [value] = values else { return None };
                    let since = value.strip_prefix("ge").or_else(|| value.strip_prefix("gt"))?;
                    // The search's own look is what counts; it knows instants to the microsecond.
                    Some(shelf.log_since(Timestamp::parse(since)?).iter().map(|line| &line.id).collect())
                }
                _ => None,
            }
        })
    }
}

/// A page of a search.
pub(crate) fn page(server: &Server, resource_type: &str, query: &str, handling: Handling) -> Result<Answer, Refusal> {
    let query = Query::compile(server, resource_type, query, handling)?;
    let shelf = server.store.shelf(resource_type);
    let found = shelf.map(|shelf| query.find(shelf, query.cursor.sequence)).unwrap_or_default();
    let shown = if query.only_count { &[][..] } else { query.cursor.cut(&found) };
    let cursor = if query.only_count { Cursor { count: 0, ..query.cursor } } else { query.cursor };
    let entries = shown.iter().map(|(id, version)| Entry::matched(&server.settings, resource_type, id, version)).collect();
    paged::page(&server.settings, "searchset", resource_type, &query.used, cursor, found.len(), entries).map(Answer::json)
}

/// What a conditional create's search finds: the id of the one match, or nothing.
pub(crate) fn only(server: &Server, resource_type: &str, query: &str) -> Result<Option<String>, Refusal> {
    let found = condition(server, resource_type, query)?.all(server, resource_type);
    one(found.into_iter().map(|(id, _)| id.to_owned()))
}

/// A conditional create's search, which must choose; `Type?` may stand before it.
pub(crate) fn condition<'a>(server: &Server, resource_type: &str, query: &'a str) -> Result<Query<'a>, Refusal> {
    let query = query.split_once('?').map_or(query, |(_, query)| query);
    let query = Query::compile(server, resource_type, query, Handling::Strict)?;
    if query.criteria.is_empty() {
        return Err(Refusal::malformed("the condition of a create chooses nothing"));
    }
    Ok(query)
}

pub(crate) fn one(mut found: impl Iterator<Item = String>) -> Result<Option<String>, Refusal> {
    let first = found.next();
    match found.next() {
        None => Ok(first),
        Some(_) => Err(Refusal::new(
            StatusCode::PRECONDITION_FAILED,
            "multiple-matches",
            "the condition of a create finds more than one",
        )),
    }
}
