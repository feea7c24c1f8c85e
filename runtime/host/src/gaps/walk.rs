//! Going through what changed of a type, page by page, by the means that the source was proved to have.

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
/// A history has every version and every delete, and its pages pass nothing over: what is added meanwhile moves entries to later pages. Without one a
/// search by time has the resources that are there, each at its newest version.
pub(super) struct Walk<'a> {
    entry: &'a SourceEntry,
    kind: &'a ResourceType,
    since: Option<Timestamp>,
    upto: Option<Timestamp>,
    by_history: bool,
    next: Option<Next>,
    date: Option<Timestamp>,
    pages: usize,
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
        let way = |page: Page, by_history| Self {
            date: page.date,
            entry,
            kind,
            since,
            upto: None,
            by_history,
            next: Some(Next::Read(Box::new(page))),
            pages: 0,
        };
        if proved != Some(false) {
            match entry.client.type_history(kind, since, Some(PAGE)).await {
                Ok(page) => return Ok(way(page, true)),
                // One that was proved to have a history and now refuses it must not pass for one that has none: deletes would be lost.
                Err(error)
                    if proved.is_none()
                        && matches!(error.kind, FhirErrorKind::NotFound | FhirErrorKind::Refused | FhirErrorKind::Invalid) => {}
                Err(error) => return Err(unread(error)),
            }
        }
        let page = entry.client.search(kind, &window::query(since, None, PAGE)).await.map_err(unread)?;
        Ok(way(page, false))
    }

    /// The source's clock at the first page.
    pub(super) const fn date(&self) -> Option<Timestamp> {
        self.date
    }

    /// Whether it shows every version.
    pub(super) const fn by_history(&self) -> bool {
        self.by_history
    }

    /// The next page; `None` at the end.
    pub(super) async fn page(&mut self) -> Result<Option<Vec<Found>>, Unresolved> {
        let client = &self.entry.client;
        let page = match self.next.take() {
            None => return Ok(None),
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
        let found: Vec<Found> = if self.by_history {
            page.history().map_err(unread)?.into_iter().map(Found::of_history).collect()
        } else {
            let found = page.matches().map_err(unread)?;
            found.into_iter().map(Found::of_search).collect::<Result<_, _>>().map_err(unread)?
        };
        let times: Vec<Option<Timestamp>> = found.iter().map(|one| one.last_updated).collect();
        let bound = if self.by_history { None } else { window::upto(&times, self.upto) };
        self.next = page.next.map(|link| bound.map_or(Next::Link(link), Next::Upto));
        Ok(Some(found))
    }
}
