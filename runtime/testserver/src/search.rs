//! Searches of a type: parameters by `filter`, order by `sort`, what stands beside the hits by `include`. An index only narrows down what is judged.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use hob_model::Timestamp;
use http::StatusCode;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::Server;
use crate::answer::Answer;
use crate::filter::{self, Filter, Unfit};
use crate::include::{self, Found, Include};
use crate::paged::{self, Cursor, Entry, Mode, pieces};
use crate::refusal::Refusal;
use crate::settings::Manners;
use crate::shape::Shape;
use crate::sort::{self, Sort};
use crate::store::{Sequence, Shelf, Version};

/// What becomes of parameters that the server does not know (`Prefer: handling=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handling {
    /// They are refused.
    Strict,
    /// They are left out, and out of the self link.
    Lenient,
}

/// A search, compiled: a filter for each parameter, so that one which is not known can be left out.
pub(crate) struct Query<'a> {
    filters: Vec<Filter>,
    sort: Vec<Sort>,
    includes: Vec<Include>,
    shape: Shape,
    cursor: Cursor,
    used: Vec<&'a str>,
}

impl<'a> Query<'a> {
    pub(crate) fn compile(server: &Server, resource_type: &str, query: &'a str, handling: Handling) -> Result<Self, Refusal> {
        let manners = server.settings.manners;
        let handling = if filter::is_always_strict(manners) { Handling::Strict } else { handling };
        let mut cursor = Cursor::first(&server.settings, server.store.sequence);
        // Before the filters, which are compiled on what the cursor sees.
        for (_, name, value) in pieces(query) {
            cursor.take(&server.settings, name, value)?;
        }
        let (filters, sort, includes, used) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut compiled = Self { filters, sort, includes, shape: Shape::default(), cursor, used };
        for (piece, name, value) in pieces(query) {
            let name = &*percent_decode_str(name).decode_utf8_lossy();
            match name {
                "_cursor" => continue,
                // The total is always there and always right.
                "_count" | "_total" | "_format" | "_pretty" => {}
                "_sort" => match sort::read(resource_type, value) {
                    Ok(sort) => compiled.sort = sort,
                    Err(_) if handling == Handling::Lenient => continue,
                    Err(refusal) => return Err(refusal),
                },
                _ if compiled.shape.take(manners, name, value)? => {}
                _ if name.starts_with("_include") || name.starts_with("_revinclude") => {
                    compiled.includes.push(Include::read(name, value)?);
                }
                "_contained" | "_containedType" if handling == Handling::Lenient => continue,
                "_contained" | "_containedType" => {
                    return Err(Refusal::unsupported(format!("this server does not know {name}")));
                }
                // HAPI takes a parameter without a value as if it were not there.
                _ if value.is_empty() && manners == Manners::Hapi => {}
                _ => match Filter::compile(server, cursor.sequence, resource_type, piece) {
                    Ok(filter) => compiled.filters.push(filter),
                    Err(Unfit::Unknown(_)) if handling == Handling::Lenient => continue,
                    Err(Unfit::Unknown(refusal) | Unfit::Refused(refusal)) => return Err(refusal),
                },
            }
            compiled.used.push(piece);
        }
        Ok(compiled)
    }

    pub(crate) fn matches(&self, server: &Server, resource: &Value) -> bool {
        self.filters.iter().all(|filter| filter.passes(server, resource))
    }

    /// What matches now.
    pub(crate) fn all<'s>(&self, server: &'s Server, resource_type: &str) -> Vec<(&'s str, &'s Version)> {
        let shelf = server.store.shelf(resource_type);
        shelf.map(|shelf| self.find(server, shelf, server.store.sequence)).unwrap_or_default()
    }

    /// What matches, as it was at `sequence`.
    fn find<'s>(&self, server: &'s Server, shelf: &'s Shelf, sequence: Sequence) -> Vec<(&'s str, &'s Version)> {
        let judged = |id: &'s Arc<str>| {
            let version = shelf.records.get(id)?.as_of(sequence)?;
            self.matches(server, &version.content.as_ref()?.value).then_some((&**id, version))
        };
        let mut found: Vec<_> = match self.narrowed(shelf) {
            Some(ids) => ids.into_iter().filter_map(judged).collect(),
            None => shelf.records.keys().filter_map(judged).collect(),
        };
        sort::sort(server, &self.sort, &mut found);
        found
    }

    /// Ids, in order, among which are all that can match; `None` where only a look at all tells.
    fn narrowed<'s>(&self, shelf: &'s Shelf) -> Option<BTreeSet<&'s Arc<str>>> {
        let key = |id: &str| shelf.records.get_key_value(id).map(|(key, _)| key);
        self.filters.iter().find_map(|filter| match filter {
            Filter::IsOne(ids) => Some(ids.iter().filter_map(|id| key(id)).collect()),
            Filter::LeadsTo(..) | Filter::Says(..) => None,
            Filter::Own(criteria) => criteria.parameters().iter().find_map(|parameter| {
                let values = parameter.values();
                match (parameter.name(), parameter.modifier()) {
                    ("_id", None) => Some(values.iter().filter_map(|id| key(id)).collect()),
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
            }),
        })
    }
}

/// A page of a search.
pub(crate) fn page(server: &Server, resource_type: &str, query: &str, handling: Handling) -> Result<Answer, Refusal> {
    let query = Query::compile(server, resource_type, query, handling)?;
    let sequence = query.cursor.sequence;
    let named = server.store.named_shelf(resource_type);
    let found = named.map(|(_, shelf)| query.find(server, shelf, sequence)).unwrap_or_default();
    let only_count = query.shape == Shape::Count;
    let cursor = if only_count { Cursor { count: 0, ..query.cursor } } else { query.cursor };
    let name = named.map_or("", |(name, _)| name);
    let hits: Vec<Found<'_>> = cursor.cut(&found).iter().map(|(id, version)| (name, *id, *version)).collect();
    let beside = include::beside(server, sequence, &query.includes, &hits);
    let shown = hits.into_iter().map(|hit| (hit, Mode::Match)).chain(beside.into_iter().map(|more| (more, Mode::Include)));
    let entries = shown.map(|((resource_type, id, version), mode)| {
        let resource = version.content.as_ref().map(|content| match query.shape.apply(server.settings.manners, &content.value) {
            Some(shown) => Cow::Owned(shown),
            None => Cow::Borrowed(&content.value),
        });
        Entry::found(&server.settings, resource_type, id, resource, mode)
    });
    paged::page(&server.settings, "searchset", resource_type, &query.used, cursor, found.len(), entries.collect())
        .map(Answer::json)
}

/// What a condition finds: the id of the one match, or nothing.
pub(crate) fn only(server: &Server, resource_type: &str, query: &str) -> Result<Option<String>, Refusal> {
    let found = condition(server, resource_type, query)?.all(server, resource_type);
    one(found.into_iter().map(|(id, _)| id.to_owned()))
}

/// The search of a conditional write, which must choose; `Type?` may stand before it.
pub(crate) fn condition<'a>(server: &Server, resource_type: &str, query: &'a str) -> Result<Query<'a>, Refusal> {
    let query = query.split_once('?').map_or(query, |(_, query)| query);
    let query = Query::compile(server, resource_type, query, Handling::Strict)?;
    if query.filters.is_empty() {
        return Err(Refusal::malformed("the condition chooses nothing"));
    }
    Ok(query)
}

pub(crate) fn one(mut found: impl Iterator<Item = String>) -> Result<Option<String>, Refusal> {
    let first = found.next();
    match found.next() {
        None => Ok(first),
        Some(_) => Err(Refusal::new(StatusCode::PRECONDITION_FAILED, "multiple-matches", "the condition finds more than one")),
    }
}
