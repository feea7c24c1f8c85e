//! Going through what changed of a type, page by page, by the means that the source was proved to have.

use std::time::Duration;

use hob_fhir::{FhirError, FhirErrorKind, HistoryEntry, Page, PageLink, Versioned};
use hob_model::{Interaction, Reference, ResourceType, Timestamp, VersionId};
use serde_json::Value;

use super::window;
use crate::resolve::Unresolved;
use crate::sources::SourceEntry;

/// Entries of a page: what is in memory at a time.
const PAGE: u32 = 200;
/// More than any source has: its pages never end.
const PAGES: usize = 100_000;
/// How far before the instant a history is begun, round by round: it must hold more entries than are added while the pages are read. The first round is
/// exact, since a delete that bears no time cannot be told from one that came after the instant.
const MARGINS: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_secs(5),
    Duration::from_secs(20),
    Duration::from_secs(80),
    Duration::from_secs(320),
    Duration::from_secs(1_280),
];

/// One version that the source shows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    pub(super) reference: Reference,
    pub(super) version: VersionId,
    /// HAPI does not say it of deletes.
    pub(super) last_updated: Option<Timestamp>,
    /// None for a delete.
    pub(super) resource: Option<Value>,
}

impl Found {
    pub(super) fn is_delete(&self) -> bool {
        self.resource.is_none()
    }

    fn of_history(entry: HistoryEntry) -> Self {
        let resource = entry.resource.filter(|_| entry.interaction != Interaction::Delete);
        Self { reference: entry.reference, version: entry.version, last_updated: entry.last_updated, resource }
    }

    fn of_search(found: Versioned) -> Result<Self, FhirError> {
        Ok(Self {
            reference: found.reference()?,
            version: found.version,
            last_updated: found.last_updated,
            resource: Some(found.resource),
        })
    }
}

/// A way through the changes of a type since an instant, the newest first.
///
/// A history has every version and every delete. What is added meanwhile moves entries to later pages, and off the end of the last one: HAPI counts them
/// before it reads them. So a history is at its end only when an entry from before the instant was seen, or when nothing was added since it was
/// begun; else it is gone through again, from further back. Without an instant there is no further back, and its end is searched.
///
/// A search by time, where there is no history, has the resources that are there, each at its newest version.
pub(super) struct Walk<'a> {
    entry: &'a SourceEntry,
    kind: &'a ResourceType,
    since: Option<Timestamp>,
    upto: Option<Timestamp>,
    next: Option<Next>,
    date: Option<Timestamp>,
    pages: usize,
    /// `None` for a search.
    history: Option<History>,
}

/// What tells the true end of a history from one that was cut.
struct History {
    /// What it began with.
    first: Top,
    /// The last entry that bore a time is from before the instant.
    older: bool,
    /// The earliest time that was seen.
    earliest: Option<Timestamp>,
    /// The place in [`MARGINS`].
    round: usize,
}

/// The newest entry, and how many there were: both change when anything is added.
#[derive(PartialEq)]
struct Top {
    newest: Option<(Reference, VersionId)>,
    total: Option<u64>,
}

impl Top {
    fn of(page: &Page) -> Result<Self, Unresolved> {
        let newest = page.history().map_err(unread)?.into_iter().next().map(|entry| (entry.reference, entry.version));
        Ok(Self { newest, total: page.total() })
    }
}

/// Where the next page comes from.
enum Next {
    Read(Box<Page>),
    Link(PageLink),
    /// The same search up to here: see [`window::upto`].
    Upto(Timestamp),
}

fn unread(error: FhirError) -> Unresolved {
    Unresolved::Unread(Box::new(error))
}

impl<'a> Walk<'a> {
    /// Reads the first page.
    pub(super) async fn begin(
        entry: &'a SourceEntry,
        kind: &'a ResourceType,
        since: Option<Timestamp>,
    ) -> Result<Self, Unresolved> {
        let proved = entry.source.capabilities.as_ref().map(|can| can.type_history);
        let way = |page: Page, history| Self {
            date: page.date,
            entry,
            kind,
            since,
            upto: None,
            next: Some(Next::Read(Box::new(page))),
            pages: 0,
            history,
        };
        if proved != Some(false) {
            match entry.client.type_history(kind, since, Some(PAGE)).await {
                Ok(page) => {
                    let first = Top::of(&page)?;
                    return Ok(way(page, Some(History { first, older: false, earliest: None, round: 0 })));
                }
                // One that was proved to have a history and now refuses it must not pass for one that has none: deletes would be lost.
                Err(error)
                    if proved.is_none()
                        && matches!(error.kind, FhirErrorKind::NotFound | FhirErrorKind::Refused | FhirErrorKind::Invalid) => {}
                Err(error) => return Err(unread(error)),
            }
        }
        let page = entry.client.search(kind, &window::query(since, None, PAGE)).await.map_err(unread)?;
        Ok(way(page, None))
    }

    /// The source's clock at the first page.
    pub(super) const fn date(&self) -> Option<Timestamp> {
        self.date
    }

    /// Whether it shows every version.
    pub(super) const fn by_history(&self) -> bool {
        self.history.is_some()
    }

    /// The next page; `None` at the end. Pages may repeat what was on others.
    pub(super) async fn page(&mut self) -> Result<Option<Vec<Found>>, Unresolved> {
        let client = &self.entry.client;
        let page = match self.next.take() {
            None => match self.again().await? {
                Some(page) => page,
                None => return Ok(None),
            },
            Some(Next::Read(page)) => *page,
            Some(Next::Link(link)) => client.more(&link).await.map_err(unread)?,
            Some(Next::Upto(bound)) => {
                self.upto = Some(bound);
                client.search(self.kind, &window::query(self.since, self.upto, PAGE)).await.map_err(unread)?
            }
        };
        self.pages += 1;
        if self.pages > PAGES {
            let source = &self.entry.source;
            tracing::error!(tenant = %source.tenant, source = %source.id, kind = %self.kind, "more pages than a source can have: do its links go in a circle?");
            return Err(Unresolved::Again);
        }
        if let Some(history) = &mut self.history {
            let entries = page.history().map_err(unread)?;
            self.next = page.next.map(Next::Link);
            let is_older = |found: &Found| matches!((found.last_updated, self.since), (Some(at), Some(since)) if at < since);
            let found: Vec<Found> = entries.into_iter().map(Found::of_history).collect();
            let earliest = found.iter().filter_map(|found| found.last_updated).chain(history.earliest).min();
            history.earliest = earliest;
            // The last one alone: a transaction that took long stands with an early time among later ones, where a history is by commits.
            if let Some(last) = found.iter().rev().find(|found| found.last_updated.is_some()) {
                history.older = is_older(last);
            }
            return Ok(Some(found.into_iter().filter(|found| !is_older(found)).collect()));
        }
        let found = page.matches().map_err(unread)?;
        let found: Vec<Found> = found.into_iter().map(Found::of_search).collect::<Result<_, _>>().map_err(unread)?;
        let times: Vec<Option<Timestamp>> = found.iter().map(|one| one.last_updated).collect();
        let bound = window::upto(&times, self.upto);
        self.next = page.next.map(|link| bound.map_or(Next::Link(link), Next::Upto));
        Ok(Some(found))
    }

    /// The first page of another round through a history whose end is not proved.
    async fn again(&mut self) -> Result<Option<Page>, Unresolved> {
        let Some(history) = &mut self.history else { return Ok(None) };
        let client = &self.entry.client;
        let from = |round: usize| Some(self.since? - *MARGINS.get(round)?);
        if history.older {
            return Ok(None);
        }
        let now = client.type_history(self.kind, from(history.round), Some(1)).await.map_err(unread)?;
        if Top::of(&now)? == history.first {
            return Ok(None);
        }
        if self.since.is_none() {
            // Nothing lies before all of a history. What fell off its end and was not written since is looked for among what is there.
            let Some(bound) = history.earliest.map(|at| at + Duration::from_secs(1)) else { return Ok(None) };
            self.history = None;
            self.upto = Some(bound);
            return client.search(self.kind, &window::query(None, self.upto, PAGE)).await.map(Some).map_err(unread);
        }
        history.round += 1;
        if history.round >= MARGINS.len() {
            let source = &self.entry.source;
            tracing::warn!(tenant = %source.tenant, source = %source.id, kind = %self.kind, "more is added to a history while it is read than lies before it: its end is looked for again later");
            return Err(Unresolved::Again);
        }
        history.older = false;
        let page = client.type_history(self.kind, from(history.round), Some(PAGE)).await.map_err(unread)?;
        history.first = Top::of(&page)?;
        Ok(Some(page))
    }
}
