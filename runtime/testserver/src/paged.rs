//! Pages of searches and histories. A cursor names the newest commit that its first page saw, so that what is written in between neither
//! repeats nor hides an entry.

use std::borrow::Cow;

use bytes::Bytes;
use hob_model::Interaction;
use serde::Serialize;
use serde_json::Value;

use crate::Settings;
use crate::refusal::Refusal;
use crate::settings::Manners;
use crate::store::{Sequence, Version};

/// Which page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The newest commit that counts.
    pub(crate) sequence: Sequence,
    /// How many entries lie on the pages before.
    pub(crate) offset: usize,
    /// Entries on a page.
    pub(crate) count: usize,
}

impl Cursor {
    /// The first page.
    pub(crate) fn first(settings: &Settings, sequence: Sequence) -> Self {
        Self { sequence, offset: 0, count: settings.page.min(settings.longest_page) }
    }

    /// Takes `_count` and `_cursor`; false for any other parameter.
    pub(crate) fn take(&mut self, settings: &Settings, name: &str, value: &str) -> Result<bool, Refusal> {
        match name {
            "_count" => {
                let count: usize = value.parse().map_err(|_| Refusal::malformed("_count is not a number"))?;
                self.count = count.min(settings.longest_page);
            }
            "_cursor" => {
                let parts = value.split_once('.').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
                (self.sequence, self.offset) = parts.ok_or_else(|| Refusal::malformed("_cursor is not one of this server"))?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The part of `all` that is on this page.
    pub(crate) fn cut<T>(self, all: &[T]) -> &[T] {
        let from = self.offset.min(all.len());
        &all[from..self.offset.saturating_add(self.count).min(all.len())]
    }

    fn has_next(self, total: usize) -> bool {
        self.count > 0 && self.offset.saturating_add(self.count) < total
    }
}

/// `name=value` pieces of a query that are not empty, as they were sent.
pub(crate) fn pieces(query: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    query.split('&').filter(|piece| !piece.is_empty()).map(|piece| {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        (piece, name, value)
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bundle<'a> {
    resource_type: &'static str,
    r#type: &'static str,
    total: usize,
    link: Vec<Link>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entry: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Link {
    relation: &'static str,
    url: String,
}

/// An entry of a searchset or a history.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry<'a> {
    full_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<Cow<'a, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<SearchMode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<EntryRequest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<EntryResponse>,
}

#[derive(Serialize)]
struct SearchMode {
    mode: Mode,
}

/// Why something is in a searchset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    Match,
    Include,
}

#[derive(Serialize)]
struct EntryRequest {
    method: &'static str,
    url: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EntryResponse {
    status: &'static str,
    etag: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_modified: Option<String>,
}

impl<'a> Entry<'a> {
    /// What a search found.
    pub(crate) fn found(
        settings: &Settings,
        resource_type: &str,
        id: &str,
        resource: Option<Cow<'a, Value>>,
        mode: Mode,
    ) -> Self {
        Self {
            full_url: format!("{}/{resource_type}/{id}", settings.base),
            resource,
            search: Some(SearchMode { mode }),
            request: None,
            response: None,
        }
    }

    /// A version in a history.
    pub(crate) fn version(settings: &Settings, resource_type: &str, id: &str, version: &'a Version) -> Self {
        let (method, status) = match version.interaction {
            Interaction::Create => ("POST", "201 Created"),
            Interaction::Update => ("PUT", "200 OK"),
            Interaction::Delete if settings.manners == Manners::Hapi => ("DELETE", "200 OK"),
            Interaction::Delete => ("DELETE", "204 No Content"),
        };
        let told = settings.deletes_bear_time || version.interaction != Interaction::Delete;
        Self {
            full_url: format!("{}/{resource_type}/{id}", settings.base),
            resource: version.content.as_ref().map(|content| Cow::Borrowed(&content.value)),
            search: None,
            request: Some(EntryRequest { method, url: format!("{resource_type}/{id}/_history/{}", version.id) }),
            response: Some(EntryResponse {
                status,
                etag: format!("W/\"{}\"", version.id),
                last_modified: told.then(|| version.at.to_string()),
            }),
        }
    }
}

/// A page as it is answered; `path` is below the base, `used` the query's pieces that were used, without `_cursor`.
pub(crate) fn page(
    settings: &Settings,
    kind: &'static str,
    path: &str,
    used: &[&str],
    cursor: Cursor,
    total: usize,
    entry: Vec<Entry<'_>>,
) -> Result<Bytes, Refusal> {
    let url = |more: Option<String>| {
        let query: Vec<&str> = used.iter().copied().chain(more.as_deref()).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}/{path}{mark}{}", settings.base, query.join("&"))
    };
    let at = |offset: usize| Some(format!("_cursor={}.{offset}", cursor.sequence));
    let own = if cursor.offset == 0 { None } else { at(cursor.offset) };
    let mut link = vec![Link { relation: "self", url: url(own) }];
    if cursor.has_next(total) {
        link.push(Link { relation: "next", url: url(at(cursor.offset.saturating_add(cursor.count))) });
    }
    let bundle = Bundle { resource_type: "Bundle", r#type: kind, total, link, entry };
    serde_json::to_vec(&bundle).map(Bytes::from).map_err(|_| Refusal::unprocessable("the page cannot be written"))
}
